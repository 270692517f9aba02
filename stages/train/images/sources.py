"""Sources of a step's images: device memory, host memory, or the store; the same bytes from each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from schemas.choices import Cache
from stages.arrays.backend import torch_available_bytes
from stages.arrays.device_memory import on_shortage
from stages.errors import DbcError
from stages.nn.images import HasShape, StoredImages
from stages.processes import n_processes_here
from stages.train.images.frames import TrainSamples
from stages.typing import Int64Array, UInt8Array

SHARE = 0.5
"""Share of the free memory that `auto` fills with images; the network needs the rest."""
LOADED_AT_ONCE = 64 << 20
"""Bytes of images read from the store at a time while a cache is filled."""


class FrameSource(HasShape, Protocol):
    """Decoded frames, read a batch at a time."""

    @property
    def waits(self) -> bool:
        """Whether a thread should prepare batches: they are read, copied to a device, or augmented on the CPU."""
        ...

    def batch(self, index: Int64Array) -> Tensor:
        """The frames `index` (B), in that order, (B, H, W, 3) uint8 on the device; the copy may still run."""
        ...


@dataclass(frozen=True)
class DeviceFrames:
    """All frames on the device."""

    frames: Tensor
    waits = False

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_frames, H, W, 3)."""
        return tuple(self.frames.shape)

    def batch(self, index: Int64Array) -> Tensor:
        """The frames `index` (B), in that order."""
        return self.frames.index_select(0, torch.from_numpy(index).to(self.frames.device, non_blocking=True))


@dataclass(frozen=True)
class HostFrames:
    """Frames of an array in host memory or in the store, copied to a GPU through page-locked memory."""

    frames: StoredImages
    device: torch.device
    waits = True

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_frames, H, W, 3)."""
        return self.frames.shape

    def batch(self, index: Int64Array) -> Tensor:
        """The frames `index` (B), in that order."""
        images = torch.from_numpy(self.frames[index])
        if self.device.type == "cuda":
            images = images.pin_memory()
        return images.to(self.device, non_blocking=True)


@dataclass(frozen=True)
class _OnDevice:
    """Frames that stay on a device between stages: those `index` (n) of the images called `name`."""

    name: str
    index: Int64Array
    source: DeviceFrames

    def is_for(self, name: str, index: Int64Array, device: torch.device) -> bool:
        return (self.name, self.source.frames.device) == (name, device) and np.array_equal(self.index, index)


_on_device: list[_OnDevice] = []
"""At most one: what the last training put on a device."""


def cached(
    images: StoredImages, samples: TrainSamples, *, cache: Cache, device: torch.device, name: str | None = None
) -> tuple[FrameSource, TrainSamples, str]:
    """(source, samples in it, cache used) for the `samples` of the stored `images`.

    `auto` takes the device if the samples' frames fit into half of its free memory, else the host likewise, else none. On
    the CPU device and host are one; the processes of a machine share it equally. If `name` is given, which tells these images
    from others, those on a device stay there for the next stage, until `device_memory` lets go of them. DbcError if the cache
    has too little room.
    """
    for kept in _on_device:
        if cache in ("auto", "device") and name is not None and kept.is_for(name, samples.frames, device):
            return kept.source, samples.packed(), "device"
    _on_device.clear()
    n_frames = int(samples.count.sum())
    n_bytes = n_frames * prod(images.shape[1:])
    chosen = _chosen(cache, n_bytes, device)
    if chosen == "none":
        return HostFrames(images, device), samples, chosen
    if chosen == "device":
        frames = torch.empty((n_frames, *images.shape[1:]), dtype=torch.uint8, device=device)
        for start, rows in _slabs(images, samples.frames):
            frames[start : start + len(rows)] = torch.from_numpy(rows)
        source = DeviceFrames(frames)
        if name is not None:
            _on_device.append(_OnDevice(name, samples.frames, source))
            on_shortage("train images", _on_device.clear)
        return source, samples.packed(), chosen
    host = np.empty((n_frames, *images.shape[1:]), dtype=np.uint8)
    for start, rows in _slabs(images, samples.frames):
        host[start : start + len(rows)] = rows
    return HostFrames(host, device), samples.packed(), chosen


def _chosen(cache: Cache, n_bytes: int, device: torch.device) -> str:
    where = {"device": device, "host": torch.device("cpu")}
    if device.type == "cpu":
        del where["device"]
        cache = "host" if cache == "device" else cache
    if cache == "none":
        return cache
    if cache == "auto":
        fits = (name for name, place in where.items() if n_bytes <= SHARE * _room(place))
        return next(fits, "none")
    free = _room(where[cache])
    if n_bytes > free:
        raise DbcError(
            f"`cache='{cache}'` needs {n_bytes / 2**30:.1f} GiB for the train images, got {free / 2**30:.1f} GiB free on "
            f"{where[cache]}; use `cache='auto'`"
        )
    return cache


def _room(place: torch.device) -> int:
    """Bytes that this process may take there: of the host, an equal share for each process of the machine."""
    return torch_available_bytes(str(place)) // (n_processes_here() if place.type == "cpu" else 1)


def _slabs(images: StoredImages, index: Int64Array) -> Iterator[tuple[int, UInt8Array]]:
    """(place in `index`, the images there), a few at a time, so that filling a cache takes little extra memory."""
    step = max(1, LOADED_AT_ONCE // prod(images.shape[1:]))
    for start in range(0, len(index), step):
        yield start, images[index[start : start + step]]
