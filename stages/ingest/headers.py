"""What some pictures say of all: whether storing squeezes, shrinks or darkens them, and when they were taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from stages.ingest.decode.crops import BadImageError
from stages.ingest.decode.image_file import ORIENTATION, SIDEWAYS, UNREADABLE, decode_whole
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.times import iso_time
from stages.samples import Samples
from stages.wording import shown

MOST_PICTURES = 100
"""About how many pictures stand for all of them: only their headers are read."""
FAR = 1.5
"""Times that the median picture may be wider or narrower than stored ones without a word."""
SHRUNK = 8
"""Times in each direction, from which an animal a tenth as wide as its picture is stored with a dozen pixels or fewer."""
FEW_SIZES = 0.25
"""Sizes for each picture, at most, of whole photographs."""
LEAST_SIZES = 8
"""Pictures, at least, of which it is said: a single one that was cut out has one size, too."""
MOST_DECODED = 20
"""How many pictures of 16 bits stand for all of them."""
DARK = 64
"""The brightest of 255 levels of a picture of 14 bits in 16."""
_STEP = 32
_OF_PAGES = frozenset({"GIF", "PNG", "TIFF", "WEBP"})
_EXIF_IFD, _TAKEN, _TAKEN_ZONE = 0x8769, 0x9003, 0x9011


class Header(NamedTuple):
    """What a picture says: width and height as it is shown, its pages or frames, and whether pixels or colours have 16 bits.

    `taken` is when a camera took it, as it wrote into it (EXIF), in ISO 8601; empty if it did not.
    """

    size: tuple[int, int]
    n_pages: int
    has_16_bits: bool
    taken: str


def header_of(file: Path) -> Header | None:
    """What a picture says of itself; None for a video, or if it cannot be read."""
    if is_video(file.name):
        return None
    try:
        with Image.open(file) as image:
            # before its EXIF, for which Pillow may decode it
            raw_modes = [tile[-1] if isinstance(tile[-1], str) else str((tile[-1] or [""])[0]) for tile in image.tile]
            # the others of a JPEG are previews
            n_pages = getattr(image, "n_frames", 1) if image.format in _OF_PAGES else 1
            exif = image.getexif()
            said = exif.get_ifd(_EXIF_IFD)
            time, zone = (str(said.get(name, "")).strip("\0 ") for name in (_TAKEN, _TAKEN_ZONE))
            width, height = image.size
            return Header(
                size=(height, width) if exif.get(ORIENTATION) in SIDEWAYS else (width, height),
                n_pages=n_pages,
                has_16_bits=image.mode.startswith("I") or any(";16" in mode for mode in raw_modes),
                taken=iso_time(time + zone) or iso_time(time),
            )
    except UNREADABLE:
        return None


def taken_at(file: Path) -> str:
    """When a camera took a picture, as its header says; empty if it does not, or cannot be read."""
    header = header_of(file)
    return "" if header is None else header.taken


def some_headers(root: Path, paths: Iterable[str]) -> dict[str, Header]:
    """The headers of about `MOST_PICTURES` of `paths` under `root` that can be read, by path, in order."""
    paths = sorted(set(paths))
    found = {path: header_of(root / path) for path in paths[:: max(len(paths) // MOST_PICTURES, 1)]}
    return {path: header for path, header in found.items() if header is not None}


def squeezed(headers: Mapping[str, Header], samples: Samples, *, height: int, width: int) -> list[str]:
    """A line if the median of the images of `samples` is far from the shape of stored ones; else none."""
    whole = {path: header.size[0] / header.size[1] for path, header in headers.items()}
    aspects = np.array([whole.get(path, np.nan) for path in samples.path], dtype=np.float64)
    if len(samples.box):
        shape = samples.box[:, 2] / samples.box[:, 3]
        aspects = np.where(np.isnan(shape), aspects, shape * np.where(samples.is_relative, aspects, 1))
    if np.isnan(aspects).all():
        return []
    aspect = float(np.nanmedian(aspects))
    if 1 / FAR <= aspect * height / width <= FAR:
        return []
    better = fitting_size(aspect, shorter=min(height, width))
    return [
        f"pictures are squeezed: the median of them is {aspect:.2f} times as wide as it is high, stored ones "
        f"{width / height:.2f}; `height={better[0]}` `width={better[1]}` keeps their shape"
    ]


def shrunk(headers: Mapping[str, Header], samples: Samples, *, height: int, width: int) -> list[str]:
    """A line if pictures are whole photographs, without boxes and of few sizes, and storing shrinks them a lot; else none."""
    sizes = [] if len(samples.box) else [header.size for header in headers.values()]
    times = float(np.median([min(size[0] / width, size[1] / height) for size in sizes])) if sizes else 0.0
    # each picture that somebody cut out has a size of its own
    if times < SHRUNK or len(sizes) < LEAST_SIZES or len(set(sizes)) > FEW_SIZES * len(sizes):
        return []
    return [
        f"pictures are shrunk {times:.0f} times in each direction and have few sizes, as whole photographs have: if animals "
        "are small in them, cut them out first, or give the boxes of a detector (such as the file of MegaDetector) as SOURCE"
    ]


def fitting_size(aspect: float, *, shorter: int) -> tuple[int, int]:
    """(height, width) in steps of 32 pixels, of about that `aspect` (width over height), the shorter side as given."""
    longer = max(round(max(aspect, 1 / aspect) * shorter / _STEP) * _STEP, shorter)
    return (shorter, longer) if aspect > 1 else (longer, shorter)


def in_pages(headers: Mapping[str, Header]) -> list[str]:
    """A line to warn with if some pictures have several pages or frames, of which only the first is taken; else none."""
    several = [path for path, header in headers.items() if header.n_pages > 1]
    if not several:
        return []
    return [
        f"pictures of several pages or frames, of which the first is taken: {len(several)} of the {len(headers)} looked at, "
        f"the first {shown(several[0])}; save each as a picture of its own if all are meant"
    ]


def stored_dark(headers: Mapping[str, Header], root: Path) -> list[str]:
    """A line to warn with if pictures of 16 bits under `root` have no pixel brighter than `DARK`; else none.

    Cameras of 10 to 14 bits write such. If these are most of them, it says how many bits they seem to have, else the first is
    named: it may be night. Nothing is stretched: by its own range each would get another brightness.
    """
    found: dict[str, int] = {}
    for path in [path for path, header in headers.items() if header.has_16_bits][:MOST_DECODED]:
        with suppress(BadImageError):
            found[path] = int(np.asarray(decode_whole(root / path)).max())
    dark = {path: level for path, level in found.items() if level <= DARK}
    if not dark:
        return []
    brightest = max(dark.values())
    told = f"no pixel of {len(dark)} of the {len(found)} looked at is brighter than {brightest} of 255"
    if len(dark) * 2 <= len(found):
        return [f"pictures of 16 bits are stored nearly black: {told}, the first {shown(min(dark))}; look at them"]
    n_bits = 8 + max(brightest - 1, 0).bit_length()
    return [
        f"pictures of 16 bits are stored nearly black: {told}, as if they had {n_bits} bits; save them all at full range, "
        f"each value times {1 << (16 - n_bits)}"
    ]
