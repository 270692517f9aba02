"""The source of an image's pixels: a file that is decoded, or a picture that is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from PIL import Image

from schemas.parameters import SyntheticParameters
from stages.ingest.decode.crops import BadImageError, Crop, Region
from stages.ingest.decode.image_file import (
    ORIENTATION,
    SIDEWAYS,
    UNREADABLE,
    decode_crops,
    decode_image,
    decode_whole,
    read_bytes,
)

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})


def is_video(path: str) -> bool:
    """Whether `path` names a video, by its suffix."""
    return path[path.rfind(".") :].lower() in VIDEO_SUFFIXES


class Files(NamedTuple):
    """Pictures under the folder `root`; boxes that are cut out of them are widened by `pad` of their size on each side."""

    root: Path
    pad: float = 0.0

    def pixels(self, path: str, *, height: int, width: int) -> bytes:
        """The decoded image, RGB (height, width, 3); raises `BadImageError` if there is none."""
        return decode_image(read_bytes(f"{self.root}/{path}"), height=height, width=width)

    def crops(self, path: str, regions: Sequence[Region], *, height: int, width: int) -> Iterator[Crop | BadImageError]:
        """The `regions` of a picture, in order, or what is wrong with each; raises `BadImageError` if there is no picture.

        Those of a video are ascending by frame.
        """
        if is_video(path):
            from stages.ingest.decode.video_file import video_crops  # for this rare kind alone

            return video_crops(self.root / path, regions, pad=self.pad, height=height, width=width)
        data = read_bytes(f"{self.root}/{path}")
        return decode_crops(data, regions, pad=self.pad, height=height, width=width)


def whole_pictures(file: Path, frames: Sequence[int]) -> Iterator[Image.Image]:
    """The `frames` of a video, ascending, or a picture (as its only frame), RGB and upright; raises `BadImageError`."""
    if not is_video(file.name):
        yield decode_whole(file)
        return
    from stages.ingest.decode.video_file import read_frames  # for this rare kind alone

    for picture in read_frames(file, frames):
        if isinstance(picture, BadImageError):
            raise picture
        yield picture


def shown_size(file: Path) -> tuple[int, int] | None:
    """Width and height in pixels, as they are shown, of a picture, by its header, or of a video; None if it cannot be read.

    UsageError for a video without PyAV.
    """
    try:
        if is_video(file.name):
            return next(whole_pictures(file, [0])).size
        with Image.open(file) as image:
            width, height = image.size
            turned = image.getexif().get(ORIENTATION) in SIDEWAYS
    except (BadImageError, *UNREADABLE):
        return None
    return (height, width) if turned else (width, height)


class Drawn(NamedTuple):
    """Drawn people: a path says which picture, parameters and seed how it looks."""

    parameters: SyntheticParameters
    seed: int

    def pixels(self, path: str, *, height: int, width: int) -> bytes:
        """The picture, RGB (height, width, 3)."""
        from stages.ingest.synthetic import draw_path

        return draw_path(self.parameters, path, seed=self.seed, height=height, width=width).tobytes()


ImageSource: TypeAlias = Files | Drawn
