"""Silhouettes across cameras and camera mixing, against plain loops over pairs."""

from __future__ import annotations

import numpy as np
import pytest

from stages.loop.choice.across_cameras import CameraSums, camera_mixing, has_cameras
from stages.samples import UNKNOWN
from stages.typing import Float32Array, Float64Array, Int32Array, Int64Array


def drawn(seed: int, n: int = 50, n_cameras: int = 3) -> tuple[Float32Array, Int64Array, Int32Array]:
    """Unit rows, labels of clusters of which some are of one camera, and cameras."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(12, size=n)
    rows = generator.normal(size=(12, 5))[labels] + generator.normal(size=(n, 5))
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit, labels, generator.integers(n_cameras, size=n).astype(np.int32)


def by_loops(unit: Float32Array, labels: Int64Array, camid: Int32Array) -> Float64Array:
    distance = 1 - unit.astype(np.float64) @ unit.T.astype(np.float64)
    found = np.zeros(len(unit))
    for i in range(len(unit)):
        means = {}
        for label in np.unique(labels):
            others = np.flatnonzero((labels == label) & (camid != camid[i]))
            if len(others):
                means[label] = distance[i, others].mean()
        within = means.pop(labels[i], None)
        if within is not None and means:
            nearest = min(means.values())
            found[i] = (nearest - within) / max(nearest, within)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_silhouettes_are_those_of_loops_whatever_the_block(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    unit, labels, camid = drawn(seed, n_cameras=(3, 20)[seed // 3])
    monkeypatch.setattr("stages.loop.choice.across_cameras.BLOCK", (1024, 7)[seed % 2])
    everyone, some = np.arange(len(unit)), np.arange(3, len(unit), 4)[::-1]
    at_once = CameraSums.of(unit, labels, camid)
    # single samples, then pairs of clusters or less, then those
    by_steps = CameraSums.of(unit, np.arange(len(unit)), camid).joined(2 * labels + everyone % 2).joined(labels)
    # every camera is another one, and each sample counts itself
    whole = (by_loops(unit, labels, -1 - everyone), by_loops(unit, labels, camid))
    for sums in (at_once, by_steps):
        for samples in (everyone, some):
            for found, oracle in zip(sums.silhouettes(unit, camid, samples), whole, strict=True):
                assert found == pytest.approx(oracle[samples], abs=1e-5)


def test_clusters_of_one_camera_have_none_across_and_single_samples_and_one_cluster_have_none_at_all() -> None:
    unit, _, camid = drawn(1)
    everyone = np.arange(len(unit))
    assert not CameraSums.of(unit, camid, camid).silhouettes(unit, camid, everyone)[1].any()
    for labels in (everyone, 0 * everyone):
        for found in CameraSums.of(unit, labels, camid).silhouettes(unit, camid, everyone):
            assert not found.any()
    for found in CameraSums.of(unit, everyone, camid).silhouettes(unit, camid, everyone[:0]):
        assert found.shape == (0,)


@pytest.mark.parametrize("seed", range(4))
def test_camera_mixing_is_that_of_a_loop(seed: int) -> None:
    unit, _, camid = drawn(seed)
    if seed % 2:
        camid[::9] = UNKNOWN
    others: list[bool] = []
    known = np.flatnonzero(camid != UNKNOWN)
    for i in known:
        order = [j for j in np.argsort(-(unit @ unit[i]), kind="stable") if j != i][:10]
        others += [camid[j] != camid[i] for j in order if camid[j] != UNKNOWN]
    chance = np.mean([camid[i] != camid[j] for i in known for j in known if i != j])
    found = camera_mixing(unit, camid, known)
    assert found == pytest.approx(np.mean(others) / chance, abs=0.01)


def test_features_that_hold_the_camera_alone_do_not_mix_and_those_without_it_mix_by_chance() -> None:
    generator = np.random.default_rng(0)
    camid = generator.integers(2, size=400).astype(np.int32)
    noise = generator.normal(size=(400, 6))
    apart = np.concatenate([10 * np.eye(2)[camid], noise], axis=1)
    for rows, wanted in ((apart, 0.0), (noise, 1.0)):
        unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        assert camera_mixing(unit, camid, np.arange(400)) == pytest.approx(wanted, abs=0.06)


def test_cameras_are_known_if_half_of_them_are_and_there_are_two() -> None:
    for camid in ([0, 1, 1], [0, 1, -2, -2]):
        assert has_cameras(np.array(camid, dtype=np.int32))
    for camid in ([0, 0, 0], [0, 0, -2], [0, 1, -2, -2, -2], [0], [-2], []):
        assert not has_cameras(np.array(camid, dtype=np.int32))
