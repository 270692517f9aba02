"""The nearest neighbours by camera of a features artifact: looked for once, for every merge and evaluation of it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

from stages.features.camera_finding import LOOKED_AT, Look, NearestByCamera, Rows, nearest_by_camera
from stages.features.kept_whitening import read_or_kept
from stages.runs.store import Artifact
from stages.typing import Int32Array

_VERSION = 1
"""Of how features are whitened and mixed and neighbours found: what another version kept is looked for again."""
KEEPING_PAYS = 2**33
"""Products of a search from which it takes longer than keeping and reading what it finds."""


def kept_look(features: Artifact, camid: Int32Array, *, shape: tuple[int, int], ridge: float) -> Look:
    """`nearest_by_camera` of the train rows of `features`, of cameras `camid` (n,), which are kept if that pays.

    `shape` (n, d) is that of the rows, and `ridge` what they are whitened with, 0 if they are not.
    """
    n_rows, dim = shape
    cameras = hashlib.sha256(camid.tobytes()).hexdigest()

    def look(rows: Rows) -> NearestByCamera:
        if n_rows * min(n_rows, LOOKED_AT) * dim < KEEPING_PAYS:
            return nearest_by_camera(rows(), camid)
        request = {"version": _VERSION, "neighbours": cameras, "ridge": ridge, "strength": 0.0}
        kept = read_or_kept(features, request, lambda: asdict(nearest_by_camera(rows(), camid)), holds="neighbours")
        return NearestByCamera(**kept)

    return look
