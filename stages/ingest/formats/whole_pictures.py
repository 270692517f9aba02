"""Rows that are of whole pictures: each picture is taken once, if all that is said of it can be of one individual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from schemas.parameters import IngestParameters
from stages.ingest.formats.box_checks import wanted_categories
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.names import is_missing


def each_picture_once(
    rows: Iterable[Detection], left_out: Counter[str], parameters: IngestParameters
) -> list[Detection]:
    """All boxes and all rows of unwanted categories, unchanged; of several rows of one whole picture, only one.

    That is the first row with an identity, else the first; none if they name several individuals, because a picture is one
    sample. `left_out` counts the rows that go.
    """
    found: list[Detection] = []
    whole: dict[str, list[Detection]] = {}
    wanted = wanted_categories(parameters)
    for row in rows:
        if row.box is None and (wanted is None or row.category in wanted):
            whole.setdefault(row.path, []).append(row)
        else:
            found.append(row)
    for same in whole.values():
        named = [row for row in same if not is_missing(row.identity)]
        if len({row.identity for row in named}) > 1:
            left_out["of several individuals in one picture without boxes"] += len(same)
            continue
        found.append((named or same)[0])
        if len(same) > 1:
            left_out["of pictures that are listed before"] += len(same) - 1
    return found
