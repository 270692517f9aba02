"""Two tables of samples as one: numbers of identities, cameras and the like go by the texts of both."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, count, repeat
from typing import Any

import numpy as np

from stages.ingest.formats.names import may_be_missing
from stages.runs.store import Artifact
from stages.samples import IMAGE_COLUMNS, SAMPLE_COLUMNS, UNKNOWN, Samples
from stages.typing import BoolArray, Int32Array, Int64Array
from stages.wording import shown

ENCOUNTERS = ("encounter", "encounter_name", 0)
NAMED = (("pid", "identity", 1), ("camid", "camera", 0), ENCOUNTERS, ("view", "view_name", 0))
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


def own_encounters(
    before: Samples, old_digests: Sequence[str], samples: Samples, digests: Sequence[str]
) -> tuple[Samples, dict[str, str]]:
    """`samples` with encounters as `before` has them, or of their own; and the names that were changed, old to new.

    Sources number encounters anew, so that a name that `before` has is another encounter here, and becomes `5 (2)`, unless a
    picture that both have, by its digest (n_images), is of it in both: then it goes on. Names that say nothing stay.
    """
    names, old_names = texts_of(samples, *ENCOUNTERS), texts_of(before, *ENCOUNTERS)
    meet = {name for name in set(names) & set(old_names) if name and not may_be_missing(name)}
    if not meet:
        return samples, {}
    old_of: dict[str, set[str]] = {}
    for name, digest in _of_images(before, old_names, old_digests):
        old_of.setdefault(digest, set()).add(name)
    now: dict[str, str] = {}
    for name, digest in _of_images(samples, names, digests):
        for old in old_of.get(digest, ()):
            if name and digest and _is_of(old, name):
                now[name] = min(old, now.get(name, old))
    taken, others = {*names, *old_names}, meet - now.keys()
    number = next(n for n in count(2) if taken.isdisjoint(f"{name} ({n})" for name in others))
    now |= {name: f"{name} ({number})" for name in others}
    changed = {name: new for name, new in sorted(now.items()) if name != new}
    return replace(samples, encounter_name=tuple(changed.get(name, name) for name in names)), changed


def already_held(
    before: Samples, old_digests: Sequence[str], samples: Samples, digests: Sequence[str]
) -> tuple[BoolArray, Int64Array]:
    """Which images (n_images) samples of `before` hold, by their digests; and the track of `before` that each of `samples`
    (n_samples) goes on with, −1 for none: one of the same camera, all of whose images it has. The one of its name goes first.
    """
    held_by: dict[str, set[int]] = {}
    for sample, digest in zip(before.owners.tolist(), old_digests, strict=True):
        held_by.setdefault(digest, set()).add(sample)
    is_held = np.array([bool(digest) and digest in held_by for digest in digests], dtype=np.bool_)
    (names, cameras), (old_names, old_cameras) = (
        [texts_of(each, *columns) for columns in (_TRACKLETS, NAMED[1])] for each in (samples, before)
    )
    n_old = Counter(chain.from_iterable(held_by.values()))
    goes_on, taken = np.full(len(samples), -1, dtype=np.int64), {-1}
    for sample in filter(names.__getitem__, np.unique(samples.owners[is_held]).tolist()):
        own = set(digests[samples.frame_start[sample] : samples.frame_start[sample + 1]])
        n_of = Counter(chain.from_iterable(held_by.get(digest, ()) for digest in own))
        fitting = [
            (old_names[old] != names[sample], old)
            for old, n in n_of.items()
            if n == n_old[old] and old not in taken
            if old_names[old] and cameras[sample] == old_cameras[old]
        ]
        goes_on[sample] = min(fitting, default=(True, -1))[1]
        taken.add(int(goes_on[sample]))
    return is_held, goes_on


def _of_images(samples: Samples, names: Sequence[str], digests: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The name of the sample, and the digest of the file, of each image."""
    n_images = np.diff(samples.frame_start).tolist()
    of_images = chain.from_iterable(map(repeat, names, n_images))
    return zip(of_images, (digest.partition(" ")[0] for digest in digests), strict=True)


def _is_of(old: str, name: str) -> bool:
    """Whether the encounter `old` is `name`, or what `own_encounters` made of it."""
    return old == name or re.fullmatch(re.escape(name) + r" \([0-9]+\)", old) is not None


def said_otherwise(before: Samples, samples: Samples, there: Sequence[Sequence[int]]) -> tuple[Counter[str], str]:
    """For each column, how many `samples` differ from `before`; and the first difference in words.

    `there` (n_samples) are the samples of `before` that are the same, or go on in it, none of a new one. What is not said is
    not told.
    """
    columns = [(each[0], texts_of(before, *each), texts_of(samples, *each)) for each in NAMED]
    columns.append(("timestamp", _times(before), _times(samples)))
    if before.tracklet_name and samples.tracklet_name:
        # without names, numbers are not those of the source
        columns.append(("tracklet", list(before.tracklet_name), list(samples.tracklet_name)))
    n_before, n_images = np.diff(before.frame_start).tolist(), np.diff(samples.frame_start).tolist()
    found: Counter[str] = Counter()
    first = ""
    for name, old, new in columns:
        for sample, same in enumerate(there):
            said = [old[each] for each in same]
            # tables of clusters have numbers behind tracklets of one name
            now, is_numbered = new[sample], name in ("encounter", "tracklet")
            is_same = now in said or (is_numbered and any(_is_of(was, now) or _is_of(now, was) for was in said))
            # a track that grew may begin earlier
            is_same |= name == "timestamp" and any(n_images[sample] != n_before[each] for each in same)
            if said and now and not is_same:
                found[name] += 1
                was = shown(said[0]) if said[0] else "none"
                first = first or f"{shown(samples.path[samples.frame_start[sample]])} {shown(now)} for {was}"
    return found, first


def _times(samples: Samples) -> list[str]:
    return [samples.timestamp[image] if samples.timestamp else "" for image in samples.frame_start[:-1].tolist()]


def join_samples(before: Samples, new: Samples) -> Samples:
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
        columns["tracklet_name"] = (*texts_of(before, *_TRACKLETS), *texts_of(unmoved, *_TRACKLETS))
    for name, texts, smallest in NAMED:
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
    told = [texts_of(samples, name, texts, smallest) for samples in (before, new)]
    number_of: dict[str, int] = {}
    for number, text in zip(both[: len(before)].tolist(), told[0], strict=True):
        if text:
            number_of.setdefault(text, number)
    largest = max(smallest - 1, *number_of.values()) if number_of else smallest - 1
    for text in sorted({text for text in told[1] if text} - number_of.keys()):
        largest += 1
        number_of[text] = largest
    numbers = [number_of[text] if text else int(number) for number, text in zip(both, told[0] + told[1], strict=True)]
    named = getattr(before, texts) or getattr(new, texts)
    return np.asarray(numbers, dtype=np.int32), tuple(told[0] + told[1]) if named else ()


def texts_of(samples: Samples, name: str, texts: str, smallest: int) -> list[str]:
    """(n_samples) the text of each, or its number where there are no texts; empty for numbers below `smallest`."""
    numbers: Sequence[int] = getattr(samples, name).tolist()
    named: Sequence[str] = getattr(samples, texts) or [""] * len(samples)
    if not len(numbers):
        return [""] * len(samples)
    return [text or str(number) if number >= smallest else "" for number, text in zip(numbers, named, strict=True)]
