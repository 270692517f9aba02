"""The stages of a run as they are done: measured without identity labels, to stop in time and to judge at the end."""

from __future__ import annotations

from dataclasses import replace

from stages.ingest.light import told_apart, told_views_apart
from stages.ingest.near_copies import told_copies, told_empty
from stages.loop.choice.measures import StageMeasures
from stages.loop.choice.stage import (
    Compared,
    extracted_unlike,
    guessing,
    joined_pairs,
    measure_stage,
    right_of,
    share_labelled,
)
from stages.loop.choice.verdict import Verdict, last_of_schedule, verdict
from stages.loop.last_clusters import LastMerge, last_merge
from stages.loop.plan import AS_FEATURES_ASK, NumberAsked
from stages.loop.run_stages import StageRow
from stages.loop.stopping import Stopping
from stages.runs.context import Context
from stages.runs.lineage import dataset_of
from stages.runs.run_directory import RunDirectory, clusters_manifest, dataset_manifest

WATCHED_SAMPLES = 100_000
"""Train samples that a run without `stopping` is watched at, at most: silhouettes hold a mean of every cluster in float64."""


class Watch:
    """What `run_stages` asks after each stage: it measures the stage, and says whether to leave the later ones.

    Without `stopping` it never does, and does not measure more than `WATCHED_SAMPLES`. The stages before the first merge
    are measured with it, as it compares features. `waits`: a stage is measured only if all are done, because to measure what
    is there takes longer than to look for it.
    """

    def __init__(self, context: Context, stopping: Stopping | None = None, *, waits: bool = False) -> None:
        self.measures: list[StageMeasures] = []
        self._context = context
        self._stopping = stopping
        self._waits = waits
        self._compared = Compared.of(context)
        self._rows: list[StageRow] = []

    def __call__(self, row: StageRow) -> bool:
        """Measure the stage of `row`; True if later stages may be left."""
        self._rows.append(row)
        if self._waits or row.stage < 1 or not self._is_watched(row):
            return False
        waiting = [row] if self.measures else self._rows
        stops = [self._add(row.run, waited) for waited in waiting]
        # processes go on together or not at all
        return bool(self._context.processes.from_leader({"enough": stops[-1]})["enough"])

    def last_merge(self, n_clusters: NumberAsked | None) -> LastMerge | None:
        """The merge that ends the run, to `n_clusters` or, if that is `AS_FEATURES_ASK`, as many as its features do.

        None if `n_clusters` is, or if that is not known. A run that is not watched ends with the features of its last stage.
        """
        if n_clusters is None:
            return None
        last = self._rows[-1]
        if not self.measures and last.stage > 0 and self._is_watched(last):
            self.measures = [measure_stage(row.run, row.stage, compared=self._compared) for row in self._rows]
        if not self.measures:
            return LastMerge(last.stage, n_clusters) if n_clusters != AS_FEATURES_ASK else None
        found = last_merge(self.measures, n_clusters)
        told = {"found": None if found is None else [found.from_stage, found.n_clusters]}
        # processes merge the same or not at all
        agreed = self._context.processes.from_leader(told)["found"]
        return None if agreed is None else LastMerge(*agreed)

    def _is_watched(self, row: StageRow) -> bool:
        n_samples = dataset_manifest(row.run.require("dataset")).summary.n_train
        if self._stopping is not None or n_samples <= WATCHED_SAMPLES:
            return True
        if not any(before.stage > 0 for before in self._rows[:-1]):
            self._context.reporter.note(
                f"whether training helped is not measured of {n_samples} train samples, more than {WATCHED_SAMPLES}; "
                "dbc select does so. Nor do clusters end the run that the features ask for; `n_clusters` gives a number"
            )
        return False

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
        last = next(row for row in reversed(self._rows) if row.stage == last_of_schedule(self.measures).stage)
        found = verdict(
            self.measures,
            joined=joined_pairs(last.run, last.stage),
            mean_average_precision=known,
            n_queries=last.metrics.summary.n_queries,
            guessing=guessing(last.run, [row.stage for row in self._rows]),
            unlike=extracted_unlike(last.run, [each.stage for each in self.measures]),
            labelled=share_labelled(last.run, last.stage),
            right_pairs={row.stage: right for row in self._rows if (right := right_of(row.metrics))},
        )
        if found is None or found.shown is None:
            return found
        clusters = last.run.require("clusters", found.shown)
        dataset = dataset_of(last.run, clusters)
        labels = clusters.read("labels")
        by_view = clusters_manifest(clusters).parameters.view == "apart"
        apart = (told_apart(dataset, labels), None if by_view else told_views_apart(dataset, labels))
        # across cameras, copies within one raise no silhouette
        is_across = any(measured.known("across_cameras") is not None for measured in self.measures)
        copies = None if is_across else told_copies(dataset)
        empty = told_empty(last.run, clusters, dataset)
        return replace(found, warnings=(*found.warnings, *filter(None, (*apart, copies)), *empty))
