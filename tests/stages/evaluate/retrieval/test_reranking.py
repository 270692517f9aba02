"""Re-ranked retrieval figures against the paper's sets and distances written as plain loops."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest

from stages.evaluate.retrieval import reranking
from stages.evaluate.retrieval.metrics import RetrievalMetrics, RetrievalOptions, evaluate_retrieval
from stages.evaluate.retrieval.reranking import Reranking
from tests.reference.plain_k_reciprocal import plain_encoding, plain_jaccard, plain_squared_distances

Case = dict[str, np.ndarray]


def mixture(seed: int, *, n_query: int = 8, n_gallery: int = 40) -> Case:
    """Few identities, three cameras, junk and distractors."""
    rng = np.random.default_rng(seed)
    n, n_identities, dim = n_query + n_gallery, 5, 10
    pid = rng.integers(1, n_identities + 1, n)
    rows = rng.standard_normal((n_identities + 1, dim))[pid] + 0.8 * rng.standard_normal((n, dim))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    pid[n_query:][rng.random(n_gallery) < 0.2] = -1
    pid[n_query:][rng.random(n_gallery) < 0.2] = 0
    camid = rng.integers(0, 3, n)
    parts = {"query": slice(0, n_query), "gallery": slice(n_query, n)}
    return {f"{part}{name}": array[at] for part, at in parts.items() for name, array in named(rows, pid, camid)}


def named(rows: np.ndarray, pid: np.ndarray, camid: np.ndarray) -> list[tuple[str, np.ndarray]]:
    return [("", rows), ("_pid", pid.astype(np.int32)), ("_camid", camid.astype(np.int32))]


def plain_first_hits_and_precisions(case: Case, options: Reranking) -> tuple[list[int], list[float]]:
    both = np.concatenate([case["query"], case["gallery"]])
    n_query = len(case["query"])
    encoding = plain_encoding(both, options.k1, options.k2)
    jaccard = plain_jaccard(encoding[:n_query], encoding[n_query:])
    distance = plain_squared_distances(both)
    first_hits, precisions = [], []
    for q in range(n_query):
        scores = [
            (1 - options.lambda_) * jaccard[q, g] + options.lambda_ * distance[q][n_query + g] / max(distance[q])
            for g in range(len(case["gallery"]))
        ]
        hits = []
        for g in sorted(range(len(scores)), key=scores.__getitem__):
            same = case["gallery_pid"][g] == case["query_pid"][q]
            if case["gallery_pid"][g] < 0 or (same and case["gallery_camid"][g] == case["query_camid"][q]):
                continue
            hits.append(bool(same))
        places = [place for place, hit in enumerate(hits, start=1) if hit]
        first_hits.append(places[0] if places else 0)
        precisions.append(np.mean([nth / place for nth, place in enumerate(places, start=1)]) if places else np.nan)
    return first_hits, precisions


@pytest.mark.parametrize("options", [Reranking(), Reranking(k1=6, k2=2, lambda_=0.1), Reranking(k1=3, k2=1, lambda_=1)])
def test_reranked_figures_equal_the_papers_definition(options: Reranking) -> None:
    for seed in range(4):
        case = mixture(seed)
        figures = evaluate_retrieval(**case, options=RetrievalOptions(reranking=options))
        first_hits, precisions = plain_first_hits_and_precisions(case, options)
        assert figures.first_hit.tolist() == first_hits
        np.testing.assert_allclose(figures.average_precision, precisions, rtol=1e-12)


def test_the_distance_alone_ranks_as_without_reranking() -> None:
    for seed in range(5):
        case = mixture(seed)
        assert_same(
            evaluate_retrieval(**case, options=RetrievalOptions(reranking=Reranking(lambda_=1.0))),
            evaluate_retrieval(**case),
        )


def test_copies_rank_by_index_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = mixture(2, n_gallery=60)
    case["gallery"] = case["gallery"][np.random.default_rng(0).integers(0, 9, 60)]
    whole = evaluate_retrieval(**case, options=RetrievalOptions(reranking=Reranking(k1=8)))
    monkeypatch.setattr(reranking, "BLOCK_DISTANCES", 130)
    assert_same(evaluate_retrieval(**case, options=RetrievalOptions(reranking=Reranking(k1=8))), whole)


def test_another_array_library_reranks_alike() -> None:
    case = mixture(3)
    there = case | {name: array_api_strict.asarray(case[name]) for name in ("query", "gallery")}
    assert_same(
        evaluate_retrieval(**there, options=RetrievalOptions(reranking=Reranking())),
        evaluate_retrieval(**case, options=RetrievalOptions(reranking=Reranking())),
    )


def test_reranking_helps_where_identities_form_neighbourhoods() -> None:
    case = mixture(4, n_query=30, n_gallery=200)
    assert (
        evaluate_retrieval(**case, options=RetrievalOptions(reranking=Reranking())).mAP > evaluate_retrieval(**case).mAP
    )


def assert_same(figures: RetrievalMetrics, expected: RetrievalMetrics) -> None:
    np.testing.assert_array_equal(figures.first_hit, expected.first_hit)
    np.testing.assert_array_equal(figures.average_precision, expected.average_precision)
    np.testing.assert_array_equal(figures.cmc, expected.cmc)
