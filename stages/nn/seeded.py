"""What torch draws at random from a seed, beside whatever else the process draws."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

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
