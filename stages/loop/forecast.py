"""How long a stage and a run will still take, from what their parts took so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

from stages.loop.plan import StageWork

Kind = Literal["train", "extract", "other"]

TRAIN_PER_EXTRACT = 3.0
"""Images that are extracted in the time of training on one, until that was measured: forward, and twice that back."""


class Forecast:
    """The seconds left of the stage that is begun and of the whole run of `works`, learnt while it goes on.

    Training and extraction take their seconds an image; everything else of a stage takes the mean of the stages done. `clock`
    gives seconds.
    """

    def __init__(self, works: Sequence[StageWork], clock: Callable[[], float] = time.monotonic) -> None:
        self._works = {work.stage: work for work in works}
        self._later = [work.stage for work in works]
        self._clock = clock
        self._seconds: dict[Kind, float] = {"train": 0.0, "extract": 0.0}
        self._images: dict[Kind, int] = {"train": 0, "extract": 0}
        self._others: list[float] = []
        self._stage: int | None = None
        self._stage_began = self._task_began = 0.0
        self._stage_seconds = 0.0
        self._task: Kind | None = None
        self._done: dict[Kind, int] = {}

    def begin_stage(self, stage: int) -> None:
        """From now on `stage` is worked on."""
        self._works.setdefault(stage, StageWork(stage, 0, 0))
        self._stage, self._stage_began, self._stage_seconds = stage, self._clock(), 0.0
        self._later = [each for each in self._later if each > stage]
        self._done = {}

    def end_stage(self) -> None:
        """The stage is done; what it took beside images counts for the later ones."""
        if self._stage is not None:
            self._others.append(max(self._beside_images(), 0.0))
        self._stage = None

    def begin_task(self, kind: Kind) -> None:
        """Images are being trained on, or extracted."""
        self._task, self._task_began = kind, self._clock()

    def advance(self, n_images: int) -> None:
        """So many images more are done of the task."""
        if self._task in self._images:
            now = self._clock()
            self._seconds[self._task] += now - self._task_began
            self._stage_seconds += now - self._task_began
            self._task_began = now
            self._images[self._task] += n_images
            self._done[self._task] = self._done.get(self._task, 0) + n_images

    def end_task(self) -> None:
        """The task is done."""
        self._task = None

    def left(self) -> tuple[float, float] | None:
        """Seconds left of the stage and of the run; None before anything is known or begun."""
        if self._stage is None or self._rate("extract") is None:
            return None
        stage = self._of(self._works[self._stage]) - min(self._beside_images(), self._other())
        return max(stage, 0.0), max(stage, 0.0) + sum(self._of(self._works[later], done={}) for later in self._later)

    def _beside_images(self) -> float:
        """Seconds of this stage that went into neither kind of image."""
        return self._clock() - self._stage_began - self._stage_seconds

    def _of(self, work: StageWork, done: dict[Kind, int] | None = None) -> float:
        done = self._done if done is None else done
        train = max(work.trained - done.get("train", 0), 0) * (self._rate("train") or 0.0)
        extract = max(work.extracted - done.get("extract", 0), 0) * (self._rate("extract") or 0.0)
        return train + extract + self._other()

    def _other(self) -> float:
        return sum(self._others) / len(self._others) if self._others else 0.0

    def _rate(self, kind: Kind) -> float | None:
        """Seconds an image."""
        if self._images[kind]:
            return self._seconds[kind] / self._images[kind]
        extract = self._rate("extract") if kind == "train" else None
        return None if extract is None else TRAIN_PER_EXTRACT * extract
