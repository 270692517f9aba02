"""An array of known length that several processes fill, each by rows of its own."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.manifest import ArrayRecord
from stages.runs.store.digests import ArrayDigest
from stages.runs.store.grid import CHUNK_BYTES, WRITE_ZEROS, require_written
from stages.runs.store.temporary import writing
from stages.runs.store.zarr_import import import_zarr


class SharedArray:
    """A stored array whose rows are written where they belong; DbcError if they cannot be.

    `digest` is that of all rows and their chunks once there is a record.
    """

    def __init__(self, path: Path, name: str) -> None:
        zarr = import_zarr()

        self._directory = path.parent
        self._folder = path / name
        with writing(self._directory):
            # of an array that is there, `open_array` ignores the configuration it is given
            self._array: Any = zarr.open_array(path, path=name, mode="r+").with_config(WRITE_ZEROS)
        self._row_bytes = max(1, prod(self._array.shape[1:]) * self._array.dtype.itemsize)
        self.digest = ArrayDigest(chunk_bytes=self._array.chunks[0] * self._row_bytes)
        self._n_digested = 0

    def write(self, first: int, rows: NDArray[Any]) -> None:
        """Put `rows` (n, …) at `first` and after."""
        with writing(self._directory):
            self._array[first : first + len(rows)] = rows
        # what comes in order need not be read again
        if first == self._n_digested:
            self._take_in(rows)

    def record(self) -> ArrayRecord:
        """The record of the whole array, of which all rows have been written by one process or another."""
        with writing(self._directory):
            require_written(self._array, self._folder)
        shape = tuple(self._array.shape)
        n_rows = max(1, CHUNK_BYTES // self._row_bytes)
        while self._n_digested < shape[0]:
            self._take_in(np.asarray(self._array[self._n_digested : self._n_digested + n_rows]))
        return self.digest.record(dtype=np.dtype(self._array.dtype).name, shape=shape)

    def _take_in(self, rows: NDArray[Any]) -> None:
        self.digest.update(rows)
        self._n_digested += len(rows)
