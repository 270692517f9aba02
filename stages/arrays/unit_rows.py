"""Rows of length 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from stages.arrays.backend import to_host
from stages.errors import DbcError
from stages.typing import Array, Float32Array

LENGTH_TOLERANCE = 1e-2
"""How far from 1 a feature's length may be; exact similarities need less than √2."""


def unit_rows(rows: NDArray[np.floating]) -> Float32Array:
    """`rows` (n, d) scaled to length 1, as float32; a row of zeros stays 0."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(length > 0, length, 1)).astype(np.float32, copy=False)


def as_unit_rows(features: Array, *, what: str = "features") -> Array:
    """`features` (n, d), called `what` in errors, as float32 unless they are float64: steps of 2⁻²⁶ leave float16's range.

    DbcError unless each row has length 1 or is zeros.
    """
    xp: Any = array_namespace(features)
    if features.dtype not in (xp.float32, xp.float64):
        features = xp.astype(features, xp.float32)
    length = to_host(xp.sqrt(xp.linalg.vecdot(features, features)))
    bad = np.flatnonzero(~((np.abs(length - 1) < LENGTH_TOLERANCE) | (length == 0)))
    if len(bad):
        raise DbcError(
            f"{what} must have length 1, got {length[bad[0]]:g} for feature {bad[0]} (and {len(bad) - 1} more); "
            "L2-normalise them first"
        )
    return features
