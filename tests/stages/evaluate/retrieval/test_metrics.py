"""Retrieval figures against the published protocol written as plain loops."""

import math

import array_api_strict
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from stages.evaluate.retrieval.metrics import RetrievalMetrics, RetrievalOptions, evaluate_retrieval

Case = dict[str, np.ndarray]


def plain_distance(x: np.ndarray, y: np.ndarray) -> float:
    """One minus the inner product; fsum is exact up to one rounding, so equal rows have equal distances."""
    return 1.0 - math.fsum((x.astype(np.float64) * y.astype(np.float64)).tolist())


def ranked_hits(case: Case, q: int) -> list[bool]:
    """The keep mask of the published protocol: hit or miss along the gallery as query q sees it."""
    distances = [plain_distance(case["query"][q], g) for g in case["gallery"]]
    hits = []
    for g in sorted(range(len(distances)), key=distances.__getitem__):
        pid, camid = int(case["gallery_pid"][g]), int(case["gallery_camid"][g])
        same_pid = pid == case["query_pid"][q]
        if pid < 0:
            continue
        if same_pid and camid == case["query_camid"][q] and camid != -2:
            continue
        if "encounters" in case and same_pid and case["encounters"][0][q] == case["encounters"][1][g] >= 0:
            continue
        hits.append(bool(same_pid and pid > 0))
    return hits


def plain_average_precision(hits: list[bool]) -> float:
    found, total = 0, 0.0
    for position, hit in enumerate(hits, start=1):
        if hit:
            found += 1
            total += found / position
    return total / found


def plain_trapezoid(hits: list[bool]) -> float:
    n_good, found, area = sum(hits), 0, 0.0
    old_recall, old_precision = 0.0, 1.0
    for position, hit in enumerate(hits, start=1):
        found += hit
        recall, precision = found / n_good, found / position
        area += (recall - old_recall) * (old_precision + precision) / 2
        old_recall, old_precision = recall, precision
        if found == n_good:
            break
    return area


def plain_figures(case: Case) -> dict[str, np.ndarray]:
    n_queries = len(case["query"])
    standard, trapezoid, inp = (np.full(n_queries, np.nan) for _ in range(3))
    first = np.zeros(n_queries, dtype=np.int64)
    curves = []
    for q in range(n_queries):
        hits = ranked_hits(case, q) if case["query_pid"][q] > 0 else []
        if not any(hits):
            continue
        curve = np.minimum(np.cumsum(hits), 1)[:50]
        curves.append(np.concatenate([curve, np.ones(50 - len(curve))]))
        standard[q], trapezoid[q] = plain_average_precision(hits), plain_trapezoid(hits)
        positions = [i for i, hit in enumerate(hits, start=1) if hit]
        first[q], inp[q] = positions[0], len(positions) / positions[-1]
    cmc = np.mean(curves, axis=0) if curves else np.full(50, np.nan)
    return {"cmc": cmc, "standard": standard, "trapezoid": trapezoid, "first_hit": first, "inp": inp}


def unit_rows(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    features = rng.standard_normal(shape)
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def sign_rows(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Rows of ±1/4 in 16 dimensions: unit length and exact products, so that most distances tie."""
    return (rng.choice([-0.25, 0.25], (shape[0], 16))).astype(np.float32)


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    n_query, n_gallery = int(rng.integers(1, 12)), int(rng.integers(1, 60))
    dim = int(rng.integers(2, 40))
    rows = sign_rows if seed % 2 else unit_rows
    gallery = rows(rng, (n_gallery, dim))
    query = rows(rng, (n_query, dim))
    if seed % 3 == 0:
        gallery = gallery[rng.integers(0, n_gallery, n_gallery)]
        query[0] = gallery[0]
    n_pids = int(rng.integers(1, 8))
    cameras = np.array([-2]) if seed % 5 == 0 else np.arange(int(rng.integers(1, 4)))
    encounters = tuple(rng.integers(-2, 4, n).astype(np.int32) for n in (n_query, n_gallery))
    encounters = tuple(np.where(of_one == -1, -2, of_one) for of_one in encounters)
    return {
        **({"encounters": encounters} if seed % 2 else {}),
        "query": query,
        "gallery": gallery,
        "query_pid": rng.integers(-2, n_pids + 2, n_query).astype(np.int32),
        "gallery_pid": rng.integers(-2, n_pids + 1, n_gallery).astype(np.int32),
        "query_camid": rng.choice(cameras, n_query).astype(np.int32),
        "gallery_camid": rng.choice(cameras, n_gallery).astype(np.int32),
    }


def assert_equals_plain(case: Case, **blocks: int) -> RetrievalMetrics:
    plain = plain_figures(case)
    for kind in ("standard", "trapezoid"):
        for compiled in (False, True):
            figures = evaluate_retrieval(
                **case,
                options=RetrievalOptions(kind, compiled=compiled, **blocks),  # type: ignore[arg-type]
            )
            np.testing.assert_array_equal(figures.first_hit, plain["first_hit"])
            np.testing.assert_allclose(figures.average_precision, plain[kind], rtol=1e-12)
            np.testing.assert_allclose(figures.inverse_negative_penalty, plain["inp"], rtol=1e-12)
            np.testing.assert_allclose(figures.cmc, plain["cmc"], rtol=1e-12)
    return figures


@pytest.mark.parametrize("part", range(4))
def test_figures_equal_the_published_protocol_with_junk_distractors_and_ties(part: int) -> None:
    n_valid = 0
    for seed in range(part * 50, part * 50 + 50):
        n_valid += assert_equals_plain(random_case(seed), query_block=3, gallery_tile=7).n_valid
    assert n_valid > 50


def test_standard_average_precision_equals_scikit_learns_without_ties() -> None:
    rng = np.random.default_rng(5)
    query, gallery = unit_rows(rng, (20, 32)), unit_rows(rng, (300, 32))
    pid = rng.integers(1, 9, 300)
    query_pid = rng.integers(1, 9, 20)
    figures = evaluate_retrieval(
        query,
        gallery,
        query_pid=query_pid,
        gallery_pid=pid,
        query_camid=np.zeros(20, dtype=np.int32),
        gallery_camid=np.ones(300, dtype=np.int32),
    )
    for q in range(20):
        score = gallery.astype(np.float64) @ query[q].astype(np.float64)
        expected = average_precision_score(pid == query_pid[q], score)
        assert figures.average_precision[q] == pytest.approx(expected, rel=1e-12)
    assert figures.mAP == pytest.approx(figures.average_precision.mean())


def wide_case(*, n_copies: int, noise: float) -> Case:
    """Gallery of near-copies in many dimensions, where a float32 product cannot tell which is nearer."""
    rng = np.random.default_rng(11)
    n_query, n_gallery, dim = 40, 600, 512
    base = unit_rows(rng, (n_gallery // n_copies, dim)).astype(np.float64)
    gallery = np.repeat(base, n_copies, axis=0) + noise * rng.standard_normal((n_gallery, dim))
    gallery = gallery[rng.permutation(n_gallery)]
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    return {
        "query": unit_rows(rng, (n_query, dim)),
        "gallery": gallery.astype(np.float32),
        "query_pid": rng.integers(1, 30, n_query).astype(np.int32),
        "gallery_pid": rng.integers(0, 30, n_gallery).astype(np.int32),
        "query_camid": rng.integers(0, 3, n_query).astype(np.int32),
        "gallery_camid": rng.integers(0, 3, n_gallery).astype(np.int32),
    }


@pytest.mark.parametrize("n_copies", [3, 60, 600])
def test_identical_gallery_images_rank_by_index(n_copies: int) -> None:
    case = wide_case(n_copies=n_copies, noise=0.0)
    assert_equals_plain(case | {name: case[name][:8] for name in ("query", "query_pid", "query_camid")})


@pytest.mark.parametrize("n_copies", [4, 600])
@pytest.mark.parametrize("noise", [0.0, 1e-8, 1e-7])
def test_figures_do_not_depend_on_block_sizes_even_for_near_ties(n_copies: int, noise: float) -> None:
    case = wide_case(n_copies=n_copies, noise=noise)
    whole = evaluate_retrieval(**case)
    for query_block, gallery_tile in [(5, 600), (40, 37), (16, 64), (33, 599)]:
        parts = evaluate_retrieval(**case, options=RetrievalOptions(query_block=query_block, gallery_tile=gallery_tile))
        np.testing.assert_array_equal(parts.first_hit, whole.first_hit)
        np.testing.assert_array_equal(parts.average_precision, whole.average_precision)
        np.testing.assert_array_equal(parts.inverse_negative_penalty, whole.inverse_negative_penalty)
        np.testing.assert_array_equal(parts.cmc, whole.cmc)


@pytest.mark.parametrize("n_copies", [1, 100])
def test_hundreds_of_matches_a_query_are_looked_up_as_well_as_counted(n_copies: int) -> None:
    case = wide_case(n_copies=n_copies, noise=0.0)
    case = {name: array[:6] if name.startswith("query") else array for name, array in case.items()}
    ids = {name: array % 2 for name, array in case.items() if name.endswith("_pid")}
    assert assert_equals_plain(case | ids, gallery_tile=450).n_valid > 1


def test_any_array_library_gives_the_same_figures() -> None:
    for case in (wide_case(n_copies=4, noise=1e-8), random_case(3), random_case(6)):
        there = case | {name: array_api_strict.asarray(case[name]) for name in ("query", "gallery")}
        here = evaluate_retrieval(**case, options=RetrievalOptions(compiled=True))
        figures = evaluate_retrieval(**there, options=RetrievalOptions(gallery_tile=100))
        np.testing.assert_array_equal(figures.first_hit, here.first_hit)
        np.testing.assert_array_equal(figures.average_precision, here.average_precision)


def test_permuting_a_gallery_without_ties_changes_nothing() -> None:
    case = wide_case(n_copies=1, noise=0.0)
    whole = evaluate_retrieval(**case)
    order = np.random.default_rng(2).permutation(600)
    permuted = case | {name: case[name][order] for name in ("gallery", "gallery_pid", "gallery_camid")}
    np.testing.assert_array_equal(evaluate_retrieval(**permuted).average_precision, whole.average_precision)


def test_permuting_the_queries_permutes_their_figures() -> None:
    case = wide_case(n_copies=4, noise=0.0)
    whole = evaluate_retrieval(**case)
    order = np.random.default_rng(3).permutation(40)
    permuted = case | {name: case[name][order] for name in ("query", "query_pid", "query_camid")}
    figures = evaluate_retrieval(**permuted)
    np.testing.assert_array_equal(figures.first_hit, whole.first_hit[order])
    np.testing.assert_array_equal(figures.average_precision, whole.average_precision[order])


def test_a_product_less_precise_than_it_claims_changes_nothing() -> None:
    case = wide_case(n_copies=2, noise=0.0)
    whole = evaluate_retrieval(**case)
    rng = np.random.default_rng(1)

    class Blurred(np.ndarray):
        def __matmul__(self, other: np.ndarray) -> np.ndarray:
            product = np.asarray(self) @ np.asarray(other)
            blur = 1e-3 if product.dtype == np.float32 else 0.0
            return product + rng.uniform(-blur, blur, product.shape).astype(product.dtype)

    blurred = evaluate_retrieval(**(case | {"query": case["query"].view(Blurred)}))
    np.testing.assert_array_equal(blurred.average_precision, whole.average_precision)


def test_ranks_stand_where_all_matches_are_multiplied_well_and_others_as_badly_as_float32_may() -> None:
    case = wide_case(n_copies=2, noise=0.0)
    whole = evaluate_retrieval(**case)
    is_match = case["query_pid"][:, None] == case["gallery_pid"]
    rng = np.random.default_rng(4)

    class Worst(np.ndarray):
        def __matmul__(self, other: np.ndarray) -> np.ndarray:
            product = np.asarray(self) @ np.asarray(other)
            if product.dtype != np.float32:
                return product
            rows = [int(np.flatnonzero((case["query"] == row).all(axis=1))[0]) for row in np.asarray(self)]
            blur = np.where(is_match[rows], 0, 0.9 * 512 * 2.0**-24)
            return product + (blur * rng.choice([-1, 1], product.shape)).astype(np.float32)

    blurred = evaluate_retrieval(**(case | {"query": case["query"].view(Worst)}))
    np.testing.assert_array_equal(blurred.average_precision, whole.average_precision)


def test_one_identity_in_many_pairs_is_split_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    case = wide_case(n_copies=4, noise=0.0)
    case |= {"query_pid": np.ones(40, dtype=np.int32), "gallery_pid": np.ones(600, dtype=np.int32)}
    whole = evaluate_retrieval(**case)
    monkeypatch.setattr("stages.evaluate.retrieval.pairs.PAIR_LIMIT", 500)
    np.testing.assert_array_equal(evaluate_retrieval(**case).average_precision, whole.average_precision)
