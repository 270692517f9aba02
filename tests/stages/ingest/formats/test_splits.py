"""Splits by identity: disjoint, answerable, decided by the seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.ingest.formats.splits import assign_splits
from stages.samples import GALLERY, QUERY, TRAIN, UNKNOWN

sightings = st.lists(st.tuples(st.integers(-2, 8), st.integers(1, 3)), min_size=0, max_size=60)


def table(seen, *, cameras):
    pid = np.asarray([p for p, _ in seen], dtype=np.int32)
    camid = np.asarray([c if cameras else UNKNOWN for _, c in seen], dtype=np.int32)
    return pid, camid


@given(sightings, st.booleans(), st.floats(0, 0.99), st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_no_identity_is_both_trained_and_tested(seen, cameras, fraction, seed):
    pid, camid = table(seen, cameras=cameras)
    split = assign_splits(pid, camid, test_fraction=fraction, seed=seed)
    trained, tested = set(pid[split == TRAIN]), set(pid[split != TRAIN])
    assert len(split) == len(pid)
    assert not trained & tested
    assert any(p > 0 for p in trained) or not any(p > 0 for p in tested)
    assert np.all(split[pid == UNKNOWN] == TRAIN)


@given(sightings, st.booleans(), st.floats(0.01, 0.99), st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_every_query_has_a_match_from_another_view_in_the_gallery(seen, cameras, fraction, seed):
    pid, camid = table(seen, cameras=cameras)
    split = assign_splits(pid, camid, test_fraction=fraction, seed=seed)
    for query in np.flatnonzero(split == QUERY):
        matches = [
            g
            for g in np.flatnonzero(split == GALLERY)
            if pid[g] == pid[query] and (not cameras or camid[g] != camid[query])
        ]
        assert pid[query] > 0
        assert matches


@given(sightings, st.floats(0.01, 0.99), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_a_camera_gives_an_identity_at_most_one_query(seen, fraction, seed):
    pid, camid = table(seen, cameras=True)
    split = assign_splits(pid, camid, test_fraction=fraction, seed=seed)
    asked = list(zip(pid[split == QUERY], camid[split == QUERY], strict=True))
    assert len(asked) == len(set(asked))


def test_identities_seen_often_give_one_query_a_camera():
    pid, camid = np.repeat(np.arange(1, 21), 6), np.tile([1, 1, 2, 2, 3, 3], 20)
    split = assign_splits(pid, camid, test_fraction=0.5, seed=3)
    tested = np.unique(pid[split != TRAIN])
    assert len(tested) == 10
    for p in tested:
        assert sorted(camid[(pid == p) & (split == QUERY)]) == [1, 2, 3]
        assert sorted(camid[(pid == p) & (split == GALLERY)]) == [1, 2, 3]


def test_two_cameras_with_one_image_each_give_one_query_and_one_gallery_image():
    pid, camid = np.repeat(np.arange(1, 11), 2), np.tile([1, 2], 10)
    split = assign_splits(pid, camid, test_fraction=0.3, seed=0)
    assert [int(np.sum(split == kind)) for kind in (TRAIN, QUERY, GALLERY)] == [14, 3, 3]


def test_without_cameras_an_identity_gives_one_query():
    pid, camid = np.repeat([1, 2, 3, 4], 5), np.full(20, UNKNOWN)
    split = assign_splits(pid, camid, test_fraction=0.5, seed=0)
    assert [int(np.sum(split == kind)) for kind in (TRAIN, QUERY, GALLERY)] == [10, 2, 8]


def test_identities_with_one_image_are_train_or_gallery_but_never_query():
    pid, camid = np.concatenate([np.repeat([1, 2], 3), np.arange(3, 13)]), np.full(16, UNKNOWN)
    split = assign_splits(pid, camid, test_fraction=0.5, seed=0)
    assert [int(np.sum(split[6:] == kind)) for kind in (TRAIN, QUERY, GALLERY)] == [5, 0, 5]


@pytest.mark.parametrize(
    ("pid", "fraction"),
    [([UNKNOWN] * 4, 0.5), ([1, 1, 2, 2], 0.0), ([1, 1, 1, 1], 0.9), ([1, 2, 3, 4], 0.5), ([], 0.5)],
    ids=["no identities", "fraction 0", "one identity", "one image each", "nothing"],
)
def test_what_cannot_be_tested_is_all_train(pid, fraction):
    split = assign_splits(np.asarray(pid, dtype=int), np.full(len(pid), UNKNOWN), test_fraction=fraction, seed=0)
    assert split.tolist() == [TRAIN] * len(pid)


def test_junk_and_distractors_are_gallery():
    pid = np.asarray([1, 1, 2, 2, -1, 0])
    split = assign_splits(pid, np.full(6, UNKNOWN), test_fraction=0.5, seed=0)
    assert split[4:].tolist() == [GALLERY, GALLERY]


def test_the_seed_decides_the_split():
    pid, camid = np.repeat(np.arange(1, 31), 4), np.tile([1, 1, 2, 2], 30)
    by_seed = [assign_splits(pid, camid, test_fraction=0.5, seed=seed).tolist() for seed in (0, 0, 1)]
    assert by_seed[0] == by_seed[1]
    assert by_seed[0] != by_seed[2]


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_any_fraction_leaves_identities_on_both_sides(fraction):
    pid = np.repeat([1, 2, 3], 2)
    split = assign_splits(pid, np.full(6, UNKNOWN), test_fraction=fraction, seed=0)
    assert [len(set(pid[split == kind])) for kind in (TRAIN, QUERY)] == ([2, 1] if fraction < 0.5 else [1, 2])
