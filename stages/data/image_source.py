"""Where an image's pixels come from: a file that is decoded, or a picture that is drawn."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from stages.data.decode import decode_image, read_bytes
from stages.typing import UInt8Array

# a decoding process starts in half the time without what draws and validates, and never needs either
if TYPE_CHECKING:
    from schemas.parameters import SyntheticParameters


@dataclass(frozen=True)
class Files:
    """Image files under the folder `root`."""

    root: Path

    def content(self, path: str) -> bytes:
        """The file's bytes; raises `BadImageError` where it cannot be read."""
        return read_bytes(self.root / path)

    def pixels(self, content: bytes, path: str, *, height: int, width: int) -> UInt8Array:  # noqa: ARG002
        """The decoded image (height, width, 3); raises `BadImageError` where there is none."""
        return decode_image(content, height=height, width=width)

    def to_json(self) -> dict[str, Any]:
        """What `source_from_json` makes it from in another process."""
        return {"root": str(self.root)}


@dataclass(frozen=True)
class Drawn:
    """Drawn people: a path says which picture, parameters and seed how it looks."""

    parameters: SyntheticParameters
    seed: int

    def content(self, path: str) -> bytes:
        """What the picture is known by: its path."""
        return path.encode()

    def pixels(self, content: bytes, path: str, *, height: int, width: int) -> UInt8Array:  # noqa: ARG002
        """The picture (height, width, 3)."""
        from stages.data.synthetic import draw_path

        return draw_path(self.parameters, path, seed=self.seed, height=height, width=width)

    def to_json(self) -> dict[str, Any]:
        """What `source_from_json` makes it from in another process."""
        return {"synthetic": self.parameters.model_dump(mode="json"), "seed": self.seed}


ImageSource: TypeAlias = Files | Drawn


def source_from_json(said: dict[str, Any]) -> ImageSource:
    """The source that `to_json` described."""
    if "root" in said:
        return Files(Path(said["root"]))
    from schemas.parameters import SyntheticParameters

    return Drawn(SyntheticParameters(**said["synthetic"]), said["seed"])


def content_digest(content: bytes) -> bytes:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(content).digest()
