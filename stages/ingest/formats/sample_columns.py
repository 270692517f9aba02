"""What rows say of samples and of their images, as columns: names, boxes, scores, times, categories."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from schemas.parameters import IngestParameters
from stages.ingest.formats.box_checks import tell_scores
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.format import Findings
from stages.ingest.formats.names import doubts, is_missing, numbers_of
from stages.ingest.formats.numbers import NO_NUMBER
from stages.ingest.formats.times import has_short_year, iso_time, told_zones
from stages.samples import Samples
from stages.wording import shown

_NAMES_TOLD = 5
"""Encounters or views that are told by name."""

_KINDS_TOLD = 4
"""Ways of writing a time that cannot be read, of which the first time is told."""

_UNNAMED = frozenset({"", "animal", "0"})
"""Categories that say nothing: what an export writes for all of them, and the first class of YOLO without names."""


def with_names(samples: Samples, findings: Findings, *, encounter: Sequence[str], view: Sequence[str]) -> Samples:
    """The samples with the texts and numbers of `encounter` and `view` (n_samples), as far as any is not empty."""
    for column, texts in (("encounter", encounter), ("view", view)):
        if any(texts):
            findings.missing[column] = sum(not text for text in texts)
            findings.warnings += doubts(texts, kind=f"names of {column}")
            names = sorted(set(filter(None, texts)))
            some = f": {', '.join(map(shown, names))}" if len(names) <= _NAMES_TOLD else ""
            findings.notes.append(f"{column}s{some or f': {len(names)}'}")
            numbers = np.asarray(numbers_of(texts, smallest=0), dtype=np.int32)
            named: dict[str, Any] = {column: numbers, f"{column}_name": tuple(texts)}
            samples = replace(samples, **named)
    return samples


def with_image_columns(
    samples: Samples, images: Sequence[Detection], parameters: IngestParameters, findings: Findings
) -> Samples:
    """The samples with the columns of their `images` (box, frame, score, …); a column without any value stays empty."""
    if any(row.box is not None for row in images):
        whole = (math.nan,) * 4
        box = np.array([row.box or whole for row in images], dtype=np.float64)
        samples = replace(samples, box=box, is_relative=np.array([row.is_relative for row in images]))
    if any(row.frame >= 0 for row in images):
        samples = replace(samples, frame_number=np.array([row.frame for row in images], dtype=np.int64))
    scores = [math.nan if row.score == NO_NUMBER else row.score for row in images]
    tell_scores(scores, parameters, findings)
    if not all(map(math.isnan, scores)):
        samples = replace(samples, score=np.array(scores, dtype=np.float32))
    if not all(is_missing(row.timestamp) for row in images):
        samples = replace(samples, timestamp=times_of([row.timestamp for row in images], findings))
    return replace(samples, category=categories_of([row.category for row in images]))


def categories_of(texts: Sequence[str]) -> tuple[str, ...]:
    """The categories, empty where missing; () if all are default names, such as `animal`."""
    categories = tuple("" if is_missing(text) else text for text in texts)
    return categories if set(categories) - _UNNAMED else ()


def times_of(texts: Sequence[str], findings: Findings) -> tuple[str, ...]:
    """The times that `texts` write as ISO 8601, empty if missing; findings count those, and warn of what cannot be read.

    Of each way of writing that cannot be read the first is told; that dates alone are taken for midnight is noted.
    """
    times = tuple(map(iso_time, texts))
    findings.missing["timestamp"] = times.count("")
    unread = [text for text, time in zip(texts, times, strict=True) if not time and not is_missing(text)]
    if unread:
        first: dict[str, str] = {}
        for text in unread:
            first.setdefault(re.sub("[0-9]+", "0", re.sub("[A-Za-z]+", "a", text)), text)
        kinds = ", ".join(map(shown, islice(first.values(), _KINDS_TOLD)))
        findings.warnings.append(
            f"times not written as 2024-05-31 07:15:00, taken for missing: {len(unread)}, such as {kinds}"
        )
    findings.warnings += told_zones(times)
    n_short = sum(map(has_short_year, texts))
    if n_short:
        findings.notes.append(f"years of two digits, taken for those from 1969 to 2068: {n_short} of {len(times)}")
    n_days = sum(":" not in text for text, time in zip(texts, times, strict=True) if time and time[10:] == "T00:00:00")
    if n_days:
        findings.notes.append(f"dates without a time, taken for midnight: {n_days} of {len(times)}")
    return times
