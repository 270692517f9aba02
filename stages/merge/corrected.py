"""Clusters after answers: what is different is taken apart, what is the same is joined, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stages.arrays.partition import connected, relabel
from stages.merge.selection.links import PairConstraints
from stages.typing import BoolArray, Int64Array

MergeAnew = Callable[[Int64Array, PairConstraints], Int64Array]
"""(samples (c,), what is known of them by their place there) → labels (c,) of these samples, merged as far as may be."""


def corrected(labels: Int64Array, constraints: PairConstraints, merge_anew: MergeAnew) -> Int64Array:
    """`labels` (n,) with few changes by which they keep to `constraints`, 0..K−1 in order of first samples.

    A cluster that holds different individuals is merged anew from its single samples; then the clusters of two samples that
    are the same become one. If that brings different individuals together, those clusters are merged anew, too. `constraints`
    must not contradict each other.
    """
    parted = _parted(relabel(labels), constraints, merge_anew)
    group = connected(int(parted.max()) + 1, parted[constraints.same])
    return _parted(relabel(group[parted]), constraints, merge_anew)


def _parted(labels: Int64Array, constraints: PairConstraints, merge_anew: MergeAnew) -> Int64Array:
    """`labels` (n,), those clusters merged anew that hold different individuals."""
    found = labels.copy()
    pairs = labels[constraints.different]
    for cluster in np.unique(pairs[pairs[:, 0] == pairs[:, 1], 0]).tolist():
        members = np.flatnonzero(labels == cluster)
        own = PairConstraints(_within(constraints.same, members), _within(constraints.different, members))
        found[members] = int(found.max()) + 1 + merge_anew(members, own)
    return relabel(found)


def _within(pairs: Int64Array, members: Int64Array) -> Int64Array:
    """The `pairs` (p, 2) whose samples are both among `members` (c,), ascending, by their place there."""
    place = np.minimum(np.searchsorted(members, pairs), len(members) - 1)
    inside: BoolArray = (members[place] == pairs).all(axis=1)
    return place[inside].astype(np.int64)
