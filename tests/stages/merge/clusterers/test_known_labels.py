"""Clusters from known labels: EUG by hand, and the weights of RACE against a solver of quadratic programmes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from stages.merge.clusterers.eug import estimated_labels
from stages.merge.clusterers.race import anchored_labels, embedding_weights
from stages.merge.known import nearest_known
from stages.typing import Float32Array, Int64Array


def on_a_circle(degrees: list[float]) -> Float32Array:
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def test_eug_takes_the_nearest_first_and_ever_more_of_them() -> None:
    features = on_a_circle([0, 90, 1, 88, 5, 70, 40])
    known = np.array([0, 1, -1, -1, -1, -1, -1])
    # of five unknown samples one in stage 1, two in stage 2, by 1°, 2°, 5°, 20° and 40° to their nearest
    assert estimated_labels(features, known, stage=1, enlarging=0.2).tolist() == [0, 1, 0, -1, -1, -1, -1]
    assert estimated_labels(features, known, stage=2, enlarging=0.2).tolist() == [0, 1, 0, 1, -1, -1, -1]
    assert estimated_labels(features, known, stage=5, enlarging=0.2).tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert estimated_labels(features, known, stage=9, enlarging=0.2).tolist() == [0, 1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("n_unknown", "stage", "enlarging", "taken"), [(10, 3, 0.1, 3), (7, 1, 0.1, 0), (19, 2, 0.1, 3)]
)
def test_eug_takes_the_floor_of_the_published_share(n_unknown: int, stage: int, enlarging: float, taken: int) -> None:
    features = on_a_circle([0.0, *range(1, n_unknown + 1)])
    known = np.array([0, *[-1] * n_unknown])
    labels = estimated_labels(features, known, stage=stage, enlarging=enlarging)
    assert (labels == 0).sum() == 1 + taken == 1 + int(n_unknown * stage * 100 * enlarging + 1e-6) // 100


def test_the_nearest_known_sample_is_that_of_a_plain_loop() -> None:
    features = random_features(60, seed=1)
    known = np.where(np.arange(60) % 7 == 0, np.arange(60), -1)
    index, distance = nearest_known(features, known)
    for i, own in enumerate(features.astype(np.float64)):
        far = [((own - features[j]) ** 2).sum() if known[j] >= 0 else np.inf for j in range(60)]
        assert index[i] == int(np.argmin(far))
        assert distance[i] == pytest.approx(min(far), abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("penalty", [0.01, 0.1, 1.0])
def test_race_weights_are_those_of_a_quadratic_programme(seed: int, penalty: float) -> None:
    generator = np.random.default_rng(seed)
    own, anchors = generator.normal(size=6), generator.normal(size=(4, 6))
    squared = ((anchors - own) ** 2).sum(axis=1)
    scale = squared / squared.max()

    def cost(w: np.ndarray) -> float:
        return float(((own - w @ anchors) ** 2).sum() + penalty * (scale * w**2).sum())

    solved = minimize(
        cost, np.full(4, 0.25), constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, options={"ftol": 1e-14}
    )
    weights = embedding_weights(own, anchors, penalty=penalty)
    assert weights.sum() == pytest.approx(1)
    assert cost(weights) <= solved.fun + 1e-9
    assert weights == pytest.approx(solved.x, abs=1e-4)


def test_race_gives_an_anchor_equal_to_the_sample_all_the_weight() -> None:
    anchors = np.array([[1.0, 0], [0, 1], [0.6, 0.8]])
    assert embedding_weights(anchors[2], anchors, penalty=0.1) == pytest.approx([0, 0, 1], abs=1e-6)


def test_race_labels_what_its_anchors_agree_on() -> None:
    features = on_a_circle([0, 8, 90, 95, 3, 92])
    known = np.array([0, 0, 1, 1, -1, -1])
    assert anchored_labels(features, known, n_anchors=3).tolist() == [0, 0, 1, 1, 0, 1]


def random_features(n: int, *, seed: int) -> Float32Array:
    rows = np.random.default_rng(seed).normal(size=(n, 8))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_labels_of_known_samples_never_change() -> None:
    features, known = random_features(40, seed=3), np.full(40, -1)
    known[::5] = np.arange(8) % 4
    for labels in (
        estimated_labels(features, known, stage=4, enlarging=0.25),
        anchored_labels(features, known),
    ):
        kept: Int64Array = labels[known >= 0]
        assert (kept == known[known >= 0]).all()
        assert set(labels[labels >= 0]) <= set(known[known >= 0])
