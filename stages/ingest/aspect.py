"""Whether pictures are squeezed when they are stored: their shape beside the stored one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

MOST_PICTURES = 100
"""About how many pictures stand for all of them: only their headers are read."""
FAR = 1.5
"""Times that the median picture may be wider or narrower than stored ones without a word."""
_TURNED = {5, 6, 7, 8}
_ORIENTATION = 0x0112
_STEP = 32


def squeezed(root: Path, paths: Sequence[str], *, height: int, width: int) -> str | None:
    """A warning if the median of the pictures `paths` under `root` is far from the shape of stored ones; else None."""
    step = max(len(paths) // MOST_PICTURES, 1)
    found = [aspect for aspect in (_aspect(root / path) for path in paths[::step]) if aspect is not None]
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


def _aspect(file: Path) -> float | None:
    """Width over height of a picture as it is shown; None if it cannot be read."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION) in _TURNED
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    return height / width if turned else width / height
