"""Retrieval figures of cases small enough to work out by hand, and what cannot be ranked."""

import numpy as np
import pytest

from stages.errors import DbcError
from stages.evaluate.retrieval.metrics import evaluate_retrieval

Case = dict[str, np.ndarray]


def by_hand() -> Case:
    """One query of pid 1 at camera 0; similarities 1, 0.96, 0.8, 0.6, 0.28, 0 to six gallery entries."""
    gallery = [[1, 0], [0.96, 0.28], [0.8, 0.6], [0.6, 0.8], [0.28, 0.96], [0, 1]]
    return {
        "query": np.array([[1, 0]], dtype=np.float32),
        "gallery": np.array(gallery, dtype=np.float32),
        "query_pid": np.array([1], dtype=np.int32),
        "gallery_pid": np.array([1, -1, 0, 1, 2, 1], dtype=np.int32),
        "query_camid": np.array([0], dtype=np.int32),
        "gallery_camid": np.array([0, 1, 0, 1, 1, 2], dtype=np.int32),
    }


def test_a_case_by_hand() -> None:
    figures = evaluate_retrieval(**by_hand())
    assert figures.first_hit.tolist() == [2]
    assert figures.rank(1) == 0
    assert figures.cmc[1] == figures.rank(5) == figures.rank(20) == 1
    assert figures.mAP == (1 / 2 + 2 / 4) / 2
    assert figures.mINP == 2 / 4
    assert (figures.n_queries, figures.n_valid, figures.n_left_out) == (1, 1, 0)


def test_without_camera_ids_no_entry_of_the_own_identity_is_ignored() -> None:
    unknown = {"query_camid": np.array([-2]), "gallery_camid": np.full(6, -2)}
    assert evaluate_retrieval(**(by_hand() | unknown)).first_hit.tolist() == [1]


def test_matches_of_the_own_encounter_are_ignored_whatever_their_camera() -> None:
    sightings = np.array([7], dtype=np.int32), np.array([-2, 7, 7, 7, 7, 8], dtype=np.int32)
    figures = evaluate_retrieval(**by_hand(), encounters=sightings)
    # the entry of pid 1 at rank 2 is of sighting 7; distractors and other pids of it stay
    assert (figures.first_hit.tolist(), figures.mAP) == ([3], 1 / 3)
    unknown = tuple(np.full_like(one, -2) for one in sightings)
    assert evaluate_retrieval(**by_hand(), encounters=unknown).mAP == evaluate_retrieval(**by_hand()).mAP
    with pytest.raises(
        DbcError, match=r"encounters must have 1 entries for queries and 6 for the gallery, got 1 and 5"
    ):
        evaluate_retrieval(**by_hand(), encounters=(sightings[0], sightings[1][:5]))


def test_queries_of_junk_unknown_distractor_or_unmatched_pid_are_left_out_and_counted() -> None:
    case = by_hand()
    pids = [1, -1, -2, 0, 9, 1]
    case |= {"query": np.repeat(case["query"], 6, axis=0), "query_pid": np.array(pids, dtype=np.int32)}
    case["query_camid"] = np.array([0, 0, 0, 3, 0, 0], dtype=np.int32)
    figures = evaluate_retrieval(**case)
    assert figures.first_hit.tolist() == [2, 0, 0, 0, 0, 2]
    assert np.isnan(figures.average_precision).tolist() == [False, True, True, True, True, False]
    assert (figures.n_valid, figures.n_left_out) == (2, 4)
    assert figures.mAP == 0.5


@pytest.mark.parametrize(("n_query", "n_gallery"), [(3, 0), (0, 3), (0, 0), (3, 3)])
def test_no_valid_query_gives_nan_figures(n_query: int, n_gallery: int) -> None:
    figures = evaluate_retrieval(
        np.ones((n_query, 1), dtype=np.float32),
        np.ones((n_gallery, 1), dtype=np.float32),
        query_pid=np.full(n_query, 1, dtype=np.int32),
        gallery_pid=np.full(n_gallery, 2, dtype=np.int32),
        query_camid=np.zeros(n_query, dtype=np.int32),
        gallery_camid=np.zeros(n_gallery, dtype=np.int32),
    )
    assert figures.cmc.shape == (50,)
    assert np.isnan([figures.rank(1), figures.mAP, figures.mINP, figures.cmc[49]]).all()
    assert (figures.n_valid, figures.n_left_out) == (0, n_query)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"gallery": np.ones((6, 2), dtype=np.float32)},
            "gallery features must have length 1, got 1.41421 for feature 0 (and 5 more)",
        ),
        (
            {"query": np.full((1, 2), np.nan, dtype=np.float32)},
            "query features must have length 1, got nan for feature 0",
        ),
        (
            {"query_pid": np.zeros(2, dtype=np.int32)},
            "query features, pids and camids must be equally many, got 1, 2 and 1",
        ),
        ({"query": np.eye(1, 4, dtype=np.float32)}, "must have as many dimensions, got 4 and 2"),
        (
            {"query": [[1.0, 0.0]]},
            "query features must be an array (n_samples, n_dimensions), such as NumPy's, got list",
        ),
        ({"query_pid": [1]}, "query_pid must be a NumPy array (n,) of integers, got list"),
        (
            {"query_camid": np.zeros((1, 1), dtype=np.int32)},
            "query_camid must be a NumPy array (n,) of integers, got int32 of",
        ),
    ],
)
def test_bad_input_is_named(change: Case, said: str) -> None:
    with pytest.raises(DbcError) as caught:
        evaluate_retrieval(**(by_hand() | change))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("k", [0, -1, 51, 1.5])
def test_a_rank_outside_the_curve_is_refused(k: int) -> None:
    with pytest.raises(DbcError, match="`k` must be a whole number from 1 to 50, got"):
        evaluate_retrieval(**by_hand()).rank(k)
