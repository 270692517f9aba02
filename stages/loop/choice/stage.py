"""The measures of the stages that a run holds: reads features and clusters, writes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from schemas.manifest import FeaturesManifest, MetricsManifest, ModelManifest
from schemas.parameters import MergeParameters, TrainParameters
from schemas.stage_names import stage_label
from stages.arrays.device_memory import release
from stages.errors import DbcError, MemoryLimitError
from stages.evaluate.clusters.cameras import same_camera_chance, same_camera_merges
from stages.features.camera_finding import too_few_cameras
from stages.features.extracted_alike import differing, named
from stages.features.prepared import Prepared, prepared
from stages.features.whitening import NothingToWhitenError
from stages.loop.choice.across_cameras import has_cameras
from stages.loop.choice.kept_measures import keep_measures, read_measures
from stages.loop.choice.measures import StageMeasures, measure, spread
from stages.loop.choice.separation import Separation, by_dispersions, separation, tells
from stages.loop.choice.verdict import JoinedPairs, RightPairs, Verdict, last_of_schedule, verdict
from stages.merge.constrained import labels_kept
from stages.reporting import SILENT, Reporter, in_thousandths, pairs_a_second
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.descent import clusters_now, stages_now
from stages.runs.lineage import (
    before_review,
    dataset_of,
    features_and_dataset,
    metrics_of,
    newest_features,
    with_clusters,
)
from stages.runs.next_stage import require_run
from stages.runs.run_directory import (
    RunDirectory,
    clusters_manifest,
    compared_cameras,
    features_manifest,
    metrics_manifest,
    model_manifest,
)
from stages.runs.store import Artifact
from stages.samples import TRAIN, took_few
from stages.train.health import guessed_loss, is_as_guessing
from stages.typing import Int32Array

SAMPLING_SEED = 0
"""Which samples stand for all of them in the silhouettes of a large set."""


def measured_stages(run: RunDirectory, reporter: Reporter = SILENT) -> list[int]:
    """The stages that can be measured, ascending: those with clusters and, if there are any, `init` and 0 with features.

    Stages that do not follow from what the run has now are left out, as `clusters_now` tells.
    """
    merged = clusters_now(run, reporter)
    return [*(stage for stage in stages_now(run, "features") if stage < 1), *merged] if merged else []


def joined_pairs(run: RunDirectory, stage: int) -> JoinedPairs | None:
    """How many of the pairs joined up to `stage` one camera took; None without cameras, or if these took too few to say so."""
    clusters = run.require("clusters", stage)
    camid = _known_cameras(dataset_of(run, clusters))
    if camid is None or took_few(camid):
        return None
    share = same_camera_merges(clusters.read("linkage"), camid)
    return JoinedPairs(share, same_camera_chance(camid), clusters_manifest(clusters).parameters.camera)


def guessing(run: RunDirectory, stages: Iterable[int]) -> frozenset[int]:
    """The stages whose model ended its training with a loss as high as that of guessing."""
    models = {stage: run.newest_up_to("model", stage) for stage in stages}
    manifests = {stage: model_manifest(model) for stage, model in models.items() if model is not None}
    return frozenset(stage for stage, manifest in manifests.items() if _learned_nothing(manifest))


def extracted_unlike(run: RunDirectory, stages: Iterable[int]) -> dict[int, list[str]]:
    """By each of `stages` whose features were extracted otherwise than those of the first: the parameters that differ."""
    manifests = {stage: features_manifest(newest_features(run, stage, SILENT)) for stage in stages}
    first = next(iter(manifests.values()), None)
    found = {stage: [] if first is None else differing(first, each) for stage, each in manifests.items()}
    return {stage: names for stage, names in found.items() if names}


def share_labelled(run: RunDirectory, stage: int) -> float:
    """The share of train samples whose individual a person gave by labels for the clusters of `stage`, if it has any."""
    labels = labels_kept(run, stage) if stage > 0 else None
    return 0.0 if labels is None else float((labels >= 0).mean())


def _learned_nothing(model: ModelManifest) -> bool:
    told, parameters = model.summary, model.parameters
    if told.n_clusters is None or not isinstance(parameters, TrainParameters):
        return False
    return is_as_guessing(told.loss_last, guessed_loss(parameters, told.n_clusters, n_steps=told.n_steps or 0))


def measured(run: RunDirectory, compared: Compared, reporter: Reporter = SILENT) -> list[StageMeasures]:
    """The measures of all `measured_stages`, ascending; `reporter` is told of stages that are left out."""
    return [measure_stage(run, stage, compared=compared) for stage in measured_stages(run, reporter)]


def judge(
    run: RunDirectory, measures: Sequence[StageMeasures] | None = None, *, context: Context = DEFAULT_CONTEXT
) -> Verdict | None:
    """Whether training helped and how far to trust the clusters, as `dbc select` says; None if nothing is merged.

    `measures` are those of all `measured_stages`, which are taken if they are not given.
    """
    require_run(run, context)
    if measures is None:
        run = with_clusters(run, context.reporter.note)
        compared = Compared.of(context)
        measures = measured(run, compared, context.reporter)
    if not measures:
        return None
    joined = joined_pairs(run, last_of_schedule(measures).stage)
    stages = [measured.stage for measured in measures]
    return verdict(
        measures,
        joined=joined,
        guessing=guessing(run, stages),
        unlike=extracted_unlike(run, stages),
        labelled=share_labelled(run, stages[-1]),
        right_pairs=_right_pairs(run, [stage for stage in stages if stage > 0]),
    )


def weak_trust(run: RunDirectory, clusters: Artifact) -> str | None:
    """How far to trust `clusters`, as `judge` says, if each has to be looked at; else None.

    None, too, if `judge` would have to measure a stage first, or if that is about others.
    """
    with suppress(DbcError):
        run = with_clusters(run)
        told = judge(run, measured(run, Compared(only_kept=True)))
        if told is not None and told.shown is not None and told.is_weak:
            return told.trust if run.require("clusters", told.shown).manifest.id == clusters.manifest.id else None
    return None


def right_of(metrics: MetricsManifest) -> RightPairs | None:
    """What `metrics` say of pairs in clusters; None without identities of train samples, or without clusters."""
    share, purity = metrics.summary.pairwise_precision, metrics.summary.purity
    return None if share is None or purity is None else RightPairs(share, purity)


def _right_pairs(run: RunDirectory, stages: Iterable[int]) -> dict[int, RightPairs]:
    """By each of `stages` that was evaluated as it is now, what that said of pairs."""
    found = {stage: metrics_of(run, run.require("clusters", stage), stage) for stage in stages}
    told = {stage: right_of(metrics_manifest(metrics)) for stage, metrics in found.items() if metrics is not None}
    return {stage: right for stage, right in told.items() if right is not None}


class Compared:
    """Train features of one run as its first merge compares them, and how well they separate clusters, the newest kept.

    Stages without training hand their features on: those are whitened and merged anew once. `device` and `memory_limit` are
    as of `prepared`. `reporter` is told, once, if memory lacks for a measure that the choice of a stage looks at, and then
    `lacked_memory` is true; and if a stage was merged or extracted otherwise than the first. With `only_kept` nothing is
    measured anew: `read` raises `DbcError`.
    """

    def __init__(
        self,
        *,
        device: str = "cpu",
        memory_limit: int | None = None,
        reporter: Reporter = SILENT,
        only_kept: bool = False,
    ) -> None:
        self._only_kept = only_kept
        self._device = device
        self._memory_limit = memory_limit
        self._reporter = reporter
        self.lacked_memory = False
        self._first: MergeParameters | None = None
        self._has_told_unlike = False
        self._first_features: FeaturesManifest | None = None
        self._has_told_extracted = False
        self._prepared: tuple[object, Prepared] | None = None
        self._separation: tuple[object, Separation] | None = None

    @staticmethod
    def of(context: Context) -> Compared:
        """Features compared where and with the room that `context` says."""
        return Compared(device=context.own_device, memory_limit=context.memory_limit, reporter=context.reporter)

    def by(self, run: RunDirectory) -> MergeParameters:
        """How all stages of `run` are measured, so that their scores can be compared: as its first merge was made."""
        if self._first is None:
            first = before_review(run, min(clusters_now(run), default=1))
            self._first = clusters_manifest(first).parameters
        return self._first

    def tell_unlike(self, stage: int, measured_by: Mapping[str, object], merged_by: Mapping[str, object]) -> None:
        """Tell once that `stage` was merged by other parameters than the first merge of its run, by which it is measured."""
        if self._has_told_unlike:
            return
        self._has_told_unlike = True
        others = " and ".join(
            f"`{name}`" for name in {**measured_by, **merged_by} if measured_by.get(name) != merged_by.get(name)
        )
        self._reporter.note(
            f"stage {stage} was merged with another value of {others} than the first merge of this run; all stages are "
            "measured as that one compared features, so that their scores can be compared"
        )

    def tell_extracted(self, stage: int, features: Artifact) -> None:
        """Warn once that the `features` of `stage` were extracted otherwise than those that were measured first."""
        manifest = features_manifest(features)
        self._first_features = first = self._first_features or manifest
        names = [] if self._has_told_extracted else differing(first, manifest)
        if names:
            self._has_told_extracted = True
            self._reporter.warn(
                f"the features of stage {stage_label(stage)} were extracted with another value of {named(names)} than those "
                f"of stage {stage_label(first.summary.stage)}: a difference between their scores is not that of training "
                "alone; dbc extract with the same for both makes them comparable"
            )

    def read(self, features: Artifact, dataset: Artifact, parameters: MergeParameters) -> Prepared:
        """Features as `prepared` gives them; do not change them in place."""
        if self._only_kept:
            raise DbcError(f"{features.path} was not measured; do so with: dbc select")
        key = _key(features, dataset, parameters)
        if self._prepared is None or key != self._prepared[0]:
            found = prepared(features, dataset, parameters, device=self._device, memory_limit=self._memory_limit)
            # no stage has ended that would give it back
            release()
            self._prepared = (key, found)
        return self._prepared[1]

    def separation(self, features: Artifact, dataset: Artifact, parameters: MergeParameters) -> Separation:
        """What merging the features anew reaches; empty if memory lacks."""
        key = (_key(features, dataset, parameters), by_dispersions(parameters))
        if self._separation is None or key != self._separation[0]:
            self._separation = (key, self._separates(self.read(features, dataset, parameters), dataset, parameters))
        return self._separation[1]

    def _separates(self, compared: Prepared, dataset: Artifact, parameters: MergeParameters) -> Separation:
        camid = _known_cameras(dataset)
        options: dict[str, Any] = {"camid": camid, "memory_limit": self._memory_limit}
        try:
            with self._reporter.task("merge anew, to compare", total=1000, unit="‰") as advance:
                progress = in_thousandths(advance, pairs_a_second)
                return separation(compared, parameters, sampling_seed=SAMPLING_SEED, progress=progress, **options)
        except MemoryLimitError as error:
            # a run that merges within its limit by another update is not to end for what only looks at it
            if not self.lacked_memory:
                self._reporter.warn(f"stages are compared by fewer measures, and another may be chosen: {error}")
            self.lacked_memory = True
            return Separation()


def measure_stage(run: RunDirectory, stage: int, *, compared: Compared | None = None) -> StageMeasures:
    """The measures of `stage`, under its own features or, if it was never extracted, the newest before.

    They are kept beside its clusters, and read if they are there. All stages are measured as the first merge of the run
    compared features, whatever their own did, because scores of another λ or whitening are no better or worse.
    DbcError if clusters or features are missing or do not belong together.
    """
    merged = stage if stage > 0 else min(clusters_now(run), default=1)
    clusters = run.require("clusters", merged)
    features, dataset = features_and_dataset(run, stage, clusters, SILENT)
    measured = {"clusters": clusters, "features": features, "dataset": dataset}
    request: dict[str, object] = {"stage": stage, **{name: each.manifest.id for name, each in measured.items()}}
    compared = compared or Compared()
    compared.tell_extracted(stage, features)
    # corrected by answers, they end the run as they did before, and nothing was merged otherwise
    first, own = compared.by(run), clusters_manifest(before_review(run, merged)).parameters
    measured_by, merged_by, corrected_by = _measured_by(dataset, first, own, clusters_manifest(clusters).parameters)
    if merged_by != measured_by:
        compared.tell_unlike(stage, measured_by, merged_by)
    if corrected_by != measured_by:
        request["measured_by"] = measured_by
    directory = (clusters if stage > 0 else features).path.parent
    ends = own.ends_run
    kept = read_measures(directory, request)
    if kept is not None:
        return replace(kept, ends_run=ends, is_by_schedule=kept.is_by_schedule and not ends)
    measures = _measured(features, dataset, clusters, first, stage=stage, compared=compared)
    if not compared.lacked_memory:
        keep_measures(directory, request, measures)
    return replace(measures, ends_run=ends, is_by_schedule=measures.is_by_schedule and not ends)


def fewest_likely(
    features: Artifact, dataset: Artifact, parameters: MergeParameters, *, compared: Compared
) -> tuple[int, bool] | None:
    """The fewest of the `Separation.likely_clusters` of `features`, and whether fewer were not looked at.

    None if that is not known. Only other cameras count if they are known.
    """
    separates = compared.separation(features, dataset, parameters)
    likely = separates.likely_clusters
    return None if likely is None else (likely[0], separates.is_open_below(likely))


def _measured(
    features: Artifact,
    dataset: Artifact,
    clusters: Artifact,
    parameters: MergeParameters,
    *,
    stage: int,
    compared: Compared,
) -> StageMeasures:
    own = clusters_manifest(clusters).parameters
    try:
        rows = compared.read(features, dataset, parameters).rows
    except NothingToWhitenError:
        return StageMeasures(stage, clusters_manifest(clusters).summary.n_clusters, 0.0, math.nan, math.nan, spread=0.0)
    labels = clusters.read("labels") if stage > 0 else np.arange(len(rows))
    measures = replace(
        measure(rows, labels, stage=stage, generator=np.random.default_rng(SAMPLING_SEED)),
        is_by_schedule=own.clusterer == "dbc" and not own.ends_run,
        ends_run=own.ends_run,
    )
    is_told, has_camid = tells(parameters), _known_cameras(dataset) is not None
    if stage > 0 and not is_told and not has_camid:
        return replace(measures, spread=_spread(features, dataset))
    separates = compared.separation(features, dataset, parameters)
    likely = separates.likely_clusters
    best = max(separates.silhouette, default=math.nan)
    return replace(
        measures,
        silhouette=measures.silhouette if stage > 0 else math.nan,
        cluster_silhouette=measures.cluster_silhouette if stage > 0 else best,
        separation=best if is_told else math.nan,
        across_cameras=max(separates.across_cameras, default=math.nan),
        camera_mixing=separates.camera_mixing,
        spread=_spread(features, dataset),
        likely_clusters=likely,
        best_clusters=separates.best_clusters,
        is_open_below=separates.is_open_below(likely),
    )


_READ_WITH_FEATURES = frozenset({"camera", "camera_weight", "whiten", "criterion", "metric", "clusterer"})
"""Parameters that `prepared` reads."""


def _measured_by(dataset: Artifact, *merges: MergeParameters) -> list[dict[str, object]]:
    """Those of the parameters of each of `merges` that decide what is measured: by others, scores are not comparable."""
    if any(made_as.camera == "auto" for made_as in merges) and too_few_cameras(_train_cameras(dataset)) is not None:
        ignored = {"camera": "ignored"}
        merges = tuple(each.model_copy(update=ignored) if each.camera == "auto" else each for each in merges)
    return [_decisive(each) for each in merges]


def _decisive(parameters: MergeParameters) -> dict[str, object]:
    # they are for the penalty that `camera='auto'` looks for
    names = _READ_WITH_FEATURES - (set() if parameters.camera == "auto" else {"clusterer", "metric"})
    read = {name: value for name, value in parameters.request().items() if name in names}
    merging = by_dispersions(parameters)
    return {
        "metric": merging.metric,
        **read,
        "lambda_": merging.lambda_,
        "intra_normalizer": merging.intra_normalizer,
    }


def _key(features: Artifact, dataset: Artifact, parameters: MergeParameters) -> tuple[object, ...]:
    """Key of the compared features: they are read again if it changes."""
    asked = parameters.model_dump(include=set(_READ_WITH_FEATURES))
    return features.manifest.arrays["pooled"].sha256, dataset.manifest.id, tuple(asked.values())


def _spread(features: Artifact, dataset: Artifact) -> float:
    return spread(features.read("pooled")[dataset.read("split") == TRAIN])


def _known_cameras(dataset: Artifact) -> Int32Array | None:
    """The cameras (n_train,) of the train samples; None unless `has_cameras`."""
    camid = _train_cameras(dataset)
    return camid if has_cameras(camid) else None


def _train_cameras(dataset: Artifact) -> Int32Array:
    camid: Int32Array = compared_cameras(dataset)[dataset.read("split") == TRAIN]
    return camid
