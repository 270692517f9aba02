"""Shrunk whitening: features in which no direction that all samples share drowns those that tell them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stages.arrays.backend import one_library_thread
from stages.errors import DbcError, UsageError
from stages.typing import Float32Array, Float64Array, Int64Array

_BLOCK_ROWS = 4096
"""Rows of float64 held at once; part of the result's last bits, so it is fixed."""


class NothingToWhitenError(DbcError):
    """Features among which no two differ, or none at all."""


@dataclass(frozen=True)
class Whitening:
    """A linear map fitted on features: `mean` (d,) is subtracted, `matrix` (d, d), symmetric, applied; both float64."""

    mean: Float64Array
    matrix: Float64Array


def fit_whitening(features: Float32Array, *, ridge: float) -> Whitening:
    """The map (Σ + ρ·σ²·I)^-½ about the mean of `features` (n, d): Σ their covariance, σ² its mean diagonal, ρ `ridge`.

    ρ near 0 makes all directions vary alike; a large ρ only centres. It uses no labels. The same rows in any order give
    the same bits. Raises UsageError unless ρ > 0, NothingToWhitenError for no rows or rows all equal, DbcError for values
    that are not finite.
    """
    if not (np.isfinite(ridge) and ridge > 0):
        raise UsageError(f"--whiten: found {ridge}, wanted a finite number above 0; give --whiten 3")
    if not len(features):
        raise NothingToWhitenError(
            "no train features found to whiten by, wanted at least 2 that differ; give --whiten 0"
        )
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        raise DbcError(f"features row {row} holds NaN or infinity, wanted finite values; extract them again")
    rows, _, counts = _canonical(features)
    with one_library_thread():
        mean = np.zeros(features.shape[1])
        for block, weight in _blocks(rows, counts):
            mean += (block * weight).sum(axis=0) / len(features)
        root = _from_gram if len(rows) < len(mean) else _from_covariance
        mean_variance, matrix = root(rows, counts, mean, ridge=ridge)
    if len(rows) == 1 or mean_variance == 0:
        raise NothingToWhitenError(
            f"{len(features)} features are all the same, wanted some that differ to whiten; give --whiten 0"
        )
    return Whitening(mean, matrix)


def _from_covariance(
    rows: Float32Array, counts: Int64Array, mean: Float64Array, *, ridge: float
) -> tuple[float, Float64Array]:
    """(σ², (Σ + ρ·σ²·I)^-½) from the eigenvalues of Σ (d, d); no number where σ² is 0."""
    covariance = np.zeros((len(mean), len(mean)))
    for block, weight in _blocks(rows, counts):
        centred = (block - mean) * np.sqrt(weight)
        covariance += centred.T @ centred
    covariance /= counts.sum()
    variance, directions = np.linalg.eigh(covariance)
    mean_variance = float(np.trace(covariance)) / len(covariance)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1 / np.sqrt(np.maximum(variance, 0) + ridge * mean_variance)
        return mean_variance, (directions * scale) @ directions.T


def _from_gram(
    rows: Float32Array, counts: Int64Array, mean: Float64Array, *, ridge: float
) -> tuple[float, Float64Array]:
    """The same from the m different rows, where they are fewer than d: eigenvalues of their inner products (m, m) alone.

    With C the centred rows over √n, Σ = CᵀC, CCᵀ = U diag(λ) Uᵀ and r = ρ·σ², the root is r^-½ I + CᵀU diag(f(λ)) UᵀC where
    f(λ) = ((λ + r)^-½ − r^-½) / λ = −1 / (√r √(λ + r) (√r + √(λ + r))), which small λ leave as it is.
    """
    centred = (rows.astype(np.float64) - mean) * np.sqrt(counts / counts.sum())[:, None]
    variance, directions = np.linalg.eigh(centred @ centred.T)
    mean_variance = float(np.square(centred).sum()) / len(mean)
    small = np.sqrt(ridge * mean_variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        large = np.sqrt(np.maximum(variance, 0) + small**2)
        # halves of f on either side keep the result symmetric to the last bit
        half = (directions / np.sqrt(small * large * (small + large))).T @ centred
        matrix = -(half.T @ half)
        matrix[np.diag_indices(len(mean))] += 1 / small
    return mean_variance, matrix


def whitened(features: Float32Array, whitening: Whitening) -> Float32Array:
    """`features` (n, d) through `whitening`, each of unit length: (n, d) float32. A row at the mean stays 0.

    Equal rows stay equal, and a row's bits do not depend on the order of the others.
    """
    rows, inverse, counts = _canonical(features)
    result = np.empty(rows.shape, dtype=np.float32)
    with one_library_thread():
        start = 0
        for block, _ in _blocks(rows, counts):
            moved = (block - whitening.mean) @ whitening.matrix
            length = np.linalg.norm(moved, axis=1, keepdims=True)
            result[start : start + len(block)] = moved / np.where(length > 0, length, 1)
            start += len(block)
    return result[inverse]


def _canonical(features: Float32Array) -> tuple[Float32Array, Int64Array, Int64Array]:
    """(rows, inverse, counts): the different rows in the order of their bytes, each one's place, and how often each is."""
    values = np.ascontiguousarray(features + np.zeros((), dtype=features.dtype))  # no row differs by the sign of 0
    keys = values.view(np.dtype((np.void, values.dtype.itemsize * values.shape[1]))).ravel()
    _, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    return values[first], inverse, counts


def _blocks(rows: Float32Array, counts: Int64Array) -> Iterator[tuple[Float64Array, Float64Array]]:
    """The rows and their weights (b, 1), float64, a block at a time."""
    for start in range(0, len(rows), _BLOCK_ROWS):
        span = slice(start, start + _BLOCK_ROWS)
        yield rows[span].astype(np.float64), counts[span, None].astype(np.float64)
