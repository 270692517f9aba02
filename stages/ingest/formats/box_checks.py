"""Which boxes are taken: what is left out and counted, and what no box can be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from schemas.parameters import ANY_CATEGORY, IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.format import Findings
from stages.ingest.formats.names import is_missing
from stages.ingest.formats.numbers import NO_NUMBER
from stages.wording import shown

PIXELS_MEANT = 2
"""A relative box that reaches so many times the picture's size is taken for one in pixels, and refused."""


def taken_boxes(
    detections: Iterable[Detection], parameters: IngestParameters, findings: Findings
) -> Iterator[Detection]:
    """The rows that confidence, category and box allow."""
    wanted = wanted_categories(parameters)
    for row in detections:
        left_out = why_left_out(row.score, row.category, wanted, parameters)
        if left_out is not None:
            findings.boxes[left_out] += 1
        elif row.box is None:
            yield row
        elif not all(map(math.isfinite, row.box)):
            why = f"{row.origin}: box {_written(row.box)} is not four numbers; correct it"
            findings.leave_out("without four numbers", why, parameters)
        elif min(row.box[2:]) == 0:
            findings.boxes["without area"] += 1
        elif row.is_relative and max(map(abs, row.box)) >= PIXELS_MEANT:
            raise UsageError(
                f"{row.origin}: box {_written(row.box)} should be in shares of the picture, 0 to 1, and seems to be in "
                "pixels; check which program wrote the file"
            )
        elif min(row.box[2:]) < 0:
            why = f"{row.origin}: box {_written(row.box)} has a negative width or height; correct it"
            findings.leave_out("of negative size", why, parameters)
        elif _is_outside(row):
            why = f"{row.origin}: box {_written(row.box)} lies outside its picture {shown(row.path)}; correct it"
            findings.leave_out("outside their picture", why, parameters)
        else:
            yield row


def wanted_categories(parameters: IngestParameters) -> frozenset[str] | None:
    """The categories that are taken; None for all."""
    if parameters.category == ANY_CATEGORY:
        return None
    return frozenset(word.strip() for word in parameters.category.split(","))


def why_left_out(
    score: float, category: str, wanted: frozenset[str] | None, parameters: IngestParameters
) -> str | None:
    """What the parameters have against a row, to be counted; None if it is taken.

    Rows without a score (NaN) are, as a person drew them, but not those whose score is NaN in the source (`NO_NUMBER`).
    """
    if score == NO_NUMBER and parameters.min_confidence:
        return "whose score is NaN"
    if NO_NUMBER < score < parameters.min_confidence:
        return f"below confidence {parameters.min_confidence:g}"
    if wanted is not None and category not in wanted:
        return f"of category {'unknown' if is_missing(category) else category}"
    return None


def tell_scores(scores: Sequence[float], parameters: IngestParameters, findings: Findings) -> None:
    """Warn if a `min_confidence` is compared with no `scores`, or, one of at most 1, with some beyond, as percents are."""
    n_without = sum(map(math.isnan, scores))
    if n_without and parameters.min_confidence:
        findings.warnings.append(
            "nothing has a score, so `min_confidence` leaves none out"
            if n_without == len(scores)
            else f"rows without a score, which `min_confidence` does not leave out: {n_without} of {len(scores)}"
        )
    n_large = sum(score > 1 for score in scores)
    if n_large and 0 < parameters.min_confidence <= 1:
        findings.warnings.append(
            f"scores above 1: {n_large} of {len(scores)}, the largest {max(score for score in scores if score > 1):g}; "
            f"`min_confidence={parameters.min_confidence:g}` is compared with them as they are, so give it in the same unit"
        )


def _is_outside(row: Detection) -> bool:
    """Whether it is clear, without the picture's size, that nothing of the box lies in the picture."""
    if row.box is None:
        return False
    left, top, width, height = row.box
    return left + width <= 0 or top + height <= 0 or (row.is_relative and (left >= 1 or top >= 1))


def _written(box: Sequence[float]) -> str:
    return f"[{', '.join(f'{number:g}' for number in box)}]"


def check_pixels(rows: Sequence[Detection], findings: Findings) -> None:
    """Raise UsageError if all boxes in pixels are of one pixel at most, as shares of the picture are; warn if some are."""
    boxes = [(row, row.box) for row in rows if row.box is not None and not row.is_relative]
    small = [(row, box) for row, box in boxes if max(box[2:]) <= 1]
    if not small:
        return
    row, box = small[0]
    if len(small) == len(boxes):
        raise UsageError(
            f"{row.origin}: box {_written(box)} should be in pixels, and seems to be in shares of the picture, as all "
            f"{len(boxes)} are; check which program wrote the file"
        )
    findings.warnings.append(
        f"boxes of one pixel or less: {len(small)} of {len(boxes)}, the first {row.origin}, {_written(box)}; if they are "
        "shares of the picture, write them in pixels, as the others are"
    )


def without_copies(
    rows: Sequence[Detection], parameters: IngestParameters, findings: Findings, *, are_alone: bool
) -> list[Detection]:
    """`rows`, in order of place, each once: those of the same box, category, tracklet and identity are one.

    UsageError for copies, unless bad images are skipped: then they are counted. If rows `are_alone` in their pictures, copies
    say the same, and another row of the picture is an error.
    """
    kept: list[Detection] = []
    for _, group in itertools.groupby(rows, key=lambda row: (row.path,) if are_alone else row.place):
        alike: dict[tuple[str, ...], Detection] = {}
        for row in group:
            before = alike.setdefault(() if are_alone else (row.category, row.tracklet, row.identity), row)
            is_copy = not are_alone or row._replace(origin=before.origin) == before
            if before is row:
                kept.append(row)
            elif is_copy and parameters.on_bad_image == "skip":
                findings.boxes["that are there before"] += 1
            else:
                is_whole = are_alone or (row.box is None and row.frame < 0)
                what = "picture" if is_whole else f"{'frame' if row.box is None else 'box'} of"
                skip = ", or leave copies out with `on_bad_image='skip'`" if is_copy else ""
                box = ", or give each its box if they are several in one picture" if are_alone else ""
                raise UsageError(
                    f"{row.origin} and {before.origin} are the same {what} {shown(row.path)}"
                    f"{_differ(row, before) if not is_copy else ''}; keep one{skip}{box}"
                )
    return kept


def _differ(row: Detection, other: Detection) -> str:
    """That two rows do not say the same of a picture, and what differs, as the end of a sentence."""
    named = ("identity", "camera", "category", "encounter", "view", "timestamp")
    differ = next((name for name in named if getattr(row, name) != getattr(other, name)), "")
    two = " and ".join(shown(getattr(each, differ)) for each in (row, other)) if differ else ""
    return f", of which they say {differ} {two}" if differ else ", of which they do not say the same"


def without_twins(rows: list[Detection], parameters: IngestParameters, findings: Findings) -> list[Detection]:
    """`rows`, if bad images are skipped with one box of a tracklet in a frame, the surest or largest; others are counted."""
    if parameters.on_bad_image != "skip":
        return rows
    best: dict[tuple[object, ...], Detection] = {}
    for number, row in enumerate(rows):
        key = (row.path, row.frame, row.tracklet or number)
        best[key] = max(best.get(key, row), row, key=_sureness)
    if len(best) < len(rows):
        findings.boxes["whose track has another in that frame"] += len(rows) - len(best)
    return list(best.values())


def _sureness(row: Detection) -> tuple[float, float]:
    """Key by which the box to keep is chosen: its score, or its size."""
    return (0.0 if math.isnan(row.score) else row.score, math.prod(row.box[2:]) if row.box else 0.0)
