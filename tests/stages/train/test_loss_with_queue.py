"""Training with online instance matching: without a queue the repelled loss, with one something else, and it goes on."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny_training import Kept, digest, tiny_model, trained


def test_without_a_queue_training_is_that_of_the_repelled_loss() -> None:
    results = [trained(tiny_model(), np.arange(20), **fields) for fields in ({}, {"loss": "oim", "queue_size": 0})]
    np.testing.assert_allclose(results[1].loss, results[0].loss, rtol=1e-4)
    np.testing.assert_allclose(results[1].lookup_table, results[0].lookup_table, atol=1e-4)


def test_the_queue_adds_negatives_from_the_second_step_on() -> None:
    plain, queued = (
        trained(tiny_model(), np.arange(20), epochs=1, learning_rate=0.0, **fields)
        for fields in ({}, {"loss": "oim", "queue_size": 50})
    )
    assert queued.loss[0] == pytest.approx(plain.loss[0], rel=1e-6)
    assert (queued.loss[1:] > plain.loss[1:]).all()


def test_images_each_their_own_class_are_told_apart() -> None:
    result = trained(tiny_model(), np.arange(40), epochs=30, loss="oim", queue_size=64)
    assert float(result.accuracy[-5:].mean()) > 0.9


def test_training_goes_on_from_a_state_with_its_queue_to_the_last_bit() -> None:
    fields = {"loss": "oim", "queue_size": 13}
    kept, model, again = Kept(steps={4}), tiny_model(dropout=0.5), tiny_model(dropout=0.5)
    whole = trained(model, np.arange(20), options={"checkpoints": kept}, **fields)
    assert kept.states[4]["queue/n_pushed"] == 28
    rest = trained(again, np.arange(20), options={"resumed": kept.states[4]}, **fields)
    assert digest(again, rest) == digest(model, whole)
    emptied = {**kept.states[4], "queue/n_pushed": np.array(0)}
    other = tiny_model(dropout=0.5)
    assert digest(other, trained(other, np.arange(20), options={"resumed": emptied}, **fields)) != digest(model, whole)
