"""The pictures of a data set with their clusters, as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from stages.assign.stage import assignments_of
from stages.constraints.stage import names_of_individuals
from stages.features.prepared import compared_features
from stages.ingest.known_later import NEW
from stages.reporting import Reporter
from stages.runs.lasting import Changes, changes_since, lasting_numbers, train_places
from stages.runs.lineage import dataset_chain, features_and_dataset, require_same_dataset
from stages.runs.run_directory import RunDirectory, clusters_manifest, source_boxes
from stages.runs.source_names import BOX, names_of, samples_are, titled, tracklet_names
from stages.runs.store import Artifact
from stages.samples import SPLIT_NAMES, TRAIN, UNKNOWN
from stages.typing import Float32Array, Float64Array, Int64Array
from stages.wording import shown, so_many, with_first

COLUMNS = (
    "path",
    "camera",
    "split",
    "tracklet",
    "individual",
    "cluster",
    "stage",
    "distance",
    "cluster_size",
    "identity",
)
MORE_COLUMNS = (
    "name",
    "frame",
    *BOX,
    "score",
    "timestamp",
    "encounter",
    "view",
    "category",
    "x",
    "y",
    "probability",
    "second",
)
"""The columns of a table that are there if anything is known of them."""


@dataclass(frozen=True)
class Member:
    """A picture with what is known of it; None where nothing is known, and for the cluster of a sample in no cluster.

    `individual` is the lasting number of the cluster (`stages.runs.lasting`), `cluster` its label in the artifact.
    `distance` is the Euclidean distance of the sample's features from the mean of its cluster, as merges compare them.
    `tracklet` is what the source calls it, `track` the number by which tracklets of one name are told apart.
    `frame` counts from 0; `box` is left, top, width and height in pixels, `cut_out` the same of what was cut out of the
    picture, with `pad`; `category` is None if the dataset keeps none, as of animals alone. `x` and `y` are the sample's
    place on a map. Of samples that were added later and assigned, `probability` says how likely their individual is one of
    those there. `second` is when the frame of a video is shown, from its first. `name` is what a person calls the individual:
    the identity that labels or, if none were given, the source gives samples of its cluster, if it gives no other.
    """

    path: str
    camera: str | None
    split: str
    tracklet: int | str | None
    individual: int | None
    cluster: int | None
    stage: int
    distance: float | None
    cluster_size: int | None
    identity: str | None
    frame: int | None = None
    box: tuple[int, int, int, int] | None = None
    cut_out: tuple[int, int, int, int] | None = None
    score: float | None = None
    timestamp: str | None = None
    encounter: str | None = None
    view: str | None = None
    category: str | None = None
    x: float | None = None
    y: float | None = None
    probability: float | None = None
    second: float | None = None
    track: int | None = None
    name: str | None = None

    @property
    def title(self) -> str:
        """What other programs are to call the individual: its number, which lasts, and its name beside it: `73 (Ayo)`."""
        return titled(self.individual, self.name)

    @property
    def is_new(self) -> bool:
        """Whether it was assigned to none of the individuals there are."""
        return self.individual is None and self.probability is not None


@dataclass(frozen=True)
class Members:
    """Every picture of the `dataset`, individual by individual and the nearest to the centre first; those without one last.

    `largest_number` is that of all individuals that the run had at any stage. `changes` is what became of the numbers that
    were told before pictures were added, or taken out.
    """

    stage: int
    rows: tuple[Member, ...]
    dataset: Artifact
    largest_number: int
    changes: Changes | None = None

    @property
    def n_clusters(self) -> int:
        """How many clusters there are."""
        return len({row.cluster for row in self.rows if row.cluster is not None})

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on pictures in no cluster, pictures whose individual has changed, and gaps in numbers."""
        left = [row for row in self.rows if row.cluster is None]
        new = [row for row in left if row.is_new]
        later = [row for row in left if row.split == "train" and not row.is_new]
        test = [row for row in left if row.split != "train"]
        told = (
            (test, "for query and gallery, in no cluster because they were not trained on"),
            (new, "that were added and are of new individuals, as dbc assign found"),
            (later, "that were added and are in no cluster yet (dbc assign gives them one)"),
        )
        notes = [f"{samples_are(self.dataset)} {what}: {told_samples(rows)}" for rows, what in told if rows]
        if any(row.tracklet is not None for row in self.rows):
            notes += filter(None, [tracklet_names(self.dataset)[1]])
        if self.changes is not None and self.changes.n_changed:
            n_changed, n_told, gone = self.changes.n_changed, self.changes.n_told, self.changes.gone
            of_those = f"; individuals that are gone: {with_first(gone, str)}" if gone else ""
            kind = samples_are(self.dataset)
            notes.append(
                f"{kind} that have another individual than in the dataset before: {n_changed} of {n_told}{of_those}"
            )
        bearers = sorted({(row.name, row.individual or 0) for row in self.clustered if row.name is not None})
        several = [(one, two) for one, two in pairwise(bearers) if one[0] == two[0]]
        if several:
            (name, first), (_, second) = several[0]
            notes.append(
                f"identities that several individuals have: {len({one[0] for one, _ in several})}, the first {shown(name)}, "
                f"in {first} and {second}; join those that are one, by dbc review"
            )
        largest = max((row.individual or 0 for row in self.rows), default=0)
        if largest > self.n_clusters:
            notes.append(
                "numbers of individuals last, so they have gaps: "
                f"{so_many(self.n_clusters, 'individual')}, numbers up to {largest}"
            )
        return tuple(notes)

    @property
    def clustered(self) -> list[Member]:
        """The rows that are in a cluster."""
        return [row for row in self.rows if row.cluster is not None]

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The rows as columns of a table; those of `MORE_COLUMNS` of which nothing is known are left out."""
        rows = [{**asdict(row), **dict(zip(BOX, row.box or (None,) * 4, strict=True))} for row in self.rows]
        columns = {name: [row[name] for row in rows] for name in (*COLUMNS, *MORE_COLUMNS)}
        return {
            name: column for name, column in columns.items() if name in COLUMNS or any(c is not None for c in column)
        }

    @property
    def written_columns(self) -> dict[str, list[Any]]:
        """`columns` as texts say it: `NEW` is the individual of pictures that were assigned to none."""
        columns, is_new = self.columns, [row.is_new for row in self.rows]
        individual = zip(columns["individual"], is_new, strict=True)
        return {**columns, "individual": [NEW if new else number for number, new in individual]}


def n_samples(rows: Sequence[Member]) -> int:
    """How many samples `rows` are: those of one track are one."""
    tracks = {row.track for row in rows if row.track is not None}
    return len(tracks) + sum(row.track is None for row in rows)


def told_samples(rows: Sequence[Member]) -> str:
    """The number of samples, and if they are tracks that of their boxes or frames, too: `1, of 4 boxes`."""
    n = n_samples(rows)
    if n == len(rows):
        return str(n)
    return f"{n}, of {len(rows)} {'frames' if all(row.box is None for row in rows) else 'boxes'}"


def read_members(
    run: RunDirectory,
    stage: int,
    reporter: Reporter,
    *,
    positions: Callable[[Float32Array], Float64Array] | None = None,
    newest: RunDirectory | None = None,
) -> Members:
    """The pictures with their clusters at `stage`, under its features or the newest before.

    Those that were added in the `newest` dataset of the run are there as they were assigned to these clusters.
    Distances are between features centred and whitened as the merge was told to; `positions` makes a map (n, 2) of those of
    the train samples. DbcError if artifacts are missing or do not belong together.
    """
    clusters = run.require("clusters", stage)
    features, dataset = features_and_dataset(run, stage, clusters, reporter)
    labels = clusters.read("labels")
    rows = compared_features(features, dataset, clusters_manifest(clusters).parameters)
    numbers = lasting_numbers(run, clusters)
    last = lasting_numbers(run, run.require("clusters", max(run.stages("clusters"))))
    places = np.full((len(rows), 2), np.nan) if positions is None else positions(rows).round(6)
    nowhere, name = np.full(len(labels), np.nan), names_of_individuals(run, clusters)
    found = _Clustered(labels, centre_distances(rows, labels), places, nowhere, numbers.number, name)
    added_to = dataset if newest is None else newest.require("dataset")
    if newest is not None and added_to.manifest.id != dataset.manifest.id:
        found = _with_added(found, added_to, train_places(added_to, dataset), assignments_of(newest, clusters))
    rows_of = tuple(_members(added_to, found, stage))
    return Members(stage, rows_of, added_to, max(numbers.given, last.given), changes_since(run, clusters))


def labels_now(run: RunDirectory, stage: int, now: Artifact, *, newest: RunDirectory) -> Int64Array | None:
    """The cluster at `stage` of each train sample (n_train,) of the dataset `now`, −1 for none, as in `read_members`.

    None if `now` was not made by adding pictures to the dataset of `run`. DbcError if the clusters are of another.
    """
    clusters, dataset = run.require("clusters", stage), run.require("dataset")
    require_same_dataset(clusters, dataset)
    labels: Int64Array = clusters.read("labels")
    if now.manifest.id == dataset.manifest.id:
        return labels
    if all(before.manifest.id != dataset.manifest.id for before in dataset_chain(newest, now)):
        return None
    is_newest = now.manifest.id == newest.require("dataset").manifest.id
    assigned = assignments_of(newest, clusters) if is_newest else None
    return _labels_with_added(labels, now, train_places(now, dataset), assigned)


def centre_distances(features: Float32Array, labels: Int64Array) -> Float64Array:
    """(n_samples,) the Euclidean distance of each of `features` (n_samples, d) from the mean of its cluster in `labels`."""
    distance = np.zeros(len(labels))
    order = np.argsort(labels, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        rows = features[members].astype(np.float64)
        distance[members] = np.sqrt(np.square(rows - rows.mean(axis=0)).sum(axis=1))
    return distance


class _Clustered(NamedTuple):
    """Of the train samples (n): `labels`, −1 for none, and `distance`, `positions` (n, 2) and `probability`, NaN for none.

    `individual` (K,) is that of each label, `name` what a person calls some of them.
    """

    labels: Int64Array
    distance: Float64Array
    positions: Float64Array
    probability: Float64Array
    individual: Int64Array
    name: dict[int, str]


def _with_added(
    before: _Clustered, dataset: Artifact, place_before: Int64Array, assigned: Artifact | None
) -> _Clustered:
    """What is known of the n train samples: from `before` at `place_before` (n), or where that is −1 from `assigned`."""
    n_train, is_old = len(place_before), place_before >= 0
    grown = _Clustered(
        _labels_with_added(before.labels, dataset, place_before, assigned),
        np.full(n_train, np.nan),
        np.full((n_train, 2), np.nan),
        np.full(n_train, np.nan),
        before.individual,
        before.name,
    )
    for new, old in zip(grown[1:4], before[1:4], strict=True):
        new[is_old] = old[place_before[is_old]]
    if assigned is not None:
        grown.probability[_train_place(dataset, assigned)] = assigned.read("probability").round(4)
    return grown


def _labels_with_added(
    before: Int64Array, dataset: Artifact, place_before: Int64Array, assigned: Artifact | None
) -> Int64Array:
    """The labels of the n train samples: those `before` at `place_before` (n), or where that is −1 those `assigned`."""
    labels = np.where(place_before >= 0, before[place_before], -1)
    if assigned is not None:
        labels[_train_place(dataset, assigned)] = assigned.read("label")
    return labels


def _train_place(dataset: Artifact, assigned: Artifact) -> Int64Array:
    """Where the `assigned` samples are among the train samples of `dataset`."""
    place: Int64Array = np.cumsum(dataset.read("split") == TRAIN)[assigned.read("sample")] - 1
    return place


def _members(dataset: Artifact, clustered: _Clustered, stage: int) -> list[Member]:
    labels, distance, positions, probability, individual, name = clustered
    path, frame_start, split = dataset.read("path").tolist(), dataset.read("frame_start"), dataset.read("split")
    camera, identity = names_of(dataset, "camera"), names_of(dataset, "identity")
    number, (tracklet, _) = dataset.read("tracklet"), tracklet_names(dataset)
    # numbers of a source with a folder an identity are often the same
    is_own = len(np.unique(number[number != UNKNOWN])) == (number != UNKNOWN).sum()
    numbers = number.tolist() if is_own else range(len(number))
    track = [None if name is None else own for name, own in zip(tracklet, numbers, strict=True)]
    images, samples = _more_of_images(dataset), _more_of_samples(dataset)
    size = np.bincount(labels[labels >= 0]).tolist()
    place = np.full(len(split), -1, dtype=np.int64)
    place[split == TRAIN] = np.arange(len(labels))
    cluster_of = np.where(place >= 0, np.append(labels, -1)[place], -1).tolist()
    found = []
    for sample, at in enumerate(place.tolist()):
        cluster = cluster_of[sample] if cluster_of[sample] >= 0 else None
        known = [] if at < 0 else [distance[at], *positions[at], probability[at]]
        away, x, y, sure = [None if math.isnan(value) else float(value) for value in known] or [None] * 4
        for frame in range(int(frame_start[sample]), int(frame_start[sample + 1])):
            row = Member(
                path=path[frame],
                camera=camera[sample],
                split=SPLIT_NAMES[split[sample]],
                tracklet=tracklet[sample],
                track=track[sample],
                individual=None if cluster is None else int(individual[cluster]),
                cluster=cluster,
                stage=stage,
                distance=None if away is None else round(away, 6),
                cluster_size=None if cluster is None else size[cluster],
                identity=identity[sample],
                name=None if cluster is None else name.get(cluster),
                x=x,
                y=y,
                probability=sure,
                **{name: column[frame] for name, column in images.items()},
                **{name: column[sample] for name, column in samples.items()},
            )
            found.append(row)
    return sorted(found, key=_place)


def _more_of_images(dataset: Artifact) -> dict[str, list[Any]]:
    """What the source says of each image (n_images), by the field of `Member`; None if it does not."""
    found: dict[str, list[Any]] = {}
    if "frame_number" in dataset.names():
        found["frame"] = [number if number >= 0 else None for number in dataset.read("frame_number").tolist()]
    if "box" in dataset.names():
        boxes = {"box": source_boxes(dataset), "cut_out": dataset.read("box")}
        found |= {name: [tuple(box) for box in rows.tolist()] for name, rows in boxes.items()}
    if "score" in dataset.names():
        found["score"] = [None if math.isnan(score) else round(score, 6) for score in dataset.read("score").tolist()]
    if "timestamp" in dataset.names():
        found["timestamp"] = [time or None for time in dataset.read("timestamp").tolist()]
    if "category" in dataset.names():
        found["category"] = [category or None for category in dataset.read("category").tolist()]
    return found


def _more_of_samples(dataset: Artifact) -> dict[str, list[Any]]:
    """What the source says of each sample (n_samples), by the field of `Member`; None if it does not."""
    names = {name: f"{name}_name" for name in ("encounter", "view") if f"{name}_name" in dataset.names()}
    return {name: [text or None for text in dataset.read(array).tolist()] for name, array in names.items()}


def _place(row: Member) -> tuple[bool, int, float]:
    return row.individual is None, row.individual or 0, math.inf if row.distance is None else row.distance
