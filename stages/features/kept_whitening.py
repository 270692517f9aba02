"""The whitening of a features artifact: fitted once and kept beside it, for every merge, training and evaluation.

Stages that are not trained hand the same features on: what was kept beside those of one is read for those of another. The
newest whitenings also stay in memory. What a GPU fitted is not kept: to fit it again takes it no longer than to read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.arrays.backend import elsewhere
from stages.features.whitening import Whitening, fit_whitening
from stages.runs.store import Artifact
from stages.runs.store.checkpoint import keep, read_checkpoint
from stages.runs.store.digests import json_digest
from stages.runs.unreferenced import WHITENING, features_folders, remove_whitenings
from stages.typing import Float32Array

_VERSION = 1
"""Of how a whitening is computed: what another version kept is fitted again."""
GPU_PAYS = 2.5e9
"""Multiplications from which a GPU fits a whitening: a third of a second of one core."""
IN_MEMORY = 2**29
"""Bytes of whitenings that stay in memory, at most."""

_newest: dict[str, Whitening] = {}


def whitening_of(
    features: Artifact, train_rows: Float32Array, *, ridge: float, part: str = "all", device: str = "cpu"
) -> Whitening:
    """`fit_whitening` of `train_rows` (n, d), pooled train rows of `features`; read if it was fitted before.

    `part` says which rows they are: all, all centred by camera, or those of one camera. It is kept as `read_or_kept` does,
    or fitted and applied on a `device` that is a GPU, to the same bits. Raises what `fit_whitening` raises.
    """
    name = f"{content_of(features)} {part} {ridge} {device}"
    whitening = _newest.pop(name, None)
    if whitening is None:
        n_samples, dim = train_rows.shape
        backend = elsewhere(device, pays=float(n_samples + dim) * dim**2 >= GPU_PAYS)
        if backend is None:
            whitening = _read_or_fitted(features, train_rows, ridge=ridge, part=part)
        else:
            whitening = fit_whitening(train_rows, ridge=ridge, backend=backend)
    _newest[name] = whitening
    while sum(kept.matrix.nbytes for kept in _newest.values()) > IN_MEMORY:
        del _newest[next(iter(_newest))]
    return whitening


def content_of(features: Artifact) -> str:
    """Text that stands for the pooled rows; features that were handed on without training have the same one."""
    dataset = [parent.id for parent in features.manifest.parents if parent.kind == "dataset"]
    return f"{features.manifest.arrays['pooled'].sha256} {dataset}"


def _read_or_fitted(features: Artifact, train_rows: Float32Array, *, ridge: float, part: str) -> Whitening:
    def fitted() -> dict[str, NDArray[Any]]:
        whitening = fit_whitening(train_rows, ridge=ridge)
        # most of a run would be whitenings of stages that are over, and a fit takes a second or two
        remove_whitenings(features.path.parents[2], but=features.path.parent)
        return {"mean": whitening.mean, "matrix": whitening.matrix, "grid": np.array([whitening.grid])}

    kept = read_or_kept(features, {"version": _VERSION, "ridge": ridge, "part": part}, fitted, holds=WHITENING)
    return Whitening(kept["mean"], kept["matrix"], int(kept["grid"][0]))


def read_or_kept(
    features: Artifact, request: Mapping[str, object], compute: Callable[[], Mapping[str, NDArray[Any]]], *, holds: str
) -> Mapping[str, NDArray[Any]]:
    """The arrays that were kept for `request` and these rows, or those that `compute` gives, which are then kept.

    Hidden, beside the features, under their `content_of` and the request, with digests: what is damaged is computed again.
    """
    key = json_digest({**request, "features": content_of(features)})
    directory = features.path.parent
    for place in dict.fromkeys((directory, *features_folders(features.path.parents[2]))):
        kept = read_checkpoint(place, key)
        if kept is not None:
            return kept.arrays
    arrays = compute()
    keep(directory, key, arrays, about={"holds": holds})
    return arrays
