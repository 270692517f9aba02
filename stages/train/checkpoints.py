"""When training writes checkpoints, and which of them it resumes from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import torch

from schemas.manifest import Execution
from stages.errors import UsageError
from stages.reporting import Reporter
from stages.runs.store.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from stages.runs.store.digests import library_versions
from stages.train.state import Arrays

LEAST_SECONDS = 120.0
"""Least time between two checkpoints if no number of steps is given; a killed run loses little more."""
WORTH = 100
"""The next checkpoint waits at least this many times as long as the last one took: they cost 1 % of the time at most."""

EXECUTION = "execution"
"""What a checkpoint says of how its steps ran, as JSON."""


class StageCheckpoints:
    """The checkpoints of one request, `key`, in the directory of its artifact.

    Written every `every` steps, or by the clock if that is None. They record the releases of torch and dbc: another release
    may draw, compute or store differently, so its checkpoints are not resumed from. They also record the `execution`: what
    ran with other processes or threads is gone on from, and told.
    """

    def __init__(
        self, directory: Path, key: str, *, every: int | None, device: torch.device, execution: Execution
    ) -> None:
        if every is not None and every < 1:
            raise UsageError(f"`checkpoint_every` must be at least 1 step, got {every}")
        self._directory, self._key, self._every = directory, key, every
        release = {name: found for name, found in library_versions().items() if name == "dbc-reid"}
        self._about = {**release, "torch": torch.__version__, "device": device.type}
        self._next_at = time.monotonic() + LEAST_SECONDS
        self.newest: int | None = None
        self.execution = execution
        self.notes: tuple[str, ...] = ()

    def resumable(self, reporter: Reporter) -> Checkpoint | None:
        """The newest checkpoint of the request; None if there is none of the same releases and kind of device.

        From then on `execution` and `notes` tell what ran before it.
        """
        found = read_checkpoint(self._directory, self._key)
        if found is None:
            return None
        about = {name: value for name, value in found.about.items() if name != EXECUTION}
        if about != self._about or EXECUTION not in found.about:
            made, here = _told(about), _told(self._about)
            reporter.warn(
                f"training: the checkpoint of step {found.step} was made by {made}, and this is {here}: training starts again"
            )
            return None
        self.newest = found.step
        before = Execution.model_validate_json(found.about[EXECUTION])
        earlier = before.earlier
        if _unlike(before, self.execution):
            earlier = (*earlier, before.model_copy(update={"until_step": found.step, "earlier": ()}))
        ran = [(part.until_step, _unlike(part, self.execution)) for part in earlier]
        told = [f"to step {step} with {', '.join(unlike)}" for step, unlike in ran if unlike]
        note = f"training went on from the checkpoint of step {found.step}"
        if told:
            note += f"; it ran {', and '.join(told)}, so that none of these alone gives the same bits"
            reporter.warn(note)
        self.execution, self.notes = self.execution.model_copy(update={"earlier": earlier}), (note,)
        return found

    def due(self, step: int) -> bool:
        """Whether to write a checkpoint after `step` steps."""
        return time.monotonic() >= self._next_at if self._every is None else step % self._every == 0

    def save(self, step: int, arrays: Arrays) -> None:
        """Write the state after `step` steps over the checkpoint before."""
        started = time.monotonic()
        about = {**self._about, EXECUTION: self.execution.model_dump_json()}
        write_checkpoint(self._directory, self._key, step, arrays, about=about)
        ended = time.monotonic()
        self._next_at = ended + max(LEAST_SECONDS, WORTH * (ended - started))
        self.newest = step


def _told(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items()))


def _unlike(before: Execution, now: Execution) -> list[str]:
    """What ran otherwise `before`, each value with that of `now`."""
    ran, runs = (each.model_dump(exclude={"until_step", "earlier"}) for each in (before, now))
    return [f"{name} {ran[name]} (now {runs[name]})" for name in runs if ran[name] != runs[name]]
