"""Features of several layers: earlier ones see colours and textures, which tell individuals of one kind apart."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from schemas.choices import SEVERAL_LAYERS, Pooling
from stages.errors import UsageError

PROBE = 128
"""Height and width of the image that finds the layers."""
FINEST = {"layers": 8, "parts": 4}
"""The smallest stride of a map that is looked at. Whole pictures have the same edges; their parts differ in colour."""
N_STRIPES = 4
"""Horizontal stripes of a picture: head, chest, hips and feet of a person."""
MOST_CHANNELS, N_GROUPS = 128, 64
"""A map of more channels is looked at in about so many groups of neighbours: with 96 in 32, next to nothing was lost."""
MOST_NUMBERS = 3200
"""Numbers of a feature up to which several layers are taken unasked, those of ResNet-50: whitening takes their third power."""
_LEAST_VARIANCE = 1e-6


class _Layers:
    """Hooks that keep maps of a network and put `statistics` of them behind its features.

    They leave the names of the network's parts as they are, and are copied with it.
    """

    def __init__(self, n_maps: int, statistics: Callable[[Tensor], tuple[Tensor, ...]]) -> None:
        self._maps: list[Tensor | None] = [None] * n_maps
        self._statistics = statistics

    def __deepcopy__(self, _memo: dict[int, Any]) -> _Layers:
        """A copy without maps: those of a pass that was broken off may belong to a graph."""
        return _Layers(len(self._maps), self._statistics)

    def keep(self, _module: nn.Module, _given: Any, found: Tensor, *, number: int) -> None:
        """Keep a map (B, C, H, W)."""
        self._maps[number] = found

    def join(self, _module: nn.Module, _given: Any, features: Tensor) -> Tensor:
        """`features` (B, d) and the statistics of each map, all of length 1, in float32."""
        parts = [features.float()]
        for number, found in enumerate(self._maps):
            if found is not None:
                parts += self._statistics(found.float())
            self._maps[number] = None
        return torch.cat([functional.normalize(part, dim=1) for part in parts], dim=1)


def _of_all(maps: Tensor) -> tuple[Tensor, ...]:
    """The mean and the deviation of each channel of `maps` (B, C, H, W): two of (B, C)."""
    mean = maps.mean(dim=(2, 3))
    variance = (maps - mean[:, :, None, None]).square().mean(dim=(2, 3))
    # the root has no gradient at 0
    return mean, (variance + _LEAST_VARIANCE).sqrt()


def _of_parts(maps: Tensor) -> tuple[Tensor, ...]:
    """Of each channel of `maps` (B, C, H, W), or group of channels: the mean and the deviation, weighted towards the middle of
    the picture, (B, C), and means of `N_STRIPES` stripes of equal height, weighted towards the middle of the width, (B, 4 C).
    """
    maps = _in_groups(maps)
    # sums of products, which neither autocast nor TF32 rounds, and whose gradients are alike each time
    height, width = (_window(maps.shape[dim], maps.device) for dim in (2, 3))
    window = height[:, None] * width
    mean = (maps * window).sum(dim=(2, 3))
    variance = ((maps - mean[:, :, None, None]).square() * window).sum(dim=(2, 3))
    rows = (maps * width).sum(dim=3)
    stripes = (rows[:, :, None] * _stripes(maps.shape[2], maps.device)).sum(dim=3)
    return mean, (variance + _LEAST_VARIANCE).sqrt(), stripes.flatten(1)


def _group_size(channels: int) -> int:
    """How many channels are looked at as one."""
    return 1 if channels <= MOST_CHANNELS else -(-channels // N_GROUPS)


def _in_groups(maps: Tensor) -> Tensor:
    """`maps` (B, C, H, W) as means of groups of neighbouring channels; what the last group lacks is 0."""
    size = _group_size(maps.shape[1])
    if size == 1:
        return maps
    padded = functional.pad(maps, (0, 0, 0, 0, 0, -maps.shape[1] % size))
    return padded.reshape(len(maps), -1, size, *maps.shape[2:]).mean(dim=2)


def _numbers_of_parts(channels: int) -> int:
    return (2 + N_STRIPES) * -(-channels // _group_size(channels))


def _window(size: int, device: torch.device) -> Tensor:
    """Hann's window, (size,), of sum 1: most in the middle, next to nothing at both ends."""
    weights = torch.sin((torch.arange(size, device=device) + 0.5) * (torch.pi / size)).square()
    return weights / weights.sum()


def _stripes(height: int, device: torch.device) -> Tensor:
    """The share of each stripe that each of `height` rows fills, (`N_STRIPES`, height)."""
    stripe = torch.arange(N_STRIPES, device=device)[:, None] * (height / N_STRIPES)
    row = torch.arange(height, device=device)
    filled = torch.minimum(stripe + height / N_STRIPES, row + 1.0) - torch.maximum(stripe, row)
    return filled.clamp_min(0) * (N_STRIPES / height)


_STATISTICS: dict[str, tuple[Callable[[Tensor], tuple[Tensor, ...]], Callable[[int], int]]] = {
    "layers": (_of_all, lambda channels: 2 * channels),
    "parts": (_of_parts, _numbers_of_parts),
}
"""What is taken of a map by each `pooling`, and how many numbers that are for so many channels."""


def pool_layers(network: nn.Module, *, dim: int, name: str, pooling: str) -> int:
    """The dimension of the features of `network` from now on, those of several layers; until now it was `dim`.

    Behind the features come statistics of the last map of every stride from `FINEST` on that is finer than that of the last
    map of all. UsageError if there is none.
    """
    maps, end = _layers_of(network, dim, pooling)
    if not maps or end is None:
        raise UsageError(f"`pooling` must be 'avg' for {name}, which has no maps of several sizes, got '{pooling}'")
    statistics, n_numbers = _STATISTICS[pooling]
    layers = _Layers(len(maps), statistics)
    for number, (block, _) in enumerate(maps):
        block.register_forward_hook(functools.partial(layers.keep, number=number))
    network.finest_map = next(part for part, module in network.named_modules() if module is maps[0][0])
    end.register_forward_hook(layers.join)
    return dim + sum(n_numbers(channels) for _, channels in maps)


def finest_map(network: nn.Module) -> str | None:
    """The block whose map is the finest that features of `network` see, by name; None if they see the last map alone."""
    return getattr(network, "finest_map", None)


def most_layers(network: nn.Module, dim: int) -> Pooling:
    """The first of 'parts', 'layers' and 'avg' with which features of `network`, now of `dim` numbers, are not very wide."""
    for pooling in SEVERAL_LAYERS:
        maps, end = _layers_of(network, dim, pooling)
        n_added = sum(_STATISTICS[pooling][1](channels) for _, channels in maps)
        if end is not None and 0 < n_added <= MOST_NUMBERS - dim:
            return pooling
    return "avg"


def _layers_of(network: nn.Module, dim: int, pooling: str) -> tuple[list[tuple[nn.Module, int]], nn.Module | None]:
    """The blocks whose maps are looked at, with their channels, finest first, and the part that gives the features."""
    blocks = [*network.children()]
    blocks += [block for child in blocks if isinstance(child, nn.Sequential) for block in child]
    maps: list[tuple[nn.Module, int, int]] = []
    ends: list[nn.Module] = []

    def see(block: nn.Module, _given: Any, output: Any) -> None:
        # some transformers have the channels last
        if isinstance(output, Tensor) and output.dim() == 4 and output.shape[2] == output.shape[3] > 1:
            maps.append((block, output.shape[1], output.shape[2]))

    def see_end(part: nn.Module, _given: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.shape == (1, dim):
            ends.append(part)

    hooks = [block.register_forward_hook(see) for block in blocks]
    hooks += [part.register_forward_hook(see_end) for part in network.modules() if not [*part.children()]]
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            features = network(torch.zeros(1, 3, PROBE, PROBE))
    except (RuntimeError, AssertionError):
        # it takes images of another size alone
        return [], None
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    if not maps or not ends or features.shape != (1, dim) or maps[-1][1] != dim:
        return [], None
    last = maps[-1][2]
    chosen = {
        height: (block, channels) for block, channels, height in maps if last < height <= PROBE // FINEST[pooling]
    }
    return [*chosen.values()], ends[-1]
