"""How many clusters a random walk among near neighbours asks for: as many as merges agree with best."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stages.arrays.communities import communities
from stages.arrays.neighbours import Neighbours, nearest_neighbours
from stages.evaluate.clusters.information import adjusted_rand
from stages.typing import Float32Array, Float64Array, Int64Array

NEIGHBOURS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33, 40)
"""Numbers of neighbours that graphs are made of."""
MOST_TIMES = 3
"""Up to so many times the neighbours that clusters with the best silhouette give are looked at: those are mostly too small. On
22 sets 2 and 4 times ended with as much agreement (benchmarks/RESULTS.md)."""
LEAST_WEIGHT = 1e-3
"""Of a link between two whose cosine is less."""


def walked_number(unit: Float32Array, n_clusters: int, merged_to: Callable[[int], Int64Array]) -> int | None:
    """The number of communities among rows `unit` (n, d) of length 1, if it is less than `n_clusters`; else None.

    In a cluster of s samples each has s − 1 neighbours. With s = n / `n_clusters`, mutual links to s − 1 nearest neighbours,
    and to up to `MOST_TIMES` as many, make a graph each, and `communities` are found in it; a link weighs the cosine of both.
    The number taken is the one at which two ways that share the features alone agree most by the adjusted Rand index:
    communities, and the clusters `merged_to` their number.
    """
    own = max(1.0, len(unit) / n_clusters - 1)
    least = max(k for k in NEIGHBOURS if k <= own)
    asked = [k for k in NEIGHBOURS if least <= k <= max(least, MOST_TIMES * own) and k < len(unit)]
    links, weight, needed = mutual_links(nearest_neighbours(unit, max(asked) + 1))
    best, number = 0.0, n_clusters
    for k in asked:
        found = communities(len(unit), links[needed <= k], weight[needed <= k])
        n_found = int(found.max()) + 1
        agreement = adjusted_rand(found, merged_to(n_found))
        if n_found > 1 and agreement >= best:
            best, number = agreement, n_found
    return number if number < n_clusters else None


def mutual_links(nearest: Neighbours) -> tuple[Int64Array, Float64Array, Int64Array]:
    """Pairs (m, 2) that are among each other's `nearest`, their weight (m,), and from how many neighbours on they are (m,)."""
    n, k = nearest.index.shape
    first, second = np.repeat(np.arange(n), k), nearest.index.ravel()
    place, cosine = np.tile(np.arange(k), n), 1 - nearest.squared_distance.ravel() / 2
    pair = np.minimum(first, second) * n + np.maximum(first, second)
    order = np.argsort(pair, kind="stable")
    order = order[first[order] != second[order]]
    pair, place, cosine = pair[order], place[order], cosine[order]
    both = np.flatnonzero(pair[1:] == pair[:-1])
    links = np.stack(np.divmod(pair[both], n), axis=1)
    return links, np.maximum(cosine[both], LEAST_WEIGHT), np.maximum(place[both], place[both + 1])
