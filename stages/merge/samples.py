"""The features as the merge sees them: checked, centred, and on a grid where their sums are exact."""

from __future__ import annotations

import math
from typing import Literal

import array_api_compat

from stages.backend import to_host
from stages.errors import DbcError
from stages.merge.exact_sums import grid_exponent, halving_sum, round_to_grid
from stages.typing import Array

Metric = Literal["sqeuclidean", "euclidean", "cosine"]

_LARGEST, _SMALLEST = 2.0**300, 2.0**-300


def canonical_features(features: Array, *, metric: Metric) -> Array:
    """The rows whose squared distances define every dispersion: (n, d) float64 on a grid, centred.

    `features` is (n, d) of any real dtype. For `cosine` the rows are first scaled to unit length, after which
    1 − cos is half the squared distance. Then their mean is subtracted, which changes no distance and keeps
    precision where the features share a large common part; then each coordinate is rounded once to the grid of
    `grid_exponent`, so that sums over any samples are exact in any order. Mean and grid follow from sums and
    extremes alone, so permuting the rows permutes the result and changes no bit.

    The rounding moves a coordinate by at most n · max|x| · 2^-53. Raises DbcError for what `require_finite` and
    `require_range` refuse and, under `cosine`, for a row of zeros, which has no direction.
    """
    xp = array_api_compat.array_namespace(features)
    rows = xp.astype(features, xp.float64)
    require_finite(rows)
    require_range(rows)
    if metric == "cosine":
        rows = unit_rows(rows)
    n_samples = rows.shape[0]
    on_grid = round_to_grid(rows, grid_exponent(largest(rows), n_samples))
    rows = rows - xp.sum(on_grid, axis=0) / n_samples
    return round_to_grid(rows, grid_exponent(largest(rows), n_samples))


def largest(values: Array) -> float:
    """max|values|."""
    xp = array_api_compat.array_namespace(values)
    return float(xp.max(xp.abs(values)))


def unit_rows(rows: Array) -> Array:
    """`rows` (n, d) scaled to unit Euclidean length, float64; raises DbcError naming the first row of zeros."""
    xp = array_api_compat.array_namespace(rows)
    peak = xp.max(xp.abs(rows), axis=1)
    if not bool(xp.all(peak > 0)):
        row = int(to_host(xp.argmin(peak)))
        raise DbcError(
            f"features row {row} is all zeros, which has no cosine distance; drop it or use --metric sqeuclidean"
        )
    scaled = rows / peak[:, None]
    return scaled / xp.sqrt(halving_sum(scaled * scaled))[:, None]


def require_finite(rows: Array) -> None:
    """Raise DbcError naming the first row of `rows` (n, d) that holds NaN or infinity."""
    xp = array_api_compat.array_namespace(rows)
    finite = xp.all(xp.isfinite(rows), axis=1)
    if bool(xp.all(finite)):
        return
    row = int(to_host(xp.argmin(xp.astype(finite, xp.int64))))
    n_bad = int(xp.sum(xp.astype(~finite, xp.int64)))
    raise DbcError(
        f"features row {row} holds NaN or infinity ({n_bad} of {rows.shape[0]} rows do), wanted finite values; "
        "extract them again or drop those samples"
    )


def require_range(rows: Array) -> None:
    """Raise DbcError where the largest |value| of `rows` leaves 2^±300, so that its square might leave float64."""
    peak = largest(rows)
    if peak == 0 or _SMALLEST <= peak <= _LARGEST:
        return
    raise DbcError(
        f"features reach {peak:.3g}, wanted a largest size between 1e-90 and 1e+90; "
        f"scale them by 2**{-math.frexp(peak)[1]}"
    )
