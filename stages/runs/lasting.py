"""Numbers that last: a cluster keeps its number from stage to stage, and when pictures are added to the run.

They are no array of an artifact but follow from the chain of clusters that led to one, and from what was assigned to these
before the next were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from schemas.choices import ArtifactKind
from schemas.manifest import Parent
from stages.errors import DbcError
from stages.runs.lineage import dataset_of, parent_of
from stages.runs.run_directory import RunDirectory, clusters_manifest
from stages.runs.store import Artifact, open_artifact
from stages.samples import TRAIN
from stages.typing import Int64Array

Key: TypeAlias = tuple[object, ...]
"""What tells an image, or a sample by its first image, from others in every dataset of a run: path, frame and box."""
_LINEAGE: tuple[ArtifactKind, ...] = ("features", "model", "clusters")
"""From clusters to the clusters that their features were trained on."""


@dataclass(frozen=True)
class Numbers:
    """The lasting `number` (K,) of every cluster, and the largest that was `given` to any so far."""

    number: Int64Array
    given: int


@dataclass(frozen=True)
class Claim:
    """Clusters from before: their number of every sample of now (n,), −1 for a sample that was not there; `given` so far."""

    number: Int64Array
    given: int


def carried_on(labels: Int64Array, claims: Sequence[Claim]) -> Numbers:
    """The numbers of the clusters `labels` (n, 0..K−1), handed on from the `claims`, the first one going first.

    In each claim the pair of an old and a new cluster that share the most samples goes first; of equal ones the pair that
    makes up more of all samples of both, then the smaller old number, then the smaller label. A number is handed on once. The
    clusters left over get new numbers, above all that were given, in order of label; the first number is 1. No order of the
    samples matters beside that of the labels.
    """
    n_clusters = int(labels.max(initial=-1)) + 1
    number = np.zeros(n_clusters, dtype=np.int64)
    taken: set[int] = set()
    for claim in claims:
        for old, label in _pairs(labels, claim.number):
            if not number[label] and old not in taken:
                number[label] = old
                taken.add(old)
    given = max((claim.given for claim in claims), default=0)
    left = np.flatnonzero(number == 0)
    number[left] = given + 1 + np.arange(len(left))
    return Numbers(number, given + len(left))


def _pairs(labels: Int64Array, before: Int64Array) -> list[tuple[int, int]]:
    """(old number, label) of clusters that share samples, the pair that goes first first."""
    there = before >= 0
    pairs, shared = np.unique(np.stack([before[there], labels[there]]), axis=1, return_counts=True)
    old_size = np.bincount(before[there], minlength=1)
    size = np.bincount(labels)
    union = old_size[pairs[0]] + size[pairs[1]] - shared
    order = np.lexsort((pairs[1], pairs[0], -shared / union, -shared))
    return [(int(old), int(label)) for old, label in pairs[:, order].T]


def lasting_numbers(run: RunDirectory, clusters: Artifact) -> Numbers:
    """The lasting numbers of `clusters`, from 1: what to call a cluster, whatever else is merged, trained or added later.

    They are handed on from the clusters that the features were trained on, or those of the stage before. If the dataset was
    made by adding pictures, once or several times, the clusters of the datasets before go first: of the same stage or the
    newest before, the latest stage first. A sample that was assigned to one of their clusters counts as a member, under the
    number that was told. No number that any of their stages gave is given to another cluster.
    """
    return _Chain(run).numbers(clusters)


class _Chain:
    """The numbers of clusters of a run, each looked at once."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self._numbers: dict[str, Numbers] = {}
        self._by_stage: dict[str, dict[int, Artifact]] = {}
        self._places: dict[tuple[str, str], Int64Array] = {}
        self._told: dict[str, dict[Key, int]] = {}

    def numbers(self, clusters: Artifact) -> Numbers:
        found = self._numbers.get(clusters.manifest.id)
        if found is None:
            found = self._numbers[clusters.manifest.id] = carried_on(clusters.read("labels"), self._claims(clusters))
        return found

    def _claims(self, clusters: Artifact) -> list[Claim]:
        stage, ancestors = clusters_manifest(clusters).summary.stage, self._ancestors(clusters)
        earlier = [each for dataset in ancestors if (each := self._newest(dataset, stage)) is not None]
        earlier.sort(key=lambda each: -clusters_manifest(each).summary.stage)
        before = self._of_stage_before(clusters)
        claims = [self._claim(clusters, each) for each in (*earlier, *([] if before is None else [before]))]
        # later stages of an ancestor have given numbers as well
        last = [each for dataset in ancestors if (each := self._newest(dataset)) is not None]
        given = max((self.numbers(each).given for each in last), default=0)
        return [*claims, Claim(np.full(len(clusters.read("labels")), -1, dtype=np.int64), given)]

    def _ancestors(self, clusters: Artifact) -> list[Artifact]:
        """The datasets that pictures were added to until there was that of `clusters`, the newest first."""
        found: list[Artifact] = []
        dataset: Artifact | None = dataset_of(self.run, clusters)
        while dataset is not None and (dataset := self._resolved(parent_of(dataset, "dataset"))) is not None:
            found.append(dataset)
        return found

    def _of_stage_before(self, clusters: Artifact) -> Artifact | None:
        """The clusters that these go on from: their parent, or those that their features were trained on, or the newest."""
        own = parent_of(clusters, "clusters")
        if own is not None:
            return self.run.resolve(own)
        trained_on: Artifact | None = clusters
        for kind in _LINEAGE:
            trained_on = None if trained_on is None else self._resolved(parent_of(trained_on, kind))
        if trained_on is not None:
            return trained_on
        return self._newest(dataset_of(self.run, clusters), clusters_manifest(clusters).summary.stage - 1)

    def _resolved(self, parent: Parent | None) -> Artifact | None:
        """The parent; None if there is none, or it was removed from the run."""
        try:
            return None if parent is None else self.run.resolve(parent)
        except DbcError:
            return None

    def _newest(self, dataset: Artifact, stage: int | None = None) -> Artifact | None:
        """The newest clusters of `dataset` at `stage` or, if it has none, the stage nearest before; without it at the last."""
        by_stage = self._by_stage.get(dataset.manifest.id)
        if by_stage is None:
            own = RunDirectory(self.run.root).choose(dataset, 0)
            found = {each: own.find("clusters", each) for each in own.stages("clusters")}
            by_stage = {at: each for at, each in found.items() if each is not None}
            self._by_stage[dataset.manifest.id] = by_stage
        there = [each for each in by_stage if stage is None or each <= stage]
        return by_stage[max(there)] if there else None

    def _claim(self, clusters: Artifact, earlier: Artifact) -> Claim:
        numbers = self.numbers(earlier)
        before = numbers.number[earlier.read("labels")]
        here, there = dataset_of(self.run, clusters), dataset_of(self.run, earlier)
        if here.manifest.id == there.manifest.id:
            return Claim(before, numbers.given)
        place, told = self._place_in(there, here), self._assigned_to(there)
        assigned = np.array([told.get(key, -1) for key in train_keys(here)], dtype=np.int64)
        return Claim(np.where(place < 0, assigned, before[place]), numbers.given)

    def _assigned_to(self, dataset: Artifact) -> dict[Key, int]:
        """The number of each sample that was assigned to clusters of `dataset`, as told last; −1 for a new individual."""
        found = self._told.get(dataset.manifest.id)
        if found is None:
            own = RunDirectory(self.run.root)
            versions = [
                open_artifact(own.directory("assignments", stage), version)
                for stage in own.all_stages("assignments")
                for version in own.versions("assignments", stage)
            ]
            found = self._told[dataset.manifest.id] = {}
            for each in sorted(versions, key=lambda each: each.manifest.created):
                clusters, grown = (self._resolved(parent_of(each, kind)) for kind in ("clusters", "dataset"))
                made_from = None if clusters is None else parent_of(clusters, "dataset")
                # what was removed from the run says nothing
                if made_from is None or clusters is None or grown is None:
                    continue
                if made_from.id == dataset.manifest.id:
                    found.update(self._told_by(each, clusters, grown))
        return found

    def _told_by(self, assignments: Artifact, clusters: Artifact, dataset: Artifact) -> dict[Key, int]:
        label, keys = assignments.read("label"), image_keys(dataset)
        first = dataset.read("frame_start")[assignments.read("sample")].tolist()
        number = np.where(label < 0, -1, self.numbers(clusters).number[label])
        return {keys[image]: each for image, each in zip(first, number.tolist(), strict=True)}

    def _place_in(self, there: Artifact, here: Artifact) -> Int64Array:
        """Where each train sample of the dataset `here` is among those of `there`, −1 if it is not."""
        place = self._places.get((there.manifest.id, here.manifest.id))
        if place is None:
            of_key = {key: number for number, key in enumerate(train_keys(there))}
            place = np.array([of_key.get(key, -1) for key in train_keys(here)], dtype=np.int64)
            self._places[there.manifest.id, here.manifest.id] = place
        return place


def train_keys(dataset: Artifact) -> list[Key]:
    """What tells each train sample (n_train) from others in every dataset of a run: path, frame and box of its first image."""
    keys = image_keys(dataset)
    return [keys[first] for first in dataset.read("frame_start")[:-1][dataset.read("split") == TRAIN].tolist()]


def image_keys(dataset: Artifact) -> list[Key]:
    """Path, frame and box of each image (n_images), which tell it from others in every dataset of a run.

    A dataset without frame numbers may get pictures that have some: no number and −1 are the same.
    """
    paths, names = dataset.read("path").tolist(), dataset.names()
    frames = dataset.read("frame_number").tolist() if "frame_number" in names else [-1] * len(paths)
    boxes = map(tuple, dataset.read("box").tolist()) if "box" in names else [()] * len(paths)
    return list(zip(paths, frames, boxes, strict=True))
