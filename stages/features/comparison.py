"""How a stage compares features, as a map that takes those of any picture, in the run or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from schemas.parameters import MergeParameters
from stages.arrays.unit_rows import unit_rows
from stages.features.camera_whitening import Whitenings
from stages.features.centring import centred_by_camera
from stages.features.kept_whitening import whitening_of
from stages.features.prepared import found_by_camera, require_whitening_room, train_rows
from stages.runs.run_directory import compared_cameras
from stages.runs.store import Artifact
from stages.samples import TRAIN
from stages.typing import Float32Array, Float64Array, Int32Array, Int64Array


@dataclass(frozen=True)
class Comparison:
    """Features (n, d) of length 1 to features as a merge compares them: less the mean of their camera, and whitened.

    `means` (d,) float64 by camera id are subtracted first, of an unknown camera the mean of all `means`; empty if the merge
    does not centre. `whitenings` is None if it does not whiten.
    """

    whitenings: Whitenings | None = None
    means: Mapping[int, Float64Array] = field(default_factory=dict)

    @property
    def n_maps(self) -> int:
        """How many whitenings it holds: that of all cameras and those of single ones."""
        return 0 if self.whitenings is None else 1 + len(self.whitenings.own)

    def of(self, features: Float32Array, camid: Int32Array) -> Float32Array:
        """`features` (n, d) of cameras `camid` (n,), −2 if unknown, as they are compared: float32, of length 1."""
        rows = self._centred(features, camid) if self.means else features
        return rows if self.whitenings is None else self.whitenings.of(rows, camid)

    def held_out(
        self, features: Float32Array, camid: Int32Array, there: Int64Array, asked: Int64Array, *, ridge: float
    ) -> tuple[Float32Array, Float32Array]:
        """Of `features` (n, d) of cameras `camid` (n,) those that are `there` (m,) and those that are `asked` (k,), compared.

        That is by this comparison, fitted with `ridge` on those that are there alone. Cameras keep the share that their own
        whitening has; those of which too little is there do without.
        """
        both = np.concatenate([there, asked])
        rows, cameras = features[both], camid[both]
        if self.means:
            means = camera_means(rows[: len(there)], cameras[: len(there)])
            rows = Comparison(None, means)._centred(rows, cameras)
        if self.whitenings is not None:
            rows = self.whitenings.of_held_out(rows, cameras, len(there), ridge=ridge)
        return rows[: len(there)], rows[len(there) :]

    def require_room_to_fit(self, features: Float32Array, *, memory_limit: int | None) -> None:
        """Raise MemoryLimitError if `held_out` of `features` (n, d), beside this, takes too much memory."""
        if self.whitenings is not None:
            require_whitening_room(features, memory_limit=memory_limit, n_maps=1 + self.n_maps)

    def _centred(self, features: Float32Array, camid: Int32Array) -> Float32Array:
        middle = np.mean(list(self.means.values()), axis=0)
        return unit_rows(features - np.stack([self.means.get(int(camera), middle) for camera in camid]))


def comparison(
    features: Artifact, dataset: Artifact, parameters: MergeParameters, *, memory_limit: int | None = None
) -> Comparison:
    """How a merge by `parameters` compares the `features` of a stage; identities are never read.

    Raises what `compared_features` does.
    """
    is_train = dataset.read("split") == TRAIN
    rows = train_rows(features, dataset, is_train)
    camid: Int32Array = compared_cameras(dataset)[is_train]
    if parameters.camera == "auto":
        _, whitenings, _ = found_by_camera(features, rows, camid, ridge=parameters.whiten, memory_limit=memory_limit)
        return Comparison(whitenings)
    means: dict[int, Float64Array] = {}
    part = "all"
    if parameters.camera == "centring":
        means = camera_means(rows, camid)
        rows, part = centred_by_camera(rows, camid), "centred"
    if not parameters.whiten:
        return Comparison(None, means)
    require_whitening_room(rows, memory_limit=memory_limit)
    return Comparison(Whitenings(whitening_of(features, rows, ridge=parameters.whiten, part=part)), means)


def camera_means(rows: Float32Array, camid: Int32Array) -> dict[int, Float64Array]:
    """The mean (d,) float64 of the `rows` (n, d) of each of the cameras `camid` (n,)."""
    return {int(camera): rows[camid == camera].mean(axis=0, dtype=np.float64) for camera in np.unique(camid)}
