"""Training: it learns, repeats to the last bit, and says when it cannot go on."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from schemas.parameters import TrainParameters
from stages.errors import DbcError, UsageError
from stages.nn.camera_norm import CameraStatistics, by_camera, camera_norm_of
from stages.nn.images import InputForm
from stages.nn.model.head import EmbeddingHead
from stages.nn.model.network import ReidModel, model_arrays
from stages.train import loop
from stages.train.images.draws import Draw
from stages.train.images.frames import TrainSamples
from stages.train.images.sources import HostFrames
from stages.train.loop import StepDone
from stages.train.state import State
from stages.train.step import Stepped
from tests.tiny_training import CPU, blotches, digest, tiny_model, tiny_parameters, trained


def test_forty_images_each_its_own_class_are_told_apart() -> None:
    result = trained(tiny_model(), np.arange(40), epochs=30)
    assert result.loss.shape == result.accuracy.shape == (30 * 5,)
    assert float(result.accuracy[-5:].mean()) > 0.9
    assert float(result.loss[-5:].mean()) < 0.5 * float(result.loss[:5].mean())
    assert result.health.warnings() == ()


def _digest() -> str:
    model = tiny_model(dropout=0.5)
    return digest(model, trained(model, np.arange(20) % 7))


def test_a_seed_gives_the_same_bits_in_another_process_and_whatever_was_drawn_before() -> None:
    torch.rand(3)
    program = "import runpy, sys; print(runpy.run_path(sys.argv[1])['_digest']())"
    threads = str(torch.get_num_threads())
    answer = subprocess.run(
        [sys.executable, "-c", f"import torch; torch.set_num_threads({threads}); {program}", __file__],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == _digest()


def test_another_seed_or_stage_gives_other_weights() -> None:
    weights = []
    for fields in ({"seed": 0}, {"seed": 1}, {"stage": 1}):
        model = tiny_model()
        trained(model, np.arange(20) % 7, **fields)
        weights.append(model_arrays(model)["head/linear.weight"])
    assert not np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_the_global_generator_is_left_alone() -> None:
    state = torch.random.get_rng_state()
    trained(tiny_model(dropout=0.5), np.arange(16))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_progress_counts_every_step_and_image() -> None:
    steps: list[StepDone] = []
    result = trained(tiny_model(), np.arange(20), options={"on_step": steps.append})
    assert [step.step for step in steps] == list(range(1, 7))
    assert [step.epoch for step in steps] == [0, 0, 0, 1, 1, 1]
    assert [step.n_images for step in steps] == [8, 16, 20, 28, 36, 40]
    assert {step.n_steps for step in steps} == {6}
    np.testing.assert_array_equal(np.float32([step.loss for step in steps]), result.loss)


def test_backbone_rate_zero_leaves_backbone_parameters_and_trains_the_head() -> None:
    model, before = tiny_model(), model_arrays(tiny_model())
    trained(model, np.arange(16), backbone_rate=0.0)
    after = model_arrays(model)
    assert np.array_equal(after["backbone/0.weight"], before["backbone/0.weight"])
    assert not np.array_equal(after["head/linear.weight"], before["head/linear.weight"])


def test_stored_norm_statistics_stay_while_the_weights_beside_them_learn() -> None:
    before = model_arrays(tiny_model())
    for statistics, kept in (("stored", True), ("batch", False)):
        model = tiny_model()
        trained(model, np.arange(16), norm_statistics=statistics)
        after = model_arrays(model)
        for name in ("backbone/1.running_mean", "backbone/1.running_var", "backbone/1.num_batches_tracked"):
            assert np.array_equal(after[name], before[name]) == kept
        assert not np.array_equal(after["backbone/1.weight"], before["backbone/1.weight"])
        assert not np.array_equal(after["head/norm.running_mean"], before["head/norm.running_mean"])


def test_no_epochs_change_nothing_and_say_nothing() -> None:
    model, before = tiny_model(), model_arrays(tiny_model())
    result = trained(model, np.arange(16), epochs=0)
    assert len(result.loss) == 0
    assert result.health.last_loss is result.health.feature_spread is None
    assert result.health.warnings() == ()
    assert all(np.array_equal(value, before[name]) for name, value in model_arrays(model).items())


def test_samples_are_found_by_their_frames() -> None:
    images, labels = blotches(30), np.arange(16) % 5
    chosen = np.random.default_rng(0).permutation(30)[:16]
    ones = np.ones(16, dtype=np.int64)
    results = [
        trained(tiny_model(), labels, source=HostFrames(source, CPU), samples=TrainSamples(first, ones, labels))
        for source, first in ((images, chosen), (images[chosen], np.arange(16)))
    ]
    assert np.array_equal(results[0].lookup_table, results[1].lookup_table)


def test_an_input_size_other_than_the_stored_one_trains() -> None:
    model = tiny_model()
    model.input_form = InputForm(24, 12)
    assert np.isfinite(trained(model, np.arange(16)).loss).all()


def test_lower_precision_trains_too() -> None:
    assert np.isfinite(trained(tiny_model(), np.arange(16), amp=True).loss).all()


class _Broken(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3)) * torch.nan


def test_a_loss_that_is_not_finite_stops_with_the_next_step() -> None:
    model = ReidModel(_Broken(), EmbeddingHead(3, 32))
    with pytest.raises(DbcError, match=r"loss must be finite, got nan at step 1 of 4; lower `learning_rate`"):
        trained(model, np.arange(16))


def test_weights_that_the_last_step_breaks_are_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    # beyond what the parameters allow: a step that takes every weight to infinity
    beyond = {"learning_rate": 1e38, "weight_decay": 1e10}
    broken = TrainParameters.model_construct(**dict(tiny_parameters(epochs=1)) | beyond)
    monkeypatch.setattr("tests.tiny_training.tiny_parameters", lambda: broken)
    steps: list[StepDone] = []
    with pytest.raises(
        DbcError, match=r"weights and look-up table must be finite, .* at step 1 of 1; lower `learning_rate`"
    ):
        trained(tiny_model(), np.arange(8), options={"on_step": steps.append})
    assert np.isfinite(steps[0].loss)


@pytest.mark.parametrize(
    ("n_samples", "batch_size", "told"),
    [(1, 8, "at least 2 samples, got 1"), (4, 1, "`batch_size` must be at least 2 for batch norm, got 1")],
)
def test_one_sample_a_batch_is_refused(n_samples: int, batch_size: int, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        trained(tiny_model(), np.arange(n_samples), batch_size=batch_size)


class _Constant(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3)) * 0 + torch.tensor([1.0, 2.0, 2.0])


def test_collapse_is_told_by_its_signs() -> None:
    result = trained(ReidModel(_Constant(), EmbeddingHead(3, 32)), np.arange(16), learning_rate=0.0)
    assert result.health.feature_spread == pytest.approx(0, abs=1e-6)
    lines = result.health.warnings()
    assert len(lines) == 2
    assert "ln 16 = 2.773" in lines[0]
    assert "features have collapsed to a single point" in lines[1]


@pytest.mark.parametrize("frames", [None, 2])
def test_every_step_says_of_which_cameras_its_images_are(frames: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    model, places, seen = tiny_model(), np.arange(20) % 3, []
    samples = TrainSamples(2 * np.arange(20), np.full(20, 2), np.arange(20) % 7, places=places)
    statistics = CameraStatistics(np.array([1, 2]), np.zeros((2, 16)), np.ones((2, 16)), 0.5)
    step = loop.train_step

    def watched(state: State, draw: Draw, images: Tensor, **others: Any) -> Stepped:
        norm = camera_norm_of(model.backbone)
        assert norm is not None
        np.testing.assert_array_equal(norm.camera[: len(images)], np.repeat(places[draw.samples], frames or 1))
        seen.append(len(images))
        return step(state, draw, images, **others)

    monkeypatch.setattr(loop, "train_step", watched)
    with by_camera(model, statistics):
        given = {} if frames is None else {"frames": frames}
        trained(model, samples.labels, source=HostFrames(blotches(40), CPU), samples=samples, epochs=1, **given)
    assert sum(seen) == 20 * (frames or 1)
    assert camera_norm_of(model.backbone) is None
