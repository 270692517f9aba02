"""Numbers that last, against an exhaustive choice of pairs, and over a run that grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

from schemas.manifest import AssignmentsManifest, ClustersManifest, DatasetManifest, Execution
from schemas.parameters import AssignParameters, IngestParameters, MergeParameters
from schemas.summaries import AssignmentsSummary, ClustersSummary, DatasetSummary
from stages.runs.context import Context
from stages.runs.kept_source import KeptSource, keep_source
from stages.runs.lasting import Changes, Claim, carried_on, changes_since, lasting_numbers
from stages.runs.making import Computed, Request, make_artifact
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, Writer
from stages.samples import TRAIN


def by_hand(labels: list[int], before: list[int], given: int) -> dict[int, int]:
    """The numbers by repeatedly taking the best of all pairs that are left."""
    handed: dict[int, int] = {}
    while True:
        left = []
        for old in set(before) - {-1} - set(handed.values()):
            for label in set(labels) - set(handed):
                shared = sum(a == old and b == label for a, b in zip(before, labels, strict=True))
                union = sum(a == old or b == label for a, b in zip(before, labels, strict=True))
                if shared:
                    left.append((-shared, -shared / union, old, label))
        if not left:
            break
        _, _, old, label = min(left)
        handed[label] = old
    for label in sorted(set(labels) - set(handed)):
        given += 1
        handed[label] = given
    return handed


@pytest.mark.parametrize("seed", range(20))
def test_numbers_go_to_the_clusters_that_share_most(seed: int) -> None:
    generator = np.random.default_rng(seed)
    n = int(generator.integers(1, 40))
    labels = np.unique(generator.integers(0, 8, n), return_inverse=True)[1]
    before = generator.integers(1, 9, n)
    before[generator.random(n) < 0.2] = -1
    found = carried_on(labels, [Claim(before, given=11)])
    wanted = by_hand(labels.tolist(), before.tolist(), 11)
    assert found.number.tolist() == [wanted[label] for label in range(labels.max() + 1)]
    assert found.given == max(11, *wanted.values())
    # the order of the samples has no say
    order = generator.permutation(n)
    assert carried_on(labels[order], [Claim(before[order], given=11)]).number.tolist() == found.number.tolist()


def test_the_first_numbers_are_from_one_and_a_merge_keeps_the_larger_part() -> None:
    first = carried_on(np.array([0, 0, 1, 1, 1, 2]), [])
    assert (first.number.tolist(), first.given) == ([1, 2, 3], 3)
    merged = carried_on(np.array([0, 0, 0, 0, 0, 1]), [Claim(first.number[[0, 0, 1, 1, 1, 2]], first.given)])
    assert merged.number.tolist() == [2, 3]
    # a number that was given is never given again, even if its cluster is gone
    split = carried_on(np.array([0, 1, 2, 2, 2, 3]), [Claim(np.array([2, 2, 2, 2, 2, 3]), merged.given)])
    assert (split.number.tolist(), split.given) == ([4, 5, 2, 3], 5)


def test_the_first_claim_goes_first_and_numbers_are_handed_on_once() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    earlier, later = Claim(np.array([-1, -1, -1, 7, -1]), 9), Claim(np.array([7, 7, 7, 7, 8]), 12)
    assert carried_on(labels, [earlier, later]).number.tolist() == [13, 7, 8]
    assert carried_on(labels, [earlier, later]).given == 13


def test_no_two_clusters_have_one_number() -> None:
    generator = np.random.default_rng(3)
    labels = np.unique(generator.integers(0, 30, 200), return_inverse=True)[1]
    number = carried_on(labels, [Claim(generator.integers(1, 25, 200), 25), Claim(generator.integers(1, 40, 200), 40)])
    assert len(set(number.number.tolist())) == labels.max() + 1


def dataset_of_pictures(run: RunDirectory, paths: str, *parents: Artifact) -> Artifact:
    """A dataset with a train sample a letter of `paths`."""
    sizes = dict.fromkeys(("n_images", "n_samples", "n_train"), len(paths))
    none = dict.fromkeys(("n_query", "n_gallery", "n_identities", "n_cameras", "height", "width"), 0)

    def compute(writer: Writer) -> Computed:
        writer.array("path", np.array(list(paths), dtype="<U1"))
        writer.array("frame_start", np.arange(len(paths) + 1))
        writer.array("split", np.full(len(paths), TRAIN, dtype=np.uint8))
        return Computed(DatasetSummary(**sizes, **none), Execution(backend="test", device="cpu"))

    request = Request("dataset", 0, DatasetManifest, IngestParameters(), parents)
    artifact = make_artifact(run, request, compute, context=Context(force=True)).artifact
    assert artifact is not None
    return artifact


def clusters_of(
    run: RunDirectory, stage: int, labels: Sequence[int], dataset: Artifact, n_clusters: int | None = None
) -> Artifact:
    """Clusters of `dataset` at `stage`, of which nothing but the labels is looked at."""
    counts = dict.fromkeys(("n_samples", "n_clusters", "n_merges", "n_singletons", "largest_cluster"), 0)
    summary = ClustersSummary(stage=stage, features_stage=0, criterion_first=None, criterion_last=None, **counts)

    def compute(writer: Writer) -> Computed:
        writer.array("labels", np.array(labels, dtype=np.int64))
        return Computed(summary, Execution(backend="test", device="cpu"))

    request = Request(
        "clusters",
        stage,
        ClustersManifest,
        MergeParameters(n_clusters=n_clusters),
        (dataset,),
    )
    artifact = make_artifact(run, request, compute, context=Context(force=True)).artifact
    assert artifact is not None
    return artifact


def assigned(
    run: RunDirectory, stage: int, samples: Sequence[int], labels: Sequence[int], dataset: Artifact, clusters: Artifact
) -> None:
    """Assignments of `samples` of `dataset` to the clusters `labels` of `clusters`; −1 is a new individual."""
    counts = dict.fromkeys(("features_stage", "n_samples", "n_known", "n_new", "n_clusters"), 0)
    summary = AssignmentsSummary(stage=stage, slope=1, rank_slope=0, intercept=0, separation=1, **counts)

    def compute(writer: Writer) -> Computed:
        writer.array("sample", np.array(samples, dtype=np.int64))
        writer.array("label", np.array(labels, dtype=np.int64))
        return Computed(summary, Execution(backend="test", device="cpu"))

    request = Request("assignments", stage, AssignmentsManifest, AssignParameters(), (dataset, clusters))
    make_artifact(run, request, compute, context=Context(force=True))


def numbers_in(run: RunDirectory, clusters: Artifact) -> list[int]:
    return lasting_numbers(run, clusters).number.tolist()


def test_numbers_last_however_often_pictures_are_added_before_the_next_clusters(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    base = dataset_of_pictures(run, "abcdef")
    assert numbers_in(run, clusters_of(run, 1, [0, 0, 1, 1, 2, 3], base)) == [1, 2, 3, 4]
    # a later stage splits d off: 5 is given, too
    assert numbers_in(run, clusters_of(run, 2, [0, 0, 1, 2, 3, 3], base)) == [1, 2, 5, 3]
    more = dataset_of_pictures(run, "xabcdef", base)
    most = dataset_of_pictures(run, "yxabcdef", more)
    # x is new, y is of a and b, the others are as they were: x must not be called 5
    grown = clusters_of(run, 1, [1, 0, 1, 1, 2, 2, 3, 4], most)
    assert numbers_in(run, grown) == [6, 1, 2, 3, 4]
    # the dataset between has clusters now, of an earlier stage than the first one: those of the same stage go first
    clusters_of(run, 1, [0, 1, 1, 1, 1, 1, 1], more)
    assert numbers_in(run, clusters_of(run, 2, [1, 1, 0, 0, 2, 3, 4, 4], most)) == [1, 6, 2, 5, 3]


def test_a_number_told_of_an_assigned_sample_lasts(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    base = dataset_of_pictures(run, "abc")
    early, late = clusters_of(run, 1, [0, 0, 1], base), clusters_of(run, 2, [1, 1, 0], base)
    assert (numbers_in(run, early), numbers_in(run, late)) == ([1, 2], [2, 1])
    more = dataset_of_pictures(run, "xabyc", base)
    # x leaves b, with which it was told to be 1; without x, the cluster of b alone would be 1
    labels = [0, 0, 1, 2, 3]
    assigned(run, 1, [0, 3], [-1, 0], more, early)
    assigned(run, 2, [0, 3], [1, -1], more, late)
    assert numbers_in(run, clusters_of(run, 1, labels, more)) == [1, 3, 4, 2]
    # assignments to what was removed from the run say nothing
    rmtree(more.path)
    newest = dataset_of_pictures(run, "yabc", base)
    assert numbers_in(run, clusters_of(run, 1, [0, 0, 0, 1], newest)) == [1, 2]


def test_numbers_of_a_dataset_that_was_ingested_anew_go_by_content(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    base = dataset_of_pictures(run, "abcd")
    keep_source(base, KeptSource(tmp_path, ("A", "B", "C", "D")))
    assert numbers_in(run, clusters_of(run, 1, [0, 0, 1, 2], base)) == [1, 2, 3]
    # b was taken out, and the others have the names of others: c is a now, d is b
    anew = dataset_of_pictures(run, "abc")
    keep_source(anew, KeptSource(tmp_path, ("C", "D", "A")))
    clusters = clusters_of(run, 1, [1, 2, 0], anew)
    assert numbers_in(run, clusters) == [1, 2, 3]
    # nothing is known of the content of these, but no number means other animals
    other = dataset_of_pictures(run, "ab")
    assert numbers_in(run, clusters_of(run, 1, [0, 1], other)) == [4, 5]
    assert numbers_in(run, clusters) == [1, 2, 3]


def test_numbers_that_were_told_go_first_whatever_their_stage(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    base = dataset_of_pictures(run, "abcdef")
    clusters_of(run, 1, [0, 1, 1, 2, 2, 2], base)
    told = clusters_of(run, 3, [0, 0, 1, 1, 1, 2], base, n_clusters=3)
    assert numbers_in(run, told) == [1, 3, 4]
    more = dataset_of_pictures(run, "abcdefx", base)
    clusters = clusters_of(run, 2, [0, 0, 1, 2, 2, 3, 3], more)
    assert numbers_in(run, clusters) == [1, 2, 3, 4]
    assert changes_since(run, clusters) == Changes(6, 1, ())
    assert changes_since(run, told) is None


def test_last_merges_to_other_numbers_of_clusters_keep_the_numbers_of_equal_ones(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    base = dataset_of_pictures(run, "abcdefgh")
    clusters_of(run, 1, [0, 0, 1, 1, 2, 2, 3, 3], base)
    # the end splits d and h off: 5 and 6 are given
    ends = [clusters_of(run, 2, [0, 0, 1, 2, 3, 3, 4, 5], base, n_clusters=6)]
    assert numbers_in(run, ends[0]) == [1, 2, 5, 3, 4, 6]
    # d joins c, e joins h, which are most of both; 5 is gone, and the others keep their numbers
    ends.append(clusters_of(run, 2, [0, 0, 1, 1, 2, 3, 4, 2], base, n_clusters=5))
    assert numbers_in(run, ends[1]) == [1, 2, 6, 3, 4]
    # a longer run ends later: d is alone again, and 5 as before; 6 went to e and h, so h can be 6 no more beside e
    clusters_of(run, 2, [0, 0, 1, 1, 2, 2, 3, 3], base)
    clusters_of(run, 3, [0, 0, 0, 0, 1, 1, 2, 2], base)
    ends.append(clusters_of(run, 4, [0, 0, 1, 2, 3, 4, 5, 6], base, n_clusters=7))
    assert numbers_in(run, ends[2]) == [1, 2, 5, 6, 3, 4, 7]
    # what is made later changes nothing
    assert [numbers_in(run, each) for each in ends] == [[1, 2, 5, 3, 4, 6], [1, 2, 6, 3, 4], [1, 2, 5, 6, 3, 4, 7]]


@pytest.mark.parametrize("seed", range(4))
def test_no_number_stands_for_a_cluster_without_pictures_of_it(tmp_path: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    run = RunDirectory(tmp_path)
    base = dataset_of_pictures(run, "abcdefghijkl")
    before: dict[int, set[int]] = {}
    shown: list[tuple[Artifact, list[int]]] = []
    for stage in (3, 3, 2, 4, 3):
        labels = np.unique(generator.integers(0, 7, 12), return_inverse=True)[1]
        end = clusters_of(run, stage, labels.tolist(), base, n_clusters=int(labels.max()) + 1)
        shown.append((end, numbers_in(run, end)))
        now = {number: {*np.flatnonzero(labels == label)} for label, number in enumerate(shown[-1][1])}
        assert len(now) == labels.max() + 1
        assert all(before.get(number, pictures) & pictures for number, pictures in now.items())
        before |= now
    assert [numbers_in(run, end) for end, _ in shown] == [numbers for _, numbers in shown]
