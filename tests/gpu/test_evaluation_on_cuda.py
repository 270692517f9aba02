"""Retrieval, re-ranking and neighbours on CuPy arrays: the same numbers as on NumPy's, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from stages.arrays.backend import Backend, namespace_for, to_host
from stages.arrays.neighbours import nearest_neighbours
from stages.arrays.product_errors import precision_of
from stages.errors import UsageError
from stages.evaluate.retrieval.metrics import RetrievalOptions, evaluate_retrieval
from stages.evaluate.retrieval.reranking import Reranking

pytestmark = pytest.mark.gpu


@pytest.fixture
def cuda() -> Backend:
    try:
        return namespace_for("cuda")
    except UsageError as error:
        pytest.skip(f"no CUDA device: {error}")


def case(rng: np.random.Generator) -> dict[str, np.ndarray]:
    rows = rng.standard_normal((900, 256))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    rows[700:800] = rows[500:600]
    pid, camid = (rng.integers(0, n, 900).astype(np.int32) for n in (40, 4))
    names = {"": rows, "_pid": pid, "_camid": camid}
    return {
        f"{part}{name}": a[at]
        for part, at in (("query", slice(150)), ("gallery", slice(150, 900)))
        for name, a in names.items()
    }


@pytest.mark.parametrize("reranking", [None, Reranking()])
def test_figures_on_the_gpu_are_those_of_the_cpu(cuda: Backend, reranking: Reranking | None) -> None:
    arrays = case(np.random.default_rng(0))
    there = arrays | {name: cuda.asarray(arrays[name]) for name in ("query", "gallery")}
    figures = evaluate_retrieval(**there, options=RetrievalOptions(reranking=reranking, gallery_tile=200))
    expected = evaluate_retrieval(**arrays, options=RetrievalOptions(reranking=reranking))
    np.testing.assert_array_equal(figures.first_hit, expected.first_hit)
    np.testing.assert_array_equal(figures.average_precision, expected.average_precision)


def test_float32_products_are_float32_though_the_environment_asks_for_less(cuda: Backend) -> None:
    assert precision_of(
        lambda left, right: to_host(cuda.asarray(left) @ cuda.asarray(right).T), 512, np.float32, among=("float32",)
    )


def test_neighbours_on_the_gpu_are_those_of_the_cpu(cuda: Backend) -> None:
    rows = case(np.random.default_rng(1))["gallery"]
    here, there = nearest_neighbours(rows, 21), nearest_neighbours(cuda.asarray(rows), 21)
    np.testing.assert_array_equal(there.index, here.index)
    np.testing.assert_array_equal(there.squared_distance, here.squared_distance)
