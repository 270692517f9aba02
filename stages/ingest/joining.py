"""Two tables of samples as one: numbers of identities, cameras and the like go by the texts of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stages.runs.store import Artifact
from stages.samples import IMAGE_COLUMNS, SAMPLE_COLUMNS, UNKNOWN, Samples
from stages.typing import Int32Array

_NAMED = (("pid", "identity", 1), ("camid", "camera", 0), ("encounter", "encounter_name", 0), ("view", "view_name", 0))
"""Columns of numbers, those of their texts, and the smallest number that stands for one of them."""
_TRACKLETS = ("tracklet", "tracklet_name", 0)
_EMPTY: dict[str, Any] = {
    "box": np.full((1, 4), np.nan),
    "is_relative": np.zeros(1, dtype=np.bool_),
    "frame_number": np.full(1, -1, dtype=np.int64),
    "score": np.full(1, np.nan, dtype=np.float32),
    "encounter": np.full(1, UNKNOWN, dtype=np.int32),
    "view": np.full(1, UNKNOWN, dtype=np.int32),
}
"""What a row holds in a column that its table does not have; in columns of texts, an empty text."""


def stored_samples(dataset: Artifact) -> Samples:
    """The table of samples that `dataset` holds; boxes are those that were cut out, in pixels."""
    names = set(dataset.names())
    columns: dict[str, Any] = {}
    for name in (*IMAGE_COLUMNS, *SAMPLE_COLUMNS):
        if name in names:
            array = dataset.read(name)
            columns[name] = tuple(array.tolist()) if array.dtype.kind == "O" else array
    if "box" in columns:
        columns["box"] = columns["box"].astype(np.float64)
        columns["is_relative"] = np.zeros(len(columns["box"]), dtype=np.bool_)
    return Samples(frame_start=dataset.read("frame_start"), **columns)


def joined(before: Samples, new: Samples) -> Samples:
    """The samples of `before`, then those of `new`; `before` keeps its numbers.

    A number of `new` becomes that which `before` has for the same text, or the next one; where a table has numbers and no
    texts, they are their own texts. Tracklets of `new` are others than those of `before`.
    """
    tracklet = np.where(new.tracklet >= 0, new.tracklet + before.tracklet.max(initial=-1) + 1, new.tracklet)
    unmoved, new = new, replace(new, tracklet=tracklet.astype(np.int32))
    columns: dict[str, Any] = {}
    for name in (*IMAGE_COLUMNS, *SAMPLE_COLUMNS):
        columns[name] = _end_to_end(name, before, new)
    if before.tracklet_name or new.tracklet_name:
        columns["tracklet_name"] = (*_told(before, *_TRACKLETS), *_told(unmoved, *_TRACKLETS))
    for name, texts, smallest in _NAMED:
        columns[name], columns[texts] = _renumbered(before, new, name, texts, smallest)
    frame_start = np.concatenate([before.frame_start, new.frame_start[1:] + before.frame_start[-1]])
    return Samples(frame_start=frame_start, **columns)


def _end_to_end(name: str, before: Samples, new: Samples) -> Any:
    first, second = (getattr(samples, name) for samples in (before, new))
    if not len(first) and not len(second):
        return first
    filled = [
        column if len(column) else _filled(name, len(samples.path) if name in IMAGE_COLUMNS else len(samples))
        for column, samples in ((first, before), (second, new))
    ]
    return tuple(filled[0]) + tuple(filled[1]) if isinstance(first, tuple) else np.concatenate(filled)


def _filled(name: str, n_rows: int) -> Any:
    return np.repeat(_EMPTY[name], n_rows, axis=0) if name in _EMPTY else ("",) * n_rows


def _renumbered(
    before: Samples, new: Samples, name: str, texts: str, smallest: int
) -> tuple[Int32Array, tuple[str, ...]]:
    """The numbers and texts of both; numbers below `smallest` stand for none and stay."""
    both = _end_to_end(name, before, new)
    if not len(both):
        return both, ()
    told = [_told(samples, name, texts, smallest) for samples in (before, new)]
    number_of: dict[str, int] = {}
    for number, text in zip(getattr(before, name).tolist(), told[0], strict=True):
        if text:
            number_of.setdefault(text, number)
    largest = max(smallest - 1, *number_of.values()) if number_of else smallest - 1
    for text in sorted({text for text in told[1] if text} - number_of.keys()):
        largest += 1
        number_of[text] = largest
    numbers = [number_of[text] if text else int(number) for number, text in zip(both, told[0] + told[1], strict=True)]
    named = getattr(before, texts) or getattr(new, texts)
    return np.asarray(numbers, dtype=np.int32), tuple(told[0] + told[1]) if named else ()


def _told(samples: Samples, name: str, texts: str, smallest: int) -> list[str]:
    numbers: Sequence[int] = getattr(samples, name).tolist()
    named: Sequence[str] = getattr(samples, texts) or [""] * len(samples)
    if not len(numbers):
        return [""] * len(samples)
    return [text or str(number) if number >= smallest else "" for number, text in zip(numbers, named, strict=True)]
