"""Association learning: its loss and its anchors by plain loops, and what it learns of two cameras."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.nn.association import association_loss, move_anchors, partners
from stages.typing import Float64Array
from tests.tiny_training import tiny_model, trained


def unit(rows: Float64Array) -> Float64Array:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def plain_partner(anchors: Float64Array, cameras: list[int], own: int) -> int | None:
    def nearest(of: int, among: list[int]) -> int:
        return min(among, key=lambda k: (float(np.linalg.norm(anchors[of] - anchors[k])), k))

    others = [k for k in range(len(anchors)) if cameras[k] != cameras[own]]
    if not others:
        return None
    match = nearest(own, others)
    back = nearest(match, [k for k in range(len(anchors)) if cameras[k] == cameras[own]])
    return match if back == own else None


def plain_loss(
    embedding: Float64Array, anchors: Float64Array, labels: list[int], cameras: list[int], across: bool
) -> float:
    embedding, anchors = unit(embedding), unit(anchors)
    losses = []
    for feature, own in zip(embedding, labels, strict=True):
        wrong = [np.linalg.norm(feature - a) for k, a in enumerate(anchors) if k != own and cameras[k] == cameras[own]]
        if not wrong:
            losses.append(0.0)
            continue
        loss = max(0.0, np.linalg.norm(feature - anchors[own]) - min(wrong) + 0.5)
        match = plain_partner(anchors, cameras, own) if across else None
        if match is not None:
            joint = unit((anchors[own] + anchors[match]) / 2)
            loss += max(0.0, np.linalg.norm(feature - joint) - min(wrong) + 0.5)
        losses.append(float(loss))
    return float(np.mean(losses))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("across", [False, True])
def test_the_loss_is_that_of_plain_loops(seed: int, across: bool) -> None:
    generator = np.random.default_rng(seed)
    anchors, embedding = generator.normal(size=(9, 5)), generator.normal(size=(7, 5))
    labels, cameras = generator.integers(0, 9, 7), generator.integers(0, 3, 9)
    cameras[8] = 7
    loss, _ = association_loss(
        *(torch.from_numpy(array) for array in (embedding, anchors, labels, cameras)), across=across
    )
    assert loss.item() == pytest.approx(
        plain_loss(embedding, anchors, labels.tolist(), cameras.tolist(), across), abs=1e-5
    )


@pytest.mark.parametrize("seed", range(6))
def test_partners_are_those_of_plain_loops(seed: int) -> None:
    generator = np.random.default_rng(seed)
    anchors, cameras = unit(generator.normal(size=(10, 4))), generator.integers(0, 2 + seed % 3, 10).tolist()
    found = partners(torch.from_numpy(anchors), torch.tensor(cameras)).tolist()
    assert found == [-1 if (k := plain_partner(anchors, cameras, i)) is None else k for i in range(10)]


def test_one_camera_has_no_partners() -> None:
    assert partners(torch.eye(3), torch.zeros(3, dtype=torch.int64)).tolist() == [-1, -1, -1]


def test_anchors_move_in_batch_order() -> None:
    anchors = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    move_anchors(anchors, torch.tensor([[0.0, 3.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    first = np.array([2.0, 0]) - 0.5 * (np.array([1.0, 0]) - [0, 1])
    second = first - 0.5 * (unit(first) - [0, 1])
    assert anchors[0].tolist() == pytest.approx(second.tolist(), abs=1e-6)
    assert anchors[1].tolist() == [0, 1]


def test_it_tells_the_samples_of_a_camera_apart() -> None:
    cameras = np.arange(24) % 2
    result = trained(tiny_model(), np.arange(24), epochs=30, loss="dal", cameras=cameras)
    assert result.loss[-3:].mean() < 0.5 * result.loss[:3].mean()
    assert float(result.accuracy[-3:].mean()) > 0.9
