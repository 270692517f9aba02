"""What one worker decodes into places in files: a block of images, or what is cut out of one; and the work that fills it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stages.ingest.decode.crops import BadImageError, Region, Window
from stages.ingest.decode.pixels import Files, ImageSource

MAX_IMAGES = 32
BLOCK_BYTES = 4 << 20
_REASON_CHARACTERS = 240


class Block(NamedTuple):
    """Images `paths` of a source, and the `file` that takes their pixels, one image after the other, from byte `offset`."""

    paths: tuple[str, ...]
    file: str
    offset: int


class Cuts(NamedTuple):
    """The `regions` of the picture or video `path`, and the places that take their pixels: byte `offsets` of `files`."""

    path: str
    regions: tuple[Region, ...]
    files: tuple[str, ...]
    offsets: tuple[int, ...]


class FilledCuts(NamedTuple):
    """The `windows` of those regions of `cuts` that were cut out, by their index in `cuts`.

    `bad` has the reason, on one line, for each region whose place stayed as it was; `is_whole` says that it is one for all,
    because the picture is bad.
    """

    cuts: Cuts
    windows: dict[int, Window]
    bad: dict[int, str]
    is_whole: bool = False


class ImageSize(NamedTuple):
    """The size, in pixels, that every image is given."""

    height: int
    width: int

    @property
    def n_bytes(self) -> int:
        """The bytes of one image, RGB."""
        return self.height * self.width * 3

    @property
    def images_per_block(self) -> int:
        """How many images to decode at a time: about 4 MB, 1 to 32 images, whatever the number of workers."""
        return min(max(BLOCK_BYTES // self.n_bytes, 1), MAX_IMAGES)


def fill(block: Block, source: ImageSource, size: ImageSize) -> Iterator[tuple[int, str]]:
    """Decode, or draw, the images of `block` into its file; the place in the block of each bad one, and what is wrong.

    The file exists; the place of a bad image stays as it was. OSError if it cannot be written.
    """
    descriptor = os.open(block.file, os.O_WRONLY)
    try:
        for i, path in enumerate(block.paths):
            try:
                pixels = source.pixels(path, height=size.height, width=size.width)
            except BadImageError as error:
                yield i, str(error)[:_REASON_CHARACTERS]
                continue
            _write_at(descriptor, pixels, block.offset + i * size.n_bytes)
    finally:
        os.close(descriptor)


def fill_cuts(cuts: Cuts, source: Files, size: ImageSize) -> FilledCuts:
    """Decode a picture, once, and put its regions where they belong; OSError if a file cannot be written."""
    windows: dict[int, Window] = {}
    bad: dict[int, str] = {}
    try:
        for i, crop in enumerate(source.crops(cuts.path, cuts.regions, height=size.height, width=size.width)):
            if isinstance(crop, BadImageError):
                bad[i] = str(crop)[:_REASON_CHARACTERS]
                continue
            write_into(cuts.files[i], crop.pixels, cuts.offsets[i])
            windows[i] = crop.window
    except BadImageError as error:
        # regions that were there before it broke are not taken: a picture is good or bad
        reason = str(error)[:_REASON_CHARACTERS]
        return FilledCuts(cuts, {}, dict.fromkeys(range(len(cuts.regions)), reason), is_whole=True)
    return FilledCuts(cuts, windows, bad)


def write_into(file: str | Path, content: bytes, offset: int) -> None:
    """Write all of `content` into `file`, which exists, from byte `offset` on; OSError if it cannot be written."""
    descriptor = os.open(file, os.O_WRONLY)
    try:
        _write_at(descriptor, content, offset)
    finally:
        os.close(descriptor)


def _write_at(descriptor: int, content: bytes, offset: int) -> None:
    written = os.pwrite(descriptor, content, offset)
    while written < len(content):  # as it may be if space runs out: the next call says so
        written += os.pwrite(descriptor, memoryview(content)[written:], offset + written)
