"""Ranked lists show what the evaluation ranked."""

from __future__ import annotations

import numpy as np
import pytest

from stages.evaluate.retrieval.metrics import evaluate_retrieval
from stages.pages.ranked import chosen_queries, ranked_lists
from stages.samples import GALLERY, QUERY


@pytest.mark.parametrize("has_encounters", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_first_match_of_a_list_is_where_the_evaluation_found_it(seed: int, has_encounters: bool) -> None:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(60, 8)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    split = np.where(np.arange(60) % 3 == 0, QUERY, GALLERY).astype(np.uint8)
    pid = generator.integers(-2, 6, 60).astype(np.int32)
    camid = generator.integers(-2, 3, 60).astype(np.int32)
    camid[camid == -1] = -2
    encounter = generator.integers(0, 20, 60).astype(np.int32) if has_encounters else None
    if encounter is not None:
        encounter[encounter == 0] = -2
    query, gallery = split == QUERY, split == GALLERY
    measured = evaluate_retrieval(
        features[query],
        features[gallery],
        query_pid=pid[query],
        gallery_pid=pid[gallery],
        query_camid=camid[query],
        gallery_camid=camid[gallery],
        encounters=None if encounter is None else (encounter[query], encounter[gallery]),
    )
    precision = measured.average_precision
    ids = {"split": split, "pid": pid, "camid": camid, "encounter": encounter}
    lists = ranked_lists(features, **ids, average_precision=precision, each=20, top=len(features))
    number = {row: place for place, row in enumerate(np.flatnonzero(query).tolist())}
    assert {each.group for each in lists} == {"best", "worst", "random"}
    for each in lists:
        assert each.similarity == sorted(each.similarity, reverse=True)
        hit = measured.first_hit[number[each.query]]
        matches = [place for place, match in enumerate(each.is_match, start=1) if match]
        assert (matches[0] if matches else 0) == hit
        if each.average_precision is not None:
            found = np.mean([nth / rank for nth, rank in enumerate(matches, start=1)])
            assert found == pytest.approx(each.average_precision)


def test_without_identities_lists_are_random_and_say_nothing_of_matches() -> None:
    features = np.eye(6, dtype=np.float32)
    split = np.array([QUERY, QUERY, *[GALLERY] * 4], dtype=np.uint8)
    unknown = np.full(6, -2, dtype=np.int32)
    lists = ranked_lists(
        features, split=split, pid=unknown, camid=unknown, average_precision=np.full(2, np.nan), each=5
    )
    assert [each.group for each in lists] == ["random", "random"]
    assert {match for each in lists for match in each.is_match} == {None}
    assert [len(each.found) for each in lists] == [4, 4]


def test_a_query_is_among_the_best_or_the_worst_and_never_both() -> None:
    chosen = chosen_queries(np.array([0.5, np.nan, 0.1, 0.9]), each=12)
    assert [query for group, query in chosen if group == "worst"] == [2]
    assert [query for group, query in chosen if group == "best"] == [3]
    assert [query for group, query in chosen if group == "random"] == [0, 1, 2, 3]
