"""Communities of a graph by the map equation: groups in which a random walk stays for long."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_array

from stages.arrays.compiled_communities import LEAST_GAIN, move_nodes
from stages.arrays.partition import relabel
from stages.typing import Float64Array, Int64Array

_MOST_ROUNDS = 20


def communities(n_nodes: int, links: Int64Array, weight: Float64Array) -> Int64Array:
    """The community (n_nodes,) of every node, 0..K−1 by its first member, of a graph whose links have no direction.

    `links` (m, 2) are pairs of different nodes, each pair once, `weight` (m,) above 0. A node without links is alone. Nodes
    are moved to where they save most bits of the two-level map equation (Rosvall and Bergstrom, PNAS 2008), then whole
    communities, then nodes again, until nothing saves more. Nodes with the heaviest links go first, so that the order in which
    they are given says nothing, unless two weigh the same.
    """
    module = np.arange(n_nodes, dtype=np.int64)
    if not len(links):
        return module
    graph = _graph(links[:, 0], links[:, 1], weight / (2 * weight.sum()), n_nodes)
    flow: Float64Array = graph.sum(axis=0)
    bits = np.inf
    for _ in range(_MOST_ROUNDS):
        _move(graph, flow, module)
        module = _joined(graph, flow, module)
        now = code_length(graph, flow, module)
        if not now < bits - LEAST_GAIN:
            break
        bits = now
    return relabel(module)


def code_length(graph: Any, flow: Float64Array, module: Int64Array) -> float:
    """Bits for each step of a random walk between nodes of communities `module` (n,), but for those that stay the same.

    L = q log₂ q − 2 Σ q_i log₂ q_i + Σ (q_i + p_i) log₂ (q_i + p_i), where q_i is how often a walk leaves community i, q their
    sum and p_i how often it is inside (Rosvall, Axelsson and Bergstrom 2009, eq. 4, without its last sum, over nodes). `graph`
    (n, n) is sparse and symmetric, its links weigh 1 together; `flow` (n,) are its sums.
    """
    left, inside = _between(graph, module).sum(axis=0), np.bincount(module, weights=flow)
    return float(_plogp(left.sum()) - 2 * _plogp(left).sum() + _plogp(left + inside).sum())


def _move(graph: Any, flow: Float64Array, module: Int64Array) -> bool:
    order = np.argsort(-flow, kind="stable")
    begin, other = graph.indptr.astype(np.int64), graph.indices.astype(np.int64)
    return bool(move_nodes(begin, other, graph.data, flow, order, module))


def _joined(graph: Any, flow: Float64Array, module: Int64Array) -> Int64Array:
    """Communities after whole ones were moved into others while that saves bits."""
    while True:
        module = relabel(module)
        group = np.arange(module.max() + 1, dtype=np.int64)
        inside = np.bincount(module, weights=flow).astype(np.float64)
        if not _move(_between(graph, module), inside, group):
            return module
        module = group[module]


def _between(graph: Any, module: Int64Array) -> Any:
    """The graph of the communities 0..K−1 of `module` (n,), without links inside them."""
    links = graph.tocoo()
    first, second = (module[ends] for ends in links.coords)
    is_half = first < second
    return _graph(first[is_half], second[is_half], links.data[is_half], int(module.max()) + 1)


def _graph(first: Int64Array, second: Int64Array, weight: Float64Array, n_nodes: int) -> Any:
    """Links in both directions, as a sparse matrix (n_nodes, n_nodes) by rows."""
    ends = np.concatenate([first, second]), np.concatenate([second, first])
    return coo_array((np.concatenate([weight, weight]), ends), shape=(n_nodes, n_nodes)).tocsr()


def _plogp(x: Float64Array) -> Float64Array:
    x = np.asarray(x, dtype=np.float64)
    result: Float64Array = x * np.log2(x, out=np.zeros_like(x), where=x > 0)
    return result
