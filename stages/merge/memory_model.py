"""How many bytes a merge takes, computed before anything is allocated."""

from __future__ import annotations

from stages.arrays.k_reciprocal import OVERLAP_PAIRS
from stages.arrays.neighbours import BLOCK_BYTES
from stages.arrays.pair_engines import STRIP_COLUMNS, STRIP_PAIRS, STRIP_ROWS, padded
from stages.merge.selection.cameras import VALUES_AT_ONCE
from stages.merge.selection.ranking import MOST_SAMPLED, SAMPLED_AT_ONCE
from stages.merge.selection.walks import first_capacity
from stages.merge.tables.canonical_rows import PART_VALUES
from stages.merge.tables.pair_screen import PAIR_PART_VALUES

_FLOAT64 = 8
_PAIR_BYTES = 24
_FIXED_BYTES = 64 << 20

LARGEST_TILE = {True: 1024, False: 4096}
"""The largest default edge of a tile, by whether it is in host memory."""


def engine_bytes(
    *,
    n_samples: int,
    n_clusters: int,
    dim: int,
    n_merges: int,
    tile: int,
    n_threads: int,
    compiled: bool = True,
    exact: bool = False,
    n_cameras: int = 0,
) -> int:
    """Peak bytes of a merge beyond its features: linear in n and K, with no term in K².

    The screened rows (4 bytes a coordinate at most), and float64 sums of clusters of several members: compiled, of
    three or more (n/3 rows at most), otherwise of two or more (n/2); none of single samples, of which K < n clusters
    leave few. For each thread a tile: compiled, of products and the pairs it may yield, otherwise twelve float64
    temporaries of it, and as many of the part of the rows that whole-array operations take at once. A pool of twice the
    block's pairs, copied while it is cut, for each thread a sample of rows and of their D with its temporaries, and some
    numbers a cluster. `exact`: the float64 mean of every cluster, what the merges of a block have summed, and the sums
    of the next block beside those of the last. `n_cameras`: counts of each in every cluster; under `exact` also
    those that merging has changed, of this block and of the last. With them four more temporaries of a sample, and the
    counts of the pairs that a thread ranks.
    """
    pool = 2 * 5 * first_capacity(n_merges, costly_blocks=exact) * _PAIR_BYTES
    sampled = min(MOST_SAMPLED, n_clusters)
    sample = n_threads * (6 * SAMPLED_AT_ONCE * sampled + (SAMPLED_AT_ONCE + sampled) * dim) * _FLOAT64
    numbers = 24 * (n_clusters + n_samples) * _FLOAT64
    fewest = 3 if compiled else 2
    joined = n_samples if exact else n_samples - n_clusters
    sums = _FLOAT64 * dim * min(n_samples // fewest, n_clusters, joined // (fewest - 1))
    held = sums + _FLOAT64 * dim * (n_clusters + min(n_merges, n_clusters // 2)) if exact else 0
    tile = min(tile, n_clusters)
    if compiled:
        work = n_threads * tile * tile * (8 + 16)
    else:
        work = (n_threads * tile * tile + max(PART_VALUES, dim)) * 12 * _FLOAT64
    counted = (3 if exact else 1) * _FLOAT64 * n_clusters * n_cameras
    if n_cameras:
        counted += n_threads * (4 * SAMPLED_AT_ONCE * sampled + 3 * max(VALUES_AT_ONCE, n_cameras)) * _FLOAT64
    return 4 * n_clusters * dim + sums + held + work + pool + sample + numbers + counted + _FIXED_BYTES


def pair_bytes(*, n_rows: int, dim: int) -> int:
    """Peak bytes, where a pair engine works, of finding pairs among `n_rows` rows, beyond the features that lie there.

    Rows as float32 at most, eleven numbers of each, two strips of products and one for the probe with its rows, the pairs
    of two submissions of strips, and the float64 temporaries of the part of the rows that is stored at once.
    """
    strip = min(STRIP_ROWS, n_rows) * min(STRIP_COLUMNS, n_rows)
    probe = 4 * (STRIP_ROWS * STRIP_COLUMNS + dim * (STRIP_ROWS + STRIP_COLUMNS))
    stored = n_rows * (4 * padded(dim) + 11 * _FLOAT64)
    pairs = 2 * 8 * (8 * STRIP_PAIRS)
    part = max(dim, min(PAIR_PART_VALUES, n_rows * dim))
    return stored + max(2 * 4 * strip + pairs, probe) + 8 * part * _FLOAT64 + _FIXED_BYTES


def jaccard_bytes(
    *,
    n_samples: int,
    dim: int,
    k1: int,
    k2: int,
    n_similarities: int,
    n_processes: int = 1,
    block_bytes: int = BLOCK_BYTES,
) -> int:
    """Peak bytes of a merge by the Jaccard distance beyond its features: linear in n and in what is stored.

    A block of similarities of `block_bytes` with its copies, up to an exact product of float64 features, a block of the
    overlaps being summed, the neighbours, and about six copies of `n_similarities`, the pairs of samples that share a
    neighbour: how many there are depends on the features, not on n² (about 330 a sample where 17 make an identity, at
    k1 = 20).
    Several processes also hold what they send each other, as float64, three times at most.
    """
    search = 5 * block_bytes + 3 * _FLOAT64 * n_samples * dim
    neighbours = 2 * _FLOAT64 * n_samples * max(k1 + 1, k2)
    overlap = 6 * _FLOAT64 * OVERLAP_PAIRS
    similarities = 2 * _FLOAT64 * n_similarities
    sent = 3 * max(neighbours, similarities) if n_processes > 1 else 0
    return max(search, overlap) + neighbours + 6 * similarities + sent + _FIXED_BYTES
