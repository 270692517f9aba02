"""Rows of length 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.typing import Float32Array


def unit_rows(rows: NDArray[np.floating]) -> Float32Array:
    """`rows` (n, d) scaled to length 1, as float32; a row of zeros stays 0."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(length > 0, length, 1)).astype(np.float32, copy=False)
