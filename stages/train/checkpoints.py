"""When the state of training is kept, and what of it is taken up again."""

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
"""Between two checkpoints where no number of steps is given: what a killed run loses at most, and little."""
WORTH = 100
"""Times as long as a checkpoint took until the next one: they cost at most a hundredth of the time."""


class StageCheckpoints:
    """The checkpoints of one request, `key`, in the directory of its artifact.

    Kept after every `every` steps, or by the clock where that is None. What they were made by is kept beside them: another
    release of torch may draw or compute otherwise, and one of dbc keep other things, so their checkpoints are not taken up.
    """

    def __init__(self, directory: Path, key: str, *, every: int | None, device: torch.device) -> None:
        if every is not None and every < 1:
            raise UsageError(f"`checkpoint_every` must be at least 1 step, got {every}")
        self._directory, self._key, self._every = directory, key, every
        release = {name: found for name, found in library_versions().items() if name == "dbc-reid"}
        self._about = {**release, "torch": torch.__version__, "device": device.type}
        self._next_at = time.monotonic() + LEAST_SECONDS
        self.newest: int | None = None

    def begun(self, reporter: Reporter) -> Checkpoint | None:
        """The newest checkpoint of the request; None where there is none of these releases and kind of device."""
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
        """Whether `every` steps are done or, by the clock, long enough has passed."""
        return time.monotonic() >= self._next_at if self._every is None else step % self._every == 0

    def save(self, step: int, arrays: Arrays) -> None:
        """Keep the state after `step` steps in place of the one before."""
        started = time.monotonic()
        write_checkpoint(self._directory, self._key, step, arrays, about=self._about)
        ended = time.monotonic()
        self._next_at = ended + max(LEAST_SECONDS, WORTH * (ended - started))
        self.newest = step
