"""Training taken up from any state that was kept ends as if it had never stopped, to the last bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from stages.errors import DbcError
from stages.train.images.frames import TrainSamples
from stages.train.images.sources import HostFrames
from tests.tiny_training import CPU, Kept, blotches, digest, image_samples, tiny_model, trained

LABELS = np.arange(20) % 7
OPTIONS = {
    "as published": {},
    "adam": {"optimizer": "adam", "learning_rate": 0.01},
    "no momentum": {"momentum": 0.0},
    "every option": {
        "lr_schedule": "cosine",
        "warmup_epochs": 0.5,
        "clip_norm": 0.5,
        "random_erasing": 0.5,
        "color_jitter": 0.3,
        "norm_statistics": "stored",
    },
    "frozen": {"freeze_through": "1"},
    "instance matching": {"loss": "oim", "queue_size": 12},
    "a classifier": {"loss": "softmax"},
    "exclusive classes, and weights": {"loss": "softmax", "exclusive": True},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_going_on_from_any_step_gives_the_bits_of_the_undisturbed_run(name: str) -> None:
    kept, undisturbed = Kept(), tiny_model(dropout=0.5)
    labels = np.array([*LABELS, -1, -2, -3]) if "exclusive" in OPTIONS[name] else LABELS
    weights = np.linspace(0, 1, len(labels), dtype=np.float32) if "exclusive" in OPTIONS[name] else None
    asked = {"samples": replace(image_samples(labels), weights=weights), **OPTIONS[name]}
    expected = digest(undisturbed, trained(undisturbed, labels, options={"checkpoints": kept}, **asked))
    # 3 steps an epoch; the last step of all is the artifact's
    assert sorted(kept.states) == [1, 2, 3, 4, 5]
    for arrays in kept.states.values():
        torch.rand(3)
        model = tiny_model(dropout=0.5)
        result = trained(model, labels, options={"resumed": arrays}, **asked)
        assert digest(model, result) == expected


def test_keeping_states_changes_nothing() -> None:
    digests = set()
    for options in ({}, {"checkpoints": Kept()}, {"checkpoints": Kept(steps=set())}):
        model = tiny_model(dropout=0.5)
        digests.add(digest(model, trained(model, LABELS, options=options)))
    assert len(digests) == 1


def test_tracklets_go_on_too() -> None:
    frames = HostFrames(blotches(60), CPU)
    samples = TrainSamples(np.arange(0, 60, 3), np.array([1, 2, 3, 3, 3] * 4), LABELS)
    kept, model = Kept(steps={2}), tiny_model(dropout=0.5)
    result = trained(model, LABELS, source=frames, samples=samples, options={"checkpoints": kept}, frames=2)
    again = tiny_model(dropout=0.5)
    taken_up = trained(again, LABELS, source=frames, samples=samples, options={"resumed": kept.states[2]}, frames=2)
    assert digest(again, taken_up) == digest(model, result)


def test_a_state_holds_the_losses_so_far_and_health_is_that_of_the_whole_epoch() -> None:
    kept = Kept(steps={5})
    undisturbed = trained(tiny_model(), LABELS, options={"checkpoints": kept})
    assert kept.states[5]["record"].shape == (5, 2)
    assert trained(tiny_model(), LABELS, options={"resumed": kept.states[5]}).health == undisturbed.health


def test_a_state_that_is_not_finite_is_not_kept_and_the_last_good_one_is_named() -> None:
    kept = Kept()
    with pytest.raises(
        DbcError, match=r"loss must be finite, got nan at step \d+ of 12.*; the checkpoint of step (\d+) is kept$"
    ) as caught:
        trained(tiny_model(), LABELS, epochs=4, learning_rate=1e6, options={"checkpoints": kept})
    assert "\n" not in str(caught.value)
    for arrays in kept.states.values():
        assert all(np.isfinite(array).all() for name, array in arrays.items() if name.startswith(("model/", "memory")))
