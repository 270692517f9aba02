"""Numbers that last: a cluster keeps its number from stage to stage, and when pictures are added to the run.

They are no array of an artifact but follow from the chain of clusters that led to one, and from what was assigned to these
before the next were made. Pictures of a dataset that was ingested anew are known by their content.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from schemas.choices import ArtifactKind
from stages.errors import DbcError
from stages.runs.kept_source import read_source
from stages.runs.lineage import dataset_of, made_from, parent_of
from stages.runs.run_directory import RunDirectory, clusters_manifest
from stages.runs.store import Artifact, every_version, readable_versions
from stages.samples import TRAIN
from stages.typing import Int64Array

F = TypeVar("F", bound=Callable[..., Any])

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
    """Clusters from before: their number of every sample of now (n,), −1 for a sample that was not there; `given` so far.

    No later claim hands on a number of clusters that `settle` it.
    """

    number: Int64Array
    given: int
    settles: bool = False


def carried_on(labels: Int64Array, claims: Sequence[Claim]) -> Numbers:
    """The numbers of the clusters `labels` (n, 0..K−1), handed on from the `claims`, the first one going first.

    In each claim the pair of an old and a new cluster that share the most samples goes first; of equal ones the pair that
    makes up more of all samples of both, then the smaller old number, then the smaller label. A number is handed on once. The
    clusters left over get new numbers, above all that were given, in order of label; the first number is 1. No order of the
    samples matters beside that of the labels.

    Here the samples had the numbers 1, 1, 2, a fourth was added, and the clusters are found in another order:

    >>> carried_on(np.array([1, 1, 0, 2]), [Claim(np.array([1, 1, 2, -1]), given=2)])
    Numbers(number=array([2, 1, 3]), given=3)
    """
    n_clusters = int(labels.max(initial=-1)) + 1
    number = np.zeros(n_clusters, dtype=np.int64)
    taken: set[int] = set()
    for claim in claims:
        if number.all():
            break
        for old, label in _pairs(labels, claim.number):
            if not number[label] and old not in taken:
                number[label] = old
                taken.add(old)
        if claim.settles:
            taken.update(np.unique(claim.number).tolist())
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

    They are handed on from the clusters that the features were trained on, or those of the stage before. Clusters of the same
    dataset that were told before (`_is_told`) go first, the newest of them first; what is made later changes no number. If the
    run had datasets before, which pictures were added to or that were replaced, their clusters go next: those that were told
    last (`_Chain.told`), then of the same stage or the newest before, the latest stage first. A sample assigned to one of
    their clusters counts as a member, under the number that was told. No number that any of their stages gave is given to
    another cluster.
    """
    return _Chain(run).numbers(clusters)


@dataclass(frozen=True)
class Changes:
    """Of `n_told` samples with a number in the dataset before, `n_changed` have another; no cluster has the numbers `gone`."""

    n_told: int
    n_changed: int
    gone: tuple[int, ...]


def changes_since(run: RunDirectory, clusters: Artifact) -> Changes | None:
    """What became of the numbers that were told of the dataset before; None if none are known to have been."""
    return _Chain(run).changes(clusters)


def _once(method: F) -> F:
    """`method`, which is called once for each choice of artifacts, known by their ids, and of options."""

    @wraps(method)
    def kept(chain: _Chain, *artifacts: Artifact, **options: bool) -> Any:
        key = (method.__name__, *(each.manifest.id for each in artifacts), *options.items())
        if key not in chain.found:
            chain.found[key] = method(chain, *artifacts, **options)
        return chain.found[key]

    return cast(F, kept)


class _Chain:
    """The numbers of clusters of a run; what was `found` of artifacts is kept."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.found: dict[Hashable, Any] = {}
        self._open: set[str] = set()

    @_once
    def numbers(self, clusters: Artifact) -> Numbers:
        self._open.add(clusters.manifest.id)
        found = carried_on(clusters.read("labels"), self._claims(clusters))
        self._open.remove(clusters.manifest.id)
        return found

    def changes(self, clusters: Artifact) -> Changes | None:
        """`changes_since`."""
        told = next(filter(None, map(self.told, self._ancestors(clusters))), None)
        if told is None:
            return None
        before, now = self._claim(clusters, told).number, self._of_samples(clusters)
        is_told = before >= 0
        gone = sorted({*before[is_told].tolist()} - {*now.tolist()})
        return Changes(int(is_told.sum()), int((now != before)[is_told].sum()), tuple(gone))

    @_once
    def told(self, dataset: Artifact) -> Artifact | None:
        """The clusters of `dataset` whose numbers a person was told last, as far as artifacts show it.

        They are those that pictures were assigned to last, or that ended a run, or were corrected by answers, after that.
        """
        told = {each.manifest.created: clusters for each, clusters, _ in self._assignments_to(dataset)}
        told |= {each.manifest.created: each for each in self._versions(dataset) if _is_told(each)}
        return told[max(told)] if told else None

    def _claims(self, clusters: Artifact) -> list[Claim]:
        stage, ancestors = clusters_manifest(clusters).summary.stage, self._ancestors(clusters)
        own = self._told_before(clusters)
        told = [each for dataset in ancestors if (each := self.told(dataset)) is not None]
        earlier = [each for dataset in ancestors if (each := self._newest(dataset, stage)) is not None]
        earlier.sort(key=lambda each: -clusters_manifest(each).summary.stage)
        before = self._of_stage_before(clusters)
        # a dataset that was made again after others may seem to come after itself
        wanted = [each for each in (*told, *earlier, before) if each is not None and not self._is_open(each)]
        claims = [Claim(self._of_samples(each), self.numbers(each).given, settles=True) for each in own]
        claims += [self._claim(clusters, each) for each in wanted]
        # later stages of an ancestor have given numbers as well
        last = [each for dataset in ancestors if (each := self._newest(dataset)) is not None]
        given = max((self.numbers(each).given for each in last if not self._is_open(each)), default=0)
        return [*claims, Claim(np.full(len(clusters.read("labels")), -1, dtype=np.int64), given)]

    def _told_before(self, clusters: Artifact) -> list[Artifact]:
        """Clusters of the same dataset whose numbers were shown to a person before `clusters` were made, newest first."""
        told = [each for each in self._made_before(clusters) if _is_told(each) and not self._is_open(each)]
        # the oldest first, so that however many there are, each finds the numbers of those before it
        for each in told:
            self.numbers(each)
        found: dict[str, Artifact] = {}
        for each in reversed(told):
            found.setdefault(each.manifest.id, each)
        return list(found.values())

    def _made_before(self, clusters: Artifact) -> list[Artifact]:
        """The clusters of the same dataset, in every version, from before `clusters` were first made, the oldest first."""
        versions = self._versions(self._dataset_of(clusters))
        made = min(each.manifest.created for each in (clusters, *versions) if each.manifest.id == clusters.manifest.id)
        return [each for each in versions if each.manifest.created < made]

    def _versions(self, dataset: Artifact) -> Sequence[Artifact]:
        """All clusters of `dataset` that can be read, in every version, the oldest first."""
        return self._all_clusters.get(dataset.manifest.id, ())

    @cached_property
    def _all_clusters(self) -> dict[str, list[Artifact]]:
        """`_versions` by the id of the dataset."""
        stages = self.run.all_stages("clusters")
        there = [each for stage in stages for each in readable_versions(self.run.directory("clusters", stage))]
        found: dict[str, list[Artifact]] = {}
        for each in sorted(there, key=lambda each: each.manifest.created):
            made_from = parent_of(each, "dataset")
            if made_from is not None:
                found.setdefault(made_from.id, []).append(each)
        return found

    def _is_open(self, clusters: Artifact) -> bool:
        """Whether the numbers of `clusters` are being looked for."""
        return clusters.manifest.id in self._open

    def _ancestors(self, clusters: Artifact) -> list[Artifact]:
        """The datasets of the run before that of `clusters`, newest first, whether they were extended or replaced."""
        found = [dataset_of(self.run, clusters)]
        while (before := self._before(found[-1])) is not None and all(
            before.manifest.id != each.manifest.id for each in found
        ):
            found.append(before)
        return found[1:]

    def _before(self, dataset: Artifact) -> Artifact | None:
        """The dataset that pictures were added to, else the one that the run had before."""
        grown_from = self._grown_from(dataset)
        return self._replaced_by(dataset) if grown_from is None else grown_from

    @_once
    def _grown_from(self, dataset: Artifact) -> Artifact | None:
        """The dataset that pictures were added to; None if it was ingested anew."""
        return self._made_from(dataset, "dataset")

    def _replaced_by(self, dataset: Artifact) -> Artifact | None:
        ids = [each.manifest.id for each in self._datasets]
        place = ids.index(dataset.manifest.id) if dataset.manifest.id in ids else 0
        return self._datasets[place - 1] if place else None

    @cached_property
    def _datasets(self) -> list[Artifact]:
        """The datasets of the run that can be read, in the order they were made in."""
        return readable_versions(self.run.directory("dataset", 0))

    def _of_stage_before(self, clusters: Artifact) -> Artifact | None:
        """The clusters that these go on from: their parent, or those that their features were trained on, or the newest
        of the stage before that there were."""
        own = made_from(self.run, clusters, "clusters")
        if own is not None:
            return own
        trained_on: Artifact | None = clusters
        for kind in _LINEAGE:
            trained_on = None if trained_on is None else self._made_from(trained_on, kind)
        if trained_on is not None:
            return trained_on
        stage = clusters_manifest(clusters).summary.stage
        there = [each for each in self._made_before(clusters) if clusters_manifest(each).summary.stage < stage]
        return max(there, key=lambda each: (clusters_manifest(each).summary.stage, each.manifest.created), default=None)

    def _made_from(self, artifact: Artifact, kind: ArtifactKind) -> Artifact | None:
        """As `made_from`; None if it was removed from the run."""
        try:
            return made_from(self.run, artifact, kind)
        except DbcError:
            return None

    def _newest(self, dataset: Artifact, stage: int | None = None) -> Artifact | None:
        """The newest clusters of `dataset` at `stage` or, if it has none, the stage nearest before; without it at the last."""
        by_stage = self._of_dataset(dataset)
        there = [each for each in by_stage if stage is None or each <= stage]
        return by_stage[max(there)] if there else None

    @_once
    def _of_dataset(self, dataset: Artifact) -> dict[int, Artifact]:
        """The newest clusters of `dataset`, by stage."""
        own = RunDirectory(self.run.root).choose(dataset, 0)
        found = {each: own.find("clusters", each) for each in own.stages("clusters")}
        return {at: each for at, each in found.items() if each is not None}

    def _claim(self, clusters: Artifact, earlier: Artifact) -> Claim:
        numbers = self.numbers(earlier)
        before = self._of_samples(earlier)
        here, there = self._dataset_of(clusters), self._dataset_of(earlier)
        if here.manifest.id == there.manifest.id:
            return Claim(before, numbers.given)
        by_content = not self._is_grown_from(here, there)
        place, told = self._place_in(there, here), self._assigned_to(there, by_content=by_content)
        keys = self._train_keys(here, by_content=by_content)
        assigned = np.array([told.get(key, -1) for key in keys], dtype=np.int64)
        return Claim(np.where(place < 0, assigned, before[place]), numbers.given)

    @_once
    def _dataset_of(self, clusters: Artifact) -> Artifact:
        return dataset_of(self.run, clusters)

    @_once
    def _of_samples(self, clusters: Artifact) -> Int64Array:
        """The number of each train sample (n) of `clusters`."""
        found: Int64Array = self.numbers(clusters).number[clusters.read("labels")]
        return found

    def _is_grown_from(self, dataset: Artifact, before: Artifact) -> bool:
        """Whether `dataset` was made by adding pictures to `before`, once or several times, so that paths mean the same."""
        found: Artifact | None = dataset
        while found is not None and found.manifest.id != before.manifest.id:
            found = self._grown_from(found)
        return found is not None

    def _assignments_to(self, dataset: Artifact) -> Sequence[tuple[Artifact, Artifact, Artifact]]:
        """Assignments to clusters of `dataset`, oldest first: (assignments, clusters, dataset with the added pictures)."""
        return self._all_assignments.get(dataset.manifest.id, ())

    @cached_property
    def _all_assignments(self) -> dict[str, list[tuple[Artifact, Artifact, Artifact]]]:
        """`_assignments_to` by the id of the dataset."""
        stages = self.run.all_stages("assignments")
        versions = [
            each for stage in stages for each in [*every_version(self.run.directory("assignments", stage))][::-1]
        ]
        found: dict[str, list[tuple[Artifact, Artifact, Artifact]]] = {}
        for each in sorted(versions, key=lambda each: each.manifest.created):
            clusters, grown = (self._made_from(each, kind) for kind in ("clusters", "dataset"))
            made_from = None if clusters is None else parent_of(clusters, "dataset")
            # what was removed from the run says nothing
            if made_from is not None and clusters is not None and grown is not None:
                found.setdefault(made_from.id, []).append((each, clusters, grown))
        return found

    @_once
    def _assigned_to(self, dataset: Artifact, *, by_content: bool) -> dict[Key, int]:
        """The number of each sample that was assigned to clusters of `dataset`, as told last; −1 for a new individual."""
        found: dict[Key, int] = {}
        for each, clusters, grown in self._assignments_to(dataset):
            label, keys = each.read("label"), image_keys(grown, by_content=by_content)
            first = grown.read("frame_start")[each.read("sample")].tolist()
            number = np.where(label < 0, -1, self.numbers(clusters).number[label])
            found.update((keys[image], told) for image, told in zip(first, number.tolist(), strict=True))
        return found

    @_once
    def _place_in(self, there: Artifact, here: Artifact) -> Int64Array:
        """Where each train sample of the dataset `here` is among those of `there`, −1 if it is not."""
        by_content = not self._is_grown_from(here, there)
        of_key = {key: number for number, key in enumerate(self._train_keys(there, by_content=by_content))}
        keys = self._train_keys(here, by_content=by_content)
        return np.array([of_key.get(key, -1) for key in keys], dtype=np.int64)

    @_once
    def _train_keys(self, dataset: Artifact, *, by_content: bool) -> list[Key]:
        return train_keys(dataset, by_content=by_content)


def _is_told(clusters: Artifact) -> bool:
    """Whether `clusters` end a run or were corrected by answers, and so are what people are shown."""
    made_as = clusters_manifest(clusters).parameters
    return made_as.ends_run or made_as.start == "reviewed"


def train_keys(dataset: Artifact, *, by_content: bool = False) -> list[Key]:
    """What tells each train sample (n_train) from others in every dataset of a run: `image_keys` of its first image."""
    keys = image_keys(dataset, by_content=by_content)
    return [keys[first] for first in dataset.read("frame_start")[:-1][dataset.read("split") == TRAIN].tolist()]


def train_places(dataset: Artifact, before: Artifact) -> Int64Array:
    """Where each train sample (n_train) of `dataset` is among those of `before`, −1 if it was added; of equal ones in turn."""
    places: dict[Key, list[int]] = {}
    for place, key in enumerate(train_keys(before)):
        places.setdefault(key, []).append(place)
    turns = {key: iter(found) for key, found in places.items()}
    return np.array([next(turns.get(key, iter(())), -1) for key in train_keys(dataset)], dtype=np.int64)


def image_keys(dataset: Artifact, *, by_content: bool = False) -> list[Key]:
    """Path, frame and box of each image (n_images), which tell it from others in every dataset of a run.

    A dataset without frame numbers may get pictures that have some: no number and −1 are the same. `by_content` gives
    the digest of each image instead; one whose digest was not kept is like no other.
    """
    if by_content:
        kept = read_source(dataset)
        digests = [""] * len(dataset.read("path")) if kept is None else kept.digests
        return [(digest,) if digest else (dataset.manifest.id, image) for image, digest in enumerate(digests)]
    paths, names = dataset.read("path").tolist(), dataset.names()
    frames = dataset.read("frame_number").tolist() if "frame_number" in names else [-1] * len(paths)
    boxes = map(tuple, dataset.read("box").tolist()) if "box" in names else [()] * len(paths)
    return list(zip(paths, frames, boxes, strict=True))
