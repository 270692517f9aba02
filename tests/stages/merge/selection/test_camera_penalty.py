"""Merging with a penalty on shared cameras, against loops over samples in exact fractions of counts."""

import functools
import itertools
from fractions import Fraction

import numpy as np
import pytest

from stages.arrays.partition import relabel
from stages.errors import DbcError, UsageError
from stages.merge import initial_labels
from tests.pairwise import slow_beyond_pairs
from tests.reference.published import merge_stage

FIELDS = ("labels", "merges", "distance", "inter", "intra", "sizes")


def plain_d(features, camid, a, b, weight, lambda_):
    """D of the clusters of samples `a` and `b`, eqs. (2) to (4), pair of samples by pair of samples."""

    def total(left, right):
        return sum(float(np.sum((features[i] - features[j]) ** 2)) for i in left for j in right)

    shared = Fraction(sum(int(camid[i] == camid[j] >= 0) for i in a for j in b), len(a) * len(b))
    intra = total(a, a) / len(a) + total(b, b) / len(b)
    return total(a, b) / (len(a) * len(b)) + weight * float(shared) + lambda_ * intra


def plain_merges(features, camid, labels, n_merges, *, weight, lambda_, update):
    """(merges, D of each) by ranking all pairs, before every merge for `exact` and once for the others."""
    clusters = {c: np.flatnonzero(labels == c).tolist() for c in range(labels.max() + 1)}

    def ranked():
        pairs = itertools.combinations(sorted(clusters), 2)
        return sorted((plain_d(features, camid, clusters[a], clusters[b], weight, lambda_), a, b) for a, b in pairs)

    found, once = [], ranked()
    root = {c: c for c in clusters}
    while len(found) < n_merges:
        if update == "exact":
            value, a, b = ranked()[0]
            clusters[a] += clusters.pop(b)
            found.append((value, a, b))
            continue
        value, a, b = once.pop(0)
        if update == "stale" and (root[a] != a or root[b] != b):
            continue
        first, second = sorted((root[a], root[b]))
        if first != second:
            root = {c: first if r == second else r for c, r in root.items()}
            found.append((value, a, b))
    return [[a, b] for _, a, b in found], [value for value, _, _ in found]


def some(seed, n_samples=40, n_cameras=3):
    generator = np.random.default_rng(seed)
    # the first of them is not known
    camid = generator.integers(n_cameras, size=n_samples) * 7 - 3
    features = generator.standard_normal((8, 5))[generator.integers(8, size=n_samples)]
    features = features + 0.3 * generator.standard_normal((n_samples, 5)) + 0.2 * camid[:, None]
    return features.astype(np.float32), camid


@functools.cache
def expected_of(update, weight, *, singletons):
    """The labels to begin with, and what `plain_merges` finds."""
    features, camid = some(1)
    labels = initial_labels(40) if singletons else relabel(np.random.default_rng(2).permutation(np.arange(40) % 22))
    options = {"weight": weight, "lambda_": 0.1, "update": update}
    return labels, *plain_merges(features.astype(np.float64), camid, labels, 15, **options)


@pytest.mark.parametrize(
    ("update", "weight", "kernels", "singletons"),
    slow_beyond_pairs(("stale", "union", "exact"), (0.0, 0.3, 50.0), ("compiled", "arrays"), (True, False)),
)
def test_merges_equal_plain_loops(update, weight, kernels, *, singletons):
    features, camid = some(1)
    labels, expected, values = expected_of(update, weight, singletons=singletons)
    options = {"update": update, "camid": camid, "camera_weight": weight, "kernels": kernels}
    found = merge_stage(features, labels, 15, **options)
    assert found.merges.tolist() == expected
    np.testing.assert_allclose(found.distance, values, rtol=1e-9)


@pytest.mark.parametrize("update", ["stale", "union", "exact"])
@pytest.mark.parametrize("seed", range(4))
def test_no_way_of_computing_it_shows(by_processes, update, seed):
    features, camid = some(seed, n_samples=120)
    features[60:90] = features[:30]
    labels = relabel(np.random.default_rng(seed).permutation(np.arange(120) % (120 - 15 * seed)))
    options = {"update": update, "camid": camid, "camera_weight": 0.4}
    expected = merge_stage(features, labels, 30, kernels="arrays", **options)
    found = [merge_stage(features, labels, 30, kernels="compiled", precision=p, **options) for p in ("float32", "int8")]
    found += by_processes(2, features, labels, 30, tile=17, **options)
    for result, name in itertools.product(found, FIELDS):
        np.testing.assert_array_equal(getattr(result, name), getattr(expected, name))


@pytest.mark.parametrize("update", ["stale", "exact"])
def test_no_weight_changes_nothing_and_much_weight_keeps_cameras_apart(update):
    features, camid = some(5, n_samples=60, n_cameras=2)
    without = merge_stage(features, initial_labels(60), 20, update=update)
    free = merge_stage(features, initial_labels(60), 20, update=update, camid=camid, camera_weight=0.0)
    np.testing.assert_array_equal(free.merges, without.merges)
    kept = merge_stage(features, initial_labels(60), 20, update="stale", camid=camid, camera_weight=1e6)
    known = camid[without.merges[:, 0]] >= 0
    assert (camid[without.merges[:, 0]] == camid[without.merges[:, 1]])[known].any()
    known = camid[kept.merges[:, 0]] >= 0
    assert (camid[kept.merges[:, 0]] != camid[kept.merges[:, 1]])[known].all()
    assert 0 < known.sum() < len(known)


def test_camera_ids_of_any_integer_type_are_taken():
    features, camid = some(7)
    expected = merge_stage(features, initial_labels(40), 10, camid=np.maximum(camid, 0))
    for dtype in (np.uint8, np.int8, np.uint64):
        found = merge_stage(features, initial_labels(40), 10, camid=np.maximum(camid, 0).astype(dtype))
        np.testing.assert_array_equal(found.merges, expected.merges)


def test_what_cannot_be_penalised_is_refused():
    features, camid = some(6)
    with pytest.raises(UsageError, match="`camera='penalty'` needs `criterion='dbc'`, got `criterion='buc'`"):
        merge_stage(features, initial_labels(40), 3, criterion="buc", camid=camid)
    with pytest.raises(UsageError, match="`camera_weight` must be at least 0 and finite, got -1"):
        merge_stage(features, initial_labels(40), 3, camid=camid, camera_weight=-1)
    with pytest.raises(DbcError, match=r"camid must hold integers of shape \(40,\), .* got int64 of shape \(39,\)"):
        merge_stage(features, initial_labels(40), 3, camid=camid[1:])
