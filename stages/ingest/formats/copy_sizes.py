"""Boxes of a larger or smaller copy of their picture, told by the size that the source says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stages.ingest.decode.pixels import shown_size
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.format import Findings
from stages.wording import shown

_BEYOND = 1.05
"""A box that reaches so many times the size of its picture is of another."""

_READERS = 4
"""Threads that read the sizes of pictures."""


def of_size(rows: list[Detection], root: Path, findings: Findings) -> list[Detection]:
    """`rows`, those whose boxes are of a larger or smaller copy of their picture in shares of it, which is told.

    It is warned of unless some box reaches beyond the picture there is, as the size that is said may be an old one.
    Pictures of another shape, or with boxes beyond the size that is said, keep their boxes, and are warned of.
    """
    first: dict[str, Detection] = {}
    for row in rows:
        if row.size is not None and row.box is not None:
            first.setdefault(row.path, row)
    with ThreadPoolExecutor(max_workers=_READERS) as pool:
        sizes = dict(zip(first, pool.map(lambda path: shown_size(root / path), first), strict=True))
    copies: set[str] = set()
    others: set[str] = set()
    for row in rows:
        is_copy = _is_of_copy(row, sizes.get(row.path))
        if is_copy is not None:
            (copies if is_copy else others).add(row.path)
    copies -= others

    def told(found: set[str]) -> str:
        row = next(row for path, row in first.items() if path in found)
        said, there = ("×".join(f"{length:g}" for length in size or ()) for size in (row.size, sizes[row.path]))
        return f"{len(found)} of {len(first)}, the first {row.origin}: it says {said} pixels, {shown(row.path)} has {there}"

    if copies:
        scaled = f"boxes are scaled to pictures of another size than theirs: {told(copies)}"
        if any(_is_beyond(row, sizes[row.path]) for row in rows if row.path in copies):
            findings.notes.append(scaled)
        else:
            findings.warnings.append(
                f"{scaled}; no box reaches beyond its picture, so they may be in pixels of these: if they are, correct the "
                "width and height that are said"
            )
    if others:
        findings.warnings.append(
            f"pictures of another shape than their boxes are of: {told(others)}; boxes are taken as they are, in pixels of "
            "the picture as it is shown: look at some, and give the pictures that were annotated if they are wrong"
        )
    return [_in_shares(row, row.size) if row.path in copies and row.size else row for row in rows]


def _is_of_copy(row: Detection, size: tuple[int, int] | None) -> bool | None:
    """Whether the box is of a copy of its picture, which has that `size`; None if it is of the picture, or not known."""
    if size is None or row.size is None or row.box is None:
        return None
    wide, high = row.size
    if max(abs(size[0] - wide), abs(size[1] - high)) <= 1:
        return None
    # as alike as rounding lets them be
    is_alike = abs(size[0] * high - size[1] * wide) <= wide + high
    return is_alike and not _is_beyond(row, row.size)


def _is_beyond(row: Detection, size: tuple[float, float] | None) -> bool:
    """Whether the box reaches beyond a picture of that `size`, in pixels of which it therefore cannot be."""
    if size is None or row.box is None:
        return False
    left, top, width, height = row.box
    return left + width > _BEYOND * size[0] or top + height > _BEYOND * size[1]


def _in_shares(row: Detection, size: tuple[float, float]) -> Detection:
    """`row` with its box, if it has one, in shares of a picture of that `size`."""
    if row.box is None:
        return row
    left, top, width, height = row.box
    return row._replace(box=(left / size[0], top / size[1], width / size[0], height / size[1]), is_relative=True)
