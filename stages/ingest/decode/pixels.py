"""The source of an image's pixels: a file that is decoded, or a picture that is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TypeAlias

from schemas.parameters import SyntheticParameters
from stages.ingest.decode.image_file import decode_image, read_bytes


class Files(NamedTuple):
    """Image files under the folder `root`."""

    root: Path

    def pixels(self, path: str, *, height: int, width: int) -> bytes:
        """The decoded image, RGB (height, width, 3); raises `BadImageError` if there is none."""
        return decode_image(read_bytes(f"{self.root}/{path}"), height=height, width=width)


class Drawn(NamedTuple):
    """Drawn people: a path says which picture, parameters and seed how it looks."""

    parameters: SyntheticParameters
    seed: int

    def pixels(self, path: str, *, height: int, width: int) -> bytes:
        """The picture, RGB (height, width, 3)."""
        from stages.ingest.synthetic import draw_path

        return draw_path(self.parameters, path, seed=self.seed, height=height, width=width).tobytes()


ImageSource: TypeAlias = Files | Drawn
