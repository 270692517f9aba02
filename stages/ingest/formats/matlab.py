"""The one matrix of a MATLAB file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.errors import DbcError
from stages.ingest.decode.image_file import one_line
from stages.ingest.formats.names import shown
from stages.typing import Int64Array


def read_matrix(path: Path) -> Int64Array:
    """(rows, columns) the whole numbers of the only variable in `path`, whatever its name; DbcError if it has none."""
    from scipy.io import loadmat

    try:
        content = loadmat(path)
    except Exception as error:
        # SciPy's reader lets anything through (ValueError, zlib.error, struct.error, …) on damaged files
        raise DbcError(
            f"{shown(path)} is not a MATLAB file (up to version 7): {one_line(error)}; restore the published file"
        ) from error
    found = {name: value for name, value in content.items() if not name.startswith("__")}
    values = [value for value in found.values() if isinstance(value, np.ndarray) and value.dtype.kind in "iuf"]
    if len(values) != 1 or values[0].ndim != 2 or not np.isfinite(values[0]).all() or (values[0] % 1 != 0).any():
        raise DbcError(
            f"{shown(path)} holds {', '.join(sorted(found)) or 'nothing'}, expected one matrix of whole numbers; "
            "restore the published file"
        )
    return values[0].astype(np.int64)
