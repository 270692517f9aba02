"""The train features as a merge compares them: those extracted, centred by camera or whitened where it was asked to."""

from __future__ import annotations

import numpy as np

from schemas.parameters import MergeParameters
from stages.arrays.memory_limit import limit_of, require_memory
from stages.errors import DbcError
from stages.features.centring import centred_by_camera, centring_bytes, require_cameras
from stages.features.kept_whitening import whitening_of
from stages.features.whitening import whitened
from stages.runs.store import Artifact
from stages.samples import TRAIN
from stages.typing import Float32Array, Int32Array

_FLOAT64 = 8


def compared_features(
    features: Artifact, dataset: Artifact, parameters: MergeParameters, *, memory_limit: int | None = None
) -> Float32Array:
    """The train features (n_train, d) float32 that a merge by `parameters` compares, in dataset order.

    Camera ids are read for `camera` 'centring' alone, identities never. `memory_limit` in bytes (default: 0.8 of what is
    available) is for what centring and whitening take beside the features. Raises DbcError where that is too little, the
    features are of other samples than the dataset, or it has no train samples, and what centring and whitening raise.
    """
    is_train = dataset.read("split") == TRAIN
    pooled: Float32Array = features.read("pooled")
    if len(pooled) != len(is_train):
        raise DbcError(
            f"{features.path}: pooled of {len(pooled)} rows, wanted {len(is_train)}, one a sample of {dataset.path}; "
            "extract them again"
        )
    if not is_train.any():
        raise DbcError(f"{dataset.path}: no train samples found, wanted at least 2; ingest data with a train split")
    rows = pooled if is_train.all() else pooled[is_train]
    del pooled  # most of the memory there is, where features are many
    camid: Int32Array | None = dataset.read("camid")[is_train] if parameters.camera == "centring" else None
    _require_room(rows, camid, parameters, memory_limit=memory_limit)
    if camid is not None:
        rows = centred_by_camera(rows, camid)
    if parameters.whiten:
        rows = whitened(rows, whitening_of(features, rows, ridge=parameters.whiten, centred=camid is not None))
    return rows


def penalised_cameras(dataset: Artifact, parameters: MergeParameters) -> Int32Array | None:
    """The camera ids (n_train,) that a merge by `parameters` penalises where they are shared; None where it does not.

    Raises what `require_wanted_cameras` does.
    """
    return _wanted_cameras(dataset, parameters) if parameters.camera == "penalty" else None


def require_wanted_cameras(dataset: Artifact, parameters: MergeParameters) -> None:
    """Raise DbcError where a merge by `parameters` wants camera ids that train samples do not have.

    And where a penalty would change nothing, because one camera took them all.
    """
    _wanted_cameras(dataset, parameters)


def _wanted_cameras(dataset: Artifact, parameters: MergeParameters) -> Int32Array | None:
    if parameters.camera == "ignored":
        return None
    camid: Int32Array = dataset.read("camid")[dataset.read("split") == TRAIN]
    require_cameras(camid, option=parameters.camera)
    if parameters.camera == "penalty" and len(camid) and (camid == camid[0]).all():
        raise DbcError(
            f"--camera penalty: all {len(camid)} train samples are of camera {camid[0]}, wanted two cameras or more: it "
            "would add the same to every D and change nothing; leave the flag out"
        )
    return camid


def whitening_bytes(*, n_samples: int, dim: int) -> int:
    """Peak bytes of whitening (n, d) float32 features beside them: the result, blocks of float64, a few (d, d) matrices.

    Blocks of rows are rounded, centred, multiplied and squared. The factorisation holds the covariance, what is left of it,
    the factor, its inverse, and rounded copies of two of them.
    """
    result = 4 * n_samples * dim
    blocks = 5 * _FLOAT64 * min(n_samples, 1024) * dim
    return result + blocks + 8 * _FLOAT64 * dim * dim


def _require_room(
    rows: Float32Array, camid: Int32Array | None, parameters: MergeParameters, *, memory_limit: int | None
) -> None:
    """Raise DbcError where centring by `camid` or whitening `rows` takes more than `memory_limit`."""
    n_samples, dim = rows.shape
    if camid is not None:
        largest = int(np.unique(camid, return_counts=True)[1].max())
        n_bytes = centring_bytes(n_samples=n_samples, dim=dim, largest_camera=largest)
        _require(n_bytes, rows, flag="--camera centring", memory_limit=memory_limit)
    if parameters.whiten:
        require_whitening_room(rows, memory_limit=memory_limit)


def require_whitening_room(rows: Float32Array, *, memory_limit: int | None) -> None:
    """Raise MemoryLimitError where whitening by `rows` (n, d) takes more than `memory_limit` (default: as `limit_of`)."""
    n_samples, dim = rows.shape
    n_bytes = whitening_bytes(n_samples=n_samples, dim=dim)
    _require(n_bytes, rows, flag="--whiten", memory_limit=memory_limit)


def _require(n_bytes: int, rows: Float32Array, *, flag: str, memory_limit: int | None) -> None:
    what = f"{flag} of {rows.shape[0]} features of {rows.shape[1]} dimensions"
    require_memory(n_bytes, memory_limit=limit_of(memory_limit, rows), what=what)
