"""Whether an extraction gives the first batch norm statistics for each camera, and which."""

from __future__ import annotations

import torch

from schemas.choices import NO_WEIGHTS
from stages.features.camera_finding import too_few_cameras
from stages.features.camera_looks import looks_follow
from stages.nn.camera_norm import CameraStatistics, first_norm, statistics_of, train_looks
from stages.nn.model.network import ReidModel
from stages.runs.run_directory import model_manifest
from stages.runs.store import Artifact
from stages.samples import LEAST_IN_CAMERA, TRAIN, cameras_with_enough


def looked_for(
    model: ReidModel, weights: Artifact, dataset: Artifact, *, device: torch.device
) -> tuple[CameraStatistics | None, str]:
    """The statistics for the train images of `dataset`, or None if the looks do not follow the camera, and why, in a line.

    `model` has the weights of the artifact `weights`. No label is used.
    """
    camid = dataset.read("camid")[dataset.read("split") == TRAIN]
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
