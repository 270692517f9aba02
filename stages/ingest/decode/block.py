"""A block of images that one worker decodes into the place in a file that is theirs, and the work that fills it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from stages.ingest.decode.image_file import BadImageError
from stages.ingest.decode.pixels import ImageSource

MAX_IMAGES = 32
BLOCK_BYTES = 4 << 20
_REASON_CHARACTERS = 240


class Block(NamedTuple):
    """Images `paths` of a source, and the `file` that takes their pixels, one image after the other, from byte `offset`."""

    paths: tuple[str, ...]
    file: str
    offset: int


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
            _write(descriptor, pixels, block.offset + i * size.n_bytes)
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes, offset: int) -> None:
    written = os.pwrite(descriptor, content, offset)
    while written < len(content):  # as it may be if space runs out: the next call says so
        written += os.pwrite(descriptor, memoryview(content)[written:], offset + written)
