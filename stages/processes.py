"""Processes started by torchrun, and how they exchange data."""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from stages.errors import DbcError, UsageError
from stages.wording import so_many

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PATIENCE = timedelta(days=1)
"""How long a process waits for the others: as long as the leader may work alone. One that dies is noticed at once."""
JOINING = timedelta(minutes=5)
"""How long a process waits for the others to start."""


def n_processes() -> int:
    """How many processes torchrun started this one among; 1 without it."""
    return _number("WORLD_SIZE", 1)


def n_processes_here() -> int:
    """How many of them run on this machine, and share its memory."""
    return _number("LOCAL_WORLD_SIZE", 1)


def is_leader() -> bool:
    """Whether this process writes and prints for all."""
    return _number("RANK", 0) == 0


def require_launcher() -> None:
    """Raise UsageError if the variables that torchrun sets are there in part, or are no numbers."""
    names = ("RANK", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in names if n_processes() > 1 and not os.environ.get(name)]
    if missing:
        raise UsageError(
            f"WORLD_SIZE is {n_processes()}, but {missing[0]} is not set; start with torchrun, or unset it"
        )
    if not 0 <= _number("RANK", 0) < max(n_processes(), 1):
        raise UsageError(
            f"RANK is {_number('RANK', 0)}, expected less than WORLD_SIZE, {n_processes()}; start with torchrun"
        )


def _number(name: str, default: int) -> int:
    """The whole number that the environment variable `name` holds."""
    text = os.environ.get(name, "")
    if text and not (text.isascii() and text.isdigit()):
        raise UsageError(f"{name} is {text!r}, expected a whole number; start with torchrun, or unset it")
    return int(text) if text else default


def own_device(device: str) -> str:
    """`device`, and for `auto` or `cuda` among several processes of a machine with GPUs the one of this process.

    That is the one of its number on this machine, or the only one if each process sees a single GPU and no two the same,
    as Slurm can arrange. Raises UsageError if processes would share a GPU, which NCCL refuses: too few GPUs, or one of
    them named for all.
    """
    if n_processes() == 1 or device == "cpu":
        return device
    import torch

    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    n_here = n_processes_here()
    if not n_devices or n_here == 1:
        return device
    if n_devices == 1 and device in ("auto", "cuda", "cuda:0") and _each_has_its_own():
        return "cuda:0"
    if device not in ("auto", "cuda"):
        raise UsageError(
            f"`device='{device}'` is one device for {n_here} processes on this machine, expected a GPU for each; "
            "give `device='cuda'`"
        )
    if n_here > n_devices:
        raise UsageError(
            f"torchrun started {so_many(n_here, 'process')} on this machine with {so_many(n_devices, 'GPU')}, expected a GPU "
            f"for each; give it --nproc-per-node {n_devices}, or `device='cpu'`"
        )
    return f"cuda:{_place_here()}"


@functools.cache
def _each_has_its_own() -> bool:
    """Whether no two processes see the same GPU as their first; all of them ask, for they tell each other which it is."""
    import numpy as np
    import torch

    own = np.array(list(str(torch.cuda.get_device_properties(0).uuid).encode()), dtype=np.float64)
    return len({seen.tobytes() for seen in all_processes().all_gather(own[None, :])}) == n_processes()


def _place_here() -> int:
    """This process's number among those of its machine."""
    return _number("LOCAL_RANK", 0)


class Processes(Protocol):
    """`size` processes that work on the same thing, of which this one is number `rank`.

    Every method is called by all of them. Raises DbcError if one of them is gone.
    """

    rank: int
    size: int

    def meet(self) -> None:
        """Wait until every process is here."""

    def from_leader(self, message: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the leader, process 0, says: values that JSON can hold. The others give None."""

    def all_gather(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """`values` (any number, w) of every process, in order of rank, on every process."""


class OneProcess:
    """`Processes` of one, which has everything."""

    rank = 0
    size = 1

    def meet(self) -> None:
        """See `Processes`."""

    def from_leader(self, message: Mapping[str, Any] | None) -> dict[str, Any]:
        """See `Processes`."""
        return dict(message or {})

    def all_gather(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """See `Processes`."""
        return [values]


class TorchProcesses:
    """`Processes` of an initialised `torch.distributed` group, which talk through the CPU."""

    def __init__(self) -> None:
        import torch.distributed as dist

        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def meet(self) -> None:
        """See `Processes`."""
        import numpy as np

        self.all_gather(np.zeros((1, 1)))

    def from_leader(self, message: Mapping[str, Any] | None) -> dict[str, Any]:
        """See `Processes`."""
        import torch
        import torch.distributed as dist

        said = [message]
        with lost_process(self.rank, self.size):
            dist.broadcast_object_list(said, src=0, device=torch.device("cpu"))
        return dict(said[0] or {})

    def all_gather(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """See `Processes`; padded for the way, since lengths differ."""
        import torch
        import torch.distributed as dist

        with lost_process(self.rank, self.size):
            length = torch.tensor([len(values)])
            lengths = [torch.zeros_like(length) for _ in range(self.size)]
            dist.all_gather(lengths, length)
            longest = max(int(other) for other in lengths)
            padded = torch.zeros((longest, values.shape[1]), dtype=torch.float64)
            padded[: len(values)] = torch.from_numpy(values)
            everything = [torch.empty_like(padded) for _ in range(self.size)]
            dist.all_gather(everything, padded)
        return [part[: int(n)].numpy() for part, n in zip(everything, lengths, strict=True)]


@functools.cache
def all_processes() -> Processes:
    """The processes that torchrun started, joined at the first call and left at the end of this one.

    Gloo carries what lies in host memory and NCCL what lies on GPUs. Leaving is what lets a process exit while others
    still talk.
    """
    if n_processes() == 1:
        return OneProcess()
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    # if one is seen it is this process's own or the CPU is used, and so it is if there are too few: see `own_device`
    if n_devices == 1 or _place_here() < n_devices:
        torch.cuda.set_device(0 if n_devices == 1 else _place_here())
    rank, size = _number("RANK", 0), n_processes()
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store, _, _ = next(rendezvous("env://", timeout=JOINING))
    except (RuntimeError, ValueError) as error:
        place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise DbcError(
            f"process {rank} of {size} did not meet the others at {place} within {JOINING.seconds // 60} minutes; "
            "start all of them with torchrun, or unset WORLD_SIZE"
        ) from error
    store.set_timeout(PATIENCE)
    with lost_process(rank, size):
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    atexit.register(dist.destroy_process_group)
    return TorchProcesses()


@contextmanager
def lost_process(rank: int, size: int) -> Iterator[None]:
    """Turn the error that torch raises if another process is gone into a DbcError that says what to do."""
    try:
        yield
    except RuntimeError as error:
        raise DbcError(
            f"process {rank} of {size}: another one is gone; read its message and run the same command again: "
            f"finished work is kept"
        ) from error
