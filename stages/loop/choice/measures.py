"""The measures of one stage that rules choose by: features and labels in, numbers out; identity labels are never used."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stages.arrays.silhouette import SAMPLE_LIMIT, drawn
from stages.errors import DbcError
from stages.loop.choice.silhouettes import ClusterMeans, cluster_silhouette, sample_silhouettes
from stages.typing import Float32Array, Int64Array


@dataclass(frozen=True)
class StageMeasures:
    """What is known of a stage without identity labels; distances are cosine distances of its features.

    `silhouette`: mean over samples, singletons 0. `cluster_silhouette`: mean over clusters of the mean of their members,
    so that every cluster counts once whatever its size. `separation`: of the features alone, the best
    `cluster_silhouette` that merging them anew reaches. NaN if a measure has no meaning or was not taken.
    """

    stage: int
    n_clusters: int
    singleton_share: float
    silhouette: float
    cluster_silhouette: float
    separation: float = math.nan

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
    separation: float = math.nan,
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
    clusters = ClusterMeans.of(features, labels)
    samples = drawn(len(features), sample_limit, generator)
    enough = len(clusters.size) > 1
    return StageMeasures(
        stage=stage,
        n_clusters=len(clusters.size),
        singleton_share=float((clusters.size == 1).mean()),
        silhouette=float(sample_silhouettes(clusters, samples).mean()) if enough else math.nan,
        cluster_silhouette=cluster_silhouette(clusters, samples),
        separation=separation,
    )
