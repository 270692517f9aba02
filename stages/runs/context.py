"""Where and how a command runs, as one object: nothing of it decides what an artifact holds."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from types import FrameType
from typing import get_args

from schemas.choices import Cache
from stages.errors import DbcWarning, UsageError
from stages.escapes import visible_line
from stages.processes import Processes, all_processes, is_leader, own_device
from stages.reporting import Reporter, Silent


class PythonWarnings(Silent):
    """The reporter of those who call steps from Python: warnings are Python's, of the category `DbcWarning`."""

    def warn(self, message: str) -> None:
        """Warn at the line that called the step; of several processes the leader alone does."""
        if not is_leader():
            return
        frame: FrameType | None = sys._getframe()
        own = level = 1
        while frame is not None:
            if frame.f_globals.get("__name__", "").startswith("stages."):
                own = level
            frame, level = frame.f_back, level + 1
        warnings.warn(visible_line(message), DbcWarning, stacklevel=own + 1)


@dataclass(frozen=True)
class Context:
    """What every stage takes beside its parameters.

    Parameters
    ----------
    device
        `auto`, `cpu`, `cuda` or `cuda:N`.
    memory_limit
        Most bytes that merging, whitening or centring may take; None for 0.8 of what is available.
    workers
        Threads that decode images; 0 decodes without, None takes one a core.
    compiled
        Whether torch compiles the network at its first batch.
    cache
        Where train images lie: on the device, in host memory or in the store.
    checkpoint_every
        Steps between the checkpoints of a training; None keeps one every few minutes.
    force
        Whether to compute an artifact again that is up to date.
    dry_run
        Whether to say what would be made, and make nothing.
    tells_anew
        Whether to tell which parameters differ from those of the artifact that is there, if that has the same parents.
    command
        What the manifest records as the command.
    reporter
        Where progress, notes and warnings go; by default warnings are Python's, and the others go nowhere.
    """

    device: str = "auto"
    memory_limit: int | None = None
    workers: int | None = None
    compiled: bool = False
    cache: Cache = "auto"
    checkpoint_every: int | None = None
    force: bool = False
    dry_run: bool = False
    tells_anew: bool = False
    command: tuple[str, ...] = ()
    reporter: Reporter = field(default_factory=PythonWarnings)

    def __post_init__(self) -> None:
        for name, least in (("workers", 0), ("memory_limit", 1), ("checkpoint_every", 1)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Real if name == "memory_limit" else Integral):
                what = "a number of bytes" if name == "memory_limit" else "a whole number"
                raise UsageError(f"`{name}` must be {what}, got {value!r}")
            if value is not None and not float(value) >= least:
                raise UsageError(f"`{name}` must be at least {least}, got {value}")
        if not all(callable(getattr(self.reporter, name, None)) for name in ("task", "note", "warn")):
            raise UsageError(
                f"`reporter` must have the methods `task`, `note` and `warn`, got {self.reporter!r}; derive it from "
                "`stages.reporting.Silent`, which has all of them"
            )
        if self.cache not in get_args(Cache):
            raise UsageError(f"unknown `cache` '{self.cache}': choose one of {', '.join(get_args(Cache))}")

    @property
    def processes(self) -> Processes:
        """All processes that torchrun started; this one alone without torchrun."""
        return all_processes()

    @property
    def own_device(self) -> str:
        """The device of this process, of several on one machine; see `stages.processes.own_device`."""
        return own_device(self.device)

    def without_force(self) -> Context:
        """This context without `force`, for an artifact that another one needs: it is kept if it is up to date."""
        return replace(self, force=False)


DEFAULT_CONTEXT = Context()
