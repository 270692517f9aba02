"""What is drawn from a seed does not depend on what other threads, or whoever calls, draw."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from schemas.parameters import InitParameters
from stages.nn.backbones import register
from stages.nn.model.network import build_model, load_model_arrays, model_arrays
from stages.nn.seeded import Undrawn, seeded


def drawn(seed: int) -> list[float]:
    with seeded(seed):
        found: list[float] = torch.rand(2).tolist()
        with seeded(seed + 1):
            torch.rand(3)
        return found + torch.rand(1).tolist()


def test_generators_are_as_before_within_and_after() -> None:
    before = torch.get_rng_state()
    alone = torch.rand(3, generator=torch.Generator().manual_seed(3)).tolist()
    assert drawn(3) == alone
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_that_another_thread_builds_meanwhile_changes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[threading.Thread] = []

    class Provider:
        def build(self, parameters: InitParameters) -> tuple[Any, int]:
            if parameters.seed == 0:
                others.append(threading.Thread(target=register.build_backbone, args=(InitParameters(seed=1),)))
                others[-1].start()
                others[-1].join(timeout=0.05)
            return nn.Parameter(torch.rand(2)), 2

    monkeypatch.setattr(register, "provider_of", lambda _: Provider())
    before = torch.get_rng_state()
    built: Any = register.build_backbone(InitParameters(seed=0))[0]
    others[0].join()
    assert built.tolist() == torch.rand(2, generator=torch.Generator().manual_seed(0)).tolist()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("backbone", ["resnet10", "mobilenet_v3_small", "googlenet"])
def test_weights_that_are_read_next_are_not_drawn_and_the_model_is_the_same(backbone: str) -> None:
    parameters = InitParameters(backbone=backbone, weights="none", embedding_dim=8, seed=4)
    before = torch.get_rng_state()
    drawn = build_model(parameters)
    with Undrawn():
        undrawn = build_model(parameters)
    assert torch.equal(torch.get_rng_state(), before)
    weights = {name: float(value.detach().abs().max()) for name, value in undrawn.named_parameters() if value.dim() > 1}
    assert weights
    assert not any(weights.values())
    arrays = model_arrays(drawn)
    assert any(array.any() for array in arrays.values() if array.ndim > 1)
    load_model_arrays(undrawn, arrays)
    for name, array in model_arrays(undrawn).items():
        np.testing.assert_array_equal(array, arrays[name])
