"""How well features separate clusters at all, whatever the clusters of their stage: merged anew, looked at on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.choices import OF_DISPERSIONS, PUBLISHED_LAMBDA
from schemas.parameters import MergeParameters
from stages.arrays.silhouette import SAMPLE_LIMIT, drawn, mean_over_clusters
from stages.arrays.unit_rows import unit_rows
from stages.features.prepared import Prepared
from stages.loop.choice.across_cameras import CameraSums, camera_mixing, has_cameras
from stages.loop.choice.rule import LEAST_ACROSS, near_best_range
from stages.loop.choice.walks import walked_number
from stages.merge.by_parameters import merge_as
from stages.merge.clusters import labels_after
from stages.merge.merge_stage import Progress
from stages.merge.schedule import initial_labels
from stages.samples import UNKNOWN
from stages.typing import Int32Array, Int64Array

MEAN_SIZES = (1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
"""Samples a cluster has on average when the silhouette is looked at."""
MORE_SIZES = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Those that are looked at one by one while the last is the best: a few individuals may have hundreds of pictures each."""
MERGE_LIMIT = 20_000
"""Samples that are merged at most: more would take longer than the training of a stage."""


@dataclass(frozen=True)
class Separation:
    """Silhouettes of clusters while features are merged anew, all of one length, by falling number of clusters.

    `silhouette` is the mean over clusters of the mean of their members, `across_cameras` the same of
    `CameraSums.silhouettes` across cameras, NaN without cameras. `n_clusters` is as of all samples if some were drawn, and
    ends with the fewest that were looked at. `walked` are the clusters that a random walk asks for, if these are fewer
    than are near the best silhouette (`walked_number`). `camera_mixing` is of the features alone.
    """

    n_clusters: tuple[int, ...] = ()
    silhouette: tuple[float, ...] = ()
    across_cameras: tuple[float, ...] = ()
    walked: int | None = None
    camera_mixing: float = math.nan

    @property
    def judged(self) -> Sequence[float]:
        """The silhouettes that numbers of clusters are judged by: those across cameras, if these reach `LEAST_ACROSS`."""
        return judged_of(self.silhouette, self.across_cameras)

    @property
    def best_clusters(self) -> int | None:
        """The number of clusters with the largest of `judged`; None if none is known."""
        return None if np.isnan(self.judged).all() else self.n_clusters[int(np.nanargmax(self.judged))]

    @property
    def likely_clusters(self) -> tuple[int, int] | None:
        """The fewest and the most clusters at which `judged` stays near its best; the fewest are `walked`, if known."""
        near = near_best_range(self.n_clusters, self.judged)
        return near if near is None or self.walked is None else (self.walked, near[1])

    def is_open_below(self, likely: tuple[int, int] | None) -> bool:
        """Whether the `likely` numbers of clusters end only where no fewer, down to two, were looked at.

        Not where a random walk says the fewest: it may ask for any number.
        """
        return likely is not None and self.walked is None and likely[0] == self.n_clusters[-1] > 2


def separation(
    compared: Prepared,
    parameters: MergeParameters,
    *,
    sampling_seed: int,
    camid: Int32Array | None = None,
    memory_limit: int | None = None,
    merge_limit: int = MERGE_LIMIT,
    progress: Progress | None = None,
) -> Separation:
    """What merging the rows (n, d) of `compared` anew reaches at the `MEAN_SIZES`, and `MORE_SIZES`; empty below 3 samples.

    Merges are those of `by_dispersions(parameters)`, with what `compared` adds to D for a shared camera. `camid` (n,) are the
    camera ids, None if not known. Of more than `merge_limit` samples so many are drawn by `sampling_seed`. Raises what
    merging does.
    """
    n_samples = len(compared.rows)
    if n_samples < 3:
        return Separation()
    generator = np.random.default_rng(sampling_seed)
    chosen = drawn(n_samples, merge_limit, generator)
    rows, camid, penalised = compared.rows[chosen], _of(camid, chosen), _of(compared.camid, chosen)
    camid = camid if camid is not None and has_cameras(camid) else None
    stops, more = _stops(len(rows), MEAN_SIZES), _stops(len(rows), MORE_SIZES)
    alone = initial_labels(len(rows))
    merged = merge_as(
        by_dispersions(parameters),
        rows,
        alone,
        max(*stops, *more),
        camid=penalised,
        camera_weight=compared.camera_weight,
        memory_limit=memory_limit,
        progress=progress,
    )
    numbers: list[int] = []
    silhouette: list[float] = []
    across: list[float] = []
    unit, camera = unit_rows(rows), np.zeros(len(rows), dtype=np.int32) if camid is None else camid
    sums = CameraSums.of(unit, alone, camera)
    for stop in sorted({*stops, *more}):
        judged = judged_of(silhouette, across)
        if stop not in stops and np.argmax(np.nan_to_num(judged, nan=-math.inf)) < len(judged) - 1:
            break
        sums = sums.joined(labels_after(alone, merged.merges[:stop]))
        samples = drawn(len(rows), SAMPLE_LIMIT, generator)
        everyone, others = sums.silhouettes(unit, camera, samples)
        numbers.append(len(rows) - stop)
        silhouette.append(mean_over_clusters(sums.label, samples, everyone))
        if camid is not None:
            is_known = camid[samples] != UNKNOWN
            samples, others = samples[is_known], others[is_known]
        across.append(math.nan if camid is None else mean_over_clusters(sums.label, samples, others))
    mixing = math.nan if camid is None else camera_mixing(unit, camid, samples)
    near = near_best_range(numbers, judged_of(silhouette, across))
    walked = near and walked_number(unit, near[0], lambda n: labels_after(alone, merged.merges[: len(rows) - n]))
    n_clusters = tuple(_of_all(number, len(rows), n_samples) for number in numbers)
    found = walked and _of_all(walked, len(rows), n_samples)
    return Separation(n_clusters, tuple(silhouette), tuple(across), found, mixing)


def judged_of(silhouette: Sequence[float], across_cameras: Sequence[float]) -> Sequence[float]:
    """Those `across_cameras`, NaN where not known, if one of them reaches `LEAST_ACROSS`; else `silhouette`."""
    return across_cameras if (np.array(across_cameras) >= LEAST_ACROSS).any() else silhouette


def _stops(n_samples: int, sizes: Sequence[float]) -> set[int]:
    """After how many merges clusters have each of the mean `sizes`, or two are left."""
    return {n_samples - max(2, round(n_samples / size)) for size in sizes} - {0}


def _of_all(n_clusters: int, n_drawn: int, n_samples: int) -> int:
    """How many clusters of one size all samples have, if there are `n_clusters` with some of `n_drawn` of them.

    If a share f is drawn, clusters of S of which any are drawn have S f / (1 − (1 − f)^S) on average. Large clusters are
    all among those drawn, so there are no more of them; single samples are 1 / f times as many.
    """
    share, mean = n_drawn / n_samples, n_drawn / n_clusters
    if share == 1:
        return n_clusters
    # it takes a quarter of a second to import, and only samples beyond the limit need it
    from scipy.optimize import brentq

    size = brentq(lambda size: size * share - mean * (1 - (1 - share) ** size), 1, mean / share)
    return round(n_samples / size)


def _of(camid: Int32Array | None, chosen: Int64Array) -> Int32Array | None:
    return None if camid is None else camid[chosen]


def by_dispersions(parameters: MergeParameters) -> MergeParameters:
    """How `separation` merges: by dispersions with the λ of `parameters`, ranked again after each, from single samples.

    k-reciprocal neighbours take minutes and dispersions seconds, and nearest pairs make chains: runs that merge by them
    are looked at by squared distances and λ = 0.1. What a shared camera adds to D is given to the merge apart.
    """
    changes: dict[str, object] = {
        "update": "exact",
        "start": "previous",
        "merge_percent": 0.5,
        "camera": "ignored",
        "clusterer": "dbc",
        "n_clusters": None,
    }
    if parameters.criterion not in OF_DISPERSIONS or parameters.metric == "jaccard":
        changes |= {
            "criterion": "dbc",
            "lambda_": PUBLISHED_LAMBDA["dbc"],
            "metric": "sqeuclidean",
            "intra_normalizer": "n2",
        }
    return parameters.model_copy(update=changes)


def tells(parameters: MergeParameters) -> bool:
    """Whether the silhouette says which features tell identities apart: if merges are those of whitened dispersions.

    On features as they are, and by nearest pairs, it also rose when training did harm (benchmarks/RESULTS.md).
    """
    return parameters.whiten > 0 and parameters.criterion in OF_DISPERSIONS
