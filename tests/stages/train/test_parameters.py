"""Parameters that came later leave the keys of what was asked for before as they were."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

import dbc_cli.app  # noqa: F401 — declares the flags
from dbc_cli.problems import problem_of
from schemas.parameters import TrainParameters
from stages.runs.store.digests import content_key

FIRST = {"stage": 1, "recipe": "auto", "epochs": 2, "learning_rate": 0.1}
LATER = {
    "optimizer": "adam",
    "clip_norm": 1.0,
    "lr_schedule": "cosine",
    "warmup_epochs": 0.5,
    "random_erasing": 0.5,
    "color_jitter": 0.2,
    "frames": 16,
    "freeze_through": "layer2",
    "loss": "oim",
    "queue_size": 100,
    "whiten": 16,
    "memory_momentum": 0.2,
    "restart": True,
    "supervised": True,
    "triplet": 0.5,
    "method": "tj-aidl",
    "silhouette_above": 0,
    "exclusive": True,
    "mirror": False,
}
NEEDED = {"exclusive": {"loss": "softmax"}}


def key(**fields: object) -> str:
    parameters = TrainParameters.model_validate(FIRST | fields)
    return content_key("model", schema_version=1, parameters=parameters.request(), parent_ids=["a"])


def test_the_key_of_an_old_request_is_what_it_was() -> None:
    assert key() == "301bcd088371f88b53170ccae8a364198d6406ec76c2976b4321349020ad4d07"


def test_every_later_parameter_changes_the_key_once_it_is_given() -> None:
    assert LATER.keys() == TrainParameters.added_later.keys()
    keys = {key(**NEEDED.get(name, {}), **{name: value}) for name, value in LATER.items()}
    assert len(keys | {key(), key(loss="softmax")}) == len(LATER) + 2


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"clip_norm": 0}, "--clip-norm must be above 0, got 0"),
        ({"warmup_epochs": -1}, "--warmup-epochs must be at least 0, got -1"),
        ({"random_erasing": 1.5}, "--random-erasing must be at most 1, got 1.5"),
        ({"color_jitter": -0.1}, "--color-jitter must be at least 0, got -0.1"),
        ({"frames": 0}, "--frames must be at least 1, got 0"),
        (
            {"lr_schedule": "cosine", "decay_after": 3},
            "--lr-schedule cosine needs no --decay-after, got --decay-after 3",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_told_in_one_line(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TrainParameters.model_validate(FIRST | fields)
    line = problem_of(caught.value)
    assert line is not None
    assert line.startswith(told)
    assert "\n" not in line
