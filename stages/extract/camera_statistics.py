"""Whether an extraction gives the first batch norm statistics for each camera, and which."""

from __future__ import annotations

import torch

from schemas.choices import NO_WEIGHTS
from stages.features.camera_finding import nearest_by_camera, too_few_cameras
from stages.nn.camera_norm import CameraStatistics, first_norm, statistics_of, train_looks
from stages.nn.model.network import ReidModel
from stages.runs.run_directory import compared_cameras, model_manifest
from stages.runs.store import Artifact
from stages.samples import LEAST_IN_CAMERA, TRAIN, cameras_with_enough
from stages.typing import Float32Array, Int32Array


def looked_for(
    model: ReidModel, weights: Artifact, dataset: Artifact, *, device: torch.device
) -> tuple[CameraStatistics | None, str]:
    """The statistics for the train images of `dataset`, or None if the looks do not follow the camera, and why, in a line.

    `model` has the weights of the artifact `weights`. No label is used.
    """
    camid = compared_cameras(dataset)[dataset.read("split") == TRAIN]
    if first_norm(model.backbone) is None:
        return None, "the network has no batch norm, so cameras have no statistics of their own"
    if model_manifest(weights).initial.weights == NO_WEIGHTS:
        return None, "the network began with random weights, so cameras have no statistics of their own"
    too_few, cameras = too_few_cameras(camid), cameras_with_enough(camid)
    if too_few is not None:
        return None, too_few
    if len(cameras) < 2:
        return None, f"only one camera took {LEAST_IN_CAMERA} train samples or more, so it has no statistics of its own"
    measured = train_looks(model, dataset, device=device)
    if measured is None:
        return None, "the network does not use its first batch norm, so cameras have no statistics of their own"
    looks, cameras_of = measured
    strength, told = looks_follow(looks.described(), cameras_of)
    return statistics_of(looks, cameras_of, strength=strength) if strength else None, told


def looks_follow(looks: Float32Array, camid: Int32Array) -> tuple[float, str]:
    """How far the unit rows `looks` (n, d) follow the cameras `camid` (n,): 0 not at all, 1 always, and a line that says so.

    It is how far the share of nearest neighbours of one camera is on the way from chance to all, and 0 if it is not above
    chance by two standard errors, as for features.
    """
    too_few = too_few_cameras(camid)
    if too_few is not None:
        return 0.0, too_few
    near = nearest_by_camera(looks, camid)
    share, chance = float(near.is_same.mean()), float(near.chance.mean())
    told = (
        f"{share:.0%} of pictures are most like one of their own camera in colour and contrast, {chance:.0%} by chance"
    )
    strength = round(near.above_chance, 3)
    if not strength:
        return 0.0, f"{told}: nothing is done about it"
    return strength, f"{told}: the first batch norm has statistics for each camera, with a weight of {strength:.2f}"
