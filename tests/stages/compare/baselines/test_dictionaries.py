"""Dictionaries: every update lowers the objective and solves its own part, and descriptors serve identities."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize

from stages.compare.baselines.dictionaries import (
    Dictionaries,
    Sizes,
    begin,
    identity_laplacian,
    neighbour_laplacian,
)
from stages.typing import Float32Array, Float64Array, Int64Array

SIZES = Sizes(shared=6, target=5, residual=3, graph=0.2, ridge=0.05)


def identities(seed: int, n: int = 20, dim: int = 8) -> tuple[Float32Array, Int64Array]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) // 4
    rows = generator.normal(size=(n // 4 + 1, dim))[labels] + 0.4 * generator.normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def learned(seed: int, n_steps: int = 0) -> Dictionaries:
    found = begin([identities(seed), identities(seed + 1, 16)], identities(seed + 2, 24)[0], sizes=SIZES, seed=seed)
    for _ in range(n_steps):
        found.step()
    return found


@pytest.mark.parametrize("seed", range(4))
def test_every_step_lowers_the_objective_and_words_stay_short(seed: int) -> None:
    found = learned(seed)
    values = [found.objective()]
    for _ in range(12):
        found.step()
        values.append(found.objective())
    assert all(after <= before + 1e-9 for before, after in itertools.pairwise(values))
    assert values[-1] < 0.5 * values[0]
    for words in (found.shared, found.unique, found.residual, *(one.residual for one in found.sources)):
        assert np.linalg.norm(words, axis=0).max() <= 1 + 1e-12


CODES: dict[str, Callable[[Dictionaries], Float64Array]] = {
    "the residual of the target": lambda found: found.residual_codes,
    "the residual of a source": lambda found: found.sources[-1].residual_codes,
}


@pytest.mark.parametrize("name", CODES)
def test_codes_that_were_solved_last_are_a_minimum(name: str) -> None:
    found = learned(3, 2)
    found._solve_codes()
    codes = CODES[name](found)

    def cost(flat: Float64Array) -> float:
        kept = codes.copy()
        codes[...] = flat.reshape(codes.shape)
        value = found.objective()
        codes[...] = kept
        return value

    solved = minimize(cost, np.zeros(codes.size), method="L-BFGS-B", options={"maxiter": 500})
    assert found.objective() <= solved.fun + 1e-8


def test_smooth_codes_solve_their_equation() -> None:
    found = learned(5, 1)
    found._solve_codes()
    one = found.sources[0]
    gradient = (
        -found.shared.T @ (2 * (one.features - found.shared @ one.shared_codes))
        + 2 * SIZES.graph * one.shared_codes @ one.laplacian
        + 2 * SIZES.ridge * one.shared_codes
    )
    # the residual codes were solved after them, so the gradient is that of the residual before
    before = learned(5, 1).sources[0]
    gradient += found.shared.T @ (before.residual @ before.residual_codes)
    assert np.abs(gradient).max() < 1e-8


def test_descriptors_are_the_minimum_for_new_features() -> None:
    found, rows = learned(1, 5), identities(9, 8)[0]
    codes = found.codes(rows)
    assert codes.shape == (8, 11)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, atol=1e-6)

    def cost(flat: Float64Array) -> float:
        shared, unique = flat[:6], flat[6:]
        left = rows[0] - found.shared @ shared
        return float(
            (left**2).sum() / 2 + ((left - found.unique @ unique) ** 2).sum() / 2 + SIZES.ridge * (flat**2).sum()
        )

    solved = minimize(cost, np.zeros(11), options={"gtol": 1e-10}).x
    np.testing.assert_allclose(codes[0], solved / np.linalg.norm(solved), atol=1e-4)


def test_laplacians_are_symmetric_and_their_rows_sum_to_nought() -> None:
    rows, labels = identities(2)
    for laplacian in (identity_laplacian(labels), neighbour_laplacian(rows, n_neighbours=3)):
        np.testing.assert_allclose(laplacian, laplacian.T, atol=1e-12)
        np.testing.assert_allclose(laplacian.sum(axis=1), 0, atol=1e-12)
        assert np.linalg.eigvalsh(laplacian).min() > -1e-9
    assert identity_laplacian(np.array([0, 1, 0])).tolist() == [[1, 0, -1], [0, 0, 0], [-1, 0, 1]]
