"""Where an image's pixels come from: a file that is decoded, or a picture that is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from stages.ingest.decode.image_file import decode_image, read_bytes

# A decoding process starts in half the time without NumPy, dataclasses, paths, and what draws and validates.
if TYPE_CHECKING:
    from pathlib import Path

    from schemas.parameters import SyntheticParameters


class Files(NamedTuple):
    """Image files under the folder `root`."""

    root: Path | str

    def pixels(self, path: str, *, height: int, width: int) -> bytes:
        """The decoded image, RGB (height, width, 3); raises `BadImageError` where there is none."""
        return decode_image(read_bytes(f"{self.root}/{path}"), height=height, width=width)

    def to_json(self) -> dict[str, Any]:
        """What `source_from_json` makes it from in another process."""
        return {"root": str(self.root)}


class Drawn(NamedTuple):
    """Drawn people: a path says which picture, parameters and seed how it looks."""

    parameters: SyntheticParameters
    seed: int

    def pixels(self, path: str, *, height: int, width: int) -> bytes:
        """The picture, RGB (height, width, 3)."""
        from stages.ingest.synthetic import draw_path

        return draw_path(self.parameters, path, seed=self.seed, height=height, width=width).tobytes()

    def to_json(self) -> dict[str, Any]:
        """What `source_from_json` makes it from in another process."""
        return {"synthetic": self.parameters.model_dump(mode="json"), "seed": self.seed}


ImageSource: TypeAlias = Files | Drawn


def source_from_json(said: dict[str, Any]) -> ImageSource:
    """The source that `to_json` described."""
    if "root" in said:
        return Files(said["root"])
    from schemas.parameters import SyntheticParameters

    return Drawn(SyntheticParameters(**said["synthetic"]), said["seed"])
