"""How many bytes a merge takes, known before anything is allocated, and the refusal of what does not fit."""

from __future__ import annotations

from stages.errors import DbcError

_FLOAT64 = 8
_CHUNK_BYTES = 4 << 20


def plain_bytes(*, n_samples: int, n_clusters: int, dim: int, metric: str, update: str) -> int:
    """Peak bytes of the plain merge beyond its input.

    Five float64 copies of the features while they are put on their grid, sorted and summed; three (K, d) arrays of
    sums, means and squares; the K×K matrix of D, and beside it: under `stale` the order of its pairs (values and
    indices of a flattened copy), under `exact` the rows that a merge replaces; under `euclidean` two K×K halves of
    the block sums, copied once a merge.
    """
    rows = 5 * n_samples * dim + 3 * n_clusters * dim
    matrices = {"stale": 4, "exact": 2}[update] + (4 if metric == "euclidean" else 0)
    return _FLOAT64 * (rows + matrices * n_clusters**2) + _CHUNK_BYTES


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
