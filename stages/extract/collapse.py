"""A check for collapsed networks: features that are all zero, or all the same."""

from __future__ import annotations

import numpy as np

from stages.errors import DbcError
from stages.processes import Processes
from stages.typing import Float32Array

ADVICE = "lower `learning_rate` or `epochs` and train the stage before it again"


class CollapseCheck:
    """Whether any feature that a process extracted is not zero, and whether any two differ."""

    def __init__(self) -> None:
        self._first: Float32Array | None = None
        self._is_nonzero = False
        self._differs = False

    def take_in(self, rows: Float32Array) -> None:
        """Look at `rows` (n, d), n at least 1."""
        self._first = rows[0].copy() if self._first is None else self._first
        self._is_nonzero = self._is_nonzero or bool(rows.any())
        self._differs = self._differs or bool((rows != self._first).any())

    def note(self, processes: Processes, *, is_trained: bool) -> str | None:
        """A note if the features of all processes are the same, else None; DbcError if all are zero. All must call it."""
        own = [] if self._first is None else [[self._is_nonzero, self._differs, *self._first.tolist()]]
        n_values = 2 if self._first is None else 2 + len(self._first)
        seen = np.concatenate(_of_one_width(processes, np.array(own, dtype=np.float64).reshape(-1, n_values)))
        cause = "check `weights` and whether the pictures differ"
        cause = f"training has collapsed; {ADVICE}, if the pictures differ at all" if is_trained else cause
        if not seen[:, 0].any():
            raise DbcError(f"all features are zero: {cause}")
        if seen[:, 1].any() or (seen[:, 2:] != seen[0, 2:]).any():
            return None
        return f"all features are equal, so that every distance is 0: {cause}"


def _of_one_width(processes: Processes, own: np.ndarray) -> list[np.ndarray]:
    """The rows of every process; a process without rows takes the width of the others."""
    widths = processes.all_gather(np.array([[own.shape[1]]], dtype=np.float64))
    width = max(int(found[0, 0]) for found in widths)
    return processes.all_gather(own if len(own) else np.empty((0, width)))
