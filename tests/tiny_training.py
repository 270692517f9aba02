"""Training small enough for tests: a network of one convolution, and images unlike one another."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from schemas.parameters import TrainParameters
from stages.nn.camera_norm import CameraStatistics, by_camera
from stages.nn.lookup_table import zero_table
from stages.nn.model.head import EmbeddingHead
from stages.nn.model.network import ReidModel, model_arrays
from stages.train.images.frames import TrainSamples
from stages.train.images.sources import FrameSource, HostFrames
from stages.train.loop import TrainOptions, TrainResult, train
from stages.train.state import Arrays
from stages.typing import Int64Array, UInt8Array

CPU = torch.device("cpu")


def image_samples(labels: Int64Array) -> TrainSamples:
    """Samples of one frame each, sample i being frame i."""
    return TrainSamples(np.arange(len(labels)), np.ones(len(labels), dtype=np.int64), labels)


def tiny_model(*, dropout: float = 0.0) -> ReidModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
        )
    return ReidModel(backbone, EmbeddingHead(256, 32, dropout=dropout))


def blotches(n_images: int) -> UInt8Array:
    """Smooth random images, each unlike the others."""
    coarse = torch.rand(n_images, 3, 3, 3, generator=torch.Generator().manual_seed(1)) * 255
    fine = nn.functional.interpolate(coarse, size=(16, 16), mode="bilinear")
    return fine.permute(0, 2, 3, 1).byte().numpy()


def tiny_parameters(**fields: object) -> TrainParameters:
    return TrainParameters.model_validate(
        {"stage": 0, "epochs": 2, "batch_size": 8, "learning_rate": 0.1, "backbone_rate": 1.0} | fields
    )


def trained(
    model: ReidModel,
    labels: Int64Array,
    *,
    source: FrameSource | None = None,
    samples: TrainSamples | None = None,
    device: torch.device = CPU,
    cameras: Int64Array | None = None,
    options: dict[str, Any] | None = None,
    **fields: object,
) -> TrainResult:
    """Train on `labels`; `options` are fields of `TrainOptions`, `fields` of the parameters."""
    return train(
        model,
        zero_table(int(labels.max()) + 1, model.head.linear.out_features),
        source or HostFrames(blotches(len(labels)), device),
        samples or image_samples(labels),
        parameters=tiny_parameters(**fields),
        device=device,
        cameras=cameras,
        options=TrainOptions(**(options or {})),
    )


def three_cameras(n_channels: int) -> CameraStatistics:
    """Made-up statistics of three cameras that differ."""
    camera = np.arange(3.0)[:, None] * np.linspace(0.5, 1, n_channels)
    return CameraStatistics(np.arange(3), camera - 1, 0.5 + camera, strength=1.0)


def trained_by_camera(labels: Int64Array, **options: Any) -> TrainResult:
    """`trained`, with statistics of their own for the three cameras that took the samples in turn."""
    model, statistics = tiny_model(), three_cameras(16)
    with by_camera(model, statistics):
        samples = replace(image_samples(labels), places=np.arange(len(labels)) % 3)
        return trained(model, labels, samples=samples, **options)


class Kept:
    """Keeps the state after every step, or after those given."""

    def __init__(self, *, steps: set[int] | None = None) -> None:
        self.states: dict[int, Arrays] = {}
        self._steps = steps
        self.newest: int | None = None

    def due(self, step: int) -> bool:
        return self._steps is None or step in self._steps

    def save(self, step: int, arrays: Arrays) -> None:
        self.states[step] = arrays
        self.newest = step


def digest(model: ReidModel, result: TrainResult) -> str:
    """Of every bit that training gives."""
    found = hashlib.sha256(result.loss.tobytes() + result.accuracy.tobytes() + result.lookup_table.tobytes())
    for name, array in sorted(model_arrays(model).items()):
        found.update(name.encode() + array.tobytes())
    return found.hexdigest()
