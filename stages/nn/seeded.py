"""What torch draws at random from a seed, beside whatever else the process draws."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_DRAWS = frozenset([Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_])
"""What fills a new tensor with random numbers; other functions of `nn.init` call one of these."""
_ONE_AT_A_TIME = threading.RLock()
"""torch's generators belong to the process: of two threads that seed them, each would draw what the other left."""


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Has the generators of the CPU, and of a GPU as `device`, begin from `seed`; afterwards they are as before.

    Other threads that come here wait.
    """
    devices = [device] if device is not None and device.type == "cuda" else []
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


class Undrawn(TorchFunctionMode):
    """A context in which new weights are 0 where they would be drawn, for networks whose weights are read next.

    Drawing those of ResNet-50 takes 0.3 s. Other threads draw as ever.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if func not in _DRAWS:
            return func(*args, **given)
        weights: Tensor = args[0] if args else given["tensor"]
        with torch.no_grad():
            return weights.zero_()
