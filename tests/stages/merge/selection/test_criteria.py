"""A criterion is one file: those of the package are the ones that parameters offer, and another is found and merged by."""

import math
import sys
from typing import get_args

import merge_loops
import numpy as np
import pytest

from schemas.parameters import MergeParameters
from stages.merge.selection import criteria, criterion
from stages.merge.selection.criteria.dispersion import DispersionCriterion
from tests.reference.published import merge_stage

ANOTHER = '''
from stages.merge.selection.criterion import Criterion
import numpy as np


class LogarithmicCriterion(Criterion, name="logarithmic"):
    """Average linkage, and the logarithm of the size as the penalty, which grows."""

    linkage = "average"

    def penalties(self, counts, ordered_means):
        return np.log(counts)
'''


def test_parameters_offer_the_criteria_there_are():
    assert sorted(get_args(MergeParameters.model_fields["criterion"].annotation)) == criterion.criterion_names()


@pytest.mark.parametrize("update", ["stale", "union", "exact"])
def test_a_criterion_is_one_file(tmp_path, monkeypatch, random_clusters, update):
    (tmp_path / "logarithmic.py").write_text(ANOTHER)
    monkeypatch.setattr(criteria, "__path__", [*criteria.__path__, str(tmp_path)])
    monkeypatch.setattr(criterion, "_REGISTERED", dict(criterion._REGISTERED))
    features, labels = random_clusters(0, 30, 4, 18)
    distances = merge_loops.all_distances(features, "sqeuclidean")

    def rank(first, second):
        inter = merge_loops.inter_dispersion(first, second, distances)
        penalties = [math.log(len(first)), math.log(len(second))]
        return inter + 0.5 * sum(penalties), inter, *penalties

    merges, clusters = getattr(merge_loops, update)(merge_loops.clusters_of(labels), 12, rank)
    try:
        found = merge_stage(features, labels, 12, criterion="logarithmic", lambda_=0.5, update=update)
    finally:
        sys.modules.pop(f"{criteria.__name__}.logarithmic", None)
    expected = np.array(merges)
    np.testing.assert_array_equal(found.merges, expected[:, :2])
    np.testing.assert_allclose(found.distance, expected[:, 2], rtol=1e-10)
    np.testing.assert_array_equal(found.labels, merge_loops.labels_of(clusters))


def test_a_penalty_of_mean_distances_is_refused_where_there_are_none():
    told = r"'nearest' \(.*test_criteria\): penalties of mean distances need linkage 'average', got 'single'"
    with pytest.raises(TypeError, match=told):

        class _Nearest(DispersionCriterion, name="nearest"):
            linkage = "single"

    assert "nearest" not in criterion.criterion_names()
