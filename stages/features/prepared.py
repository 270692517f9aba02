"""The train features as a merge compares them: those extracted, centred by camera or whitened if it was asked to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from schemas.choices import OF_DISPERSIONS, SampleMetric
from schemas.parameters import MergeParameters
from stages.arrays.finite import require_finite
from stages.arrays.memory_limit import limit_of, require_memory
from stages.arrays.row_blocks import n_threads
from stages.errors import DbcError
from stages.features.camera_finding import ByCamera, CameraFinding, Rows
from stages.features.camera_whitening import Fit, Whitenings
from stages.features.centring import centred_by_camera, centring_bytes, require_cameras
from stages.features.kept_neighbours import kept_look
from stages.features.kept_whitening import content_of, whitening_of
from stages.features.whitening import BLOCK_ROWS, Whitening, whitened
from stages.processes import n_processes_here
from stages.runs.run_directory import compared_cameras
from stages.runs.source_names import source_names
from stages.runs.store import Artifact
from stages.samples import TRAIN, cameras_with_enough
from stages.typing import BoolArray, Float32Array, Int32Array

_FLOAT64 = 8
SHARE_IN_MEMORY = 0.125
"""Of the limit of memory: what whitenings and whitened rows that stay there take at most, in all processes of a machine."""

_newest: dict[tuple[str, bytes, float, str], ByCamera] = {}


@dataclass(frozen=True)
class Prepared:
    """Train features (n_train, d) float32 as a merge compares them, and what it adds to D.

    `camid` (n_train,) are the cameras whose pairs gain `camera_weight` times their share; None if none do. `finding` is what
    `camera` 'auto' found, None if it was not asked for.
    """

    rows: Float32Array
    camid: Int32Array | None = None
    camera_weight: float = 0.0
    finding: CameraFinding | None = None


def prepared(
    features: Artifact,
    dataset: Artifact,
    parameters: MergeParameters,
    *,
    device: str = "cpu",
    memory_limit: int | None = None,
) -> Prepared:
    """What a merge by `parameters` compares, and by which cameras; identities are never read.

    If the source says which images are of one encounter, `camera` 'auto' adds nothing to D: they share a camera too, and are
    not to be pushed apart. Raises what `compared_features` and `needed_cameras` do.
    """
    if parameters.camera != "auto":
        camid = needed_cameras(dataset, parameters) if parameters.camera == "penalty" else None
        rows = compared_features(features, dataset, parameters, device=device, memory_limit=memory_limit)
        return Prepared(rows, camid, 0.0 if camid is None else parameters.camera_weight)
    is_train = dataset.read("split") == TRAIN
    camid = compared_cameras(dataset)[is_train]
    rows = train_rows(features, dataset, is_train)
    ranks_by_d = parameters.clusterer == "dbc" and parameters.criterion in OF_DISPERSIONS
    may_add = ranks_by_d and "encounter" not in dataset.manifest.arrays
    metric = parameters.metric if may_add and parameters.metric != "jaccard" else None
    finding, _, compared = found_by_camera(
        features, rows, camid, ridge=parameters.whiten, metric=metric, device=device, memory_limit=memory_limit
    )
    return Prepared(compared(), camid if finding.weight else None, finding.weight, finding)


def found_by_camera(
    features: Artifact,
    rows: Float32Array,
    camid: Int32Array,
    *,
    ridge: float,
    metric: SampleMetric | None = None,
    for_new: bool = False,
    device: str = "cpu",
    memory_limit: int | None = None,
) -> tuple[CameraFinding, Whitenings | None, Rows]:
    """What `ByCamera.find` says of the train `rows` (n, d) of `features`, whitened with `ridge` or, if it is 0, as they are.

    Whitenings and neighbours are kept beside the features as `whitening_of` does, which takes `device`, and those of the
    newest features in memory, with the rows, if they are small: a stage is merged, evaluated and measured by the same.
    `memory_limit` in bytes is for whitening. Raises what `whitening_of` raises, and MemoryLimitError.
    """
    name = (content_of(features), camid.tobytes(), ridge, device)
    by_camera = _newest.get(name)
    if by_camera is None:
        # those before make room first
        _newest.clear()
        fit: Fit | None = None
        if ridge:
            require_whitening_room(rows, memory_limit=memory_limit, n_maps=1 + len(cameras_with_enough(camid)))
            fit = partial(_kept_whitening, features, ridge, device)
        by_camera = ByCamera(rows, camid, fit, kept_look(features, camid, shape=rows.shape, ridge=ridge))
        if by_camera.most_bytes * n_processes_here() <= SHARE_IN_MEMORY * limit_of(memory_limit, rows):
            _newest[name] = by_camera
    return by_camera.find(metric=metric, for_new=for_new)


def _kept_whitening(features: Artifact, ridge: float, device: str, rows: Float32Array, camera: int | None) -> Whitening:
    part = "all" if camera is None else f"camera {camera}"
    return whitening_of(features, rows, ridge=ridge, part=part, device=device)


def compared_features(
    features: Artifact,
    dataset: Artifact,
    parameters: MergeParameters,
    *,
    device: str = "cpu",
    memory_limit: int | None = None,
) -> Float32Array:
    """The train features (n_train, d) float32 that a merge by `parameters` compares, in dataset order.

    Camera ids are read for `camera` 'centring' and 'auto' alone, identities never. `memory_limit` in bytes (default: 0.8
    of what is available) is for what centring and whitening take beside the features. Raises DbcError if that is too little,
    the features are of other samples than the dataset, or it has no train samples, and what centring and whitening raise.
    """
    if parameters.camera == "auto":
        return prepared(features, dataset, parameters, device=device, memory_limit=memory_limit).rows
    is_train = dataset.read("split") == TRAIN
    rows = train_rows(features, dataset, is_train)
    camid: Int32Array | None = compared_cameras(dataset)[is_train] if parameters.camera == "centring" else None
    _require_room(rows, camid, parameters, memory_limit=memory_limit)
    if camid is not None:
        rows = centred_by_camera(rows, camid)
    if parameters.whiten:
        part = "all" if camid is None else "centred"
        rows = whitened(rows, whitening_of(features, rows, ridge=parameters.whiten, part=part, device=device))
    return rows


def train_rows(features: Artifact, dataset: Artifact, is_train: BoolArray) -> Float32Array:
    """The pooled rows (n_train, d) of `features` that `is_train` (n_samples) marks.

    DbcError if they are of other samples than `dataset`, if there are none, or if values are not finite.
    """
    pooled: Float32Array = features.read("pooled")
    if len(pooled) != len(is_train):
        raise DbcError(
            f"{features.path} must have a row for each of {len(is_train)} samples of {dataset.path}, got {len(pooled)}; "
            "extract them again"
        )
    if not is_train.any():
        raise DbcError(f"{dataset.path} must have at least 2 train samples, got none; ingest data with a train split")
    rows = pooled if is_train.all() else pooled[is_train]
    require_finite(rows)
    return rows


def needed_cameras(dataset: Artifact, parameters: MergeParameters) -> Int32Array | None:
    """The camera ids (n_train,) that a merge by `parameters` needs; None if it needs none.

    DbcError if train samples do not have them, and if a penalty would change nothing, because one camera took them all.
    """
    if parameters.camera in ("ignored", "auto"):
        return None
    camid: Int32Array = compared_cameras(dataset)[dataset.read("split") == TRAIN]
    require_cameras(camid, option=parameters.camera)
    if parameters.camera == "penalty" and len(camid) and (camid == camid[0]).all():
        name = source_names(dataset, "camera").get(int(camid[0]), camid[0])
        raise DbcError(
            f"`camera='penalty'` needs two cameras or more, but all {len(camid)} train samples are of camera {name}: it "
            "would add the same to every D and change nothing; use `camera='ignored'`"
        )
    return camid


_THREADS_BYTES = 1 << 19
"""What threads take beside arrays, most of it for finding the libraries that have threads of their own."""


def whitening_bytes(*, n_samples: int, dim: int) -> int:
    """Peak bytes of whitening (n, d) float32 features beside them: the result, blocks of float64, a few (d, d) matrices.

    Each thread holds a block, a few small parts of one, and a sum of products. The factorisation holds the covariance, which
    becomes the factor, its inverse, a rounded copy of that, and small parts of each.
    """
    result, threads = 4 * n_samples * dim, n_threads(n_samples, BLOCK_ROWS)
    blocks = 2 * threads * _FLOAT64 * min(n_samples, BLOCK_ROWS) * dim
    return result + blocks + (4 + threads) * _FLOAT64 * dim * dim + _THREADS_BYTES


def _require_room(
    rows: Float32Array, camid: Int32Array | None, parameters: MergeParameters, *, memory_limit: int | None
) -> None:
    """Raise DbcError where centring by `camid` or whitening `rows` takes more than `memory_limit`."""
    n_samples, dim = rows.shape
    if camid is not None:
        largest = int(np.unique(camid, return_counts=True)[1].max())
        n_bytes = centring_bytes(n_samples=n_samples, dim=dim, largest_camera=largest)
        _require(n_bytes, rows, what="`camera='centring'`", memory_limit=memory_limit)
    if parameters.whiten:
        require_whitening_room(rows, memory_limit=memory_limit)


def require_whitening_room(rows: Float32Array, *, memory_limit: int | None, n_maps: int = 1) -> None:
    """Raise MemoryLimitError if whitening by `rows` (n, d) takes more than `memory_limit` (default: as `limit_of`).

    `n_maps` whitenings are held at once: one, or one a camera beside it.
    """
    n_samples, dim = rows.shape
    n_bytes = whitening_bytes(n_samples=n_samples, dim=dim) + (n_maps - 1) * _FLOAT64 * dim * dim
    if n_maps > 1:
        # the rows of the largest camera, and both results
        n_bytes += 3 * 4 * n_samples * dim
    _require(n_bytes, rows, what="`whiten`", memory_limit=memory_limit)


def _require(n_bytes: int, rows: Float32Array, *, what: str, memory_limit: int | None) -> None:
    full = f"{what} of {rows.shape[0]} features of {rows.shape[1]} dimensions"
    require_memory(n_bytes, memory_limit=limit_of(memory_limit, rows), what=full)
