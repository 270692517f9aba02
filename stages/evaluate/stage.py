"""The evaluate stage: retrieval on query and gallery, clusters on train; the one stage that reads identities."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from schemas.manifest import Execution, MetricsManifest
from schemas.parameters import EvaluateParameters
from schemas.stage_names import stage_label
from schemas.summaries import MetricsSummary
from stages.arguments import path_of
from stages.arrays.backend import Backend, namespace_for
from stages.arrays.device_memory import stage_memory
from stages.constraints.labels import read_labels
from stages.constraints.stage import labels_of, newer_than
from stages.errors import DbcError, UsageError
from stages.evaluate.clusters.agreement import Agreement, measure_agreement, told_of_labelled, without_labels
from stages.evaluate.clusters.cameras import same_camera_chance, same_camera_merges
from stages.evaluate.clusters.compactness import Compactness, measure_compactness
from stages.evaluate.retrieval.metrics import (
    LEFT_OUT_QUERIES,
    RetrievalMetrics,
    RetrievalOptions,
    leave_one_out,
    retrieval_of,
)
from stages.evaluate.retrieval.reranking import Reranking
from stages.features.camera_finding import CameraFinding
from stages.features.camera_whitening import Whitenings
from stages.features.extracted_alike import warn_of_unlike_before
from stages.features.kept_whitening import whitening_of
from stages.features.prepared import found_by_camera, require_whitening_room
from stages.features.whitening import NOT_WHITENED, NothingToWhitenError
from stages.ingest.formats.names import one_individual_note
from stages.ingest.known_later import KnownLater, read_known_later
from stages.reporting import Keeping, Reporter
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.lineage import broken_chain, features_and_dataset
from stages.runs.making import Computed, Made, Request, make_artifact
from stages.runs.next_stage import next_evaluate, require_call
from stages.runs.run_directory import RunDirectory, compared_cameras, features_manifest
from stages.runs.store import Artifact, Writer
from stages.samples import DISTRACTOR, GALLERY, QUERY, TRAIN, UNKNOWN
from stages.typing import BoolArray, Float32Array, Float64Array, Int32Array, Int64Array, UInt8Array

_RETRIEVAL = tuple(field.name for field in dataclasses.fields(RetrievalMetrics))
SAMPLING_SEED = 0
"""Seed that draws the samples for the silhouette of a large set."""
MANY_LEFT_OUT = 0.1
"""Of the queries: if more have no match, it is said."""
_OF_SEVERAL = (
    *("ari", "ami", "nmi", "homogeneity", "completeness", "v_measure", "purity"),
    *("pairwise_precision", "pairwise_f", "bcubed_precision", "bcubed_f"),
)
"""Measures that say nothing where one identity is known: they are 0 or 1 whatever the clusters are."""


@dataclass(frozen=True)
class Evaluated:
    """The arrays to evaluate: features by split, train labels (n_train) and their linkage so far, ids and splits
    (n_samples), and encounters too if the source gives them."""

    features: MeasuredFeatures
    labels: Int64Array
    linkage: Float64Array
    pid: Int32Array
    camid: Int32Array
    split: UInt8Array
    encounter: Int32Array | None = None

    @property
    def is_ranked(self) -> BoolArray:
        """Whether each sample is a query or in the gallery (n_samples, bool)."""
        return self.is_in_gallery | np.equal(self.split, QUERY)

    @property
    def is_in_gallery(self) -> BoolArray:
        """Whether each sample is in the gallery (n_samples, bool): without queries, each train sample is."""
        return np.equal(self.split, GALLERY if (self.split == QUERY).any() else TRAIN)

    @property
    def is_of_one(self) -> bool:
        """Whether all samples that are ranked are of one identity, so that no match can be wrong."""
        ranked = self.pid[self.is_in_gallery & (self.pid >= 0)]
        return len(ranked) > 0 and ranked.min() == ranked.max() > 0


def evaluate(
    run: RunDirectory,
    *,
    stage: int | None = None,
    parameters: EvaluateParameters,
    ids: Path | str | None = None,
    labels: Path | str | None = None,
    labels_are_clusters: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> Made:
    """Measure `stage` (default: the newest with features or clusters), or find its metrics up to date.

    Features are those of the stage or, if it was never extracted, the newest before; clusters those of the stage, single
    samples at stage 0 and `init`. Without queries, each train sample with an identity is asked for among all other train
    samples. Identities that the merge was told as labels are not measured, unless
    `labels_are_clusters` of another program; single samples are measured as clusters made with `labels` are. Raises DbcError
    if they are missing or do not belong together.
    """
    require_call(run, stage, parameters, EvaluateParameters, context)
    ids, labels = (None if at is None else path_of(name, at) for name, at in (("ids", ids), ("labels", labels)))
    stage = next_evaluate(run) if stage is None else stage
    device = context.own_device
    namespace_for(device)
    clusters, told = run.require("clusters", stage) if stage > 0 else None, Keeping(context.reporter)
    features, dataset = features_and_dataset(run, stage, clusters, told)
    broken = broken_chain(run, features, clusters)
    given, of_clusters = _labels_told(run, clusters, are_clusters=labels_are_clusters, reporter=context.reporter)
    digest = ""
    if clusters is None and labels is not None:
        given, *_ = read_labels(labels, dataset)
        digest = hashlib.sha256(given.tobytes()).hexdigest()
    split, pid = dataset.read("split"), dataset.read("pid")
    more = {
        "without_labels": given is not None,
        "labels_digest": digest,
        "without_distractors": ids is None and bool((pid[split == TRAIN] == DISTRACTOR).any()),
    }
    if ids is not None:
        known = read_known_later(ids, dataset, newer_than(run, dataset))
        _tell_known(known, context.reporter)
        pid, more["ids_digest"] = known.pid, known.digest
    more["leave_one_out"] = not (split == QUERY).any() and bool((pid[split == TRAIN] > 0).any())
    parameters = parameters.model_copy(update=more)
    request = Request(
        kind="metrics",
        stage=stage,
        manifest=MetricsManifest,
        parameters=parameters,
        parents=(dataset, features) if clusters is None else (dataset, features, clusters),
        seeds={"sampling": SAMPLING_SEED},
        notes=(*told.warned, *of_clusters),
    )

    @stage_memory("give `device='cpu'`")
    def compute(writer: Writer) -> Computed:
        before = _same_before(run, stage, dataset, features, parameters)
        splits = (TRAIN, QUERY, GALLERY) if before is None else (TRAIN,)
        data = _read(
            dataset, features, clusters, parameters, splits=splits, device=device, memory_limit=context.memory_limit
        )
        data, is_train = replace(data, pid=pid), split == TRAIN
        own_pid, n_told = without_labels(pid[is_train], given)
        with context.reporter.task(f"evaluate stage {stage_label(stage)}", total=3, unit="parts") as advance:
            if before is None:
                of, rows = (TRAIN, TRAIN) if parameters.leave_one_out else (QUERY, GALLERY), data.features.of_split
                backend = namespace_for(device, n_products=float(len(rows[of[0]])) * rows[of[1]].size)
                retrieval = _retrieval(data, parameters, backend, own_pid > 0)
                execution = Execution(backend=backend.library, device=backend.device)
            else:
                retrieval, execution = before
            advance(1, "retrieval")
            agreement = measure_agreement(data.labels, own_pid, data.camid[is_train])
            advance(1, "clusters")
            generator = np.random.default_rng(SAMPLING_SEED)
            compactness = measure_compactness(data.features.of_split[TRAIN], data.labels, generator=generator)
            advance(1, "compactness")
        for name in _RETRIEVAL:
            writer.array(name, getattr(retrieval, name))
        features_stage = features_manifest(features).summary.stage
        summary = _summary(
            data, retrieval, agreement, compactness, parameters, stage=stage, features_stage=features_stage
        )
        notes = (*broken, *data.features.notes, *_notes(data, retrieval, agreement, parameters, n_told))
        return Computed(summary, execution, notes=notes)

    outcome = make_artifact(run, request, compute, context=context)
    warn_of_unlike_before(run, features, context.reporter)
    _tell_notes(outcome, context.reporter)
    return outcome


def _tell_notes(made: Made, reporter: Reporter) -> None:
    for note in () if made.artifact is None else made.artifact.manifest.notes:
        reporter.note(note)


def _tell_known(known: KnownLater, reporter: Reporter) -> None:
    """Say what a table gives: not in the notes of the artifact, which another file that says the same finds again."""
    reporter.note(known.note)
    if doubt := one_individual_note(known.names):
        reporter.warn(f"`ids`: {doubt}")


def _labels_told(
    run: RunDirectory, clusters: Artifact | None, *, are_clusters: bool, reporter: Reporter
) -> tuple[Int64Array | None, tuple[str, ...]]:
    """(the labels whose samples are not measured, None if there are none; notes, if they are another program's clusters)."""
    given = None if clusters is None else labels_of(run, clusters)
    if given is None and are_clusters:
        reporter.note("`labels_are_clusters=True` has no effect: no merge of this stage was told `labels`")
    if given is None or not are_clusters:
        return given, ()
    told = "labels that the merge was told are measured as another program's clusters"
    return None, (f"{told}: of identities, these figures say nothing",)


def _same_before(
    run: RunDirectory, stage: int, dataset: Artifact, features: Artifact, parameters: EvaluateParameters
) -> tuple[RetrievalMetrics, Execution] | None:
    """The retrieval of the stage before, if it is of the same features, handed on without training; None if not.

    Retrieval is of the features alone, so it is the same. What cannot be read is measured, and so are
    train samples of which a merge was told some, maybe others than before.
    """
    if parameters.leave_one_out and parameters.without_labels:
        return None
    try:
        found, of = run.find("metrics", stage - 1), run.find("features", stage - 1)
        if found is None or of is None or found.manifest.parameters != parameters:
            return None
        has_parents = {dataset.manifest.id, of.manifest.id} <= {parent.id for parent in found.manifest.parents}
        if not has_parents or of.manifest.arrays["pooled"].sha256 != features.manifest.arrays["pooled"].sha256:
            return None
        return RetrievalMetrics(**{name: found.read(name) for name in _RETRIEVAL}), found.manifest.execution
    except (DbcError, UsageError):
        return None


def _read(
    dataset: Artifact,
    features: Artifact,
    clusters: Artifact | None,
    parameters: EvaluateParameters,
    *,
    splits: Sequence[int],
    device: str,
    memory_limit: int | None,
) -> Evaluated:
    split = dataset.read("split")
    n_train = int((split == TRAIN).sum())
    labels = np.arange(n_train) if clusters is None else clusters.read("labels")
    linkage = np.empty((0, 4)) if clusters is None else clusters.read("linkage")
    if len(labels) != n_train:
        path = features.path if clusters is None else clusters.path
        raise DbcError(f"{path} must have a label for each of {n_train} train samples, got {len(labels)}; merge again")
    camid = dataset.read("camid")
    cameras = compared_cameras(dataset)
    compared = measured_features(
        features, cameras, split, parameters, splits=splits, device=device, memory_limit=memory_limit
    )
    encounter = dataset.read("encounter") if "encounter" in dataset.manifest.arrays else None
    return Evaluated(compared, labels, linkage, dataset.read("pid"), camid, split, encounter)


@dataclass(frozen=True)
class MeasuredFeatures:
    """The features to measure, by split, of its samples in dataset order; notes on them, and what was found on cameras."""

    of_split: Mapping[int, Float32Array]
    notes: tuple[str, ...] = ()
    finding: CameraFinding | None = None

    def in_order(self, split: UInt8Array) -> Float32Array:
        """Features of all samples (n_samples, d) in dataset order."""
        rows = np.empty((len(split), self.of_split[TRAIN].shape[1]), dtype=np.float32)
        for number, own in self.of_split.items():
            rows[split == number] = own
        return rows


def measured_features(
    features: Artifact,
    camid: Int32Array,
    split: UInt8Array,
    parameters: EvaluateParameters,
    *,
    splits: Sequence[int] = (TRAIN, QUERY, GALLERY),
    device: str = "cpu",
    memory_limit: int | None = None,
) -> MeasuredFeatures:
    """The rows of `features` of these `splits`, TRAIN among them, whitened as the train rows say: camera by camera if
    `parameters` and they say so.

    Or as they are if there is nothing to whiten by, with a note, or no whitening is asked for.
    """
    pooled: Float32Array = features.read("pooled")
    rows = {number: pooled[split == number] for number in splits}
    del pooled
    if not parameters.whiten:
        return MeasuredFeatures(rows)
    train_rows, ridge = rows[TRAIN], parameters.whiten
    try:
        if parameters.camera == "auto":
            own = camid[split == TRAIN]
            finding, whitenings, compared = found_by_camera(
                features, train_rows, own, ridge=ridge, for_new=True, device=device, memory_limit=memory_limit
            )
        else:
            require_whitening_room(train_rows, memory_limit=memory_limit)
            finding, whitenings = None, Whitenings(whitening_of(features, train_rows, ridge=ridge, device=device))
            compared = partial(whitenings.of, train_rows, camid[split == TRAIN])
    except NothingToWhitenError as error:
        return MeasuredFeatures(rows, (f"{NOT_WHITENED}: {error}",))
    rows[TRAIN] = compared()
    del compared, train_rows
    for number in rows.keys() - {TRAIN}:
        if whitenings is not None:
            rows[number] = whitenings.of(rows[number], camid[split == number])
    return MeasuredFeatures(rows, finding=finding)


def _retrieval(
    data: Evaluated, parameters: EvaluateParameters, backend: Backend, may_ask: BoolArray
) -> RetrievalMetrics:
    """Figures of queries in the gallery, or of train samples that `may_ask` (n_train, bool) among all train samples."""
    reranking = Reranking(k1=parameters.rerank_k1, k2=parameters.rerank_k2, lambda_=parameters.rerank_lambda)
    options = RetrievalOptions(parameters.average_precision, reranking if parameters.rerank else None)
    pid = np.full_like(data.pid, UNKNOWN) if data.is_of_one else data.pid
    if parameters.leave_one_out:
        is_train = data.split == TRAIN
        return leave_one_out(
            backend.asarray(data.features.of_split[TRAIN]),
            is_query=may_ask,
            pid=pid[is_train],
            camid=data.camid[is_train],
            encounter=None if data.encounter is None else data.encounter[is_train],
            seed=SAMPLING_SEED,
            options=options,
        )
    return retrieval_of(
        *(backend.asarray(data.features.of_split[split]) for split in (QUERY, GALLERY)),
        split=data.split,
        pid=pid,
        camid=data.camid,
        encounter=data.encounter,
        options=options,
    )


def _notes(
    data: Evaluated, retrieval: RetrievalMetrics, agreement: Agreement, parameters: EvaluateParameters, n_told: int
) -> tuple[str, ...]:
    notes = []
    n_ranked, k1 = int(data.is_ranked.sum()), parameters.rerank_k1
    if parameters.rerank and k1 >= n_ranked:
        notes.append(
            f"`rerank_k1={k1}` is not less than the {n_ranked} queries and gallery samples, so all are neighbours"
        )
    of_gallery = data.pid[data.is_in_gallery]
    n_unknown = int((of_gallery == UNKNOWN).sum())
    if parameters.leave_one_out and retrieval.n_valid:
        drawn = f"{retrieval.n_queries} drawn" if retrieval.n_queries == LEFT_OUT_QUERIES else "each"
        untold = " that the merge was not told" if n_told else ""
        notes.append(
            f"no queries, so CMC, mAP and mINP are by leaving one out: {drawn} of the train samples with identities{untold} "
            f"is asked for among all the others{' whose identity is known' if n_unknown else ''}"
        )
    if retrieval.n_queries == 0 and not parameters.leave_one_out:
        notes.append("CMC, mAP and mINP need query and gallery samples with identities: this data set has no queries")
    elif retrieval.n_valid == 0:
        notes.append(f"no CMC, mAP and mINP: {_why_no_match(data, retrieval.n_queries)}")
    elif not _elsewhere(data):
        notes.append(
            "no camera ids: a query ignores no gallery sample of its identity, so matches from its own camera count"
        )
    if retrieval.n_valid and retrieval.n_left_out > MANY_LEFT_OUT * retrieval.n_queries:
        notes.append(
            f"{retrieval.n_left_out} of {retrieval.n_queries} queries have no match{_elsewhere(data)}, so CMC, mAP and mINP "
            f"are of the other {retrieval.n_valid}"
        )
    if retrieval.n_valid and n_unknown:
        notes.append(
            f"{n_unknown} of {len(of_gallery)} gallery samples have no known identity and are left out, so CMC, mAP and mINP "
            "look better than they are: the more so, the fewer are known"
        )
    return (*notes, *_notes_on_agreement(data, agreement, n_told))


def _notes_on_agreement(data: Evaluated, agreement: Agreement, n_told: int) -> list[str]:
    notes = []
    if told := told_of_labelled(agreement.n_labelled, len(data.labels), n_told):
        way = "; if these labels are another program's clusters, give `labels_are_clusters=True`" if n_told else ""
        notes.append(told + way)
    elif agreement.n_labelled == 0:
        notes.append(
            "ARI, AMI, NMI, purity, pairwise and BCubed measures need identities of train samples; `ids` gives them"
        )
    if agreement.n_identities == 1:
        notes.append("of the measures that need identities only recall tells anything: they know one identity")
    return notes


def _why_no_match(data: Evaluated, n_queries: int) -> str:
    of_one = "one identity alone is known, so no match could be wrong"
    if not (data.split == QUERY).any():
        if data.is_of_one:
            return of_one
        if n_queries == 0:
            return "there are no queries, and labels told the merge all identities"
        if np.unique_counts(data.pid[data.pid > 0]).counts.max() == 1:
            return "no identity has two train samples"
        return f"no identity of a train sample is seen{_elsewhere(data)}, and its own does not count"
    query, gallery = ({*data.pid[data.split == split].tolist()} - {UNKNOWN, -1, 0} for split in (QUERY, GALLERY))
    for identities, place in ((query, "query"), (gallery, "gallery")):
        if not identities:
            return f"no identity of a {place} sample is known; `ids` gives them"
    if query & gallery and data.is_of_one:
        return of_one
    if query & gallery:
        return f"no gallery sample of a query's identity is{_elsewhere(data)}, and those of its own do not count"
    return "no identity of a query is in the gallery"


def _elsewhere(data: Evaluated) -> str:
    """Where a match counts: " in another camera", or "" if nothing says where samples are from."""
    if data.encounter is not None:
        return " in another encounter"
    return "" if (data.camid[data.is_ranked] == UNKNOWN).all() else " in another camera"


def _summary(
    data: Evaluated,
    retrieval: RetrievalMetrics,
    agreement: Agreement,
    compactness: Compactness,
    parameters: EvaluateParameters,
    *,
    stage: int,
    features_stage: int,
) -> MetricsSummary:
    measures = {
        **{f"rank{k}": retrieval.rank(k) for k in (1, 5, 10, 20)},
        "mAP": retrieval.mAP,
        "mINP": retrieval.mINP,
        **dataclasses.asdict(agreement),
        "same_camera_merges": same_camera_merges(data.linkage, data.camid[data.split == TRAIN]),
        "same_camera_chance": same_camera_chance(data.camid[data.split == TRAIN]),
        "silhouette": compactness.silhouette,
        "mean_intra_dispersion": compactness.mean_intra_dispersion,
        "mean_nearest_inter_dispersion": compactness.mean_nearest_inter_dispersion,
    }
    known = {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in measures.items()
    }
    if agreement.n_identities == 1:
        known |= dict.fromkeys(_OF_SEVERAL)
    if agreement.n_labelled == 0:
        known |= {"n_identities": None, "n_labelled": None}
    sizes = zip(compactness.cluster_size.tolist(), compactness.size_clusters.tolist(), strict=True)
    return MetricsSummary(
        stage=stage,
        features_stage=features_stage,
        n_queries=retrieval.n_valid,
        n_queries_left_out=retrieval.n_left_out,
        n_gallery=int((data.is_in_gallery & (data.pid != UNKNOWN)).sum()),
        leave_one_out=parameters.leave_one_out,
        cluster_sizes={str(size): count for size, count in sizes},
        camera=None if (finding := data.features.finding) is None else finding.summary(),
        **known,
    )
