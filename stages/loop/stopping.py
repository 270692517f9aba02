"""When a run may leave its later stages: once trained stages have been no better for a while."""

from __future__ import annotations

from stages.errors import UsageError
from stages.loop.choice.choose import choose, is_enough, reason
from stages.loop.choice.measures import StageMeasures


class Stopping:
    """The stage chosen from those seen so far, and whether the later ones may be left.

    `patience` is how many trained stages in a row may be no better than the chosen one. A run that `trains` waits for its
    first trained stage: until a recipe begins to train, a stage takes seconds and shows nothing of what training will do.
    """

    def __init__(self, patience: int, *, trains: bool = True) -> None:
        if patience < 1:
            raise UsageError(f"`patience` must be at least 1 stage, got {patience}")
        self.measures: list[StageMeasures] = []
        self._patience = patience
        self._first_trained: int | None = None if trains else 0

    def add(self, measures: StageMeasures, *, is_trained: bool) -> bool:
        """True if later stages may be left, now that a stage with these `measures` is done."""
        self.measures.append(measures)
        if measures.stage < 1:
            return False
        if self._first_trained is None and is_trained:
            self._first_trained = measures.stage
        if self._first_trained is None or measures.stage - self._first_trained < self._patience:
            return False
        return is_enough(self.measures, patience=self._patience)

    @property
    def chosen(self) -> int | None:
        """The stage chosen from those seen; None if none can be."""
        return choose(self.measures)

    @property
    def reason(self) -> str | None:
        """Why that stage, in one line; None before the first stage."""
        return reason(self.measures) if self.measures else None
