"""The launches of a backbone, forward and backward, recorded once and replayed at every step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from stages.nn.cuda_graphs import GraphRecorder, Recorder
from stages.nn.model.network import ReidModel
from stages.train.step import Network

FEWEST_STEPS = 50
"""Recording takes about as long as a few steps."""
MOST_PIXELS = 128 * 256 * 128
"""Pixels of a batch above which a GPU is busy without a recording, which keeps its activations to itself."""


def recorded(
    model: ReidModel, network: Network, *, shape: tuple[int, ...], n_steps: int, device: torch.device
) -> Network:
    """`network`, which pools by the backbone of `model`, with its launches recorded for input of `shape` (B·T, 3, H, W).

    It is `network` itself if recording does not pay, if too little memory is left beside it, or if the backbone cannot be
    recorded. Statistics of batch norm stay as they are; torch's random numbers move on.
    """
    n_images, _, height, width = shape
    is_small = n_steps >= FEWEST_STEPS and n_images * height * width <= MOST_PIXELS
    trains = any(parameter.requires_grad for parameter in model.backbone.parameters())
    if device.type != "cuda" or not is_small or not trains:
        return network
    before = torch.cuda.memory_reserved(device)
    try:
        found = RecordedNetwork(model, network, shape=shape, device=device, recorder=GraphRecorder(device))
    except RuntimeError:
        # a backbone that waits for the device, or memory that does not suffice
        return network
    # the short last batch of an epoch runs beside the recording
    taken = torch.cuda.memory_reserved(device) - before
    return found if torch.cuda.mem_get_info(device)[0] > taken else network


@contextmanager
def without_search(device: torch.device, *, is_short: bool) -> Iterator[None]:
    """Within, convolutions on a GPU are PyTorch's own if a batch `is_short`: they are slower, and begin at once.

    cuDNN seeks an algorithm for every convolution at each new size of a batch. For MobileNetV2 on an H200 that took 4.6 s of
    a stage of 12 s, as the last batch of an epoch has another size in every stage; 75 whole batches took less than 1 s.
    """
    if device.type != "cuda" or not is_short:
        yield
        return
    enabled = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = enabled


class RecordedNetwork:
    """A `Network` of two recordings, forward and backward; input of another shape goes through the plain one."""

    def __init__(
        self, model: ReidModel, plain: Network, *, shape: tuple[int, ...], device: torch.device, recorder: Recorder
    ) -> None:
        self._plain = plain
        self._images = torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last)
        self._parameters = [parameter for parameter in model.backbone.parameters() if parameter.requires_grad]
        self._tracked = torch.zeros((), device=device, requires_grad=True)
        self._features: Tensor
        self._output_gradient: Tensor | None = None
        self._gradients: tuple[Tensor | None, ...] = ()
        buffers = [(buffer, buffer.clone()) for buffer in model.backbone.buffers()]
        recorder.prepare(self._both_ways)
        self._forward = recorder.record(self._pool)
        self._backward = recorder.record(self._differentiate)
        # what autograd made for the recording's stream would make every step on another one wait
        self._features = self._features.detach()
        for buffer, value in buffers:
            buffer.copy_(value)

    def __call__(self, images: Tensor) -> Tensor:
        """The pooled features (B·T, d) of `images`."""
        if images.shape != self._images.shape:
            return self._plain(images)
        features: Tensor = _Replay.apply(images, self._tracked, self)
        return features

    def replay_forward(self, images: Tensor) -> Tensor:
        """The pooled features (B·T, d) of `images`, in memory that the next replay overwrites."""
        self._images.copy_(images)
        self._forward()
        return self._features.detach()

    def replay_backward(self, output_gradient: Tensor) -> None:
        """Set the gradients of the backbone's parameters from that of the features."""
        if self._output_gradient is not None:
            self._output_gradient.copy_(output_gradient)
        self._backward()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient

    def _both_ways(self) -> None:
        self._pool()
        self._differentiate()

    def _pool(self) -> None:
        with torch.enable_grad():
            self._features = self._plain(self._images)

    def _differentiate(self) -> None:
        if self._output_gradient is None:
            self._output_gradient = torch.zeros_like(self._features)
        self._gradients = torch.autograd.grad(
            self._features, self._parameters, self._output_gradient, allow_unused=True
        )


class _Replay(torch.autograd.Function):
    """One step of a `RecordedNetwork`, as automatic differentiation sees it."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, _tracked: Tensor, network: RecordedNetwork) -> Tensor:
        ctx.network = network
        return network.replay_forward(images)

    @staticmethod
    def backward(ctx: Any, output_gradient: Tensor) -> tuple[None, None, None]:
        ctx.network.replay_backward(output_gradient)
        return None, None, None
