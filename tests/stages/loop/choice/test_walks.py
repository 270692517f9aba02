"""How many clusters a random walk asks for, where silhouettes split poses and where individuals have two pictures."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.parameters import MergeParameters
from stages.arrays.neighbours import nearest_neighbours
from stages.features.prepared import Prepared
from stages.loop.choice.rule import near_best_range
from stages.loop.choice.separation import separation
from stages.loop.choice.walks import LEAST_WEIGHT, mutual_links, walked_number
from stages.typing import Float32Array, Int64Array


def turned(n_identities: int, n_views: int, *, radius: float, seed: int = 0) -> Float32Array:
    """Rows (n, 32) of unit length: identities on a turntable, whose views lie on a circle around the middle of each."""
    generator = np.random.default_rng(seed)
    middle, first, second = generator.normal(size=(3, n_identities, 1, 32))
    angle = np.linspace(0, 2 * np.pi, n_views, endpoint=False)[None, :, None]
    rows = middle + radius * (np.cos(angle) * first + np.sin(angle) * second)
    rows = (rows + 0.4 * generator.normal(size=(n_identities, n_views, 32))).reshape(-1, 32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_views_of_an_individual_count_as_one_where_silhouettes_count_parts_of_its_turn(seed: int) -> None:
    found = separation(Prepared(turned(12, 24, radius=1, seed=seed)), MergeParameters(), sampling_seed=0)
    near = near_best_range(found.n_clusters, found.judged)
    assert near is not None
    assert near[0] == 24
    assert found.walked is not None
    assert 12 <= found.walked <= 15
    assert found.likely_clusters == (found.walked, near[1])


def test_it_is_not_asked_for_fewer_where_individuals_have_two_pictures() -> None:
    rows = turned(60, 2, radius=0)
    found = separation(Prepared(rows), MergeParameters(), sampling_seed=0)
    assert found.walked is None
    assert found.likely_clusters == (60, 60)


def test_the_number_is_that_at_which_merges_agree() -> None:
    rows = turned(10, 12, radius=0)
    truth: Int64Array = np.arange(10).repeat(12)

    def merged_to(n_clusters: int) -> Int64Array:
        return truth if n_clusters == 10 else np.random.default_rng(0).integers(0, n_clusters, len(truth))

    assert walked_number(rows, 20, merged_to) == 10
    assert walked_number(rows, 10, merged_to) is None


def test_links_are_of_pairs_among_each_others_neighbours() -> None:
    rows = turned(5, 8, radius=1)
    nearest = nearest_neighbours(rows, 8)
    links, weight, needed = mutual_links(nearest)
    cosine = rows.astype(np.float64) @ rows.T
    expected = {}
    for first in range(len(rows)):
        for second in range(first):
            places = [np.flatnonzero(nearest.index[a] == b) for a, b in ((first, second), (second, first))]
            if all(len(place) for place in places):
                expected[second, first] = max(int(place[0]) for place in places)
    assert dict(zip(map(tuple, links.tolist()), needed.tolist(), strict=True)) == expected
    assert weight == pytest.approx(np.maximum(cosine[links[:, 0], links[:, 1]], LEAST_WEIGHT), abs=1e-6)
