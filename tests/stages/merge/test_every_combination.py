"""Every update, metric, normaliser and criterion, by every way of computing it, equals the oracle on adversarial cases.

By default every pair of them meets: each way each case, under one of the 27 sets of options. What is slow lets each set of
options meet each of 12 ways on one or two of the 14 cases, which in turn: more than 500 comparisons, bit for bit and merge
by merge, in which every way meets every case under every metric.
"""

import functools
import itertools

import numpy as np
import pytest
from plain_merge import plain_merge_stage

from stages.errors import DbcError
from tests.pairwise import pairwise
from tests.reference.published import merge_stage

FIELDS = ("labels", "merges", "distance", "inter", "intra", "sizes")
CRITERIA = {
    "dbc, n": {"criterion": "dbc", "intra_normalizer": "n"},
    "dbc, n2": {"criterion": "dbc", "intra_normalizer": "n2"},
    "buc": {"criterion": "buc", "lambda_": 0.005},
}
UPDATES = ("stale", "exact", "union")
METRICS = ("sqeuclidean", "euclidean", "cosine")
OPTIONS = [
    {"update": update, "metric": metric, **criterion}
    for update, metric, criterion in itertools.product(UPDATES, METRICS, CRITERIA.values())
]
WAYS = {
    "float32": {"kernels": "compiled", "precision": "float32"},
    "int8": {"kernels": "compiled", "precision": "int8"},
    "tiles of 5, 3 threads": {"kernels": "compiled", "precision": "int8", "tile": 5, "n_threads": 3},
    "half": {"kernels": "compiled", "precision": "float16"},
    "half in strips of 3": {"kernels": "compiled", "precision": "float16", "tile": 3, "n_threads": 2},
    "2 processes, half": {"processes": 2, "kernels": "compiled", "precision": "float16", "tile": 4},
    "arrays": {"kernels": "arrays"},
    "arrays in tiles of 7": {"kernels": "arrays", "tile": 7},
    "2 processes": {"processes": 2, "kernels": "compiled", "tile": 4, "n_threads": 1},
    "4 processes, arrays": {"processes": 4, "kernels": "arrays", "tile": 3, "n_threads": 1},
    "strict arrays": {"library": "array_api_strict"},
    "cupy": {"library": "cupy", "kernels": "arrays"},
    "cupy, half": {"library": "cupy", "kernels": "compiled"},
}
CPU_WAYS = [way for way in WAYS if "cupy" not in way]
EACH_WAY = [pytest.param(way, marks=pytest.mark.slow if way in CPU_WAYS else pytest.mark.gpu) for way in WAYS]
EACH_OPTION = pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))


def spread(rng, n_samples, n_clusters):
    """Labels (n_samples,) that use each of 0..n_clusters−1, in no order."""
    return rng.permutation(np.arange(n_samples) % n_clusters)


def normal(rng, n_samples=22, dim=5):
    return rng.standard_normal((n_samples, dim)).astype(np.float32)


def singletons(rng):
    return normal(rng), np.arange(22), 12


def clusters(rng):
    return normal(rng), spread(rng, 22, 9), 4


def duplicates(rng):
    return np.repeat(normal(rng, 6), 4, axis=0), spread(rng, 24, 15), 9


def near_ties_at_the_last_bit(rng):
    points = rng.integers(1, 3, (20, 4)) * (1 + 2.0**-52 * rng.integers(0, 3, (20, 4)))
    return points, spread(rng, 20, 16), 8


def equal_distances(rng):
    return np.eye(16), spread(rng, 16, 13), 7


def huge_beside_singletons(rng):
    return normal(rng, 30), rng.permutation(np.concatenate([np.zeros(14, int), np.full(8, 1), np.arange(2, 10)])), 5


def zero_vectors(rng):
    features = normal(rng)
    features[::4] = 0
    return features, spread(rng, 22, 14), 7


def tiny_beside_large(rng):
    return normal(rng) * 10.0 ** rng.integers(-30, 2, (22, 1)), spread(rng, 22, 16), 9


def outlier_channels(rng):
    features = normal(rng, dim=9)
    features[:, [2, 5]] *= 300
    return features, spread(rng, 22, 17), 9


def all_positive(rng):
    return np.maximum(normal(rng, dim=12), 0) + np.float32(3), spread(rng, 22, 18), 9


def identical_points(rng):
    return np.full((9, 3), 0.3, dtype=np.float32), spread(rng, 9, 7), 6


def two_clusters(rng):
    return normal(rng, 12), spread(rng, 12, 2), 1


def down_to_one(rng):
    return normal(rng, 14), spread(rng, 14, 11), 10


def two_samples(rng):
    return normal(rng, 2), np.array([1, 0]), 1


CASES = [
    singletons,
    clusters,
    duplicates,
    near_ties_at_the_last_bit,
    equal_distances,
    huge_beside_singletons,
    zero_vectors,
    tiny_beside_large,
    outlier_channels,
    all_positive,
    identical_points,
    two_clusters,
    down_to_one,
    two_samples,
]


def cases_for(options, way):
    """Every ninth case; rows of zeros have no direction, so `cosine` does without."""
    # of nine sets of options with one metric, each begins with another case
    update, criterion = UPDATES.index(options["update"]), list(CRITERIA.values()).index(criterion_of(options))
    chosen = CASES[(3 * update + criterion + list(WAYS).index(way)) % 9 :: 9]
    return [case for case in chosen if case is not zero_vectors or options["metric"] != "cosine"]


def criterion_of(options):
    return {name: value for name, value in options.items() if name not in {"update", "metric"}}


def test_every_way_meets_every_case_under_every_metric():
    compared = [
        (way, case.__name__, options["metric"])
        for options, way in itertools.product(OPTIONS, WAYS)
        for case in cases_for(options, way)
    ]
    assert len(set(compared)) == len(WAYS) * (len(CASES) * 3 - 1)  # zero vectors under cosine are refused
    assert len(compared) > 500


def input_of(case):
    return case(np.random.default_rng(CASES.index(case)))


@functools.cache
def expected_of(case, **options):
    return plain_merge_stage(*input_of(case), **options)


def arrays_of(library):
    if library != "cupy":
        return pytest.importorskip(library)
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return pytest.importorskip("array_api_compat.cupy")


def assert_equals_oracle(by_processes, way, case, options):
    how = dict(WAYS[way])
    library, size = how.pop("library", None), how.pop("processes", 1)
    features, labels, n_merges = input_of(case)
    features = arrays_of(library).asarray(features) if library else features
    expected = expected_of(case, **options)
    for result in by_processes(size, features, labels, n_merges, **options, **how):
        for name in FIELDS:
            message = f"{case.__name__}: {name}"
            np.testing.assert_array_equal(getattr(result, name), getattr(expected, name), err_msg=message)


@pytest.mark.parametrize(
    ("way", "case", "update", "metric", "criterion"),
    [
        *pairwise(CPU_WAYS, [case for case in CASES if case is not zero_vectors], UPDATES, METRICS, CRITERIA),
        *pairwise(CPU_WAYS, [zero_vectors], UPDATES, [metric for metric in METRICS if metric != "cosine"], CRITERIA),
    ],
)
def test_every_pair_equals_the_oracle_bit_for_bit(by_processes, way, case, update, metric, criterion):
    assert_equals_oracle(by_processes, way, case, {"update": update, "metric": metric, **CRITERIA[criterion]})


@pytest.mark.parametrize("way", EACH_WAY)
@EACH_OPTION
def test_every_way_equals_the_oracle_bit_for_bit(by_processes, options, way):
    for case in cases_for(options, way):
        assert_equals_oracle(by_processes, way, case, options)


@pytest.mark.parametrize("way", [way for way in WAYS if way not in {"cupy", "cupy, half", "strict arrays"}])
@pytest.mark.parametrize("options", OPTIONS[::4], ids=lambda options: "-".join(map(str, options.values())))
def test_more_merges_than_clusters_allow_are_refused_by_every_way(options, way):
    how = {name: value for name, value in WAYS[way].items() if name != "processes"}
    features = normal(np.random.default_rng(0), 6)
    for n_clusters, n_merges in ((1, 1), (2, 2), (6, 6), (6, 10**9)):
        with pytest.raises(DbcError, match=rf"less than the number of clusters, {n_clusters}, got {n_merges};"):
            merge_stage(features, np.arange(6) % n_clusters, n_merges, **options, **how)
