"""A compiled backbone trains alike, but for last bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.train import loop
from tests.tiny_training import tiny_model, trained


@pytest.mark.slow
def test_a_compiled_backbone_gives_the_losses_of_a_plain_one_to_rounding() -> None:
    plain, compiled = (
        trained(tiny_model(dropout=0.5), np.arange(20) % 7, options={"compiled": compiled}).loss
        for compiled in (False, True)
    )
    np.testing.assert_allclose(compiled, plain, rtol=1e-4)


@pytest.mark.parametrize(("graphs", "mode", "n_begun"), [(True, "reduce-overhead", 3), (False, None, 0)])
def test_on_a_gpu_each_step_of_a_compiled_network_begins_a_replay_of_its_graph(
    monkeypatch: pytest.MonkeyPatch, graphs: bool, mode: str | None, n_begun: int
) -> None:
    options, begun = [], []
    monkeypatch.setattr(torch, "compile", lambda network, **given: options.append(given) or network)
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: begun.append(1))
    model, images = tiny_model().eval(), torch.rand(2, 3, 16, 16)
    network = loop._compiled(model.pool, n_images=2, graphs=graphs)
    for _ in range(3):
        torch.testing.assert_close(network(images), model.pool(images))
    assert options == [{"dynamic": False, "mode": mode}]
    assert len(begun) == n_begun


def test_a_short_batch_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def compiled(network, **_):  # type: ignore[no-untyped-def]
        return lambda images: seen.append(len(images)) or network(images)

    monkeypatch.setattr(torch, "compile", compiled)
    plain, found = (
        trained(tiny_model(), np.arange(20) % 7, options={"compiled": compiled}).loss for compiled in (False, True)
    )
    assert seen == [8, 8] * 2
    np.testing.assert_array_equal(found, plain)
