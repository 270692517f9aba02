"""Features centred by camera, so that what a camera gives all its images no longer makes them alike."""

from __future__ import annotations

import numpy as np

from stages.errors import DbcError
from stages.samples import UNKNOWN
from stages.typing import Float32Array, Int32Array


def centred_by_camera(features: Float32Array, camid: Int32Array) -> Float32Array:
    """`features` (n, d) minus the mean of their own camera's, each of unit length: (n, d) float32.

    What a camera gives all its images: light, background, view. `camid` (n,) integers.
    Uses no identities. Means are summed in the order of the rows' values, so a permutation of the samples permutes the
    result; a row at its camera's mean stays 0. Raises DbcError where a camera is unknown.
    """
    require_cameras(camid, option="centring")
    result = np.empty(features.shape, dtype=np.float32)
    for camera in np.unique(camid):
        rows = np.flatnonzero(camid == camera)
        values = features[rows].astype(np.float64)
        # sorted columns have the same sum in any order of the rows
        values -= np.sort(values, axis=0).sum(axis=0) / len(rows)
        length = np.sqrt(np.sum(values * values, axis=1, keepdims=True))
        values /= np.where(length > 0, length, 1)
        result[rows] = values
    return result


def require_cameras(camid: Int32Array, *, option: str) -> None:
    """Raise DbcError if the camera of a sample in `camid` (n,) is unknown; `option`, the value of `camera`, needs it."""
    n_unknown = int((camid == UNKNOWN).sum())
    if n_unknown:
        raise DbcError(
            f"`camera={option!r}` needs all cameras, but {n_unknown} of {len(camid)} train samples have no camera id; "
            "ingest data that names cameras, or use `camera='ignored'`"
        )


def centring_bytes(*, n_samples: int, dim: int, largest_camera: int) -> int:
    """Peak bytes of `centred_by_camera` beside its features: the result, and two float64 copies of a camera's rows."""
    return 4 * n_samples * dim + (4 + 2 * 8) * largest_camera * dim + 64 * n_samples
