"""Features of several layers: earlier ones see colours and textures, which tell individuals of one kind apart."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.errors import UsageError

PROBE = 128
"""Height and width of the image that finds the layers."""
FINEST = 8
"""The smallest stride of a map that is looked at: before it come edges, which all individuals have."""
MOST_NUMBERS = 2560
"""Numbers of a feature up to which several layers are taken unasked: ResNet-50 would have 5,120, and whitening takes d³."""
_LEAST_VARIANCE = 1e-6


class _Layers:
    """Hooks that keep maps of a network and put their means and deviations behind its features.

    They leave the names of the network's parts as they are, and are copied with it.
    """

    def __init__(self, n_maps: int) -> None:
        self._maps: list[Tensor | None] = [None] * n_maps

    def __deepcopy__(self, _memo: dict[int, Any]) -> _Layers:
        """A copy without maps: those of a pass that was broken off may belong to a graph."""
        return _Layers(len(self._maps))

    def keep(self, _module: nn.Module, _given: Any, found: Tensor, *, number: int) -> None:
        """Keep a map (B, C, H, W)."""
        self._maps[number] = found

    def join(self, _module: nn.Module, _given: Any, features: Tensor) -> Tensor:
        """`features` (B, d) and, of each map, the mean and the deviation of its channels, all of length 1, in float32."""
        parts = [features.float()]
        for number, found in enumerate(self._maps):
            if found is not None:
                maps = found.float()
                mean = maps.mean(dim=(2, 3))
                variance = (maps - mean[:, :, None, None]).square().mean(dim=(2, 3))
                # the root has no gradient at 0
                parts += [mean, (variance + _LEAST_VARIANCE).sqrt()]
            self._maps[number] = None
        return torch.cat([functional.normalize(part, dim=1) for part in parts], dim=1)


def pool_layers(network: nn.Module, *, dim: int, name: str) -> int:
    """The dimension of the features of `network` from now on, those of several layers; until now it was `dim`.

    Behind the features come means and deviations of the last map of every stride from `FINEST` on that is finer than that of
    the last map of all. UsageError if there is none.
    """
    maps, end = _layers_of(network, dim)
    if not maps or end is None:
        raise UsageError(f"`pooling` must be 'avg' for {name}, which has no maps of several sizes, got 'layers'")
    layers = _Layers(len(maps))
    for number, (block, _) in enumerate(maps):
        block.register_forward_hook(functools.partial(layers.keep, number=number))
    end.register_forward_hook(layers.join)
    return dim + 2 * sum(channels for _, channels in maps)


def are_few(network: nn.Module, dim: int) -> bool:
    """Whether `network`, whose features have `dim` numbers, has several layers, and has `MOST_NUMBERS` at most with them."""
    maps, end = _layers_of(network, dim)
    return bool(maps) and end is not None and dim + 2 * sum(channels for _, channels in maps) <= MOST_NUMBERS


def _layers_of(network: nn.Module, dim: int) -> tuple[list[tuple[nn.Module, int]], nn.Module | None]:
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
    chosen = {height: (block, channels) for block, channels, height in maps if last < height <= PROBE // FINEST}
    return [*chosen.values()], ends[-1]
