"""The error that is claimed of a product in chunks, and the ranks that rest on it, where float32 does worst."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from stages.arrays import chunked_product as module
from stages.arrays.chunked_product import CHUNK, adds_whole_sums, chunked_product, n_roundings
from stages.arrays.compiled_similarity import exact_products, in_steps
from stages.arrays.similarity import product_error, screen_margin
from stages.evaluate.retrieval.compiled_counting import gather
from stages.evaluate.retrieval.metrics import RetrievalOptions, evaluate_retrieval

DIMS = (1, 16, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 88, 2048)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def adversaries(rng: np.random.Generator, n: int, dim: int) -> dict[str, np.ndarray]:
    """Unit rows whose products cancel, grow in one direction, differ little, or are too small for float32."""
    plain = rng.standard_normal((n, dim))
    tiny = plain * 10.0 ** rng.uniform(-44, 0, (n, dim))
    tiny[:, 0] = 1
    return {
        "drawn": unit(plain),
        "positive": unit(np.abs(plain)),
        "all equal": unit(np.repeat(np.abs(plain[:1]), n, axis=0)),
        "large common part": unit(1 + 1e-4 * plain),
        "cancelling": unit(np.sign(plain) * (1 + 1e-3 * rng.random((n, dim)))),
        "alternating": unit(np.where(np.arange(dim) % 2, 1.0, -1.0) * (1 + 1e-6 * plain)),
        "growing": unit(np.exp(np.linspace(0, 12, dim)) * np.abs(plain)),
        "falling": unit(np.exp(-np.linspace(0, 12, dim)) * plain),
        "tiny and subnormal": unit(tiny),
    }


def exact(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Inner products of rows rounded to multiples of 2⁻²⁶, in whole numbers."""
    steps = [np.rint(rows.astype(np.float64) * 2**26).astype(np.int64) for rows in (left, right)]
    return (steps[0] @ steps[1].T).astype(np.float64) * 2.0**-52


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    out = np.full((len(left), len(right)), np.nan, dtype=np.float32)
    chunked_product(left, right, out)
    return out


@pytest.mark.parametrize("dim", DIMS)
def test_the_error_of_a_product_in_chunks_is_below_its_bound_where_float32_does_worst(dim: int) -> None:
    rng = np.random.default_rng(dim)
    for name, left in adversaries(rng, 9, dim).items():
        for other, right in adversaries(rng, 33, dim).items():
            error = np.abs(product(left, right) - exact(left, right)).max()
            assert error <= product_error(dim, n_roundings=n_roundings(dim)), (name, other)


def test_the_bound_is_many_times_below_that_of_any_order_and_never_above() -> None:
    assert adds_whole_sums()
    assert product_error(2048, n_roundings=n_roundings(2048)) < product_error(2048) / 6
    assert all(n_roundings(dim) <= dim for dim in (1, CHUNK, CHUNK + 1, 300, 5000))
    assert screen_margin(np.zeros(0), 2048, n_roundings=n_roundings(2048)) < 2e-5


def test_a_sum_in_the_worst_order_breaks_the_bound_of_chunks_but_not_that_of_any_order() -> None:
    """One term of almost 1, then terms of half a unit in its last place: each is lost where it is added by itself."""
    dim = 2048
    left = np.full((1, dim), 2.0**-12.5, dtype=np.float32)
    left[0, 0] = np.sqrt(1 - float((left[0, 1:].astype(np.float64) ** 2).sum()))
    total = np.float32(0)
    for value in left[0]:
        total = np.float32(total + value * value)
    error = abs(float(total) - float(exact(left, left)[0, 0]))
    bound = product_error(dim, n_roundings=n_roundings(dim))
    assert bound < error <= product_error(dim)
    found = abs(float(product(left, left)[0, 0]) - float(exact(left, left)[0, 0]))
    assert found <= bound
    # measured: an eighth of it on one processor; less than a tenth on another
    assert found < error / 6


def test_a_library_that_adds_products_one_by_one_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_by_one(left: np.ndarray, right: np.ndarray, out: np.ndarray, *, kept: float) -> None:
        out *= np.float32(kept)
        for term in range(left.shape[1]):
            out += left[:, term, None] * right[None, :, term]

    adds_whole_sums.cache_clear()
    monkeypatch.setattr(module, "_add_product", one_by_one)
    try:
        assert not adds_whole_sums()
        assert n_roundings(2048) == 2048
    finally:
        adds_whole_sums.cache_clear()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 9])
def test_exact_products_of_any_number_of_rows_have_no_rounding(n: int) -> None:
    rng = np.random.default_rng(n)
    left, right = unit(rng.standard_normal((1, 77))), unit(rng.standard_normal((12, 77)))
    steps, column, found = np.empty(77), rng.integers(0, 12, n), np.empty(n)
    in_steps(left[0], steps)
    exact_products(steps, right, column, found)
    whole = [[round(Fraction(float(value)) * 2**26) for value in row] for row in (left[0], *right[column])]
    expected = [sum(a * b for a, b in zip(whole[0], row, strict=True)) / 2**52 for row in whole[1:]]
    assert found.tolist() == expected


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 100])
def test_what_lies_within_bounds_is_gathered_in_order(size: int) -> None:
    values = np.random.default_rng(size).integers(0, 8, size).astype(np.float32)
    values[size // 2 : size // 2 + 1] = -np.inf
    for low, high in ((2, 5), (0, np.inf), (9, 10), (3, 3)):
        places = np.empty(size, dtype=np.int32)
        found = gather(values, np.float32(low), np.float32(high), places)
        assert places[:found].tolist() == [j for j, value in enumerate(values) if low <= value <= high]


@pytest.mark.parametrize("name", sorted(adversaries(np.random.default_rng(0), 2, 4)))
def test_ranks_are_those_of_the_plain_definition_where_float32_cannot_tell(name: str) -> None:
    rng = np.random.default_rng(3)
    dim, n_query, n_gallery = 2 * CHUNK + 88, 12, 250
    rows = adversaries(rng, n_query + n_gallery, dim)[name]
    query, gallery = rows[:n_query], rows[n_query:]
    query_pid, gallery_pid = rng.integers(1, 4, n_query), rng.integers(0, 4, n_gallery)
    ids = {
        "query_pid": query_pid.astype(np.int32),
        "gallery_pid": gallery_pid.astype(np.int32),
        "query_camid": np.zeros(n_query, dtype=np.int32),
        "gallery_camid": np.ones(n_gallery, dtype=np.int32),
    }
    similarity = exact(query, gallery)
    for tile in (n_gallery, 97):
        figures = evaluate_retrieval(query, gallery, **ids, options=RetrievalOptions(compiled=True, gallery_tile=tile))
        for q in range(n_query):
            order = sorted(range(n_gallery), key=lambda g: (-similarity[q, g], g))
            ranks = [rank for rank, g in enumerate(order, start=1) if gallery_pid[g] == query_pid[q]]
            precision = [nth / rank for nth, rank in enumerate(ranks, start=1)]
            assert figures.first_hit[q] == ranks[0]
            assert figures.inverse_negative_penalty[q] == len(ranks) / ranks[-1]
            assert figures.average_precision[q] == pytest.approx(sum(precision) / len(precision), rel=1e-12)
