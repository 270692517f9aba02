"""UMDL (Peng et al., CVPR 2016): dictionaries that labelled sets and an unlabelled one share, learned on fixed features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve, solve_sylvester

from stages.arrays.neighbours import nearest_neighbours
from stages.arrays.unit_rows import unit_rows
from stages.typing import Float32Array, Float64Array, Int64Array

N_NEIGHBOURS = 5
"""Neighbours that the graph of the unlabelled set links."""


@dataclass(frozen=True)
class Sizes:
    """How many words each dictionary has, and the weights of the graphs and of the length of codes."""

    shared: int = 64
    target: int = 64
    residual: int = 32
    graph: float = 0.1
    ridge: float = 0.01


@dataclass
class Labelled:
    """A labelled set: features X (d, n) and the Laplacian (n, n) of its identities; words R (d, r) and codes A, B."""

    features: Float64Array
    laplacian: Float64Array
    residual: Float64Array
    shared_codes: Float64Array
    residual_codes: Float64Array


@dataclass
class Dictionaries:
    """Everything that is learned: words S shared, U of the target and R of its residual, codes of the target, and its graph.

    The objective, with columns of length at most 1, is the sum over labelled sets of
    ½‖X − SA‖² + ½‖X − SA − RB‖² + μ tr(A L Aᵀ), plus for the target
    ½‖X − SA‖² + ½‖X − SA − UC‖² + ½‖X − SA − UC − RB‖² + μ tr(C L Cᵀ), plus ρ times every code squared.
    """

    sizes: Sizes
    sources: list[Labelled]
    features: Float64Array
    laplacian: Float64Array
    shared: Float64Array
    unique: Float64Array
    residual: Float64Array
    shared_codes: Float64Array
    unique_codes: Float64Array
    residual_codes: Float64Array

    def objective(self) -> float:
        """The number that every step lowers or leaves."""
        sizes, value = self.sizes, 0.0
        for one in self.sources:
            left = one.features - self.shared @ one.shared_codes
            value += _half_squares(left) + _half_squares(left - one.residual @ one.residual_codes)
            value += sizes.graph * _spread(one.shared_codes, one.laplacian)
            value += 2 * sizes.ridge * (_half_squares(one.shared_codes) + _half_squares(one.residual_codes))
        left = self.features - self.shared @ self.shared_codes
        after = left - self.unique @ self.unique_codes
        value += _half_squares(left) + _half_squares(after) + _half_squares(after - self.residual @ self.residual_codes)
        value += sizes.graph * _spread(self.unique_codes, self.laplacian)
        codes = (self.shared_codes, self.unique_codes, self.residual_codes)
        return value + 2 * sizes.ridge * sum(_half_squares(each) for each in codes)

    def step(self) -> None:
        """Solve for each code and each dictionary in turn, all others fixed."""
        self._solve_codes()
        self._solve_words()

    def codes(self, features: Float32Array) -> Float32Array:
        """The descriptors (n, s + u) of L2-normalised `features` (n, d): their codes in S and U, of unit length."""
        n_shared, ridge = self.shared.shape[1], 2 * self.sizes.ridge
        words = np.concatenate([self.shared, self.unique], axis=1)
        matrix, right = words.T @ words, words.T @ features.T.astype(np.float64)
        # the term without U counts S a second time
        matrix[:n_shared, :n_shared] *= 2
        right[:n_shared] *= 2
        return unit_rows(solve(matrix + ridge * np.eye(len(matrix)), right, assume_a="pos").T)

    def _solve_codes(self) -> None:
        ridge, graph = 2 * self.sizes.ridge, 2 * self.sizes.graph
        gram = self.shared.T @ self.shared
        for one in self.sources:
            wanted = 2 * one.features - one.residual @ one.residual_codes
            one.shared_codes = _smooth_codes(2 * gram, self.shared.T @ wanted, one.laplacian * graph, ridge)
            left = one.features - self.shared @ one.shared_codes
            one.residual_codes = _codes(one.residual, left, 1, ridge)
        unique, rest = self.unique @ self.unique_codes, self.residual @ self.residual_codes
        self.shared_codes = _codes(self.shared, (3 * self.features - 2 * unique - rest) / 3, 3, ridge)
        left = self.features - self.shared @ self.shared_codes
        unique_gram = 2 * self.unique.T @ self.unique
        self.unique_codes = _smooth_codes(unique_gram, self.unique.T @ (2 * left - rest), self.laplacian * graph, ridge)
        self.residual_codes = _codes(self.residual, left - self.unique @ self.unique_codes, 1, ridge)

    def _solve_words(self) -> None:
        for one in self.sources:
            _solve_dictionary(one.residual, [(one.features - self.shared @ one.shared_codes, one.residual_codes)])
        unique, rest = self.unique @ self.unique_codes, self.residual @ self.residual_codes
        terms = [(self.features - part, self.shared_codes) for part in (0, unique, unique + rest)]
        for one in self.sources:
            own = one.residual @ one.residual_codes
            terms += [(one.features - part, one.shared_codes) for part in (0, own)]
        _solve_dictionary(self.shared, terms)
        left = self.features - self.shared @ self.shared_codes
        _solve_dictionary(self.unique, [(left, self.unique_codes), (left - rest, self.unique_codes)])
        _solve_dictionary(self.residual, [(left - self.unique @ self.unique_codes, self.residual_codes)])


def begin(
    sources: Sequence[tuple[Float32Array, Int64Array]], target: Float32Array, *, sizes: Sizes, seed: int
) -> Dictionaries:
    """Dictionaries of random words and codes of 0, for labelled sets (features (n, d), labels (n,)) and a target (n, d)."""
    generator, dim = np.random.default_rng(seed), target.shape[1]

    def words(n_words: int) -> Float64Array:
        drawn: Float64Array = generator.normal(size=(dim, n_words))
        drawn /= np.linalg.norm(drawn, axis=0)
        return drawn

    labelled = [
        Labelled(
            features.T.astype(np.float64),
            identity_laplacian(labels),
            words(sizes.residual),
            np.zeros((sizes.shared, len(features))),
            np.zeros((sizes.residual, len(features))),
        )
        for features, labels in sources
    ]
    n = len(target)
    return Dictionaries(
        sizes,
        labelled,
        target.T.astype(np.float64),
        neighbour_laplacian(target),
        words(sizes.shared),
        words(sizes.target),
        words(sizes.residual),
        np.zeros((sizes.shared, n)),
        np.zeros((sizes.target, n)),
        np.zeros((sizes.residual, n)),
    )


def identity_laplacian(labels: Int64Array) -> Float64Array:
    """The Laplacian (n, n) of the graph in which samples of one label are linked, with weights that sum to 1 a sample."""
    same = (labels[:, None] == labels[None, :]) & ~np.eye(len(labels), dtype=bool)
    weights = same / np.maximum(same.sum(axis=1, keepdims=True), 1)
    return _laplacian(weights)


def neighbour_laplacian(features: Float32Array, *, n_neighbours: int = N_NEIGHBOURS) -> Float64Array:
    """The Laplacian (n, n) of the graph that links each sample with its `n_neighbours` nearest, with weights of 1/k."""
    n = len(features)
    n_neighbours = min(n_neighbours, n - 1)
    index = nearest_neighbours(features, n_neighbours + 1).index[:, 1:]
    weights = np.zeros((n, n))
    weights[np.repeat(np.arange(n), n_neighbours), index.ravel()] = 1 / max(n_neighbours, 1)
    return _laplacian(np.maximum(weights, weights.T))


def _laplacian(weights: Float64Array) -> Float64Array:
    return np.diag(weights.sum(axis=1)) - weights


def _half_squares(matrix: Float64Array) -> float:
    return float((matrix**2).sum()) / 2


def _spread(codes: Float64Array, laplacian: Float64Array) -> float:
    """tr(A L Aᵀ)."""
    return float(((codes @ laplacian) * codes).sum())


def _codes(words: Float64Array, wanted: Float64Array, times: int, ridge: float) -> Float64Array:
    """The A that minimises `times`/2 ‖`wanted` − words A‖² + `ridge`/2 ‖A‖²."""
    matrix = times * words.T @ words + ridge * np.eye(words.shape[1])
    return np.asarray(solve(matrix, times * words.T @ wanted, assume_a="pos"))


def _smooth_codes(gram: Float64Array, right: Float64Array, laplacian: Float64Array, ridge: float) -> Float64Array:
    """The A with (gram + ridge I) A + A laplacian = right."""
    return np.asarray(solve_sylvester(gram + ridge * np.eye(len(gram)), laplacian, right))


def _solve_dictionary(words: Float64Array, terms: Sequence[tuple[Float64Array, Float64Array]]) -> None:
    """Put into `words`, column after column, what minimises Σ ‖Y − words A‖² over `terms` (Y, A), with length at most 1."""
    right = sum((wanted @ codes.T for wanted, codes in terms), np.zeros_like(words))
    gram = sum((codes @ codes.T for _, codes in terms), np.zeros((words.shape[1],) * 2))
    for column in range(words.shape[1]):
        weight = gram[column, column]
        if weight > 0:
            best = words[:, column] + (right[:, column] - words @ gram[:, column]) / weight
            words[:, column] = best / max(1.0, float(np.linalg.norm(best)))
