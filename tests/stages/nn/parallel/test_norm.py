"""Which batch norm processes share, and that it is the network's own in all but its sums."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch import nn

from stages.nn.parallel.norm import norm_of_all, shared_norm


def test_nccl_takes_torchs_own_norm_with_the_weights_and_statistics_of_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dist, "get_backend", lambda: "nccl")
    norm = nn.BatchNorm2d(3, eps=1e-3, momentum=0.3)
    own = norm_of_all(norm).__self__
    assert isinstance(own, nn.SyncBatchNorm)
    assert (own.eps, own.momentum, own.training) == (1e-3, 0.3, True)
    for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        assert getattr(own, name) is getattr(norm, name)


def test_in_one_process_torchs_own_norm_gives_and_keeps_what_the_network_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "get_backend", lambda: "nccl")
    images = torch.randn(5, 3, 4, 4)
    plain, norm = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    torch.testing.assert_close(norm_of_all(norm)(images), plain(images))
    for (name, kept), expected in zip(norm.named_buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(kept, expected, msg=name)


def test_gloo_takes_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "get_backend", lambda: "gloo")
    assert norm_of_all(nn.BatchNorm2d(3)).func.__wrapped__ is shared_norm
