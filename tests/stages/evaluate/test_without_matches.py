"""Why there are no retrieval figures is said by its true cause."""

from __future__ import annotations

import numpy as np
import pytest

from stages.evaluate.stage import Evaluated, _why_no_match
from stages.samples import GALLERY, QUERY, TRAIN, UNKNOWN


@pytest.mark.parametrize(
    ("query", "gallery", "cause"),
    [
        ([UNKNOWN, UNKNOWN], [1, 2], "no identity of a query sample is known"),
        ([-1, 0], [1, 2], "no identity of a query sample is known"),
        ([1, 2], [UNKNOWN, 0], "no identity of a gallery sample is known"),
        ([1, 2], [3, 0], "no identity of a query is in the gallery"),
        ([2, 2], [2, 2], "one identity alone is known, so no match could be wrong"),
        ([1, 2], [2, 3], "is in another camera, and those of its own do not count"),
    ],
)
def test_the_cause_is_named(query: list[int], gallery: list[int], cause: str) -> None:
    pid = np.array(query + gallery, dtype=np.int32)
    split = np.array([QUERY] * 2 + [GALLERY] * 2, dtype=np.uint8)
    none = np.empty(0)
    data = Evaluated(none, none, none, pid, np.zeros(4, np.int32), split)  # type: ignore[arg-type]
    assert cause in _why_no_match(data, n_queries=2)


@pytest.mark.parametrize(
    ("pid", "cause"),
    [
        ([1, 2, 3, UNKNOWN], "no identity has two train samples"),
        ([1, 1, 2, 0], "no identity of a train sample is seen in another camera, and its own does not count"),
        ([1, 1, UNKNOWN, -1], "one identity alone is known, so no match could be wrong"),
    ],
)
def test_the_cause_is_named_without_queries(pid: list[int], cause: str) -> None:
    none = np.empty(0)
    data = Evaluated(none, none, none, np.array(pid, np.int32), np.zeros(4, np.int32), np.full(4, TRAIN, np.uint8))  # type: ignore[arg-type]
    assert cause in _why_no_match(data, n_queries=2)
