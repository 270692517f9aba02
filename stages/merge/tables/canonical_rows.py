"""Canonical rows: the features as the merge compares them, checked, centred, and on a grid where their sums are exact."""

from __future__ import annotations

import math
from dataclasses import dataclass

import array_api_compat

from schemas.choices import SampleMetric
from stages.arrays.backend import to_host
from stages.arrays.exact_sums import grid_exponent, halving_sum, round_to_grid
from stages.arrays.finite import require_finite
from stages.errors import DbcError
from stages.typing import Array

_LARGEST, _SMALLEST = 2.0**300, 2.0**-300

PART_VALUES = 1 << 20
"""Values that whole-array operations take at once: 8 MiB of float64. All rows at once would take many times n·d."""


@dataclass(frozen=True)
class FeatureGrid:
    """The grid that features are moved to before anything is computed from them; the order of the samples does not matter.

    `centre` (d,) float64, the middle of each column's range, is subtracted from each row. That changes no distance, and
    keeps precision if the features share a large common part. Coordinates are then rounded to multiples of
    2^-`exponent`, on which sums over up to `n_samples` rows are exact. `norm_bound` bounds every row's squared norm.
    """

    centre: Array
    dim: int
    exponent: int
    norm_bound: float
    n_samples: int

    @property
    def distance_bound(self) -> float:
        """No distance between two rows is larger."""
        return 2.0 * math.sqrt(self.norm_bound) * (1 + 2.0**-40)


def grid_of(lowest: Array, highest: Array, *, n_samples: int) -> FeatureGrid:
    """The grid of `n_samples` rows whose columns range from `lowest` to `highest`, each (d,) float64."""
    xp = array_api_compat.array_namespace(lowest)
    centre = (lowest + highest) / 2
    reach = xp.maximum(xp.abs(lowest - centre), xp.abs(highest - centre))
    exponent = grid_exponent(largest(reach), n_samples)
    reach = round_to_grid(reach, exponent)
    return FeatureGrid(
        centre=centre,
        dim=lowest.shape[0],
        exponent=exponent,
        norm_bound=float(halving_sum(reach * reach)),
        n_samples=n_samples,
    )


@dataclass(frozen=True)
class CanonicalRows:
    """The rows whose squared distances define every dispersion, made when asked for: only `features` (n, d) take memory.

    For `cosine`, rows are first scaled to unit length, after which 1 − cos is half the squared distance. Each row is then
    moved and rounded as `grid` says, which moves a coordinate by at most n · max|x| · 2^-52. Permuting the rows permutes
    the result and changes no bit.
    """

    features: Array
    grid: FeatureGrid
    metric: SampleMetric

    def take(self, index: Array) -> Array:
        """Rows `index` (P,), (P, d) float64."""
        xp = array_api_compat.array_namespace(self.features)
        rows = xp.astype(xp.take(self.features, index, axis=0), xp.float64)
        if self.metric == "cosine":
            rows = exact_unit_rows(rows)
        return round_to_grid(rows - self.grid.centre, self.grid.exponent)


def canonical_rows(features: Array, *, metric: SampleMetric) -> CanonicalRows:
    """`CanonicalRows` of `features` (n, d) of any real dtype, which are read once, in parts.

    Raises DbcError for what `require_finite` and `require_range` refuse and, for `cosine`, for a row of zeros, which has no
    direction.
    """
    xp = array_api_compat.array_namespace(features)
    lows, highs, peak = [], [], 0.0
    for first, stop in parts_of(features.shape[0], features.shape[1]):
        rows = xp.astype(features[first:stop, :], xp.float64)
        if not bool(xp.all(xp.isfinite(rows))):
            require_finite(features)
        peak = max(peak, largest(rows))
        if metric == "cosine":
            rows = exact_unit_rows(rows, first=first)
        lows.append(xp.min(rows, axis=0))
        highs.append(xp.max(rows, axis=0))
    require_range(peak)
    lowest, highest = xp.min(xp.stack(lows), axis=0), xp.max(xp.stack(highs), axis=0)
    return CanonicalRows(features, grid_of(lowest, highest, n_samples=features.shape[0]), metric)


def parts_of(n_rows: int, dim: int, *, part_values: int = PART_VALUES) -> list[tuple[int, int]]:
    """(first, stop) of parts of `n_rows` rows of `dim` values: `part_values` values each, or one row."""
    step = max(1, part_values // dim)
    return [(first, min(first + step, n_rows)) for first in range(0, n_rows, step)]


def largest(values: Array) -> float:
    """max|values|."""
    xp = array_api_compat.array_namespace(values)
    return float(xp.max(xp.abs(values)))


def exact_unit_rows(rows: Array, *, first: int = 0) -> Array:
    """`rows` (n, d) scaled to unit Euclidean length, float64; raises DbcError naming the first row of zeros.

    `first`: the number that the first of `rows` goes by.
    """
    xp = array_api_compat.array_namespace(rows)
    peak = xp.max(xp.abs(rows), axis=1)
    if not bool(xp.all(peak > 0)):
        raise no_direction(first + int(to_host(xp.argmin(peak))))
    scaled = rows / peak[:, None]
    return scaled / xp.sqrt(halving_sum(scaled * scaled))[:, None]


def no_direction(row: int) -> DbcError:
    """The refusal of a `row` of zeros under `cosine`."""
    return DbcError(
        f"features row {row} is all zeros, which has no cosine distance; drop it or use `metric='sqeuclidean'`"
    )


def require_range(peak: float) -> None:
    """Raise DbcError if `peak`, the largest |value|, lies outside 2^±300, so that its square might overflow float64."""
    if peak == 0 or _SMALLEST <= peak <= _LARGEST:
        return
    raise DbcError(
        f"the largest |value| of the features must lie between 1e-90 and 1e+90, got {peak:.3g}; "
        f"scale them by 2**{-math.frexp(peak)[1]}"
    )
