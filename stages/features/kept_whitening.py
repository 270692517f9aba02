"""The whitening of a features artifact: fitted once and kept beside it, for every merge, training and evaluation.

The newest ones also stay in memory, because stages that are not trained hand the same features on.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

import numpy as np

from stages.errors import DbcError
from stages.features.whitening import Whitening, fit_whitening
from stages.processes import is_leader
from stages.runs.store import Artifact
from stages.runs.store.checkpoint import read_checkpoint, write_checkpoint
from stages.runs.store.digests import canonical_json
from stages.typing import Float32Array

_VERSION = 1
"""Of how a whitening is computed: what another version kept is fitted again."""
MOST_KEPT = 32
"""Whitenings kept beside one artifact: one a camera, and that of all."""
IN_MEMORY = 2**28
"""Bytes of whitenings that stay in memory, at most."""

_newest: dict[str, Whitening] = {}


def whitening_of(features: Artifact, train_rows: Float32Array, *, ridge: float, part: str = "all") -> Whitening:
    """`fit_whitening` of `train_rows` (n, d), pooled train rows of `features`; read if it was fitted before.

    `part` says which rows they are: all, all centred by camera, or those of one camera. It is kept hidden beside the
    artifact, under its id, the part and the ridge, with digests: what is damaged is fitted again. Raises what `fit_whitening`
    raises.
    """
    dataset = [parent.id for parent in features.manifest.parents if parent.kind == "dataset"]
    name = f"{features.manifest.arrays['pooled'].sha256} {dataset} {part} {ridge}"
    whitening = _newest.pop(name, None) or _read_or_fitted(features, train_rows, ridge=ridge, part=part)
    _newest[name] = whitening
    while sum(kept.matrix.nbytes for kept in _newest.values()) > IN_MEMORY:
        del _newest[next(iter(_newest))]
    return whitening


def _read_or_fitted(features: Artifact, train_rows: Float32Array, *, ridge: float, part: str) -> Whitening:
    request = {"version": _VERSION, "features": features.manifest.id, "ridge": ridge, "part": part}
    key = hashlib.sha256(canonical_json(request)).hexdigest()
    directory = features.path.parent
    kept = read_checkpoint(directory, key)
    if kept is not None:
        return Whitening(kept.arrays["mean"], kept.arrays["matrix"], int(kept.arrays["grid"][0]))
    whitening = fit_whitening(train_rows, ridge=ridge)
    if is_leader():
        arrays = {"mean": whitening.mean, "matrix": whitening.matrix, "grid": np.array([whitening.grid])}
        # if the run cannot be written, it is fitted again next time
        with suppress(DbcError):
            write_checkpoint(directory, key, 0, arrays, about={"holds": "whitening"}, n_keys=MOST_KEPT)
    return whitening
