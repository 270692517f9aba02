"""How many bytes a merge takes, known before anything is allocated, and the refusal of what does not fit."""

from __future__ import annotations

from stages.errors import DbcError
from stages.merge.walks import first_capacity

_FLOAT64 = 8
_PAIR_BYTES = 24
_FIXED_BYTES = 64 << 20

LARGEST_TILE = {True: 1024, False: 4096}
"""The largest edge a tile has by itself, by whether it is in host memory."""


def engine_bytes(
    *, n_samples: int, n_clusters: int, dim: int, n_merges: int, tile: int, n_threads: int, compiled: bool = True
) -> int:
    """Peak bytes of a merge beyond its features: linear in n and K, with no term in K².

    Compiled, in host memory: the screened rows (4 bytes a coordinate at most), sums of clusters of three or more
    members (n/3 rows of float64 at most), some numbers a cluster, and for each thread a tile of products and the
    pairs it may yield. Otherwise five float64 copies of the features while they are put on their grid and sorted,
    five of the means, and twelve float64 temporaries of a tile. Both: a pool of twice the block's pairs, copied
    while it is cut, and a sample of 128 rows of D with its temporaries.
    """
    pool = 2 * 5 * first_capacity(n_merges) * _PAIR_BYTES
    sample = 6 * 128 * min(n_clusters, 1 << 14) * _FLOAT64 + 128 * dim * 16
    numbers = 24 * (n_clusters + n_samples) * _FLOAT64
    if compiled:
        rows = 4 * n_clusters * dim + _FLOAT64 * dim * min(n_samples // 3, n_clusters)
        tiles = n_threads * tile * tile * (8 + 16)
    else:
        rows = _FLOAT64 * dim * 5 * (n_samples + n_clusters)
        tiles = n_threads * tile * tile * 12 * _FLOAT64
    return rows + tiles + pool + sample + numbers + _FIXED_BYTES


def require_memory(n_bytes: int, *, memory_limit: int, what: str) -> None:
    """Raise DbcError where `n_bytes` exceed `memory_limit` (bytes); `what` names the work."""
    if n_bytes > memory_limit:
        raise DbcError(
            f"{what} takes {_readable(n_bytes)} of memory, wanted at most {_readable(memory_limit)}; "
            "raise --memory-limit, or merge fewer samples"
        )


def _readable(n_bytes: int) -> str:
    value, unit = float(n_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f} {unit}"
