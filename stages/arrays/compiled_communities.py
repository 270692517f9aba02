"""Compiled loops for communities of a graph: which node to move where so that the map equation takes fewer bits."""

from __future__ import annotations

import numpy as np

from stages.arrays.compiled import compiled

jit = compiled()

LEAST_GAIN = 1e-10
"""Bits that a move has to save: the same sums in another order differ by less."""
MOST_PASSES = 100


@jit
def move_nodes(begin, other, weight, flow, order, module):  # type: ignore[no-untyped-def]
    """Move single nodes between communities while that saves bits; whether any was moved.

    Node u of n has the links `begin[u]` to `begin[u + 1]`, to `other` nodes and never itself, of a `weight`; all links, in
    both directions, weigh at most 1. `flow` (n,) is how often a random walk is at a node, `order` (n,) that in which nodes
    are looked at. `module` (n,) int64, from 0 to n − 1, are the communities, and are changed.
    """
    leaves, inside, exits, size = totals(begin, other, weight, flow, module)
    free, n_free, all_exits = np.empty(flow.size, dtype=np.int64), 0, 0.0
    for there in range(flow.size):
        all_exits += exits[there]
        if size[there] == 0:
            free[n_free] = there
            n_free += 1
    to = np.zeros(flow.size)
    seen = np.empty(flow.size + 1, dtype=np.int64)
    for passes in range(MOST_PASSES):
        moved = False
        for u in order:
            own = module[u]
            n_seen = weights_to(begin, other, weight, module, u, to, seen)
            if size[own] > 1 and n_free > 0:
                seen[n_seen] = free[n_free - 1]
                n_seen += 1
            # what rounding leaves of a community without nodes is nothing
            still = 1.0 if size[own] > 1 else 0.0
            exits_left = still * max(exits[own] - leaves[u] + 2.0 * to[own], 0.0)
            inside_left = still * max(inside[own] - flow[u], 0.0)
            best = best_place(
                own, seen[:n_seen], to, leaves[u], flow[u], exits, inside, all_exits, exits_left, inside_left
            )
            if best != own:
                exits_there = max(exits[best] + leaves[u] - 2.0 * to[best], 0.0)
                all_exits = max(all_exits + exits_left - exits[own] + exits_there - exits[best], 0.0)
                exits[own], inside[own] = exits_left, inside_left
                exits[best], inside[best] = exits_there, inside[best] + flow[u]
                n_free -= 1 if size[best] == 0 else 0
                size[own] -= 1
                size[best] += 1
                if size[own] == 0:
                    free[n_free] = own
                    n_free += 1
                module[u] = best
                moved = True
            for there in seen[:n_seen]:
                to[there] = 0.0
        if not moved:
            return passes > 0
    return True


@jit
def totals(begin, other, weight, flow, module):  # type: ignore[no-untyped-def]
    """How often a walk leaves each node, is in each community and leaves it, and how many nodes that has: (n,) each."""
    leaves, inside, exits = np.zeros(flow.size), np.zeros(flow.size), np.zeros(flow.size)
    size = np.zeros(flow.size, dtype=np.int64)
    for u in range(flow.size):
        size[module[u]] += 1
        inside[module[u]] += flow[u]
        for link in range(begin[u], begin[u + 1]):
            leaves[u] += weight[link]
            if module[other[link]] != module[u]:
                exits[module[u]] += weight[link]
    return leaves, inside, exits, size


@jit
def weights_to(begin, other, weight, module, u, to, seen):  # type: ignore[no-untyped-def]
    """Add the links of node `u` to each community up in `to` (n,), which was 0; list these in `seen`; how many they are."""
    n_seen = 0
    for link in range(begin[u], begin[u + 1]):
        there = module[other[link]]
        if to[there] == 0.0:
            seen[n_seen] = there
            n_seen += 1
        to[there] += weight[link]
    return n_seen


@jit
def best_place(own, places, to, leaves, flow, exits, inside, all_exits, exits_left, inside_left):  # type: ignore[no-untyped-def]
    """The community of `places` that a node of `own` saves most bits by moving to; `own` if none saves any."""
    without = plogp(exits_left + inside_left) - plogp(exits[own] + inside[own])
    without -= 2.0 * (plogp(exits_left) - plogp(exits[own])) + plogp(all_exits)
    best, best_bits = own, -LEAST_GAIN
    for there in places:
        exits_there = max(exits[there] + leaves - 2.0 * to[there], 0.0)
        bits = without + plogp(max(all_exits + exits_left - exits[own] + exits_there - exits[there], 0.0))
        bits += plogp(exits_there + inside[there] + flow) - plogp(exits[there] + inside[there])
        bits -= 2.0 * (plogp(exits_there) - plogp(exits[there]))
        if there != own and bits < best_bits:
            best, best_bits = there, bits
    return best


@jit
def plogp(x):  # type: ignore[no-untyped-def]
    """x log₂ x; 0 at 0."""
    return x * np.log2(x) if x > 0.0 else 0.0
