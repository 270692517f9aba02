"""The refusal of features that are not finite, alike on every array library."""

from __future__ import annotations

import array_api_compat

from stages.arrays.backend import to_host
from stages.errors import DbcError
from stages.typing import Array


def require_finite(rows: Array) -> None:
    """Raise DbcError naming the first row of `rows` (n, d) that holds NaN or infinity."""
    xp = array_api_compat.array_namespace(rows)
    finite = xp.all(xp.isfinite(rows), axis=1)
    if bool(xp.all(finite)):
        return
    row = int(to_host(xp.argmin(xp.astype(finite, xp.int64))))
    n_bad = int(xp.sum(xp.astype(~finite, xp.int64)))
    raise DbcError(
        f"features must be finite, but row {row} holds NaN or infinity ({n_bad} of {rows.shape[0]} rows do); "
        "extract them again or drop those samples"
    )
