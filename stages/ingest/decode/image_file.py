"""The bytes of one image file turned into pixels of a given size."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from stages.ingest.decode.crops import BadImageError, Corners, Crop, Region, Window, cut, window
from stages.ingest.decode.no_image import what_it_is
from stages.plain_files import plain_file
from stages.wording import one_line

if TYPE_CHECKING:
    from pathlib import Path

MAX_PIXELS = 178_956_970
"""The largest image decoded: half a GiB as RGB. Larger ones are told from the header, before any pixel is."""

ALPHA_BACKGROUND = (128, 128, 128)
"""What shows through transparent pixels: mid grey, the colour that adds the least contrast of its own."""

_COMMON = ("JPEG", "PNG", "BMP", "GIF", "PPM")
"""What Pillow knows without importing its other readers, which takes a tenth of a second."""
_UNREADABLE = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""Kinds that Pillow recognises and cannot decode by itself; for EPS it would start Ghostscript."""
ORIENTATION = 0x0112
"""The tag of EXIF that says how a picture is turned."""
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = frozenset({5, 6, 7, 8})
"""Orientations whose pictures are stored with width and height in each other's place."""
UNREADABLE = (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError)
"""What Pillow raises for files whose headers it cannot read."""


@cache
def image_suffixes() -> frozenset[str]:
    """The suffixes of image files, in lower case: all that Pillow reads. Pixels are decoded by content, not by name."""
    # MPO is read as a JPEG
    readable = {*_readable_formats(), "MPO"}
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in readable)


@cache
def _readable_formats() -> tuple[str, ...]:
    """The names of the formats that Pillow reads and that have a suffix, common ones first."""
    named = set(Image.registered_extensions().values()) - _UNREADABLE
    return (*_COMMON, *sorted(named.intersection(Image.OPEN) - set(_COMMON)))


def decode_image(data: bytes | Path, *, height: int, width: int) -> bytes:
    """The image as the bytes of its RGB pixels (height, width, 3), upright by its EXIF orientation, resized to that size.

    `data` is the file's content or its path: any format that Pillow reads; the first frame or page if there are several.
    16-bit grey is scaled to 8 bits, alpha is composited on `ALPHA_BACKGROUND`, colour profiles are ignored. Resizing is
    bilinear with antialiasing (a triangle filter as wide as the reduction). Raises `BadImageError` for a file that is
    unreadable, empty, no image, truncated, damaged or larger than `MAX_PIXELS`, and for pixels without a known range
    (floating-point, or integers of more than 16 bits).
    """
    with _opened(data) as image:
        orientation = _orientation(image)
        size = (height, width) if orientation in SIDEWAYS else (width, height)
        _load(image, size, [image.size])
        rgb = _to_rgb(image)
        if rgb.size != size:
            rgb = rgb.resize(size, Image.Resampling.BILINEAR)
        # turned after resizing, when there is least to turn
        return _upright(rgb, orientation).tobytes()


def decode_crops(
    data: bytes | Path, regions: Sequence[Region], *, pad: float, height: int, width: int
) -> Iterator[Crop | BadImageError]:
    """What `decode_image` gives for each of the `regions` of one image, in order, or what is wrong with that region.

    The image is decoded once. Boxes are of the image as it is shown, upright. Raises `BadImageError` as `decode_image`.
    """
    with _opened(data) as image:
        orientation = _orientation(image)
        sideways = orientation in SIDEWAYS
        size = (height, width) if sideways else (width, height)
        shown = (image.height, image.width) if sideways else image.size
        places: list[tuple[Window, Corners] | BadImageError] = []
        for region in regions:
            try:
                place = window(region, width=shown[0], height=shown[1], pad=pad)
                places.append((place, _as_stored(place.rectangle, orientation, shown)))
            except BadImageError as error:
                places.append(error)
        stored = [place[1] for place in places if isinstance(place, tuple)]
        scale = _load(image, size, [(right - left, bottom - top) for left, top, right, bottom in stored])
        rgb = _to_rgb(image)
        for each in places:
            if isinstance(each, BadImageError):
                yield each
            else:
                pixels = _upright(cut(rgb, each[1], size, scale=scale), orientation).tobytes()
                yield Crop(pixels, each[0])


def decode_whole(data: bytes | Path) -> Image.Image:
    """The image as RGB and upright, in the size that it has; raises `BadImageError` as `decode_image`."""
    with without_warnings(), _opened(data) as image:
        orientation = _orientation(image)
        image.load()
        return _upright(_to_rgb(image), orientation)


def read_bytes(path: Path | str) -> bytes:
    """The content of a file; raises `BadImageError` if it cannot be read."""
    try:
        with io.FileIO(path, opener=plain_file) as file:
            return file.readall()
    except OSError as error:
        raise BadImageError(f"cannot be read: {error.strerror or error}") from error


@contextmanager
def without_warnings() -> Iterator[None]:
    """Ignores Pillow's warnings, in every thread: to be entered by the one that starts the others, before these do.

    Filters belong to the process: threads that save them and put them back leave behind those of each other.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextmanager
def _opened(data: bytes | Path) -> Iterator[Image.Image]:
    """The image in `data`, of which only the header is read yet; what goes wrong with it is a `BadImageError`."""
    content = data if isinstance(data, bytes) else read_bytes(data)
    if not content:
        raise BadImageError("is empty (0 bytes)")
    try:
        with _open(content) as image:
            yield image
    except (MemoryError, BadImageError):
        raise
    except Exception as error:
        # Pillow's readers let anything through (SyntaxError, struct.error, zlib.error, …) on damaged files
        raise BadImageError(f"cannot be decoded: {one_line(error)}") from error


def _open(content: bytes) -> Image.Image:
    try:
        try:
            image = Image.open(io.BytesIO(content), formats=_COMMON)
        except UnidentifiedImageError:
            image = Image.open(io.BytesIO(content), formats=_readable_formats())
    except UnidentifiedImageError as error:
        raise BadImageError(f"is not an image that Pillow reads{what_it_is(content)}") from error
    except Image.DecompressionBombError as error:
        raise BadImageError(f"is too large: {one_line(error).split(',')[0]}") from error
    if image.width * image.height > MAX_PIXELS:
        raise BadImageError(f"is too large: {image.width}×{image.height} pixels, more than the {MAX_PIXELS} allowed")
    return image


def _load(image: Image.Image, size: tuple[int, int], parts: Sequence[tuple[int, int]]) -> int:
    """Decode `image`, of which `parts` (width, height) will be resized to `size`; by how much it was reduced.

    libjpeg decodes at 1/2, 1/4 or 1/8 for a fraction of the time; every part is kept at twice `size` or more, and the
    antialiased resize that follows hides the difference.
    """
    fitting = (by for by in (8, 4, 2) if all(w >= 2 * by * size[0] and h >= 2 * by * size[1] for w, h in parts))
    wanted = next(fitting, 1)
    whole = image.width
    drafted = image.draft(None, (max(whole // wanted, 1), max(image.height // wanted, 1)))
    image.load()
    return round(whole / drafted[1][2]) if drafted else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _as_stored(rectangle: Corners, orientation: int, shown: tuple[int, int]) -> Corners:
    """Where a rectangle of the upright image, of size `shown`, lies in the image as it is stored."""
    left, top, right, bottom = rectangle
    width, height = shown
    if orientation in (2, 3, 7, 6):
        left, right = width - right, width - left
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    return (top, left, bottom, right) if orientation in SIDEWAYS else (left, top, right, bottom)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) if there is none or it cannot be read, as viewers show it."""
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except Exception:
        return 1
    return found if found in _UPRIGHT else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        import numpy as np  # for this rare kind alone

        # Pillow's own conversion clips 16 bits at 255
        wide = np.asarray(image).astype(np.int64)
        if wide.min() < 0 or wide.max() > 65535:
            raise BadImageError(
                f"has pixels from {wide.min()} to {wide.max()}, beyond 16 bits; save it with 8 or 16 bits"
            )
        return Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise BadImageError("has floating-point pixels, whose range is not known; save it with 8 or 16 bits")
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, (*ALPHA_BACKGROUND, 255))
        return Image.alpha_composite(background, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
