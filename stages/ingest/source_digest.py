"""Digests of source files: whether a folder of images is the one that was ingested before."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from stages.ingest.decode.pixels import is_video
from stages.samples import Samples

UNREADABLE = ""
"""Stands for the digest of a file that cannot be read; decoding reports that file as a bad image."""

_FILES_A_TASK = 64
_TASKS_AT_ONCE = 64
_READ_BYTES = 1 << 17


def digest_each(
    root: Path, paths: Sequence[str], *, workers: int = 4, progress: Callable[[int], None] | None = None
) -> list[str]:
    """SHA-256 (hex) of each of the files `paths`, relative to `root`, in their order.

    Files are read once, by `workers` threads; `progress` is called with the number of files just read. A file that
    cannot be read counts as `UNREADABLE`.
    """
    found: list[str] = []
    with ThreadPoolExecutor(max_workers=max(workers, 1)) as pool:
        for group in _cut(paths, _FILES_A_TASK * _TASKS_AT_ONCE):
            for digests in pool.map(lambda task: _digest_each(root, task), _cut(group, _FILES_A_TASK)):
                found.extend(digests)
                if progress is not None:
                    progress(len(digests))
    return found


def digest_images(root: Path, samples: Samples) -> list[str]:
    """What tells the content of each image of `samples` (n_images): the digest of its file, and box and frame if it has them.

    Every file is read once. An image whose file cannot be read counts as `UNREADABLE`.
    """
    files = list(dict.fromkeys(samples.path))
    digest_of = dict(zip(files, digest_each(root, files), strict=True))
    digests = [digest_of[path] for path in samples.path]
    if len(samples.box):
        digests = [
            f"{digest} {' '.join(map(repr, box))} {is_relative}" if digest and box[0] == box[0] else digest
            for digest, box, is_relative in zip(
                digests, samples.box.tolist(), samples.is_relative.tolist(), strict=True
            )
        ]
    if len(samples.frame_number):
        # of pictures, a number says nothing about their content
        digests = [
            f"{digest} frame {frame}" if digest and is_video(path) else digest
            for digest, path, frame in zip(digests, samples.path, samples.frame_number.tolist(), strict=True)
        ]
    return digests


def combine_digests(paths: Iterable[str], digests: Iterable[str]) -> str:
    """SHA-256 (hex) over pairs of path and content digest, in whatever order they are given."""
    total = hashlib.sha256()
    for path, digest in sorted(zip(paths, digests, strict=True)):
        # no file name holds a NUL
        total.update(f"{path}\0{digest}\0".encode())
    return total.hexdigest()


def digest_samples(samples: Samples) -> str:
    """SHA-256 (hex) over everything a table of samples says that is stored.

    Paths, frames, pid, camid, tracklet and split are told as they always were; other columns if they are not empty.
    """
    total = hashlib.sha256("\0".join(samples.path).encode())
    for array in (samples.frame_start, samples.pid, samples.camid, samples.tracklet, samples.split):
        _update(total, array)
    for name in ("box", "is_relative", "frame_number", "score", "encounter", "view"):
        if len(array := getattr(samples, name)):
            total.update(f"\0{name}".encode())
            _update(total, array)
    for name in ("timestamp", "tracklet_name", "encounter_name", "view_name", "category"):
        if texts := getattr(samples, name):
            total.update("\0".join(["", name, *texts]).encode())
    return total.hexdigest()


def _update(total: Any, array: Any) -> None:
    total.update(f"\0{array.dtype.newbyteorder('<').str}{array.shape}\0".encode())
    total.update(array.astype(array.dtype.newbyteorder("<")).tobytes())


def _cut(paths: Sequence[str], length: int) -> list[Sequence[str]]:
    return [paths[start : start + length] for start in range(0, len(paths), length)]


def _digest_each(root: Path, paths: Sequence[str]) -> list[str]:
    return [_digest_file(f"{root}/{path}") for path in paths]


def _digest_file(path: str) -> str:
    # plain descriptors: buffered files took twice as long for images of some ten kilobytes
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return UNREADABLE
    digest = hashlib.sha256()
    try:
        while content := os.read(file, _READ_BYTES):
            digest.update(content)
    except OSError:
        return UNREADABLE
    finally:
        os.close(file)
    return digest.hexdigest()
