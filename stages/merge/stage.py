"""The merge stage: clusters S from clusters S − 1, or from singletons, and the features of the newest stage before S."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from schemas.manifest import ClustersManifest, Execution
from schemas.parameters import MergeParameters
from schemas.rules import is_read
from schemas.stage_names import stage_label
from schemas.summaries import ClustersSummary
from stages.arrays.backend import namespace_for
from stages.arrays.device_memory import stage_memory
from stages.constraints.stage import AskedConstraints, asked_or_default, labels_of
from stages.errors import DbcError, UsageError
from stages.features.camera_finding import CameraFinding
from stages.features.prepared import Prepared, prepared
from stages.merge.by_parameters import merge_as
from stages.merge.clustering import Task, cluster_as, without_merges
from stages.merge.constrained import (
    KnownBefore,
    labels_kept,
    made_for_merge,
    read_for_merge,
    require_in_source,
    require_kept_apart,
)
from stages.merge.corrected import corrected
from stages.merge.linkage import empty_linkage, extend_linkage
from stages.merge.result import StageMerges
from stages.merge.schedule import (
    initial_labels,
    least_merge_percent,
    number_of_merges,
    require_fewer_clusters,
    stage_merges,
)
from stages.merge.selection.links import PairConstraints
from stages.processes import Processes, all_processes
from stages.reporting import Keeping, Reporter, in_thousandths, pairs_a_second
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.lineage import (
    before_review,
    broken_chain,
    dataset_of,
    newest_features,
    parent_of,
    require_same_dataset,
    tell_of_chain,
)
from stages.runs.making import Computed, Made, Request, make_artifact
from stages.runs.next_stage import next_merge, numbered, require_call
from stages.runs.run_directory import (
    RunDirectory,
    clusters_manifest,
    dataset_manifest,
    features_manifest,
    require_stage,
)
from stages.runs.store import Artifact, Writer, open_artifact
from stages.samples import TRAIN
from stages.typing import Float64Array, Int32Array, Int64Array
from stages.wording import so_many


@dataclass(frozen=True)
class Inputs:
    """What the merge reads: train features as it compares them, the labels (n_train) and linkage they are merged from, and
    what is `known` of samples.
    """

    prepared: Prepared
    labels: Int64Array
    linkage: Float64Array
    known: KnownBefore


MOSTLY_ALONE = 0.9
"""Above this share of samples without a label, of which each is alone, likeness joined hardly any."""
MergeBy = Callable[..., StageMerges]
"""`merge_as` by the parameters, in the place and with the room of this stage."""


def merge(
    run: RunDirectory,
    *,
    stage: int | None = None,
    parameters: MergeParameters,
    from_stage: int | None = None,
    constraints: AskedConstraints | None = None,
    context: Context = DEFAULT_CONTEXT,
) -> Made:
    """Make the clusters of `stage` (default: the next), or find them up to date.

    Features, and with `start` 'previous' clusters, are those of `from_stage` (default: the stage before, and for a correction
    that whose features the clusters were made from); where that was never extracted, features are the newest before it.
    Clusters that were made with all that is known are not corrected.
    The `constraints` that are asked for, by default those of the run, become an artifact and a parent if there are any; a dry
    run may end with them. Raises UsageError if there are no more clusters than `n_clusters` or `from_stage` comes later,
    DbcError where a parent is missing or they do not belong together, and what `make_constraints` and `merge_stage` raise.
    """
    require_call(run, stage, parameters, MergeParameters, context)
    reviewed = parameters.start == "reviewed"
    if stage is None:
        stage = max(run.stages("clusters"), default=1) if reviewed else next_merge(run)
    stage = numbered(stage, command="dbc merge", first=1)
    before = _stage_before(run, stage, from_stage, parameters)
    warned = Keeping(context.reporter)
    features = newest_features(run, before, warned)
    dataset = dataset_of(run, features)
    require_in_source(dataset, parameters)
    previous = _previous(run, stage, before, parameters)
    if previous is not None:
        require_same_dataset(previous, dataset)
    asked = _with_labels(asked_or_default(constraints), run, stage, parameters, context.reporter)
    told = made_for_merge(run, dataset, parameters, asked, context=context)
    if told is not None and told.artifact is None:
        return told
    known = None if told is None else told.artifact
    if reviewed and (kept := _kept(run, stage, previous, known, context)) is not None:
        return kept
    tell_of_chain(run, features, previous, warned)
    device = context.own_device
    namespace_for(device)
    request = Request(
        kind="clusters",
        stage=stage,
        manifest=ClustersManifest,
        parameters=parameters,
        parents=tuple(parent for parent in (dataset, features, previous, known) if parent is not None),
        notes=tuple(warned.warned),
    )

    processes = all_processes()

    @stage_memory("give `device='cpu'`")
    def compute(writer: Writer) -> Computed:
        # before features are whitened, which leaves something in the run
        merges = parameters.clusterer == "dbc" and not reviewed
        n_merges = _n_merges(dataset, previous, stage, parameters) if merges else 0
        inputs = _inputs(
            dataset, features, previous, known, parameters, device=device, memory_limit=context.memory_limit
        )
        _tell(inputs, parameters, stage=stage, reporter=context.reporter)
        n_samples, dim = inputs.prepared.rows.shape
        own = device if parameters.clusterer == "dbc" else "cpu"
        backend = namespace_for(own, n_products=float(n_samples) ** 2 * dim)
        merge_by = partial(
            merge_as,
            parameters,
            camera_weight=inputs.prepared.camera_weight,
            memory_limit=context.memory_limit,
            processes=processes,
            backend=backend,
        )
        if reviewed:
            result, linkage = without_merges(_corrected(inputs, merge_by)), empty_linkage()
        elif parameters.clusterer == "dbc":
            result = _merge(inputs, n_merges, merge_by, metric=parameters.metric, reporter=context.reporter)
            _tell_fewer(result, n_merges, parameters.n_clusters, inputs.known.labels, context.reporter)
            linkage = extend_linkage(inputs.linkage, inputs.labels, result)
        else:
            camid = dataset.read("camid")[dataset.read("split") == TRAIN]
            result = _clustered(inputs, parameters, camid, processes, stage=stage, context=context)
            linkage = empty_linkage()
        _write(writer, result, linkage)
        finding = inputs.prepared.finding
        if finding is not None and stage == 1:
            context.reporter.note(finding.told)
        summary = _summary(result, finding, stage=stage, features_stage=features_manifest(features).summary.stage)
        execution = Execution(
            backend=backend.library, device=backend.device, precision=_precision(result), processes=processes.size
        )
        return Computed(summary, execution, notes=broken_chain(run, features, previous))

    return _tell_of_corrected(run, make_artifact(run, request, compute, context=context, shared=True), context.reporter)


def _stage_before(run: RunDirectory, stage: int, from_stage: int | None, parameters: MergeParameters) -> int:
    """The stage whose features the merges of `stage` compare, and whose clusters they may go on from."""
    if from_stage is not None:
        require_stage(from_stage, "from_stage")
    if parameters.start == "reviewed" and parameters.n_clusters is not None:
        raise UsageError("`n_clusters` is for merges, and `start='reviewed'` makes none; leave one of them out")
    if from_stage is not None and from_stage >= stage:
        raise UsageError(f"`from_stage` must come before `stage`, {stage}, got {stage_label(from_stage)}")
    if from_stage is None and parameters.start == "reviewed":
        return clusters_manifest(before_review(run, stage)).summary.features_stage
    return stage - 1 if from_stage is None else from_stage


def _kept(
    run: RunDirectory, stage: int, previous: Artifact | None, known: Artifact | None, context: Context
) -> Made | None:
    """The clusters `previous`, with a note, if merges made them with the constraints `known` or there are none now: so they
    stay, or are taken again if other answers corrected them. None if there is something to correct.
    """
    if previous is None:
        return None
    before, made_as = parent_of(previous, "constraints"), clusters_manifest(previous).parameters
    is_same = known is not None and before is not None and before.id == known.manifest.id
    if known is not None and not (is_same and made_as.clusterer == "dbc"):
        return None
    why = "there are no answers" if known is None else "clusters were made with all that is known"
    context.reporter.note(f"{why}, so nothing is corrected; dbc review asks for answers")
    parents = tuple(run.resolve(parent) for parent in previous.manifest.parents)
    request = Request("clusters", stage, ClustersManifest, made_as, parents)
    made = make_artifact(run, request, lambda _: previous, context=context.without_force())
    return _tell_of_corrected(run, made, context.reporter)


def _previous(run: RunDirectory, stage: int, before: int, parameters: MergeParameters) -> Artifact | None:
    """The clusters that merges go on from, or that answers correct; None if merges begin with single samples."""
    if parameters.start == "reviewed":
        return before_review(run, stage)
    goes_on = parameters.start == "previous" and parameters.clusterer == "dbc"
    return run.require("clusters", before) if before > 0 and goes_on else None


def _with_labels(
    asked: AskedConstraints, run: RunDirectory, stage: int, parameters: MergeParameters, reporter: Reporter
) -> AskedConstraints:
    """`asked`, with the labels that reviewed clusters were made with; a note if others had labels and none are given."""
    if asked.labels is not None:
        return asked
    if parameters.start == "reviewed":
        known = labels_kept(run, stage)
        if known is not None:
            reporter.note(
                f"labels that these clusters were made with hold on: {so_many(int((known >= 0).sum()), 'sample')}"
            )
        return replace(asked, known=known)
    there = run.newest_up_to("clusters", stage)
    if there is not None and labels_of(run, there) is not None:
        reporter.note("clusters that are there were made with labels; for these, too, give `labels`")
    return asked


def _tell_of_corrected(run: RunDirectory, made: Made, reporter: Reporter) -> Made:
    """`made`, with a warning if it takes the place of clusters that were the newest and that answers had corrected."""
    taken, stage = made.artifact, made.stage
    if taken is None or made.found_version in (None, taken.version):
        return made
    before = open_artifact(run.directory("clusters", stage), taken.version - 1)
    if clusters_manifest(before).parameters.start == "reviewed" != clusters_manifest(taken).parameters.start:
        reporter.warn(
            f"commands no longer take the clusters of stage {stage} that answers corrected (v{before.version}); "
            f"dbc merge --start reviewed --stage {stage} takes them again"
        )
    return made


def _inputs(
    dataset: Artifact,
    features: Artifact,
    previous: Artifact | None,
    known: Artifact | None,
    parameters: MergeParameters,
    *,
    device: str,
    memory_limit: int | None,
) -> Inputs:
    # what is corrected keeps to what it was made with
    made_as = clusters_manifest(previous).parameters if previous and parameters.start == "reviewed" else parameters
    told = read_for_merge(dataset, known, made_as)
    labels = None if previous is None else previous.read("labels")
    if previous is not None and labels is not None and parameters.start == "previous":
        require_kept_apart(previous, labels, told.constraints, dataset)
    found = prepared(features, dataset, parameters, device=device, memory_limit=memory_limit)
    if previous is None or labels is None:
        return Inputs(found, initial_labels(len(found.rows)), empty_linkage(), told)
    return Inputs(found, labels, previous.read("linkage"), told)


def _tell(inputs: Inputs, parameters: MergeParameters, *, stage: int, reporter: Reporter) -> None:
    """Notes before a merge: known pairs, and `k1` beyond the number of samples."""
    known, n_samples = inputs.known, len(inputs.prepared.rows)
    if is_read("k1", dict(parameters)) and parameters.k1 >= n_samples:
        reporter.note(f"`k1={parameters.k1}` is not less than the {n_samples} samples, so all are neighbours")
    if note := known.note(stage=stage):
        reporter.note(note)


def _tell_fewer(
    result: StageMerges, n_merges: int, n_clusters: int | None, known: Int64Array | None, reporter: Reporter
) -> None:
    """Note what known pairs made of the merges and clusters that were asked for."""
    if n_clusters is not None:
        _tell_alone(result, known, reporter)
    n_made, n_found = len(result.merges), int(result.labels.max()) + 1
    if n_clusters is not None and n_found < n_clusters:
        reporter.note(f"clusters that are left instead of {n_clusters}: {n_found}; what is known joins more than that")
    if n_made < n_merges:
        reporter.note(
            f"{n_made} of {n_merges} merges could be made: answers, views or the data keep the other clusters apart"
        )


def _tell_alone(result: StageMerges, known: Int64Array | None, reporter: Reporter) -> None:
    """Warn if labels were given and hardly any sample without one joined another."""
    if known is None or (n_unlabelled := int((known < 0).sum())) < 2:
        return
    n_alone = int((np.bincount(result.labels)[result.labels[known < 0]] == 1).sum())
    if n_alone > MOSTLY_ALONE * n_unlabelled:
        reporter.warn(
            f"samples without a label that are alone: {n_alone} of {n_unlabelled}; to put them together by likeness give a "
            f"smaller `n_clusters`, from {int(known.max()) + 1} on, as many as are named"
        )


def _tell_trivial(result: StageMerges, parameters: MergeParameters, reporter: Reporter) -> None:
    """Warn of a method that parts nothing, or joins nothing."""
    n_samples, n_clusters = len(result.labels), int(result.labels.max()) + 1
    if result.selected is None and n_samples > 1 and n_clusters in (1, n_samples):
        found = "leaves all {} samples single" if n_clusters > 1 else "puts all {} samples into one cluster"
        eps = "a larger `eps` joins more" if n_clusters > 1 else "a smaller `eps` joins less"
        advice = f"; {eps}" if parameters.clusterer == "dbscan" else ""
        reporter.warn(f"`clusterer={parameters.clusterer!r}` {found.format(n_samples)}{advice}")


def _n_merges(dataset: Artifact, previous: Artifact | None, stage: int, parameters: MergeParameters) -> int:
    """How many merges `stage` makes of the clusters `previous`, or of single samples."""
    n_samples = dataset_manifest(dataset).summary.n_train
    n_before = n_samples if previous is None else clusters_manifest(previous).summary.n_clusters
    if parameters.n_clusters is not None:
        what = (
            "train samples"
            if previous is None
            else f"clusters of stage {clusters_manifest(previous).summary.stage}, which `start='previous'` merges"
        )
        require_fewer_clusters(parameters.n_clusters, n_before, what)
        return n_before - parameters.n_clusters
    n_merges = stage_merges(n_samples, parameters.merge_percent, stage=stage, start=parameters.start)
    if n_merges == 0:
        raise DbcError(
            f"`merge_percent={parameters.merge_percent}` makes no merge among {so_many(n_samples, 'train sample')}; "
            f"give {least_merge_percent(n_samples)} or more"
        )
    if n_merges >= n_before:
        raise UsageError(
            f"`stage={stage}` makes {so_many(n_merges, 'merge')} (`merge_percent={parameters.merge_percent}`), which must "
            f"be fewer than the {so_many(n_before, 'cluster')} before them; give an earlier stage or a smaller `merge_percent`"
        )
    return n_merges


def _corrected(inputs: Inputs, merge_by: MergeBy) -> Int64Array:
    """The labels that the inputs have, corrected by what is known."""
    rows, camid = inputs.prepared.rows, inputs.prepared.camid

    def merge_anew(members: Int64Array, constraints: PairConstraints) -> Int64Array:
        own, n_merges = None if camid is None else camid[members], len(members) - 1
        singles = initial_labels(len(members))
        return merge_by(rows[members], singles, n_merges, camid=own, constraints=constraints).labels

    return corrected(inputs.labels, inputs.known.constraints, merge_anew)


def _merge(inputs: Inputs, n_merges: int, merge_by: MergeBy, *, metric: str, reporter: Reporter) -> StageMerges:
    n_clusters = int(inputs.labels.max()) + 1
    with reporter.task(f"merge {so_many(n_clusters, 'cluster')}", total=1000, unit="‰") as advance:
        speed = (lambda rate: f"{rate:.0f} samples and merges/s") if metric == "jaccard" else pairs_a_second
        progress = in_thousandths(advance, speed)
        rows, camid, known = inputs.prepared.rows, inputs.prepared.camid, inputs.known.constraints
        return merge_by(rows, inputs.labels, n_merges, camid=camid, progress=progress, constraints=known)


def _clustered(
    inputs: Inputs,
    parameters: MergeParameters,
    camid: Int32Array,
    processes: Processes,
    *,
    stage: int,
    context: Context,
) -> StageMerges:
    """The clusters of another method, which is told if it parts or joins nothing."""
    n_clusters = len(inputs.labels) - stage * number_of_merges(len(inputs.labels), parameters.merge_percent)
    task = Task(
        inputs.prepared.rows,
        parameters,
        max(1, n_clusters),
        context.memory_limit,
        processes,
        stage=stage,
        known=inputs.known.labels,
        camid=camid,
    )
    result = cluster_as(task)
    _tell_trivial(result, parameters, context.reporter)
    return result


def _write(writer: Writer, result: StageMerges, linkage: Float64Array) -> None:
    for name in ("labels", "merges", "criterion", "inter", "intra", "sizes"):
        writer.array(name, getattr(result, "distance" if name == "criterion" else name))
    writer.array("linkage", linkage)
    for name in ("selected", "weights"):
        if (of_samples := getattr(result, name)) is not None:
            writer.array(name, of_samples)


def _precision(result: StageMerges) -> str:
    return "float64" if result.pairs_in is None else f"float64, pairs found in {result.pairs_in}"


def _summary(result: StageMerges, finding: CameraFinding | None, *, stage: int, features_stage: int) -> ClustersSummary:
    sizes = np.bincount(result.labels)
    return ClustersSummary(
        stage=stage,
        features_stage=features_stage,
        n_samples=len(result.labels),
        n_clusters=len(sizes),
        n_merges=len(result.merges),
        n_singletons=int((sizes == 1).sum()),
        largest_cluster=int(sizes.max()),
        criterion_first=float(result.distance[0]) if len(result.distance) else None,
        criterion_last=float(result.distance[-1]) if len(result.distance) else None,
        camera=None if finding is None else finding.summary(),
    )
