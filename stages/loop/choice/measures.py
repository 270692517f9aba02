"""The measures of one stage that rules choose by: features and labels in, numbers out; identities play no part."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stages.arrays.silhouette import SAMPLE_LIMIT, drawn
from stages.errors import DbcError
from stages.loop.choice.silhouettes import ClusterMeans, cluster_silhouette, sample_silhouettes
from stages.typing import Float32Array, Float64Array, Int64Array


@dataclass(frozen=True)
class StageMeasures:
    """What is known of a stage without identities; distances are cosine distances of its features.

    `silhouette`: mean over samples, singletons 0. `cluster_silhouette`: mean over clusters of the mean of their members,
    so that every cluster has one voice whatever its size. `dispersion_ratio`: mean distance inside clusters of two or more
    over their mean distance from the nearest other cluster. `criterion`: median D of the stage's merges, eq. (4).
    `kept`: adjusted Rand index between this partition and that of the stage before. `separation`: of the features alone,
    the best `cluster_silhouette` that merging them anew reaches. NaN where a figure has no meaning or was not looked at.
    """

    stage: int
    n_clusters: int
    singleton_share: float
    silhouette: float
    cluster_silhouette: float
    dispersion_ratio: float
    criterion: float
    kept: float
    separation: float = math.nan

    def known(self, figure: str) -> float | None:
        """The figure of this name; None where it has no meaning, as curves and JSON have it."""
        value: float = getattr(self, figure)
        return None if math.isnan(value) else value


def measure(
    features: Float32Array,
    labels: Int64Array,
    *,
    stage: int,
    previous: Int64Array,
    criterion: Float64Array,
    generator: np.random.Generator,
    separation: float = math.nan,
    sample_limit: int = SAMPLE_LIMIT,
) -> StageMeasures:
    """The measures of the clusters `labels` (n_samples) of `features` (n_samples, d).

    `previous` (n_samples): the labels before this stage's merges, whose D are `criterion` (n_merges). `generator` draws
    samples and clusters where there are more than `sample_limit`. Raises DbcError where lengths differ.
    """
    if not len(features) == len(labels) == len(previous):
        raise DbcError(
            f"{len(features)} features, {len(labels)} and {len(previous)} labels; wanted one of each a sample: "
            "take clusters and features of one run"
        )
    clusters = ClusterMeans.of(features, labels)
    samples = drawn(len(features), sample_limit, generator)
    silhouettes = sample_silhouettes(clusters, samples)
    enough = len(clusters.size) > 1
    return StageMeasures(
        stage=stage,
        n_clusters=len(clusters.size),
        singleton_share=float((clusters.size == 1).mean()),
        silhouette=float(silhouettes.mean()) if enough else float("nan"),
        cluster_silhouette=cluster_silhouette(clusters, samples),
        dispersion_ratio=_dispersion_ratio(clusters, sample_limit, generator),
        criterion=float(np.median(criterion)) if len(criterion) else float("nan"),
        kept=adjusted_rand(previous, labels),
        separation=separation,
    )


def adjusted_rand(first: Int64Array, second: Int64Array) -> float:
    """The adjusted Rand index of two partitions (Hubert and Arabie 1985): 1 for the same, about 0 for unrelated ones."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(first, second))


def _dispersion_ratio(clusters: ClusterMeans, limit: int, generator: np.random.Generator) -> float:
    several = np.flatnonzero(clusters.size > 1)
    if not len(several) or len(clusters.size) < 2:
        return float("nan")
    chosen = several[drawn(len(several), limit, generator)]
    apart = float(clusters.nearest_inter(chosen).mean())
    return float(clusters.intra()[chosen].mean()) / apart if apart > 0 else float("nan")
