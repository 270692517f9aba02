"""When training writes checkpoints, and which of them it resumes from."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from stages.errors import UsageError
from stages.reporting import Reporter
from stages.runs.store.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from stages.runs.store.digests import library_versions
from stages.train.state import Arrays

LEAST_SECONDS = 120.0
"""Least time between two checkpoints if no number of steps is given; a killed run loses little more."""
WORTH = 100
"""The next checkpoint waits at least this many times as long as the last one took: they cost 1 % of the time at most."""


class StageCheckpoints:
    """The checkpoints of one request, `key`, in the directory of its artifact.

    Written every `every` steps, or by the clock if that is None. They record the releases of torch and dbc: another release
    may draw, compute or store differently, so its checkpoints are not resumed from.
    """

    def __init__(self, directory: Path, key: str, *, every: int | None, device: torch.device) -> None:
        if every is not None and every < 1:
            raise UsageError(f"`checkpoint_every` must be at least 1 step, got {every}")
        self._directory, self._key, self._every = directory, key, every
        release = {name: found for name, found in library_versions().items() if name == "dbc-reid"}
        self._about = {**release, "torch": torch.__version__, "device": device.type}
        self._next_at = time.monotonic() + LEAST_SECONDS
        self.newest: int | None = None

    def resumable(self, reporter: Reporter) -> Checkpoint | None:
        """The newest checkpoint of the request; None if there is none of the same releases and kind of device."""
        found = read_checkpoint(self._directory, self._key)
        if found is None:
            return None
        if dict(found.about) != self._about:
            made = ", ".join(f"{name} {value}" for name, value in sorted(found.about.items()))
            here = ", ".join(f"{name} {value}" for name, value in sorted(self._about.items()))
            reporter.warn(
                f"training: the checkpoint of step {found.step} was made by {made}, and this is {here}: training starts again"
            )
            return None
        self.newest = found.step
        return found

    def due(self, step: int) -> bool:
        """Whether to write a checkpoint after `step` steps."""
        return time.monotonic() >= self._next_at if self._every is None else step % self._every == 0

    def save(self, step: int, arrays: Arrays) -> None:
        """Write the state after `step` steps over the checkpoint before."""
        started = time.monotonic()
        write_checkpoint(self._directory, self._key, step, arrays, about=self._about)
        ended = time.monotonic()
        self._next_at = ended + max(LEAST_SECONDS, WORTH * (ended - started))
        self.newest = step
