"""The measures of one stage that rules choose by: features and labels in, numbers out; identity labels are never used."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stages.arrays.silhouette import SAMPLE_LIMIT, drawn, mean_over_clusters, sample_silhouettes
from stages.arrays.unit_rows import unit_rows
from stages.errors import DbcError
from stages.typing import Float32Array, Int64Array

OVER_MERGED = 0.5
"""Of the clusters that its features separate best: a schedule that left fewer has joined identities, and training on them
goes on to make features more compact. In 30 runs (benchmarks/RESULTS.md) stages below it cost up to 0.15 mAP where each
individual has two pictures, and gained up to 0.02 on antelopes and lions. DBSCAN, which finds its number itself, took mAP up
below it."""


@dataclass(frozen=True)
class StageMeasures:
    """What is known of a stage without identity labels; distances are cosine distances of its features.

    Every measure is NaN if it has no meaning or was not taken.

    - `silhouette`: mean over samples, singletons 0; `cluster_silhouette`: mean over clusters of the mean of their members,
      so that every cluster counts once whatever its size; of a stage without merges the best that merging its features
      anew reaches.
    - Of the features alone: `separation`, the best `cluster_silhouette` that merging them anew reaches; `across_cameras`,
      the best in which only other cameras count; `camera_mixing`, how often a near neighbour is of another camera, over
      what chance gives; `spread`, the mean cosine distance of two samples, as extracted.
    - `best_clusters`: how many clusters there are when merging anew is at its best, `likely_clusters`: the fewest and the most
      that features ask for; None if not known. `is_open_below`: whether fewer than these were not looked at.

    `is_by_schedule`: whether the number of clusters is that of the schedule, and not found in the features or asked for.
    `ends_run`: whether they are those of a merge to a number of clusters, which nothing is trained on.
    """

    stage: int
    n_clusters: int
    singleton_share: float
    silhouette: float
    cluster_silhouette: float
    separation: float = math.nan
    across_cameras: float = math.nan
    camera_mixing: float = math.nan
    spread: float = math.nan
    likely_clusters: tuple[int, int] | None = None
    best_clusters: int | None = None
    is_open_below: bool = False
    is_by_schedule: bool = True
    ends_run: bool = False

    @property
    def is_over_merged(self) -> bool:
        """Whether the schedule left fewer than half of the clusters that its features still ask for."""
        if self.stage < 1 or self.best_clusters is None or not self.is_by_schedule:
            return False
        return self.n_clusters < OVER_MERGED * self.best_clusters

    def known(self, name: str) -> float | None:
        """The measure of this name; None if it has no meaning, as curves and JSON have it."""
        value: float = getattr(self, name)
        return None if math.isnan(value) else value


def measure(
    features: Float32Array,
    labels: Int64Array,
    *,
    stage: int,
    generator: np.random.Generator,
    sample_limit: int = SAMPLE_LIMIT,
) -> StageMeasures:
    """The measures of the clusters `labels` (n_samples) of `features` (n_samples, d).

    `generator` draws samples if there are more than `sample_limit`. Raises DbcError if lengths differ.
    """
    if len(features) != len(labels):
        raise DbcError(
            f"`labels` must have one entry for each of {len(features)} rows of `features`, got {len(labels)}; "
            "take clusters and features of one run"
        )
    _, labels, size = np.unique(labels, return_inverse=True, return_counts=True)
    samples = drawn(len(features), sample_limit, generator)
    silhouettes = sample_silhouettes(features, labels, samples)
    return StageMeasures(
        stage=stage,
        n_clusters=len(size),
        singleton_share=float((size == 1).mean()),
        silhouette=float(silhouettes.mean()) if len(size) > 1 else math.nan,
        cluster_silhouette=mean_over_clusters(labels, samples, silhouettes),
    )


def spread(features: Float32Array) -> float:
    """The mean cosine distance of two different rows of `features` (n, d): 0 if all point the same way; NaN below 2 rows."""
    n = len(features)
    if n < 2:
        return math.nan
    mean = unit_rows(features).mean(axis=0, dtype=np.float64)
    return max(0.0, float((1 - mean @ mean) * n / (n - 1)))
