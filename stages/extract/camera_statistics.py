"""Whether an extraction gives the first batch norm statistics for each camera, and which."""

from __future__ import annotations

import numpy as np
import torch

from stages.features.camera_finding import too_few_cameras
from stages.features.camera_looks import looks_follow
from stages.nn.backbones.weights import NO_WEIGHTS
from stages.nn.camera_norm import CameraStatistics, chosen_samples, measure_looks, statistics_of
from stages.nn.model.network import ReidModel
from stages.runs.run_directory import model_manifest
from stages.runs.store import Artifact
from stages.samples import TRAIN, cameras_with_enough


def looked_for(
    model: ReidModel, weights: Artifact, dataset: Artifact, *, device: torch.device
) -> tuple[CameraStatistics | None, str]:
    """The statistics for the train images of `dataset`, or None if the looks do not follow the camera, and why, in a line.

    `model` has the weights of the artifact `weights`. No label is used.
    """
    train_index = np.flatnonzero(dataset.read("split") == TRAIN)
    camid = dataset.read("camid")[train_index]
    if model_manifest(weights).initial.weights == NO_WEIGHTS:
        return (
            None,
            "the network began with random weights: the looks of cameras are left as they are",
        )
    too_few = too_few_cameras(camid)
    if too_few is not None:
        return None, too_few
    chosen = chosen_samples(camid, cameras=cameras_with_enough(camid))
    first = dataset.read("frame_start")[train_index]
    looks = measure_looks(model, dataset.rows("images"), first[chosen], device=device)
    if looks is None:
        return None, "the backbone has no batch norm to give statistics for each camera"
    strength, told = looks_follow(looks.described(), camid[chosen])
    return statistics_of(looks, camid[chosen], strength=strength) if strength else None, told
