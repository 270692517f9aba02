"""Maps are made of any number of samples, alike or not."""

from __future__ import annotations

import numpy as np
import pytest

from stages.pages.scatter import positions


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 6, 9])
def test_any_number_of_samples_has_a_map(n: int) -> None:
    features = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    for same in (features, np.ones_like(features)):
        found = positions(same, "tsne")
        assert found.shape == (n, 2)
        assert ((found >= 0) & (found <= 1)).all()


def test_groups_far_apart_are_apart_on_the_map_and_the_same_every_time() -> None:
    generator = np.random.default_rng(1)
    group = np.repeat([0, 1], 20)
    features = (generator.normal(size=(40, 10)) * 0.05 + np.eye(10)[group]).astype(np.float32)
    for method in ("pca", "tsne"):
        found = positions(features, method)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found, positions(features, method))  # type: ignore[arg-type]
        distance = np.linalg.norm(found[:, None] - found, axis=2)
        np.fill_diagonal(distance, np.inf)
        assert (group[distance.argmin(axis=1)] == group).all()
