"""What is drawn from a seed does not depend on what other threads, or whoever calls, draw."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import nn

from schemas.parameters import InitParameters
from stages.nn.backbones import register
from stages.nn.seeded import seeded


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
