"""The clusters that end a run: the chosen features, merged to as many clusters as these ask for, or as the user says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.parameters import MergeParameters
from schemas.stage_names import INIT_STAGE, stage_label
from stages.errors import UsageError
from stages.loop.choice.choose import choose
from stages.loop.choice.measures import StageMeasures
from stages.loop.choice.separation import tells
from stages.loop.choice.stage import Compared, fewest_likely, measured
from stages.loop.plan import AS_FEATURES_ASK, NumberAsked
from stages.merge.checks import require_whole
from stages.merge.schedule import require_fewer_clusters
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.lineage import dataset_of, newest_features, with_clusters
from stages.runs.next_stage import last_merge_stage, require_run
from stages.runs.run_directory import RunDirectory, clusters_manifest, dataset_manifest, features_manifest
from stages.wording import so_many


@dataclass(frozen=True)
class LastMerge:
    """The features of `from_stage`, merged until `n_clusters` are left."""

    from_stage: int
    n_clusters: int


def may_end_by_itself(parameters: MergeParameters) -> bool:
    """Whether a run by `parameters` ends with as many clusters as its features ask for, unless it is told otherwise.

    Merges have to begin from single samples, and the silhouette has to say something of identities.
    """
    return parameters.clusterer == "dbc" and parameters.start == "singletons" and tells(parameters)


def last_merge(measures: Sequence[StageMeasures], n_clusters: NumberAsked) -> LastMerge | None:
    """What to merge at the end of a run, from the `measures` of its stages in order, at least one.

    The features are those of the stage that `choose` takes. `n_clusters` may be `AS_FEATURES_ASK`: the fewest that are likely:
    on small sets these agreed better with identities than the fewest near the best silhouette, than as many as have the best,
    or than the schedule leaves (benchmarks/RESULTS.md). The result is None if that is not known. Identity labels are never
    used.
    """
    stages = [each for each in measures if not each.ends_run]
    chosen = choose(stages)
    taken = next((each for each in stages if each.stage == chosen), stages[-1])
    if n_clusters != AS_FEATURES_ASK:
        return LastMerge(taken.stage, n_clusters)
    return None if taken.likely_clusters is None else LastMerge(taken.stage, taken.likely_clusters[0])


def asked_merge(
    run: RunDirectory,
    parameters: MergeParameters,
    n_clusters: NumberAsked,
    *,
    stage: int | None = None,
    from_stage: int | None = None,
    context: Context = DEFAULT_CONTEXT,
) -> tuple[int, LastMerge]:
    """At which stage to merge which features to `n_clusters`, or with 'auto' to as many as they ask for.

    Without `stage` it comes after all others. Without `from_stage` the features are those before `stage`, if it is given, else
    those that `choose` takes. UsageError if the features do not ask for a number, or there are no more samples than clusters
    are asked for, DbcError if there are none.
    """
    if n_clusters != AS_FEATURES_ASK:
        require_whole("n_clusters", n_clusters)
        if n_clusters < 1:
            raise UsageError(f"`n_clusters` must be at least 1, got {n_clusters}")
    require_run(run, context)
    if n_clusters != AS_FEATURES_ASK:
        require_fewer_clusters(n_clusters, dataset_manifest(run.require("dataset")).summary.n_train)
    compared = Compared.of(context)
    is_chosen = from_stage is None
    if from_stage is None and stage is not None:
        from_stage = stage - 1
    elif from_stage is None:
        chosen = choose([each for each in measured(run, compared, context.reporter) if not each.ends_run])
        chosen = _of_clusters_before(run) if chosen is None else chosen
        from_stage = last_merge_stage(run) - 1 if chosen is None else chosen
    stage = last_merge_stage(run) if stage is None else stage
    if from_stage >= stage:
        raise UsageError(f"`from_stage` must come before `stage`, {stage}, got {stage_label(from_stage)}")
    told = ""
    if n_clusters == AS_FEATURES_ASK:
        features = newest_features(run, from_stage, context.reporter)
        found = fewest_likely(features, dataset_of(run, features), parameters, compared=compared)
        if found is None:
            raise UsageError(
                "`n_clusters='auto'` needs three train samples or more, and features that differ; give a number"
            )
        n_clusters, is_open_below = found
        told = "; fewer were not looked at: if there are, give a number" if is_open_below else ""
    # a stage that was not trained may have none of its own
    newest = run.newest_up_to("features", from_stage)
    of = from_stage if newest is None else features_manifest(newest).summary.stage
    if is_chosen and of > 0:
        first = "" if INIT_STAGE in run.stages("features") else "dbc extract --stage init && "
        told += f"; {first}dbc merge --n-clusters {n_clusters} --from-stage init merges those of before training, to compare"
    context.reporter.note(
        f"merging the features of stage {stage_label(of)} to {so_many(n_clusters, 'cluster')}, as stage {stage}{told}"
    )
    return stage, LastMerge(from_stage, n_clusters)


def _of_clusters_before(run: RunDirectory) -> int | None:
    """The stage of whose features the newest clusters are, if pictures were added after them and have such features."""
    before = with_clusters(run)
    if before is run:
        return None
    newest = before.require("clusters", before.stages("clusters")[-1])
    of = clusters_manifest(newest).summary.features_stage
    return of if of in run.stages("features") else None
