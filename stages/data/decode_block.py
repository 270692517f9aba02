"""A block of decoded images in a buffer that processes share, and the work that fills it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stages.data.decode import BadImageError
from stages.data.digest import UNREADABLE
from stages.data.image_source import ImageSource, content_digest
from stages.typing import UInt8Array

_MAX_IMAGES = 32
_BLOCK_BYTES = 4 << 20
_REASON_BYTES = 240
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class BlockShape:
    """How many images of which size a block holds; fixed by the image size, so that blocks never depend on workers."""

    images: int
    height: int
    width: int

    @staticmethod
    def for_size(*, height: int, width: int) -> BlockShape:
        """The shape for images of this size: about 4 MB, 1 to 32 images."""
        fitting = _BLOCK_BYTES // (height * width * 3)
        return BlockShape(images=min(max(fitting, 1), _MAX_IMAGES), height=height, width=width)

    @property
    def n_bytes(self) -> int:
        """The bytes of one block in a shared buffer."""
        return self.images * (self.height * self.width * 3 + _DIGEST_BYTES + _REASON_BYTES)

    def to_json(self) -> dict[str, Any]:
        """The arguments of the shape."""
        return asdict(self)


class Block:
    """Views of one block in `buffer` at byte `offset`: `images`, and for each its content digest and what is wrong.

    `images` is (images, height, width, 3) uint8, 0 where bad; a digest of zeros is an unreadable file; an empty reason
    is a good image.
    """

    def __init__(self, shape: BlockShape, buffer: Any, offset: int = 0) -> None:
        n, size = shape.images, (shape.height, shape.width, 3)
        self.images: UInt8Array = np.ndarray((n, *size), np.uint8, buffer, offset)
        offset += self.images.nbytes
        self._digests = np.ndarray((n, _DIGEST_BYTES), np.uint8, buffer, offset)
        self._reasons = np.ndarray(n, f"S{_REASON_BYTES}", buffer, offset + self._digests.nbytes)

    def fill(self, source: ImageSource, paths: Sequence[str]) -> None:
        """Digest and decode, or draw, the images `paths` of `source` into the first places of the block."""
        for i, path in enumerate(paths):
            self.images[i] = 0
            self._digests[i] = 0
            self._reasons[i] = b""
            try:
                content = source.content(path)
                self._digests[i] = np.frombuffer(content_digest(content), np.uint8)
                height, width = self.images.shape[1:3]
                self.images[i] = source.pixels(content, path, height=height, width=width)
            except BadImageError as error:
                self._reasons[i] = _cut(str(error))

    def digest(self, i: int) -> str:
        """SHA-256 (hex) of file i, `UNREADABLE` where it could not be read."""
        return self._digests[i].tobytes().hex() if self._digests[i].any() else UNREADABLE

    def reason(self, i: int) -> str:
        """What is wrong with image i; empty where nothing is."""
        return bytes(self._reasons[i]).decode(errors="ignore")


def _cut(reason: str) -> bytes:
    return reason.encode(errors="replace")[:_REASON_BYTES]
