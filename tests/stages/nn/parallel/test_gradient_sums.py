"""Buckets of gradients: what is in them, when they are sent, and in which order."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from stages.nn.parallel import gradient_sums
from stages.nn.parallel.gradient_sums import GradientSums

BYTES_OF_TWO_LAYERS = 2 * 4 * (3 * 3 + 3)


class Tripled:
    """A sum over three processes that all have the same; it is there once it is waited for."""

    sent: ClassVar[list[int]] = []

    def __init__(self, values: Tensor) -> None:
        self._values = values
        Tripled.sent.append(values.numel())

    def wait(self) -> None:
        self._values *= 3


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient_sums, "StartedSum", Tripled)
    monkeypatch.setattr(gradient_sums, "BUCKET_BYTES", BYTES_OF_TWO_LAYERS)
    monkeypatch.setattr(Tripled, "sent", [])


def layers(n: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(*(nn.Linear(3, 3) for _ in range(n)))


def gradients(network: nn.Module) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]


def test_buckets_are_sent_during_backward_and_hold_the_sums_after_it() -> None:
    network, rows = layers(5), torch.ones(2, 3)
    network(rows).square().sum().backward()
    own = gradients(network)
    sums = GradientSums(partial=network.parameters(), whole=[], rank=1)
    for _ in range(2):
        network.zero_grad()
        Tripled.sent.clear()
        with sums.watching():
            network(rows).square().sum().backward()
            # two layers, two layers, and the first
            assert Tripled.sent == [24, 24, 12]
            assert all(torch.equal(a, b) for a, b in zip(gradients(network), own, strict=True))
            sums.finish()
        assert len(Tripled.sent) == 3
        assert all(torch.equal(a, 3 * b) for a, b in zip(gradients(network), own, strict=True))


def test_what_takes_no_part_in_a_step_holds_the_buckets_after_it_back_until_the_end() -> None:
    network, rows = layers(5), torch.ones(2, 3)
    sums = GradientSums(partial=network.parameters(), whole=[], rank=0)
    with sums.watching():
        network[:4](rows).sum().backward()
        assert Tripled.sent == []
        sums.finish()
    assert Tripled.sent == [12, 24, 12]
    assert all(parameter.grad is None for parameter in network[4].parameters())


@pytest.mark.parametrize(("rank", "times"), [(0, 3), (1, 0)])
def test_gradients_alike_on_all_become_the_leaders(rank: int, times: int) -> None:
    backbone, head, rows = layers(2), layers(1), torch.ones(2, 3)
    head(backbone(rows)).sum().backward()
    own, own_head = gradients(backbone), gradients(head)
    backbone.zero_grad()
    head.zero_grad()
    sums = GradientSums(partial=backbone.parameters(), whole=head.parameters(), rank=rank)
    with sums.watching():
        head(backbone(rows)).sum().backward()
        sums.finish()
    assert all(torch.equal(a, 3 * b) for a, b in zip(gradients(backbone), own, strict=True))
    # those of others count as zeros in the sum
    assert all(torch.equal(a, times * b) for a, b in zip(gradients(head), own_head, strict=True))


def test_frozen_parameters_are_left_alone() -> None:
    network = layers(3)
    for parameter in network[0].parameters():
        parameter.requires_grad = False
    sums = GradientSums(partial=network.parameters(), whole=[], rank=0)
    with sums.watching():
        network(torch.ones(2, 3)).sum().backward()
        sums.finish()
    assert Tripled.sent == [24]


def test_nothing_watches_after_the_end() -> None:
    network = layers(2)
    sums = GradientSums(partial=network.parameters(), whole=[], rank=0)
    with sums.watching():
        pass
    network(torch.ones(2, 3)).sum().backward()
    assert Tripled.sent == []
