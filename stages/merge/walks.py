"""Selecting merges from ranked pairs: the published walks over pairs in ascending order of D."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def stale_walk(pairs: Iterable[tuple[int, int]], *, n_clusters: int, n_merges: int) -> list[int]:
    """Positions in `pairs` of the merges made, at most `n_merges`: the walk of the published DBC code.

    `pairs` (a, b), a < b, come in ascending (D, a, b). A pair is skipped if either cluster was absorbed before; else
    b is absorbed, and a may absorb again.
    """
    absorbed = np.zeros(n_clusters, dtype=bool)
    chosen = []
    for position, (a, b) in enumerate(pairs):
        if absorbed[a] or absorbed[b]:
            continue
        absorbed[b] = True
        chosen.append(position)
        if len(chosen) == n_merges:
            break
    return chosen
