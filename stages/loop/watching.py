"""The stages of a run as they are done: measured without identity labels, to stop in time and to judge at the end."""

from __future__ import annotations

from stages.loop.choice.measures import StageMeasures
from stages.loop.choice.stage import Compared, joined_pairs, measure_stage
from stages.loop.choice.verdict import Verdict, verdict
from stages.loop.run_stages import StageRow
from stages.loop.stopping import Stopping
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory


class Watch:
    """What `run_stages` asks after each stage: it measures the stage, and says whether to leave the later ones.

    Without `stopping` it never does. The stages before the first merge are measured with it, as it compares features.
    """

    def __init__(self, context: Context, stopping: Stopping | None = None) -> None:
        self.measures: list[StageMeasures] = []
        self._context = context
        self._stopping = stopping
        self._compared = Compared(memory_limit=context.memory_limit)
        self._rows: list[StageRow] = []

    def __call__(self, row: StageRow) -> bool:
        """Measure the stage of `row`; True if later stages may be left."""
        self._rows.append(row)
        if row.stage < 1:
            return False
        waiting = [row] if self.measures else self._rows
        stops = [self._add(row.run, waited) for waited in waiting]
        # processes go on together or not at all
        return bool(self._context.processes.from_leader({"enough": stops[-1]})["enough"])

    def _add(self, run: RunDirectory, row: StageRow) -> bool:
        self.measures.append(measure_stage(run, row.stage, compared=self._compared))
        if self._stopping is None:
            return False
        return self._stopping.add(self.measures[-1], is_trained=bool(row.model.summary.n_steps))

    def verdict(self) -> Verdict | None:
        """Whether training helped, beside what known identities say; None before the first merge."""
        if not self.measures:
            return None
        known = {row.stage: row.metrics.summary.mAP for row in self._rows if row.metrics.summary.mAP is not None}
        return verdict(
            self.measures, joined=joined_pairs(self._rows[-1].run, self._rows[-1].stage), mean_average_precision=known
        )
