"""A recorded backbone trains as the plain one does, to the last bit; recordings are played by doing the work again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from stages.train import loop
from stages.train.backbone_graphs import MOST_PIXELS, RecordedNetwork, recorded, without_search
from tests.played_again import Again
from tests.tiny_training import CPU, digest, tiny_model, trained


@pytest.mark.parametrize("fields", [{}, {"loss": "softmax", "triplet": 1.0}, {"freeze_through": "0"}], ids=str)
def test_a_recorded_backbone_trains_as_the_plain_one_and_a_short_batch_goes_beside_it(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, object]
) -> None:
    labels, recorder = np.arange(20) % 7, Again()
    plain = tiny_model(dropout=0.5)
    expected = digest(plain, trained(plain, labels, **fields))

    def with_recording(model, network, *, shape, n_steps, device):  # type: ignore[no-untyped-def]
        assert (shape, n_steps) == ((8, 3, 16, 16), 6)
        return RecordedNetwork(model, network, shape=shape, device=device, recorder=recorder)

    monkeypatch.setattr(loop, "recorded", with_recording)
    model = tiny_model(dropout=0.5)
    assert digest(model, trained(model, labels, **fields)) == expected
    # two epochs of two whole batches and one of 4, forward and backward
    assert recorder.n_replays == 2 * 2 * 2


def test_recording_is_for_small_batches_on_a_gpu_and_many_steps() -> None:
    model = tiny_model()
    network = model.pool
    for device, n_steps, height in (("cpu", 1000, 16), ("cuda", 3, 16), ("cuda", 1000, MOST_PIXELS)):
        options = {"shape": (8, 3, height, 16), "n_steps": n_steps, "device": torch.device(device)}
        assert recorded(model, network, **options) is network  # type: ignore[arg-type]
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    options = {"shape": (8, 3, 16, 16), "n_steps": 1000, "device": torch.device("cuda")}
    assert recorded(model, network, **options) is network  # type: ignore[arg-type]


def test_a_parameter_that_the_features_do_not_depend_on_keeps_no_gradient() -> None:
    model = tiny_model()
    model.backbone.unused = nn.Parameter(torch.ones(3))
    network = RecordedNetwork(model, model.pool, shape=(2, 3, 16, 16), device=CPU, recorder=Again())
    network(torch.rand(2, 3, 16, 16)).sum().backward()
    assert model.backbone.unused.grad is None
    assert all(p.grad is not None for name, p in model.backbone.named_parameters() if name != "unused")


@pytest.mark.parametrize(
    ("device", "is_short", "expected"), [("cuda", True, False), ("cuda", False, True), ("cpu", True, True)]
)
def test_cudnn_is_not_asked_for_a_short_batch_on_a_gpu(device: str, is_short: bool, expected: bool) -> None:
    with without_search(torch.device(device), is_short=is_short):
        assert torch.backends.cudnn.enabled is expected
    assert torch.backends.cudnn.enabled


def test_a_batch_is_short_if_it_has_fewer_samples_than_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[bool] = []
    plain = loop.without_search

    def seen(device, *, is_short):  # type: ignore[no-untyped-def]
        found.append(is_short)
        return plain(device, is_short=is_short)

    monkeypatch.setattr(loop, "without_search", seen)
    trained(tiny_model(), np.arange(20) % 7)
    assert found == [False, False, True] * 2
