"""What the headers of pictures say: whether storing squeezes them or shrinks whole scenes, and when they were taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from stages.ingest.decode.image_file import UNREADABLE
from stages.ingest.decode.pixels import is_video, shown_size
from stages.ingest.formats.names import iso_time, shown
from stages.samples import Samples

MOST_PICTURES = 100
"""About how many pictures stand for all of them: only their headers are read."""
FAR = 1.5
"""Times that the median picture may be wider or narrower than stored ones without a word."""
SHRUNK = 8
"""Times in each direction, from which an animal a tenth as wide as its picture is stored with a dozen pixels or fewer."""
FEW_SIZES = 0.25
"""Sizes for each picture, at most, of whole photographs."""
_STEP = 32
_OF_PAGES = frozenset({"GIF", "PNG", "TIFF", "WEBP"})
_EXIF_IFD, _TAKEN, _TAKEN_ZONE = 0x8769, 0x9003, 0x9011


def squeezed(root: Path, samples: Samples, *, height: int, width: int) -> str | None:
    """A warning if the median of the images of `samples` under `root` is far from the shape of stored ones; else None."""
    step = max(len(samples.path) // MOST_PICTURES, 1)
    aspects = (_image_aspect(root, samples, image) for image in range(0, len(samples.path), step))
    found = [aspect for aspect in aspects if aspect is not None]
    if not found:
        return None
    aspect = float(np.median(found))
    if 1 / FAR <= aspect * height / width <= FAR:
        return None
    better = fitting_size(aspect, shorter=min(height, width))
    return (
        f"pictures are squeezed: the median of them is {aspect:.2f} times as wide as it is high, stored ones "
        f"{width / height:.2f}; `height={better[0]}` `width={better[1]}` keeps their shape"
    )


def shrunk(root: Path, samples: Samples, *, height: int, width: int) -> list[str]:
    """A line if pictures are whole photographs, without boxes and of few sizes, and storing shrinks them a lot; else none."""
    step = max(len(samples.path) // MOST_PICTURES, 1)
    files = [root / path for path in samples.path[::step] if not is_video(path)]
    sizes = [] if len(samples.box) else [size for size in map(shown_size, files) if size is not None]
    times = float(np.median([min(size[0] / width, size[1] / height) for size in sizes])) if sizes else 0.0
    # each picture that somebody cut out has a size of its own
    if times < SHRUNK or len(set(sizes)) > max(FEW_SIZES * len(sizes), 1):
        return []
    return [
        f"pictures are shrunk {times:.0f} times in each direction and have few sizes, as whole photographs have: if animals "
        "are small in them, cut them out first, or give the boxes of a detector (such as the file of MegaDetector) as SOURCE"
    ]


def fitting_size(aspect: float, *, shorter: int) -> tuple[int, int]:
    """(height, width) in steps of 32 pixels, of about that `aspect` (width over height), the shorter side as given."""
    longer = max(round(max(aspect, 1 / aspect) * shorter / _STEP) * _STEP, shorter)
    return (shorter, longer) if aspect > 1 else (longer, shorter)


def _image_aspect(root: Path, samples: Samples, image: int) -> float | None:
    """Width over height of what an image is cut from; None if it cannot be told."""
    if not len(samples.box) or np.isnan(samples.box[image, 0]):
        return _aspect(root / samples.path[image])
    _, _, width, height = samples.box[image].tolist()
    whole = _aspect(root / samples.path[image]) if samples.is_relative[image] else 1.0
    return None if whole is None else whole * float(width) / float(height)


def _aspect(file: Path) -> float | None:
    """Width over height of a picture as it is shown; None for a video, or if it cannot be read."""
    size = None if is_video(file.name) else shown_size(file)
    return None if size is None else size[0] / size[1]


def in_pages(root: Path, paths: Sequence[str]) -> str | None:
    """A warning if some of `paths` have several pages or frames, of which only the first is taken; else None."""
    looked_at = paths[:: max(len(paths) // MOST_PICTURES, 1)]
    several = [path for path in looked_at if _n_pages(root / path) > 1]
    if not several:
        return None
    return (
        f"pictures of several pages or frames, of which the first is taken: {len(several)} of the {len(looked_at)} looked at, "
        f"the first {shown(several[0])}; save each as a picture of its own if all are meant"
    )


def _n_pages(file: Path) -> int:
    try:
        with Image.open(file) as image:
            # the others of a JPEG are previews
            return getattr(image, "n_frames", 1) if image.format in _OF_PAGES else 1
    except UNREADABLE:
        return 1


def taken_at(file: Path) -> str:
    """When a camera took a picture, as it wrote into it (EXIF), in ISO 8601; empty if it did not, or cannot be read."""
    try:
        with Image.open(file) as image:
            exif = image.getexif().get_ifd(_EXIF_IFD)
    except UNREADABLE:
        return ""
    time, zone = str(exif.get(_TAKEN, "")).strip("\0 "), str(exif.get(_TAKEN_ZONE, "")).strip("\0 ")
    return iso_time(time + zone) or iso_time(time)
