"""What the headers of pictures say: whether storing squeezes them, and when they were taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from stages.ingest.decode.image_file import UNREADABLE
from stages.ingest.decode.pixels import is_video, shown_size
from stages.ingest.formats.names import iso_time
from stages.samples import Samples

MOST_PICTURES = 100
"""About how many pictures stand for all of them: only their headers are read."""
FAR = 1.5
"""Times that the median picture may be wider or narrower than stored ones without a word."""
_STEP = 32
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


def taken_at(file: Path) -> str:
    """When a camera took a picture, as it wrote into it (EXIF), in ISO 8601; empty if it did not, or cannot be read."""
    try:
        with Image.open(file) as image:
            exif = image.getexif().get_ifd(_EXIF_IFD)
    except UNREADABLE:
        return ""
    time, zone = str(exif.get(_TAKEN, "")).strip("\0 "), str(exif.get(_TAKEN_ZONE, "")).strip("\0 ")
    return iso_time(time + zone) or iso_time(time)
