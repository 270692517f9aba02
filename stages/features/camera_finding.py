"""Whether features follow the camera that took an image, seen without identities, and by how much."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from schemas.choices import SampleMetric
from schemas.summaries import CameraSummary
from stages.arrays.backend import one_library_thread
from stages.features.camera_whitening import LEAST_IN_CAMERA, Fit, Parts, Whitenings, cameras_with_enough, fit_by_camera
from stages.samples import UNKNOWN
from stages.typing import BoolArray, Float32Array, Float64Array, Int32Array

LOOKED_AT = 2000
"""Samples whose neighbours are looked for; in larger sets they are spread evenly over the rows."""
LEAST_COVERED = 0.5
"""Share of the samples that cameras with `LEAST_IN_CAMERA` samples or more must have taken."""
ERRORS = 2.0
"""How many standard errors the share of same-camera neighbours lies above chance if features follow the camera."""
EIGHTHS = 8
_BLOCK = 4096


@dataclass(frozen=True)
class CameraFinding:
    """What train features and camera ids say, and so what is done.

    `by_camera`: each camera's features are whitened by themselves, and D gains `weight` times the share of same-camera pairs.
    `neighbours`: share of samples whose nearest neighbour is of their own camera, NaN if it was not looked for; `chance`: the
    same if neighbours were drawn at random. `told` says it in one line.
    """

    told: str
    neighbours: float = math.nan
    chance: float = math.nan
    weight: float = 0.0
    by_camera: bool = False

    def summary(self) -> CameraSummary:
        """It as a manifest holds it."""
        shares = (None if math.isnan(share) else share for share in (self.neighbours, self.chance))
        return CameraSummary(
            by_camera=self.by_camera,
            weight=self.weight,
            same_camera_neighbours=next(shares),
            same_camera_chance=next(shares),
            told=self.told,
        )


@dataclass(frozen=True)
class Neighbours:
    """Squared distances (m,) of samples to the nearest one of the `same` camera and of an `other` one; inf if none.

    `chance` (m,): the share of all other samples that are of the same camera.
    """

    same: Float64Array
    other: Float64Array
    chance: Float64Array

    @property
    def is_same(self) -> BoolArray:
        """Whether the nearest neighbour is of the same camera (m,)."""
        return self.same < self.other

    def balancing_weight(self, metric: SampleMetric = "sqeuclidean") -> float:
        """The smallest offset w ≥ 0, by `metric`, so that nearest neighbours share a camera as often as chance.

        A neighbour in the same camera is nearest while same + w < other, so w is a quantile of other − same. It is rounded
        up to thousandths, so that rounding elsewhere does not reach it.
        """
        same, other = (_as(metric, squared) for squared in (self.same, self.other))
        # a sample without others in its camera is no evidence, nor is one without other cameras
        gaps = np.sort((other - same)[np.isfinite(same) & np.isfinite(other)])
        if not len(gaps):
            return 0.0
        n_other = min(len(gaps), max(1, int(np.ceil((1 - self.chance.mean()) * len(gaps)))))
        return max(0.0, float(np.ceil(gaps[n_other - 1] * 1000) / 1000))


def find(
    features: Float32Array, camid: Int32Array, fit: Fit | None, *, metric: SampleMetric | None, for_new: bool = False
) -> tuple[CameraFinding, Whitenings | None, Float32Array]:
    """What `features` (n, d) and `camid` (n,) of the train samples say, the whitenings to use, and the features so whitened.

    `fit` gives the whitening of all of them and of each camera; None compares features as they are. Without a `metric` no
    weight is looked for. Features follow the camera if nearest neighbours share it more often than chance by `ERRORS` standard
    errors. A camera's own whitening then weighs so much that they share it as often as chance, or as it may at most; if it is
    `for_new` samples, it weighs the more, the farther above chance. Cameras with few samples each say nothing: they may be
    encounters, whose images are likely of one individual. No label is used.
    """
    whitenings = None if fit is None else Whitenings(fit(features, None))
    rows = features if whitenings is None else whitenings.of(features, camid)
    too_few = _too_few(camid)
    if too_few is not None:
        return CameraFinding(too_few), whitenings, rows
    near = nearest_by_camera(rows, camid)
    share, chance = float(near.is_same.mean()), float(near.chance.mean())
    told = f"{share:.0%} of nearest neighbours share a camera, {chance:.0%} by chance"
    if share <= chance + ERRORS * np.sqrt(chance * (1 - chance) / len(near.same)):
        return CameraFinding(f"{told}: cameras are ignored", share, chance), whitenings, rows
    done = []
    if fit is not None and whitenings is not None:
        whitenings = fit_by_camera(features, camid, whitenings.shared, fit)
        parts = whitenings.parts(features, camid)
        strength = (share - chance) / (1 - chance) if for_new else _evening_strength(parts, camid)
        whitenings, rows = whitenings.scaled(strength), parts.mixed(strength)
        done.append("features are whitened camera by camera")
    weight = 0.0 if metric is None else nearest_by_camera(rows, camid).balancing_weight(metric)
    if weight:
        done.append(f"a pair of one camera adds {weight:g} to D")
    finding = CameraFinding(
        f"{told}: {' and '.join(done) or 'there is nothing to do'}", share, chance, weight, by_camera=True
    )
    return finding, whitenings, rows


def _evening_strength(parts: Parts, camid: Int32Array) -> float:
    """The largest strength, in eighths, at which nearest neighbours share a camera at least as often as chance.

    More would drive apart what one camera took: own whitenings of few samples do that, whoever is in them.
    """
    low, high = 0, EIGHTHS
    while low < high:
        middle = (low + high + 1) // 2
        near = nearest_by_camera(parts.mixed(middle / EIGHTHS), camid)
        low, high = (middle, high) if near.is_same.mean() >= near.chance.mean() else (low, middle - 1)
    return low / EIGHTHS


def nearest_by_camera(rows: Float32Array, camid: Int32Array) -> Neighbours:
    """The nearest neighbours of up to `LOOKED_AT` of the `rows` (n, d), n ≥ 2, taken by `camid` (n,), all known."""
    n_rows = len(rows)
    looked_at = np.unique(np.linspace(0, n_rows - 1, min(n_rows, LOOKED_AT)).round().astype(np.int64))
    seen = rows[looked_at].astype(np.float64)
    length = np.square(seen).sum(axis=1)[:, None]
    same, other = np.full(len(looked_at), np.inf), np.full(len(looked_at), np.inf)
    with one_library_thread():
        for start in range(0, n_rows, _BLOCK):
            block = rows[start : start + _BLOCK].astype(np.float64)
            # sums of float32 products in float64: their order shows far below the thousandths of a weight
            squared = length + np.square(block).sum(axis=1) - 2 * (seen @ block.T)
            squared[looked_at[:, None] == np.arange(start, start + len(block))] = np.inf
            shared = camid[looked_at, None] == camid[start : start + _BLOCK]
            same = np.minimum(same, np.where(shared, squared, np.inf).min(axis=1))
            other = np.minimum(other, np.where(shared, np.inf, squared).min(axis=1))
    _, camera, count = np.unique(camid, return_inverse=True, return_counts=True)
    return Neighbours(np.maximum(same, 0), np.maximum(other, 0), (count[camera[looked_at]] - 1) / (n_rows - 1))


def _too_few(camid: Int32Array) -> str | None:
    """Why `camid` (n,) says nothing, in one line; None if it may."""
    n_unknown = int((camid == UNKNOWN).sum())
    if n_unknown:
        return f"{n_unknown} of {len(camid)} train samples have no camera id: cameras are ignored"
    count = np.unique(camid, return_counts=True)[1]
    if len(count) < 2:
        return "all train samples are of one camera: there is nothing to tell apart"
    covered = int(np.isin(camid, cameras_with_enough(camid)).sum())
    if covered < LEAST_COVERED * len(camid):
        return (
            f"{len(count)} cameras took {np.median(count):g} train images each in the median, fewer than {LEAST_IN_CAMERA}: "
            "they may be encounters, whose images are likely of one individual, so they are ignored"
        )
    return None


def _as(metric: SampleMetric, squared: Float64Array) -> Float64Array:
    """Squared distances of rows of unit length as `metric` gives them."""
    if metric == "euclidean":
        return np.sqrt(squared)
    return squared / 2 if metric == "cosine" else squared
