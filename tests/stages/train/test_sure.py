"""Samples that lie nearer to another cluster than to their own are left out of training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from schemas.parameters import MergeParameters
from stages.constraints.stage import Constraints
from stages.runs.context import DEFAULT_CONTEXT
from stages.samples import QUERY, TRAIN
from stages.train import compute
from stages.train.compute import sure_samples
from stages.train.recipes import recipe_parameters

ANGLE = np.radians([0, 10, 80, 90, 100, 85, 180])
ROWS = np.stack([np.cos(ANGLE), np.sin(ANGLE)], axis=1).astype(np.float32)
LABELS = np.array([0, 0, 0, 1, 1, 1, 2])
"""The third sample lies in the second cluster; the last is a cluster of its own."""
SURE = [0, 1, 3, 4, 5]


@pytest.mark.parametrize(
    ("above", "wanted"),
    [(-1, range(7)), (-0.01, [*SURE, 6]), (0, SURE), (0.999, range(7))],
)
def test_a_sample_nearer_to_another_cluster_and_one_alone_are_left_out(above: float, wanted: list[int]) -> None:
    assert np.flatnonzero(sure_samples(ROWS, LABELS, above=above)).tolist() == list(wanted)


@pytest.mark.parametrize(
    ("recipe", "confirmed", "wanted"),
    [("tuned", None, SURE), ("tuned", [[1, 2], [0, 6]], range(7)), ("auto", None, range(7))],
)
def test_training_leaves_out_doubtful_samples_unless_answers_confirm_them(
    monkeypatch: pytest.MonkeyPatch, recipe: Any, confirmed: list[list[int]] | None, wanted: list[int]
) -> None:
    monkeypatch.setattr(compute, "compared_features", lambda *_, **__: ROWS)
    monkeypatch.setattr(compute, "clusters_manifest", lambda _: SimpleNamespace(parameters=MergeParameters()))
    monkeypatch.setattr(compute, "read_constraints", lambda said: Constraints(np.array(said), np.empty((0, 2), int)))
    split = np.array([QUERY, *[TRAIN] * 7])
    parents: Any = SimpleNamespace(
        dataset=SimpleNamespace(read=lambda _: split),
        clusters=SimpleNamespace(read=lambda _: LABELS, names=list),
        features=SimpleNamespace(),
        constraints=confirmed,
    )
    parameters = recipe_parameters(1, n_samples=7, n_clusters=1, recipe=recipe)
    index, labels = compute._classes(parents, parameters, DEFAULT_CONTEXT)
    assert index.tolist() == [place + 1 for place in wanted]
    assert labels.tolist() == LABELS[list(wanted)].tolist()
