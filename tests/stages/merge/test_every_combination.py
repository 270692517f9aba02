"""Every update, metric, normaliser and criterion, by every way of computing it, equals the oracle on adversarial cases.

Each of the 27 sets of options meets each of 12 ways (and the two of CuPy) on one or two of the 14 cases, which in turn:
more than 500 comparisons, bit for bit and merge by merge, in which every way meets every case under every metric.
"""

import functools
import itertools

import numpy as np
import pytest
from plain_merge import plain_merge_stage

from stages.errors import DbcError
from tests.reference.published import merge_stage

FIELDS = ("labels", "merges", "distance", "inter", "intra", "sizes")
CRITERIA = [
    {"criterion": "dbc", "intra_normalizer": "n"},
    {"criterion": "dbc", "intra_normalizer": "n2"},
    {"criterion": "buc", "lambda_": 0.005},
]
OPTIONS = [
    {"update": update, "metric": metric, **criterion}
    for update, metric, criterion in itertools.product(
        ("stale", "exact", "union"), ("sqeuclidean", "euclidean", "cosine"), CRITERIA
    )
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


def cases_for(option_index, way):
    """(case, seed) of every ninth case; rows of zeros have no direction, so `cosine` does without."""
    # of nine sets of options with one metric, each begins with another case
    update_and_criterion = 3 * (option_index // 9) + option_index % 3
    first = (update_and_criterion + list(WAYS).index(way)) % 9
    chosen = list(enumerate(CASES))[first::9]
    is_cosine = OPTIONS[option_index]["metric"] == "cosine"
    return [(case, seed) for seed, case in chosen if not (case is zero_vectors and is_cosine)]


def test_every_way_meets_every_case_under_every_metric():
    met = {
        (way, case.__name__, options["metric"])
        for (i, options), way in itertools.product(enumerate(OPTIONS), WAYS)
        for case, _ in cases_for(i, way)
    }
    assert len(met) == len(WAYS) * (len(CASES) * 3 - 1)  # zero vectors under cosine are refused
    compared = [case for i, way in itertools.product(range(len(OPTIONS)), WAYS) for case in cases_for(i, way)]
    assert len(compared) > 500


@functools.cache
def expected_of(option_index, seed):
    features, labels, n_merges = CASES[seed](np.random.default_rng(seed))
    return plain_merge_stage(features, labels, n_merges, **OPTIONS[option_index])


def arrays_of(library):
    if library != "cupy":
        return pytest.importorskip(library)
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return pytest.importorskip("array_api_compat.cupy")


@pytest.mark.parametrize("way", [pytest.param(way, marks=pytest.mark.gpu) if "cupy" in way else way for way in WAYS])
@pytest.mark.parametrize("option_index", range(len(OPTIONS)), ids=lambda i: "-".join(map(str, OPTIONS[i].values())))
def test_every_way_equals_the_oracle_bit_for_bit(by_processes, option_index, way):
    how, options = dict(WAYS[way]), OPTIONS[option_index]
    library, size = how.pop("library", None), how.pop("processes", 1)
    xp = arrays_of(library) if library else np
    for case, seed in cases_for(option_index, way):
        features, labels, n_merges = case(np.random.default_rng(seed))
        results = by_processes(size, xp.asarray(features), labels, n_merges, **options, **how)
        expected = expected_of(option_index, seed)
        for result, name in itertools.product(results, FIELDS):
            message = f"{case.__name__}: {name}"
            np.testing.assert_array_equal(getattr(result, name), getattr(expected, name), err_msg=message)


@pytest.mark.parametrize("way", [way for way in WAYS if way not in {"cupy", "cupy, half", "strict arrays"}])
@pytest.mark.parametrize("options", OPTIONS[::4], ids=lambda options: "-".join(map(str, options.values())))
def test_more_merges_than_clusters_allow_are_refused_by_every_way(options, way):
    how = {name: value for name, value in WAYS[way].items() if name != "processes"}
    features = normal(np.random.default_rng(0), 6)
    for n_clusters, n_merges in ((1, 1), (2, 2), (6, 6), (6, 10**9)):
        with pytest.raises(DbcError, match=rf"less than the number of clusters, {n_clusters}, got {n_merges};"):
            merge_stage(features, np.arange(6) % n_clusters, n_merges, **options, **how)
