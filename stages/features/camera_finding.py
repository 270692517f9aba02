"""Whether features follow the camera that took an image, seen without identities, and by how much."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise

import numpy as np

from schemas.choices import SampleMetric
from schemas.summaries import CameraSummary
from stages.arrays.neighbours import exact_where
from stages.arrays.row_blocks import by_blocks
from stages.arrays.similarity import exact_similarity, product_error
from stages.features.camera_whitening import Fit, Parts, Whitenings, fit_by_camera
from stages.samples import LEAST_IN_CAMERA, UNKNOWN, cameras_with_enough, took_few
from stages.typing import BoolArray, Float32Array, Float64Array, Int32Array, Int64Array
from stages.wording import so_many

LOOKED_AT = 2000
"""Samples whose neighbours are looked for; in larger sets they are spread evenly over the rows."""
LEAST_COVERED = 0.5
"""Share of the samples that cameras with `LEAST_IN_CAMERA` samples or more must have taken."""
ERRORS = 2.0
"""How many standard errors the share of same-camera neighbours lies above chance if features follow the camera."""
EIGHTHS = 8
PAIRS_OF = 1024
"""Samples among which pairs are compared; in larger sets they are spread evenly over the rows."""
NEAR = 0.05
"""The share of the pairs of two samples, nearest first, at which those of one camera are compared with others. Nearest
neighbours tell less of cameras: one camera may have taken an individual several times, as most of Market-1501 did. Made to
share a camera as often as chance, they took clusters of 50 of its people from an ARI of 0.37 to 0.21."""
LEAST_NEARER = 0.015
"""How much nearer, in squared distance, near pairs of one camera are at least if features follow the camera. It was 0.026 to
0.17 in eleven sets, and 0.003 (the standard deviation) to 0.014 with cameras permuted."""
_BLOCK = 1024


@dataclass(frozen=True)
class CameraFinding:
    """What train features and camera ids say, and so what is done.

    `by_camera`: each camera's features are whitened by themselves, and D gains `weight` times the share of same-camera pairs.
    `neighbours`: share of the samples of known cameras whose nearest neighbour is of their own, NaN if it was not looked for;
    `chance`: the same if neighbours were drawn at random. `told` says it in one line.
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
class NearestByCamera:
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

    @property
    def above_chance(self) -> float:
        """How far the share of same-camera neighbours is on the way from chance (0) to all (1); 0 if it is not above chance by
        `ERRORS` standard errors.
        """
        share, chance = float(self.is_same.mean()), float(self.chance.mean())
        if share <= chance + ERRORS * np.sqrt(chance * (1 - chance) / len(self.same)):
            return 0.0
        return (share - chance) / (1 - chance)


@dataclass(frozen=True)
class CameraPairs:
    """Squared distances, ascending, of pairs of the `same` camera (m,) and of two (`other`) cameras (k,)."""

    same: Float64Array
    other: Float64Array

    @staticmethod
    def of(rows: Float32Array, camid: Int32Array) -> CameraPairs:
        """Exact ones among up to `PAIRS_OF` of the unit `rows` (n, d) that known cameras `camid` (n,) took.

        None if fewer than `LEAST_IN_CAMERA` of them are of other cameras than the most frequent: they would tell of
        these few samples, and not of a camera.
        """
        some = _paired(camid)
        if len(some) - np.unique(camid[some], return_counts=True)[1].max(initial=0) < LEAST_IN_CAMERA:
            some = some[:0]
        first, second = np.triu_indices(len(some), 1)
        squared = np.maximum(2 - 2 * exact_similarity(rows[some], rows[some])[first, second], 0)
        is_same = camid[some[first]] == camid[some[second]]
        return CameraPairs(np.sort(squared[is_same]), np.sort(squared[~is_same]))

    def nearer(self, metric: SampleMetric = "sqeuclidean") -> float:
        """How much nearer, by `metric`, near pairs of one camera are than others: quantiles at `NEAR`; 0 without both.

        What shifts all pairs of a camera shows, and what a few of them have in common does not.
        """
        if not (len(self.same) and len(self.other)):
            return 0.0
        same, other = (_as(metric, float(np.quantile(squared, NEAR))) for squared in (self.same, self.other))
        return other - same


Rows = Callable[[], Float32Array]
"""Gives features (n, d), which are computed if nobody asked for them before."""
Look = Callable[[Rows], NearestByCamera]
"""Gives the neighbours of the features that are whitened by all, by them or without them."""


class ByCamera:
    """`features` (n, d) of train samples that the cameras `camid` (n,) took, whitened camera by camera as they ask for.

    `fit` gives the whitening of all of them and of each camera; None compares features as they are. `look` gives neighbours
    that are known already, or looks for them. Whatever is computed is computed once, when it is asked for. No label is used.
    """

    def __init__(self, features: Float32Array, camid: Int32Array, fit: Fit | None, look: Look | None = None) -> None:
        self._features, self._camid, self._fit = features, camid, fit
        self._look = look or (lambda rows: nearest_by_camera(rows(), camid))
        self._pairs: dict[float, CameraPairs] = {}
        self._rows: dict[float, Float32Array] = {}

    def find(
        self, *, metric: SampleMetric | None, for_new: bool = False
    ) -> tuple[CameraFinding, Whitenings | None, Rows]:
        """What features and cameras say, the whitenings to use, and the features so whitened, which are not to be changed.

        Without a `metric` no weight is looked for. If near pairs of one camera are nearer than others by `LEAST_NEARER`, a
        camera's own whitening weighs so much that they no longer are, or as much as it may at most. The weight is what they
        then are still nearer by. `for_new` samples get none, and are whitened by camera if nearest neighbours share it more
        often than chance by `ERRORS` standard errors, the more, the farther above. Cameras with few samples each say nothing:
        they may be encounters, whose images are likely of one individual. Samples whose camera is not known have no part in
        it, keep the whitening of all, and share a camera with none.
        """
        shared, too_few = self._shared, too_few_cameras(self._camid)
        if too_few is not None:
            return CameraFinding(too_few), shared, partial(self._at, 0.0)
        near = self._near
        share, chance = float(near.is_same.mean()), float(near.chance.mean())
        told = f"{share:.0%} of nearest neighbours share a camera, {chance:.0%} by chance{told_unknown(self._camid)}"
        strength, weight = near.above_chance if for_new else 0.0, 0.0
        if not for_new:
            nearer = self._pairs_at(0.0).nearer()
            which = "nearer" if nearer > 0 else "farther"
            told += f"; near pairs of one camera are {which} than others by {abs(nearer):.3f}"
            if nearer >= LEAST_NEARER:
                strength = self._evening_strength
                if metric is not None:
                    weight = max(0.0, math.ceil(self._pairs_at(strength).nearer(metric) * 1000) / 1000)
        if not (strength or weight):
            return CameraFinding(f"{told}: cameras are ignored", share, chance), shared, partial(self._at, 0.0)
        done, whitenings = [], shared
        if self._whitenings is not None and strength:
            whitenings = self._whitenings.scaled(strength)
            done.append("features are whitened camera by camera")
        if weight:
            done.append(f"a pair of one camera adds {weight:g} to D")
        finding = CameraFinding(
            f"{told}: {' and '.join(done) or 'there is nothing to do'}", share, chance, weight, by_camera=True
        )
        return finding, whitenings, partial(self._at, strength)

    @property
    def most_bytes(self) -> int:
        """Bytes that it holds at most: the features, whitened by all and by each camera, and both mixed in two ways; and the
        whitenings.
        """
        n_maps = 0 if self._fit is None else 1 + len(cameras_with_enough(self._camid))
        dim: int = self._features.shape[1]
        return 5 * self._features.nbytes + n_maps * dim**2 * 8

    @cached_property
    def _shared(self) -> Whitenings | None:
        """The whitening of all."""
        return None if self._fit is None else Whitenings(self._fit(self._features, None))

    @cached_property
    def _whitenings(self) -> Whitenings | None:
        """The whitening of all samples and those of each camera; None if there is nothing to whiten by."""
        if self._fit is None or self._shared is None:
            return None
        return fit_by_camera(self._features, self._camid, self._shared.shared, self._fit)

    def _at(self, strength: float) -> Float32Array:
        """The features (n, d) with `strength` (0 to 1) of the cameras' own whitenings."""
        if self._shared is None:
            return self._features
        if 0.0 not in self._rows:
            self._rows[0.0] = self._shared.of(self._features, self._camid)
        if strength not in self._rows:
            self._rows[strength] = self._parts.mixed(strength)
        return self._rows[strength]

    @cached_property
    def _parts(self) -> Parts:
        """The features whitened by all and by their camera; only if there is something to whiten by."""
        assert self._whitenings is not None
        return self._whitenings.parts(self._features, self._camid, self._at(0.0))

    @cached_property
    def _near(self) -> NearestByCamera:
        """The nearest neighbours of features that are whitened by all."""
        return self._look(partial(self._at, 0.0))

    def _pairs_at(self, strength: float) -> CameraPairs:
        """The pairs at `strength`; only the samples that are in one are mixed for it."""
        if strength not in self._pairs:
            some = _paired(self._camid)
            rows = self._parts.of(some).mixed(strength) if strength else self._at(0.0)[some]
            self._pairs[strength] = CameraPairs.of(rows, self._camid[some])
        return self._pairs[strength]

    @cached_property
    def _evening_strength(self) -> float:
        """The largest strength, in eighths, at which near pairs of one camera are still nearer than those of others, or 0.

        More would drive apart what one camera took: own whitenings of few samples do that, whoever is in them.
        """
        if self._whitenings is None:
            return 0.0
        low, high = 0, EIGHTHS
        while low < high:
            middle = (low + high + 1) // 2
            # 0 is no sign: there may be no pairs
            if self._pairs_at(middle / EIGHTHS).nearer() > 0:
                low = middle
            else:
                high = middle - 1
        return low / EIGHTHS


def nearest_by_camera(rows: Float32Array, camid: Int32Array) -> NearestByCamera:
    """The nearest neighbours of up to `LOOKED_AT` of the unit `rows` (n, d) taken by known `camid` (n,), two at least.

    Those whose camera is not known are no neighbours. A float32 product says which rows can be nearest, and their similarity
    is exact: no bit depends on library or machine.
    """
    if (camid == UNKNOWN).any():
        rows, camid = rows[camid != UNKNOWN], camid[camid != UNKNOWN]
    n_rows, dim = rows.shape
    looked_at = _spread(n_rows, LOOKED_AT)
    # the rows of each camera together, so that pairs of one camera are a rectangle
    looked_at = looked_at[np.argsort(camid[looked_at], kind="stable")]
    order = np.argsort(camid, kind="stable")
    cameras, count = np.unique(camid, return_counts=True)
    seen, place = rows[looked_at], np.argsort(order)[looked_at]
    of_camera = _spans(camid[looked_at], cameras)

    def look(starts: range) -> tuple[_Nearest, _Nearest]:
        same, other = _Nearest(len(seen), dim), _Nearest(len(seen), dim)
        flat = np.empty(len(seen) * min(n_rows, _BLOCK), dtype=np.float32)
        for start in starts:
            columns = order[start : start + _BLOCK]
            block = rows[columns]
            screen = np.matmul(seen, block.T, out=flat[: len(seen) * len(block)].reshape(len(seen), len(block)))
            itself = np.flatnonzero((place >= start) & (place < start + len(block)))
            screen[itself, place[itself] - start] = -np.inf
            for own, here in zip(of_camera, _spans(camid[columns], cameras), strict=True):
                same.take_in(screen[own, here], seen, block, own, here)
                screen[own, here] = -np.inf
            other.take_in(screen, seen, block, slice(len(seen)), slice(len(block)))
        return same, other

    found = by_blocks(look, n_rows, _BLOCK)
    same, other = (np.max([nearest.similarity for nearest in each], axis=0) for each in zip(*found, strict=True))
    back = np.argsort(looked_at)
    chance = (count[np.searchsorted(cameras, camid[looked_at])] - 1) / (n_rows - 1)
    return NearestByCamera(np.maximum(2 - 2 * same, 0)[back], np.maximum(2 - 2 * other, 0)[back], chance[back])


def _paired(camid: Int32Array) -> Int64Array:
    """The samples whose pairs are compared: up to `PAIRS_OF` that known cameras took, evenly spread."""
    known = np.flatnonzero(camid != UNKNOWN)
    return known[_spread(len(known), PAIRS_OF)]


def _spread(n: int, most: int) -> Int64Array:
    """At most `most` of 0..n−1, ascending, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def _spans(camid: Int32Array, cameras: Int32Array) -> list[slice]:
    """Range of rows of each of the ascending `cameras` in `camid`, which is sorted."""
    ends = np.searchsorted(camid, cameras, side="right").tolist()
    return [slice(start, stop) for start, stop in pairwise([0, *ends])]


class _Nearest:
    """`similarity` (n,), exact, of rows to the nearest of all that were taken in; −inf before any."""

    def __init__(self, n: int, dim: int) -> None:
        self.similarity = np.full(n, -np.inf)
        self._screened = np.full(n, -np.inf, dtype=np.float32)
        self._width = np.float32(2 * product_error(dim))

    def take_in(
        self, screen: Float32Array, seen: Float32Array, block: Float32Array, own: slice, columns: slice
    ) -> None:
        """Take in the products `screen` of the rows `own` of `seen` and `columns` of `block`; −inf is not looked at."""
        if not screen.size:
            return
        largest = np.maximum(self._screened[own], screen.max(axis=1))
        self._screened[own] = largest
        # no pair with less can be the nearest; all are less than an infinity
        near = screen >= np.where(largest > -np.inf, largest - self._width, np.inf)[:, None]
        row, _, similarity = exact_where(seen[own], block[columns], near)
        np.maximum.at(self.similarity[own], row, similarity)


def too_few_cameras(camid: Int32Array) -> str | None:
    """Why `camid` (n,) says nothing, in one line; None if it may."""
    known = camid[camid != UNKNOWN]
    if len(known) < LEAST_COVERED * len(camid):
        return f"{len(camid) - len(known)} of {len(camid)} train samples have no camera id: cameras are ignored"
    count = np.unique(known, return_counts=True)[1]
    if len(count) < 2:
        return f"all train samples are of one camera: there is nothing to tell apart{told_unknown(camid)}"
    if took_few(known):
        return (
            f"{len(count)} cameras took {so_many(float(np.median(count)), 'train sample')} each in the median, "
            f"fewer than {LEAST_IN_CAMERA}: too few to compare cameras by, so they are ignored; if they are encounters, a "
            "table with a column encounter says so"
        )
    return None


def told_unknown(camid: Int32Array) -> str:
    """What to add to a line about `camid` (n,): how many are not known, empty if all are."""
    n_unknown = int((camid == UNKNOWN).sum())
    return f" ({n_unknown} of {len(camid)} have no camera id and are taken as they are)" if n_unknown else ""


def _as(metric: SampleMetric, squared: float) -> float:
    """A squared distance of rows of unit length as `metric` gives it."""
    if metric == "euclidean":
        return math.sqrt(squared)
    return squared / 2 if metric == "cosine" else squared
