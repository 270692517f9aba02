"""What a merge takes from a dataset with views and encounters."""

from dataclasses import replace

import numpy as np
import pytest

from schemas.parameters import MergeParameters
from stages.errors import DbcError
from stages.merge import merge_stage
from stages.merge.constrained import of_one_encounter, read_for_merge
from stages.samples import UNKNOWN

APART, JOINED = MergeParameters(view="apart"), MergeParameters(encounter="joined")


class Dataset:
    """The arrays of a dataset artifact, in memory."""

    path = "dataset/v1.zarr"

    def __init__(self, **arrays):
        self._arrays = {name: np.array(values) for name, values in arrays.items()}

    def read(self, name):
        return self._arrays[name]

    def names(self):
        return tuple(sorted(self._arrays))


def test_samples_of_one_encounter_are_linked_and_unknown_ones_are_not():
    encounter, nothing = np.array([3, UNKNOWN, 7, 3, 3, UNKNOWN, 7], dtype=np.int32), np.empty((0, 2), dtype=np.int64)
    assert of_one_encounter(encounter, nothing, nothing).tolist() == [[0, 3], [3, 4], [2, 6]]
    # an encounter of two individuals says nothing
    assert of_one_encounter(encounter, nothing, np.array([[4, 0], [1, 5], [2, 3]])).tolist() == [[2, 6]]
    # nor one that has two by what else was answered: 0 and 4 are one encounter, 4 = 5, but 5 is not 0
    assert of_one_encounter(encounter, np.array([[4, 5]]), np.array([[5, 0]])).tolist() == [[2, 6]]


def test_views_come_from_train_samples_alone_and_encounters_count_only_with_them():
    dataset = Dataset(split=[1, 0, 0, 0], view=[0, 0, 1, 0], encounter=[5, 5, 5, UNKNOWN])
    known = read_for_merge(dataset, None, APART)
    assert known.note(stage=1) == "views are apart: samples that join others of their encounter: 1"
    assert known.note(stage=2) == read_for_merge(dataset, None, MergeParameters()).note(stage=1) == ""
    assert (
        "; 2 do not, because two in their encounter differ, by answers, labels or as two in one picture do"
        in replace(known, n_contradicted=2).note(stage=2)
    )
    found = known.constraints
    assert found.view.tolist() == [0, 1, 0]
    assert found.same.tolist() == [[0, 1]]
    nothing = read_for_merge(dataset, None, MergeParameters()).constraints
    assert (len(nothing.same), len(nothing.different), nothing.view) == (0, 0, None)


def test_encounters_are_joined_without_views_if_asked_for_and_known():
    dataset = Dataset(split=[1, 0, 0, 0], encounter=[5, 5, 5, UNKNOWN])
    known = read_for_merge(dataset, None, JOINED)
    assert known.note(stage=1) == "samples that join others of their encounter: 1"
    assert known.constraints.view is None
    assert known.constraints.same.tolist() == [[0, 1]]
    features = np.array([[0.0], [9.0], [0.1]])
    assert merge_stage(features, np.arange(3), 1, constraints=known.constraints).labels.tolist() == [0, 0, 1]
    for arrays in ({}, {"encounter": [UNKNOWN, UNKNOWN]}):
        with pytest.raises(DbcError, match="`encounter='joined'` needs the encounters of pictures"):
            read_for_merge(Dataset(split=[0, 0], **arrays), None, JOINED)


@pytest.mark.parametrize("arrays", [{}, {"view": [UNKNOWN, UNKNOWN]}])
def test_views_must_be_known(arrays):
    with pytest.raises(DbcError, match="`view='apart'` needs the views of pictures"):
        read_for_merge(Dataset(split=[0, 0], **arrays), None, APART)


def test_two_flanks_join_only_by_an_encounter():
    # left and right of two individuals; the right sides are nearer to the other one's left side
    features = np.array([[0.0], [10.0], [1.0], [9.0], [0.2], [10.2]])
    view, encounter = [0, 0, 1, 1, 0, 0], [1, 2, 2, 1, UNKNOWN, UNKNOWN]
    dataset = Dataset(split=[0] * 6, view=view, encounter=encounter)
    told = read_for_merge(dataset, None, APART).constraints
    result = merge_stage(features, np.arange(6), 4, constraints=told)
    assert result.labels.tolist() == [0, 1, 1, 0, 0, 1]


def test_an_encounter_whose_name_says_that_it_is_not_known_joins_nothing():
    names = ["-", "e1", "-", "e1", "Unknown", "Unknown"]
    dataset = Dataset(split=[0] * 6, encounter=[1, 2, 1, 2, 3, 3], encounter_name=np.array(names, dtype=object))
    known = read_for_merge(dataset, None, JOINED)
    assert known.constraints.same.tolist() == [[1, 3]]
    assert known.note(stage=1).endswith("; 4 do not, because their encounter has a name such as - or unknown")
