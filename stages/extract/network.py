"""The backbone prepared for extraction: from network input to pooled features."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from stages.extract.folding import folded
from stages.nn.camera_norm import camera_norm_of
from stages.nn.cuda_graphs import GraphRecorder, Recorder
from stages.nn.memory_format import laid_out, place
from stages.nn.model.network import ReidModel
from stages.typing import Int64Array

Network: TypeAlias = Callable[[Tensor], Tensor]


class NetworkOfCameras(Protocol):
    """From network input (B, 3, H, W) and, if there is a `CameraNorm`, rows (b ≤ B,) of its statistics to features (B, d)."""

    def __call__(self, images: Tensor, places: Int64Array | None = None) -> Tensor:
        """The features, float32."""
        ...


FEWEST_BATCHES = 30
"""Recording takes about as long as the processor takes for so many batches."""


def inference_network(
    model: ReidModel,
    *,
    amp: bool,
    compiled: bool,
    device: torch.device,
    flip: bool = False,
    n_pixels: int = 0,
    n_batches: int = 1,
) -> NetworkOfCameras:
    """A function from network input (B, 3, H, W) to pooled features (B, d) float32, both on `device`, not normalised.

    If the model has a `CameraNorm`, the function also takes rows (b ≤ B,) of its statistics, those of the first b images.
    With `flip` a feature is the mean of those of the image and of its mirror image. With `compiled`, torch compiles the
    `prepared_backbone` at the first batch. All batches should have one shape, of `n_pixels` in all. If there are many, a
    GPU's launches are recorded, and features are overwritten by those of the next batch.
    """
    backbone, form = prepared_backbone(model, amp=amp, device=device, n_pixels=n_pixels)
    norm = camera_norm_of(backbone)
    run: Network = compiled_network(backbone, device=device, frozen=norm is None) if compiled else backbone

    def forward(images: Tensor) -> Tensor:
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=amp):
            images = laid_out(images, form)
            features = run(images).float()
            return (features + run(images.flip(3)).float()) / 2 if flip else features

    is_recorded = device.type == "cuda" and not compiled and n_batches >= FEWEST_BATCHES
    whole = RecordedForward(forward, functools.partial(GraphRecorder, device)) if is_recorded else forward

    def features_of(images: Tensor, places: Int64Array | None = None) -> Tensor:
        if norm is not None and places is not None:
            # the rest of a short batch are zeros, of no camera
            norm.at(np.pad(places, (0, len(images) - len(places)), constant_values=norm.n_cameras))
        return whole(images)

    return features_of


class RecordedForward:
    """A network whose launches are recorded at its first input, (B, 3, H, W); what it gives is overwritten at the next call.

    It is the network itself if the network cannot be recorded, or for input of another shape.
    """

    def __init__(self, network: Network, recorder: Callable[[], Recorder]) -> None:
        self._network, self._recorder = network, recorder
        self._images: Tensor | None = None
        self._features: Tensor
        self._replay: Callable[[], None] | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """The features (B, d) of `images`."""
        if self._images is None:
            self._images = images.clone()
            self._record()
        if self._replay is None or images.shape != self._images.shape:
            return self._network(images)
        self._images.copy_(images)
        self._replay()
        return self._features

    def _record(self) -> None:
        try:
            recorder = self._recorder()
            recorder.prepare(self._work)
            self._replay = recorder.record(self._work)
        except RuntimeError:
            # a network that waits for the device, or memory that does not suffice
            self._replay = None

    def _work(self) -> None:
        if self._images is not None:
            self._features = self._network(self._images)


def prepared_backbone(
    model: ReidModel, *, amp: bool, device: torch.device, n_pixels: int
) -> tuple[nn.Module, torch.memory_format]:
    """A copy of the backbone for inference on `device`, and its memory format for batches of `n_pixels`.

    It is in eval mode, its batch norms folded.
    With `amp`, weights that autocast would round to bfloat16 at every batch are rounded once.
    """
    backbone = folded(model.backbone)
    if amp:
        for module in backbone.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.to(torch.bfloat16)
    return backbone, place(backbone, device, n_pixels=n_pixels)


def compiled_network(network: Network, *, device: torch.device, frozen: bool = True) -> Network:
    """`network`, compiled by torch at its first call; on the CPU, if it may be `frozen`, with frozen weights and buffers."""
    options: dict[str, Any] = {"freezing": True} if device.type == "cpu" and frozen else {}
    return torch.compile(network, dynamic=False, options=options)
