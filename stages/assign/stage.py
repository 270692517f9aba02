"""The assign stage: samples that were added since the clusters were made, each with its nearest cluster or none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.manifest import AssignmentsManifest, Execution
from schemas.parameters import AssignParameters
from schemas.summaries import AssignmentsSummary
from stages.assign.calibration import Calibration
from stages.assign.forbidden_clusters import answers_apart, apart_of, one_answer_each
from stages.assign.kept_calibration import calibration_of
from stages.constraints.derived import derived_pairs
from stages.constraints.known_encounters import train_encounters
from stages.constraints.sample_names import place_of, sample_names
from stages.constraints.stage import names_of_individuals
from stages.errors import DbcError
from stages.features.comparison import comparison
from stages.features.prepared import train_rows
from stages.ingest.near_copies import told_empty
from stages.nn.host_memory import give_back_memory
from stages.reporting import Keeping
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.lasting import lasting_numbers, train_keys, train_places
from stages.runs.lineage import (
    before_review,
    dataset_of,
    features_and_dataset,
    made_from,
    newest_assignments,
    parent_of,
    with_clusters,
)
from stages.runs.making import Computed, Made, Request, make_artifact
from stages.runs.run_directory import (
    RunDirectory,
    assignments_manifest,
    clusters_manifest,
    compared_cameras,
    features_manifest,
)
from stages.runs.source_names import names_of, tracklet_names
from stages.runs.store import Artifact, Writer
from stages.samples import TRAIN, UNKNOWN
from stages.typing import BoolArray, Int64Array


@dataclass(frozen=True)
class Assignment:
    """A new sample by the path of its first image: the `individual` it is assigned to, None for a new one.

    `name` is what a file of answers may call it: the path, and a number if the picture holds several. `place` is the frame and
    box, by the names of columns, as far as the source has them, its camera and tracklet, and what a person has `called` the
    individual, if any have names.
    `nearest` is the individual of the most similar cluster, which its encounter may not be of, `probability` that the sample's
    individual is known at all, `similarity` the cosine to its most similar member as merges compare features, `margin` how far
    that is above the second cluster's. `came_last` tells of samples that no dataset before the newest one had.
    """

    path: str
    name: str
    individual: int | None
    called: str | None
    probability: float
    nearest: int
    nearest_called: str | None
    similarity: float
    margin: float | None
    came_last: bool
    place: dict[str, int | str | None]


def clustered(run: RunDirectory) -> RunDirectory:
    """The run with the newest dataset that has clusters; DbcError if there are none."""
    found = with_clusters(run)
    if not found.stages("clusters"):
        raise DbcError(f"{run.root}: no clusters found to assign pictures to; make them with: dbc run")
    return found


class NothingNewError(DbcError):
    """All samples are in the clusters, so there are none to assign."""


def grown_since(run: RunDirectory) -> RunDirectory:
    """The run with the dataset that was clustered; DbcError if none was, NothingNewError if nothing was added since."""
    before = clustered(run)
    if before.require("dataset").manifest.id == run.require("dataset").manifest.id:
        raise NothingNewError(
            f"{run.root}: all pictures are in its clusters already; add others with: dbc ingest SOURCE --add, then assign"
        )
    return before


def assign(run: RunDirectory, *, stage: int, parameters: AssignParameters, context: Context = DEFAULT_CONTEXT) -> Made:
    """Assign the samples that were added since the clusters of `stage` were made, or find that up to date.

    The features are those of that stage, or the newest before, which the new dataset must have as well. DbcError if there is
    nothing to assign or to assign to, if artifacts are missing, or if the clusters say too little (`calibrate`).
    """
    before = grown_since(run)
    clusters, warned = before.require("clusters", stage), Keeping(context.reporter)
    features, dataset = features_and_dataset(before, stage, clusters, warned)
    labels, new_dataset = clusters.read("labels"), run.require("dataset")
    features_stage = features_manifest(features).summary.stage
    new_features = run.require("features", features_stage)
    place = train_places(new_dataset, dataset)
    label = np.where(place < 0, -1, labels[place])
    derived = derived_pairs(new_dataset)
    apart = apart_of(derived.pairs, label)
    merged = clusters_manifest(clusters).parameters
    # what a review corrected keeps to the encounters and views that it was made with
    made_as = clusters_manifest(before_review(before, stage)).parameters
    views = _views(new_dataset, place) if made_as.view == "apart" else None
    encounter = train_encounters(new_dataset) if made_as.by_encounter else np.full(len(label), UNKNOWN, dtype=np.int32)
    is_apart, is_together = bool(len(apart.pairs) + len(apart.labels)), bool((encounter[label < 0] != UNKNOWN).any())
    decided = {"derived": is_apart, "held_out": True, "together": is_together, "by_view": views is not None}
    parameters = parameters.model_copy(update={**decided, "spared": derived.spared})
    request = Request(
        kind="assignments",
        stage=stage,
        manifest=AssignmentsManifest,
        parameters=parameters,
        parents=(new_dataset, new_features, features, clusters),
        notes=tuple(warned.warned),
    )

    def compute(writer: Writer) -> Computed:
        # the network that gave the new features is gone
        give_back_memory()
        compared = comparison(features, dataset, merged, memory_limit=context.memory_limit)
        own_view = None if views is None else views[1]
        calibration = calibration_of(clusters, features, dataset, compared, view=own_view, context=context)
        sample = np.flatnonzero(new_dataset.read("split") == TRAIN)[place < 0]
        asked = compared.of(new_features.read("pooled")[sample], compared_cameras(new_dataset)[sample])
        is_train = dataset.read("split") == TRAIN
        rows = compared.of(train_rows(features, dataset, is_train), compared_cameras(dataset)[is_train])
        found = answers_apart(
            asked, rows, labels, calibration, threshold=parameters.threshold, apart=apart, views=views
        )
        there: dict[int, set[int]] = {}
        for each, of in zip(encounter[label >= 0].tolist(), label[label >= 0].tolist(), strict=True):
            there.setdefault(each, set()).add(of)
        found = one_answer_each(found, encounter[label < 0], there, threshold=parameters.threshold, apart=apart)
        nearest, is_known = found.nearest, found.is_known
        writer.array("sample", sample)
        writer.array("label", np.where(is_known, found.label, -1))
        writer.array("nearest", nearest.label)
        writer.array("probability", found.probability)
        writer.array("similarity", nearest.similarity)
        writer.array("second_similarity", nearest.second)
        writer.array("n_nearer", nearest.n_nearer)
        summary = _summary(is_known, calibration, stage=stage, features_stage=features_stage, labels=labels)
        notes = () if views is None else _not_compared(*views)
        notes += told_empty(before, clusters, dataset, np.where(is_known, found.label, -1))
        return Computed(summary, Execution(backend="numpy", device="cpu", precision="float64"), notes=notes)

    made = make_artifact(run, request, compute, context=context)
    # torch takes another 100 MB at its end
    give_back_memory()
    for note in () if made.artifact is None else made.artifact.manifest.notes:
        context.reporter.warn(note)
    return made


def _views(dataset: Artifact, place: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The views of the train samples of `dataset` that were added, and of those that were at `place` before, −1 for none."""
    view = dataset.read("view")[dataset.read("split") == TRAIN].astype(np.int64)
    before = np.empty(int((place >= 0).sum()), dtype=np.int64)
    before[place[place >= 0]] = view[place >= 0]
    return view[place < 0], before


def _not_compared(asked: Int64Array, there: Int64Array) -> tuple[str, ...]:
    n_strange = int((~np.isin(asked, there)).sum())
    told = f"added samples of a view that no clustered one has, so that they cannot be compared: {n_strange}"
    return (told,) if n_strange else ()


def _summary(
    is_known: BoolArray, calibration: Calibration, *, stage: int, features_stage: int, labels: Int64Array
) -> AssignmentsSummary:
    return AssignmentsSummary(
        stage=stage,
        features_stage=features_stage,
        n_samples=len(is_known),
        n_known=int(is_known.sum()),
        n_new=int((~is_known).sum()),
        n_clusters=int(labels.max()) + 1,
        slope=calibration.slope,
        rank_slope=calibration.rank_slope,
        intercept=calibration.intercept,
        separation=calibration.separation,
    )


def read_assignments(run: RunDirectory, artifact: Artifact) -> list[Assignment]:
    """The assignments of an artifact, the surest known individual first, by lasting numbers."""
    clusters = made_from(run, artifact, "clusters")
    if clusters is None:
        raise DbcError(f"{artifact.path}: no clusters among its parents; make it again with: dbc assign --force")
    number = lasting_numbers(run, clusters).number
    dataset, called = dataset_of(run, artifact), names_of_individuals(run, clusters)
    path, names = dataset.read("path")[dataset.read("frame_start")[:-1]], sample_names(dataset)
    named: dict[str, list[Any]] = {"camera": names_of(dataset, "camera"), "tracklet": tracklet_names(dataset)[0]}
    named = {name: column for name, column in named.items() if set(column) != {None}}
    places = place_of(dataset, artifact.read("sample"))
    sample, label, nearest = (artifact.read(name).tolist() for name in ("sample", "label", "nearest"))
    grown_from, is_train = made_from(run, dataset, "dataset"), dataset.read("split") == TRAIN
    came_last = np.ones(len(is_train), dtype=np.bool_)
    if grown_from is not None:
        came_last[is_train] = train_places(dataset, grown_from) < 0
    columns = ("probability", "similarity", "second_similarity")
    probability, similarity, second = (artifact.read(name).tolist() for name in columns)
    found = [
        Assignment(
            path=path[each],
            name=names[each],
            individual=int(number[label[row]]) if label[row] >= 0 else None,
            called=called.get(label[row]),
            probability=round(probability[row], 4),
            nearest=int(number[nearest[row]]),
            nearest_called=called.get(nearest[row]),
            similarity=round(similarity[row], 4),
            margin=round(similarity[row] - second[row], 4) if math.isfinite(second[row]) else None,
            came_last=bool(came_last[each]),
            place=({"name": called.get(label[row])} if called else {})
            | {name: column[each] for name, column in named.items()}
            | {name: column[row] for name, column in places.items()},
        )
        for row, each in enumerate(sample)
    ]
    return sorted(found, key=lambda each: (-each.probability, each.path, each.name))


def copies_of(run: RunDirectory, clusters: Artifact, there: Sequence[tuple[str, str]]) -> list[Assignment]:
    """Pictures `there`, of a path and the digest of their content, that are copies of samples in `clusters`, with their
    individuals, by path; others are left out. `copy_of` is the name of the sample.
    """
    dataset, labels = dataset_of(run, clusters), clusters.read("labels").tolist()
    row_of = {key: row for row, key in enumerate(train_keys(dataset, by_content=True))}
    found = sorted((path, row_of[digest,]) for path, digest in there if (digest,) in row_of)
    if not found:
        return []
    number, called = lasting_numbers(run, clusters).number.tolist(), names_of_individuals(run, clusters)
    of_name: list[dict[str, int | str | None]] = [{"name": called.get(label)} if called else {} for label in labels]
    names = [name for name, split in zip(sample_names(dataset), dataset.read("split"), strict=True) if split == TRAIN]
    return [
        Assignment(
            path=path,
            name=path,
            individual=number[labels[row]],
            called=called.get(labels[row]),
            probability=1.0,
            nearest=number[labels[row]],
            nearest_called=called.get(labels[row]),
            similarity=1.0,
            margin=None,
            came_last=True,
            place=of_name[row] | {"copy_of": names[row]},
        )
        for path, row in found
    ]


def assignments_of(run: RunDirectory, clusters: Artifact) -> Artifact | None:
    """The newest assignments to `clusters`; None if there are none."""
    stage = clusters_manifest(clusters).summary.stage
    found = run.find("assignments", stage)
    if found is None or (parent := parent_of(found, "clusters")) is None or parent.id != clusters.manifest.id:
        return None
    return found if assignments_manifest(found).summary.n_samples else None


def assigned_stage(run: RunDirectory) -> int | None:
    """The stage whose clusters the newest samples were last assigned to; None if they were not, or are in clusters."""
    newest = None if run.stages("clusters") else newest_assignments(run)
    return None if newest is None else assignments_manifest(newest).summary.stage
