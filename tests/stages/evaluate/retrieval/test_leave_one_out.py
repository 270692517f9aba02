"""Leaving one out is each sample as the only query, and all other samples as its gallery."""

from __future__ import annotations

import numpy as np
import pytest

from stages.evaluate.retrieval import metrics as module
from stages.evaluate.retrieval.metrics import RetrievalOptions, evaluate_retrieval, leave_one_out
from stages.evaluate.retrieval.reranking import Reranking
from stages.pages.ranked import ranked_lists
from stages.samples import TRAIN


def samples(seed: int, n: int = 60) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Unit features (n, 8) with ids; a few rows are copies of each other."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(n, 8)).astype(np.float32)
    features[5:8] = features[2:5]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    ids = {
        "pid": generator.integers(-2, 8, n).astype(np.int32),
        "camid": generator.choice([-2, 0, 1, 2], n).astype(np.int32),
        "encounter": generator.choice([-2, *range(20)], n).astype(np.int32),
    }
    return features, ids


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_one_evaluation_for_each_sample(seed: int, compiled: bool) -> None:
    features, ids = samples(seed)
    found = leave_one_out(
        features, is_query=np.ones(60, dtype=bool), **ids, options=RetrievalOptions(compiled=compiled, gallery_tile=16)
    )
    pid, camid, encounter = ids.values()
    for i in range(60):
        one, others = np.arange(60) == i, np.arange(60) != i
        alone = evaluate_retrieval(
            features[one],
            features[others],
            query_pid=pid[one],
            gallery_pid=pid[others],
            query_camid=camid[one],
            gallery_camid=camid[others],
            encounters=(encounter[one], encounter[others]),
        )
        np.testing.assert_equal(found.average_precision[i], alone.average_precision[0])
        np.testing.assert_equal(found.inverse_negative_penalty[i], alone.inverse_negative_penalty[0])
        assert found.first_hit[i] == (alone.first_hit[0] if pid[i] > 0 else -1)
    assert found.n_queries == np.count_nonzero(pid > 0)
    assert found.n_valid == np.count_nonzero(found.first_hit > 0)
    assert found.rank(1) == np.mean(found.first_hit[found.first_hit > 0] == 1)


def test_reranking_counts_each_sample_once() -> None:
    """As if the published code had the samples as its gallery, and each of them were ranked by its own row."""
    features, ids = samples(3)
    reranking = Reranking(k1=6, k2=3, lambda_=0.0)
    found = leave_one_out(
        features, is_query=np.ones(60, dtype=bool), **ids, options=RetrievalOptions(reranking=reranking)
    )
    encoded = module.encode(features, features, reranking, itself=np.arange(60))
    assert (encoded.query_encoding != encoded.gallery_encoding).nnz == 0
    distance = encoded.distances(np.arange(60))
    np.testing.assert_allclose(distance, distance.T, atol=1e-12)
    pid, camid, encounter = ids.values()
    for i in np.flatnonzero(found.first_hit > 0):
        same = (camid == camid[i]) & (camid != -2) | (encounter == encounter[i]) & (encounter != -2)
        ranked = [j for j in np.argsort(distance[i], kind="stable") if j != i and pid[j] >= 0]
        ranked = [j for j in ranked if pid[j] != pid[i] or not same[j]]
        assert found.first_hit[i] == 1 + next(place for place, j in enumerate(ranked) if pid[j] == pid[i])


def test_of_many_samples_some_are_drawn_and_told_ones_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    features, ids = samples(4)
    monkeypatch.setattr(module, "LEFT_OUT_QUERIES", 10)
    found = leave_one_out(features, is_query=np.arange(60) >= 20, **ids)
    asked = found.first_hit >= 0
    assert found.n_queries == asked.sum() == 10
    assert not asked[:20].any()
    assert (ids["pid"][asked] > 0).all()
    again = leave_one_out(features, is_query=np.arange(60) >= 20, **ids)
    np.testing.assert_array_equal(again.first_hit, found.first_hit)


def test_ranked_lists_of_train_samples_are_those_measured() -> None:
    features, ids = samples(5)
    measured = leave_one_out(features, is_query=np.ones(60, dtype=bool), **ids)
    split = np.full(60, TRAIN, dtype=np.uint8)
    lists = ranked_lists(
        features, split=split, **ids, average_precision=measured.average_precision, each=20, top=len(features)
    )
    for each in lists:
        assert each.query not in each.found
        matches = [place for place, match in enumerate(each.is_match, start=1) if match]
        assert (matches[0] if matches else 0) == max(0, measured.first_hit[each.query])
