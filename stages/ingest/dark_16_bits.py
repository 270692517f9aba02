"""Pictures of 16 bits that use a small part of their range, as cameras of 10 to 14 bits write them: they are stored dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from stages.ingest.aspect import MOST_PICTURES
from stages.ingest.decode.crops import BadImageError
from stages.ingest.decode.image_file import UNREADABLE, decode_whole
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.names import shown

MOST_DECODED = 20
"""How many pictures of 16 bits stand for all of them."""
DARK = 64
"""The brightest of 255 levels of a picture of 14 bits in 16."""


def stored_dark(root: Path, paths: Sequence[str]) -> str | None:
    """A warning if pictures of 16 bits among `paths` under `root` have no pixel brighter than `DARK`; else None.

    If these are most of them, it says how many bits they seem to have, else the first is named: it may be night. Nothing is
    stretched: by its own range each would get another brightness.
    """
    found = dict(_brightest(root, paths))
    dark = {path: level for path, level in found.items() if level <= DARK}
    if not dark:
        return None
    brightest = max(dark.values())
    told = f"no pixel of {len(dark)} of the {len(found)} looked at is brighter than {brightest} of 255"
    if len(dark) * 2 <= len(found):
        return f"pictures of 16 bits are stored nearly black: {told}, the first {shown(min(dark))}; look at them"
    n_bits = 8 + max(brightest - 1, 0).bit_length()
    return (
        f"pictures of 16 bits are stored nearly black: {told}, as if they had {n_bits} bits; save them all at full range, "
        f"each value times {1 << (16 - n_bits)}"
    )


def _brightest(root: Path, paths: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The first pictures of 16 bits, each with the brightest of 255 levels that it has when it is stored."""
    n_decoded = 0
    for path in paths[:: max(len(paths) // MOST_PICTURES, 1)]:
        if is_video(path) or not _has_16_bits(root / path):
            continue
        try:
            picture = decode_whole(root / path)
        except BadImageError:
            continue
        yield path, int(np.asarray(picture).max())
        n_decoded += 1
        if n_decoded == MOST_DECODED:
            return


def _has_16_bits(file: Path) -> bool:
    """Whether a picture has 16 bits for each pixel or colour, by its header."""
    try:
        with Image.open(file) as image:
            raw_modes = [tile[-1] if isinstance(tile[-1], str) else str((tile[-1] or [""])[0]) for tile in image.tile]
            return image.mode.startswith("I") or any(";16" in mode for mode in raw_modes)
    except UNREADABLE:
        return False
