"""Statistics of the first batch norm for each camera, so that what a camera does to colours and contrast stays out.

Zhuang et al., ECCV 2020, give every batch norm statistics for each camera. Here the first one alone has them, because deeper
ones of few images take out what individuals look like, and they lead to the mean of all cameras: those that the network has
stored stay in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from stages.nn.images import StoredImages, network_input
from stages.nn.model.network import ReidModel
from stages.runs.run_directory import compared_cameras, features_manifest
from stages.runs.store import Artifact, Writer
from stages.samples import TRAIN, cameras_with_enough
from stages.typing import Float32Array, Float64Array, Int32Array, Int64Array

MOST_IMAGES = 20_000
"""Images that are measured at most, of all cameras together."""
MOST_OF_CAMERA = 512
_BATCH = 64
_KEPT = ("cameras", "mean", "variance")


@dataclass(frozen=True)
class Looks:
    """Mean and mean square (n, C) of what the first convolution gives for each image: how bright and how sharp it is."""

    mean: Float64Array
    square: Float64Array

    def described(self) -> Float32Array:
        """The looks as unit rows (n, 2 C): means and deviations, each of mean 0 and variance 1 over the images."""
        deviation = np.sqrt(np.maximum(self.square - self.mean**2, 0))
        found = np.concatenate([self.mean, deviation], axis=1)
        found = (found - found.mean(axis=0)) / np.maximum(found.std(axis=0), 1e-12)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        rows: Float32Array = (found / np.maximum(length, 1e-12)).astype(np.float32)
        return rows


@dataclass(frozen=True)
class CameraStatistics:
    """Mean and variance (K, C) of what the first convolution gives for the images of each of the `cameras` (K,), ascending.

    `strength` (0 to 1) says how far they are made alike.
    """

    cameras: Int64Array
    mean: Float64Array
    variance: Float64Array
    strength: float

    def places(self, camid: Int32Array) -> Int64Array:
        """The row (n,) of each of `camid` (n,); K for a camera that is not among them."""
        place = np.searchsorted(self.cameras, camid)
        found = self.cameras[np.minimum(place, len(self.cameras) - 1)] == camid
        return np.where(found, place, len(self.cameras)).astype(np.int64)


class CameraNorm(nn.Module):
    """Moves what a batch norm reads, (B, C, H, W), from the mean and variance of each image's camera to those of all cameras.

    With m and v of a camera and the strength s it gives (z − m) ((v* + ε) / (v + ε))^(s/2) + (1 − s) m + s m*; m* and v* are
    the means over the cameras. A camera without statistics is left as it is. `at` says of which cameras the next images are.
    """

    scale: Tensor
    shift: Tensor
    camera: Tensor

    def __init__(self, norm: nn.BatchNorm2d, statistics: CameraStatistics) -> None:
        super().__init__()
        mean, variance = statistics.mean.mean(axis=0), statistics.variance.mean(axis=0)
        strength = statistics.strength
        scale = ((variance + norm.eps) / (statistics.variance + norm.eps)) ** (strength / 2)
        shift = (1 - strength) * statistics.mean + strength * mean - statistics.mean * scale
        scale, shift = np.vstack([scale, np.ones_like(mean)]), np.vstack([shift, np.zeros_like(mean)])
        self.register_buffer("scale", torch.from_numpy(scale).float(), persistent=False)
        self.register_buffer("shift", torch.from_numpy(shift).float(), persistent=False)
        self.register_buffer("camera", torch.zeros(0, dtype=torch.int64), persistent=False)

    @property
    def n_cameras(self) -> int:
        """Cameras with statistics of their own, K."""
        return len(self.scale) - 1

    def at(self, places: Int64Array) -> None:
        """Say the rows (B,) of `CameraStatistics` that the next images have, K for none of them.

        Their memory stays the same as long as there are not more of them than before: recorded networks read it again.
        """
        given = torch.from_numpy(places)
        if len(given) > len(self.camera):
            self.camera = torch.full((len(given),), self.n_cameras, device=self.scale.device)
        self.camera[: len(given)].copy_(given, non_blocking=True)

    def forward(self, responses: Tensor) -> Tensor:
        """The moved responses (B, C, H, W)."""
        camera = self.camera[: len(responses)]
        scale, shift = (each[camera].to(responses.dtype)[:, :, None, None] for each in (self.scale, self.shift))
        # one pass over memory, in the layout of the responses
        return torch.addcmul(shift, responses, scale)


def camera_norm_of(network: nn.Module) -> CameraNorm | None:
    """The `CameraNorm` in `network`; None if it has none."""
    return next((module for module in network.modules() if isinstance(module, CameraNorm)), None)


def first_norm(network: nn.Module) -> nn.BatchNorm2d | None:
    """The first batch norm of `network`, in the order of its modules; None if it has none with stored statistics."""
    found = next((module for module in network.modules() if isinstance(module, nn.BatchNorm2d)), None)
    return None if found is None or found.running_mean is None else found


@contextmanager
def by_camera(model: ReidModel, statistics: CameraStatistics | None) -> Iterator[CameraNorm | None]:
    """Within, the first batch norm of the backbone reads what a `CameraNorm` of `statistics` gives; None changes nothing."""
    norm = None if statistics is None else first_norm(model.backbone)
    if norm is None or statistics is None:
        yield None
        return
    added = CameraNorm(norm, statistics).to(norm.running_mean.device if norm.running_mean is not None else "cpu")
    norm.add_module("by_camera", added)
    hook = norm.register_forward_pre_hook(_moved)
    try:
        yield added
    finally:
        hook.remove()
        del norm.by_camera


def _moved(norm: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
    moved: Tensor = norm.by_camera(given[0])  # type: ignore[operator]
    return (moved,)


def chosen_samples(camid: Int32Array, *, cameras: list[int]) -> Int64Array:
    """The places (m,) in `camid` (n,) of samples of these cameras to measure, spread evenly over those of each."""
    most = max(1, min(MOST_OF_CAMERA, MOST_IMAGES // max(1, len(cameras))))
    chosen = [np.flatnonzero(camid == camera) for camera in cameras]
    spread = [
        rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(int))] for rows in chosen
    ]
    return np.sort(np.concatenate(spread)) if spread else np.empty(0, dtype=np.int64)


class _SeenError(Exception):
    """Raised when the output of the first convolution is known, so that the rest of the network need not run."""


def measure_looks(model: ReidModel, images: StoredImages, frames: Int64Array, *, device: torch.device) -> Looks | None:
    """The looks of the stored images `frames` (n,) before the first batch norm; None if the backbone has, or uses, no such.

    `model` is moved to `device` and put in eval mode; `images` are (N, H, W, 3).
    """
    norm = first_norm(model.backbone)
    if norm is None:
        return None
    # moved in inference mode, weights could not be trained any more
    model.to(device).eval()
    form = model.input_form.at(images)
    found: list[tuple[Tensor, Tensor]] = []

    def take_in(_norm: nn.Module, given: tuple[Tensor]) -> None:
        found.append((given[0].mean(dim=(2, 3)), given[0].square().mean(dim=(2, 3))))
        raise _SeenError

    hook = norm.register_forward_pre_hook(take_in)
    try:
        for start in range(0, len(frames), _BATCH):
            stored = torch.from_numpy(images[frames[start : start + _BATCH]]).to(device)
            with suppress(_SeenError), torch.inference_mode():
                model.backbone(network_input(stored, form))
    finally:
        hook.remove()
    if not found:
        return None
    mean, square = (torch.cat(list(each)).double().cpu().numpy() for each in zip(*found, strict=True))
    return Looks(mean, square)


def statistics_of(looks: Looks, camid: Int32Array, *, strength: float) -> CameraStatistics:
    """The statistics of each camera of `camid` (n,), from the looks of its images."""
    cameras = np.unique(camid)
    mean, square = (
        np.stack([each[camid == camera].mean(axis=0) for camera in cameras]) for each in (looks.mean, looks.square)
    )
    return CameraStatistics(cameras.astype(np.int64), mean, np.maximum(square - mean**2, 0), strength)


def train_looks(model: ReidModel, dataset: Artifact, *, device: torch.device) -> tuple[Looks, Int32Array] | None:
    """The looks under `model` of train samples of `dataset`, and their cameras (n,); None as of `measure_looks`.

    A sample is measured by its first image. Cameras with few samples are left out.
    """
    train_index = np.flatnonzero(dataset.read("split") == TRAIN)
    camid, first = compared_cameras(dataset)[train_index], dataset.read("frame_start")[train_index]
    chosen = chosen_samples(camid, cameras=cameras_with_enough(camid))
    looks = measure_looks(model, dataset.rows("images"), first[chosen], device=device)
    return None if looks is None else (looks, camid[chosen])


def statistics_as_for(
    model: ReidModel, features: Artifact, dataset: Artifact, *, device: torch.device
) -> CameraStatistics | None:
    """The statistics of cameras under `model` from the train samples of `dataset`, if `features` came of such; else None."""
    strength = features_manifest(features).summary.norm_strength
    if not strength:
        return None
    measured = train_looks(model, dataset, device=device)
    return None if measured is None else statistics_of(*measured, strength=strength)


def keep_statistics(statistics: CameraStatistics, writer: Writer) -> None:
    """Write `statistics` beside the features that came of them."""
    for name in _KEPT:
        writer.array(f"camera_norm/{name}", getattr(statistics, name))


def kept_statistics(features: Artifact) -> CameraStatistics | None:
    """The camera statistics that `features` were extracted with; None if there were none."""
    strength = features_manifest(features).summary.norm_strength
    if not strength:
        return None
    cameras, mean, variance = (features.read(f"camera_norm/{name}") for name in _KEPT)
    return CameraStatistics(cameras, mean, variance, strength)
