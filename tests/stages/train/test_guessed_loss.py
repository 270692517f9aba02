"""What guessing gives, by loss: a loss that is as high says that clusters were not learned."""

from __future__ import annotations

import math

import pytest

from stages.train.health import Health, guessed_loss, is_as_guessing
from tests.tiny_training import tiny_parameters


@pytest.mark.parametrize(
    ("given", "n_clusters", "guessed"),
    [
        ({}, 8, math.log(8)),
        ({"loss": "softmax", "exclusive": True}, 8, math.log(8)),
        # of 3 steps of 16 the queue holds 40, of one 16
        ({"loss": "oim", "queue_size": 40}, 8, math.log(48)),
        ({"loss": "oim", "queue_size": 5000}, 8, math.log(8 + 3 * 16)),
        ({"loss": "dal"}, 8, None),
        ({}, 1, None),
    ],
)
def test_guessing_is_among_all_that_the_loss_knows(given: dict, n_clusters: int, guessed: float | None) -> None:
    parameters = tiny_parameters(batch_size=16, **given)
    found = guessed_loss(parameters, n_clusters, n_steps=3)
    assert found == (None if guessed is None else pytest.approx(guessed))
    assert is_as_guessing(3.9, found) == (guessed is not None and guessed < 3.95)
    assert not is_as_guessing(None, found)


def test_what_learned_nothing_is_told_what_to_try_and_what_there_was_before() -> None:
    (told,) = Health(guessed=math.log(8), last_loss=2.1, feature_spread=0.5).warnings()
    assert told.endswith("before it: dbc extract --stage init && dbc merge --n-clusters auto --from-stage init")
