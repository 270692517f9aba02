"""What is cut out of a picture: boxes as given, as whole pixels, and as pixels of the wanted size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from PIL import Image

from stages.errors import DbcError

Corners: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom in whole pixels; the last two are the first that are not in it."""

_TOLERANCE = 1
"""Pixels that a box may reach beyond its picture without a word: what rounding does."""


class BadImageError(DbcError):
    """An image file that cannot be decoded; the text is the reason alone, on one line, without the file's name."""


class Region(NamedTuple):
    """What is wanted of a picture: a `box` as in `Samples`, None for all of it; and of a video, the number of the `frame`."""

    box: tuple[float, float, float, float] | None = None
    is_relative: bool = False
    frame: int = -1


class Window(NamedTuple):
    """Where a region lies in its picture: the `rectangle` to cut out, that of its box alone, and whether that was clipped."""

    rectangle: Corners
    unpadded: Corners
    is_clipped: bool = False


class Crop(NamedTuple):
    """RGB `pixels` (height, width, 3) of a region, and where it lies in its picture."""

    pixels: bytes
    window: Window


def window(region: Region, *, width: int, height: int, pad: float) -> Window:
    """The whole pixels of `region` in a picture of that size, as it is shown.

    The box is widened on each side by `pad` of its width and height, its edges are rounded to whole pixels (at least one
    is left) and it is clipped to the picture. Raises `BadImageError` if nothing of the box, before `pad`, is in the picture.
    """
    if region.box is None:
        return Window((0, 0, width, height), (0, 0, width, height))
    scale = (width, height, width, height) if region.is_relative else (1, 1, 1, 1)
    left, top, wide, high = (number * by for number, by in zip(region.box, scale, strict=True))
    if left >= width or top >= height or left + wide <= 0 or top + high <= 0:
        shown = ", ".join(f"{number:g}" for number in region.box)
        raise BadImageError(f"is of {width}×{height} pixels, and box [{shown}] lies outside of it")
    beyond = max(-left, -top, left + wide - width, top + high - height)

    def rectangle(pad: float) -> Corners:
        x = _interval(left - pad * wide, left + (1 + pad) * wide, width)
        y = _interval(top - pad * high, top + (1 + pad) * high, height)
        return x[0], y[0], x[1], y[1]

    return Window(rectangle(pad), rectangle(0), is_clipped=beyond > _TOLERANCE)


def _interval(start: float, stop: float, length: int) -> tuple[int, int]:
    """`start` to `stop` rounded, within 0 to `length`, and one pixel long at least."""
    first = min(max(math.floor(start + 0.5), 0), length - 1)
    return first, max(min(math.floor(stop + 0.5), length), first + 1)


def crops_of(
    picture: Image.Image, regions: Sequence[Region], *, pad: float, height: int, width: int
) -> Iterator[Crop | BadImageError]:
    """The crops of `regions` of a whole RGB picture that is upright, in order; an error for a box outside of it."""
    for region in regions:
        try:
            place = window(region, width=picture.width, height=picture.height, pad=pad)
        except BadImageError as error:
            yield error
        else:
            yield Crop(cut(picture, place.rectangle, (width, height)).tobytes(), place)


def cut(picture: Image.Image, rectangle: Corners, size: tuple[int, int], *, scale: int = 1) -> Image.Image:
    """`rectangle` of the picture of which `picture` is a copy reduced by `scale`, resized to `size` (width, height).

    Without reduction it is what cropping first and resizing then gives: pixels around the rectangle have no say.
    """
    edges = tuple(edge / scale for edge in rectangle)
    left, top = math.floor(edges[0]), math.floor(edges[1])
    right, bottom = min(math.ceil(edges[2]), picture.width), min(math.ceil(edges[3]), picture.height)
    part = picture if (left, top, right, bottom) == (0, 0, *picture.size) else picture.crop((left, top, right, bottom))
    if scale == 1 or part is picture:
        return part if part.size == size else part.resize(size, Image.Resampling.BILINEAR)
    inner = (edges[0] - left, edges[1] - top, min(edges[2] - left, part.width), min(edges[3] - top, part.height))
    return part.resize(size, Image.Resampling.BILINEAR, box=inner)
