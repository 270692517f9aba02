"""Bad input to the merge: one line that names the argument, what it must be, what was found, and the next step."""

import itertools
import tracemalloc
from functools import partial

import numpy as np
import pytest
import torch

from stages.errors import DbcError, MemoryLimitError, UsageError
from stages.merge import (
    cluster_ids,
    extend_linkage,
    initial_labels,
    jaccard_merge_stage,
    labels_of_linkage,
    number_of_merges,
)
from stages.merge.linkage import empty_linkage
from stages.merge.memory_model import engine_bytes
from stages.merge.result import StageMerges
from stages.merge.selection.links import PairConstraints
from stages.merge.stage import _tell_alone
from stages.reporting import SILENT, Keeping
from tests.reference.published import dispersion_linkage, merge_stage

POINTS = np.arange(20.0).reshape(10, 2)


def with_value(value):
    features = POINTS.copy()
    features[4, 1] = value
    return features


@pytest.mark.parametrize(
    ("features", "labels", "n_merges", "options", "error", "words"),
    [
        (with_value(np.nan), np.arange(10), 2, {}, DbcError, "row 4 holds NaN"),
        (with_value(-np.inf), np.arange(10), 2, {}, DbcError, "row 4 holds NaN or infinity"),
        (with_value(1e120), np.arange(10), 2, {}, DbcError, "1e\\+120"),
        (POINTS * 1e-120, np.arange(10), 2, {}, DbcError, "1.9e-119"),
        (POINTS, np.arange(9), 2, {}, DbcError, r"labels must have shape \(10,\), .* got \(9,\)"),
        (POINTS, np.arange(1, 11), 2, {}, DbcError, "got 10 values from 1 to 10"),
        (POINTS, np.arange(10) * 2, 2, {}, DbcError, "got 10 values from 0 to 18"),
        (POINTS, np.arange(10.0), 2, {}, DbcError, "float64"),
        (POINTS[:0], np.arange(0), 2, {}, DbcError, r"at least 1, got \(0, 2\)"),
        (POINTS[:, 0], np.arange(10), 2, {}, DbcError, r"at least 1, got \(10,\)"),
        (POINTS.tolist(), np.arange(10), 2, {}, DbcError, "features must be an array .* got list; numpy.asarray"),
        (np.ma.masked_less(POINTS, 3), np.arange(10), 2, {}, DbcError, "without a mask, got NumPy's MaskedArray"),
        (POINTS.astype(str), np.arange(10), 2, {}, DbcError, "features must be real numbers, got an array of <U32"),
        (POINTS + 1j, np.arange(10), 2, {}, DbcError, "features must be real numbers, got an array of complex128"),
        (POINTS, np.arange(10), 2.5, {}, UsageError, "`n_merges` must be a whole number, got 2.5"),
        (POINTS, np.arange(10), True, {}, UsageError, "`n_merges` must be a whole number, got True"),
        (POINTS, np.arange(10), 2, {"lambda_": "a"}, UsageError, "`lambda_` must be a number, got 'a'"),
        (POINTS, np.arange(10), 10, {}, DbcError, "less than the number of clusters, 10, got 10"),
        (POINTS, np.zeros(10, dtype=int), 1, {}, DbcError, "less than the number of clusters, 1, got 1"),
        (POINTS, np.arange(10), 0, {}, UsageError, "`n_merges` must be at least 1, got 0$"),
        (POINTS, np.arange(10), 2, {"lambda_": -0.1}, UsageError, "`lambda_` must be at least 0 and finite, got -0.1"),
        (POINTS, np.arange(10), 2, {"lambda_": np.nan}, UsageError, "`lambda_` must be at least 0 and finite, got nan"),
        (
            POINTS,
            np.arange(10),
            2,
            {"update": "lazy"},
            UsageError,
            "unknown `update` 'lazy': choose exact, stale or union",
        ),
        (
            POINTS,
            np.arange(10),
            2,
            {"metric": "l1"},
            UsageError,
            "unknown `metric` 'l1': choose sqeuclidean, euclidean or cosine",
        ),
        (
            POINTS,
            np.arange(10),
            2,
            {"intra_normalizer": "m"},
            UsageError,
            "unknown `intra_normalizer` 'm': choose n or n2",
        ),
        (POINTS * 0.0, np.arange(10), 2, {"metric": "cosine"}, DbcError, "row 0 is all zeros"),
        (
            POINTS,
            np.arange(10),
            2,
            {"criterion": "ward"},
            UsageError,
            "unknown `criterion` 'ward': choose buc(, .+)? or .+",
        ),
        (
            POINTS,
            np.arange(10),
            2,
            {"precision": "int4", "kernels": "compiled"},
            UsageError,
            "unknown `precision` 'int4': choose auto, float32, int8 or float16",
        ),
        (
            POINTS,
            np.arange(10),
            2,
            {"memory_limit": 1000},
            MemoryLimitError,
            "takes .* the limit is 1000.0 B; raise `memory_limit`",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(features, labels, n_merges, *, options, error, words):
    with pytest.raises(error, match=words) as caught:
        merge_stage(features, labels, n_merges, **options)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: initial_labels(2.5), "`n_samples` must be a whole number, got 2.5"),
        (lambda: initial_labels(-1), "`n_samples` must be at least 0, got -1"),
        (lambda: number_of_merges(100, "a"), "`merge_percent` must be a number, got 'a'"),
        (lambda: dispersion_linkage([[0.0], [1.0]]), "features must be an array"),
        (
            lambda: merge_stage(POINTS, np.arange(10), 2, camid=np.arange(10) % 2, camera_weight="a"),
            "`camera_weight` must be a number, got 'a'",
        ),
        *(
            (partial(merge_stage, POINTS, np.arange(10), 2, update=update, **{name: value}), f"`{name}` must be {must}")
            for update in ("exact", "stale", "union")
            for name, value, must in (
                ("tile", -1, "at least 1, got -1"),
                ("tile", 0, "at least 1, got 0"),
                ("tile", 2.5, "a whole number, got 2.5"),
                ("n_threads", 0, "at least 1, got 0"),
                ("n_threads", -1, "at least 1, got -1"),
                ("memory_limit", "8GiB", "a whole number, got '8GiB'"),
            )
        ),
        (
            lambda: merge_stage(POINTS, np.arange(10), 2, kernels="numba"),
            "unknown `kernels` 'numba': choose auto, compiled or",
        ),
        (lambda: merge_stage(POINTS, np.arange(10), 2, precision="fp16"), "unknown `precision` 'fp16'"),
        (
            lambda: merge_stage(POINTS, np.arange(10), 2, constraints={"same": []}),
            r"Constraints\(same=…, .* got a dict",
        ),
        (lambda: merge_stage(POINTS, np.arange(10), 2, constraints=[(0, 1)]), r"Constraints\(same=…, .* got a list"),
        (lambda: jaccard_merge_stage(POINTS, np.arange(10), 2, k1=5.0), "`k1` must be a whole number, got 5.0"),
        (lambda: cluster_ids(10, empty_linkage()), r"`linkage` must be a matrix \(r, 4\) .* got a int of shape \(\)"),
        (lambda: cluster_ids(empty_linkage(), 2.5), "`n_samples` must be a whole number"),
        (lambda: extend_linkage(np.arange(3), empty_linkage(), None), r"`linkage` must be a matrix"),
        (lambda: extend_linkage(empty_linkage(), None, np.arange(3)), r"got shape \(\) and a ndarray"),
        (lambda: extend_linkage(empty_linkage(), np.arange(14), merge_stage(POINTS, np.arange(10), 2)), r"got \(14,\)"),
        (lambda: extend_linkage(empty_linkage(), POINTS[:, 0], merge_stage(POINTS, np.arange(10), 2)), "got float64"),
        (
            lambda: merge_stage(POINTS, np.ma.masked_equal(np.arange(10), 3), 2),
            "labels must be an array without a mask, got NumPy's MaskedArray",
        ),
        (lambda: merge_stage(POINTS, np.arange(10), 2, lambda_=10**400), "`lambda_` must be finite, got a number that"),
        *(
            (
                partial(labels_of_linkage, np.array(rows, dtype=float), 3),
                "`linkage` must join two clusters a row that are",
            )
            for rows in (
                [[0, 0.5, 1, 2]],
                [[0, 99, 1, 2]],
                [[1, 1, 1, 2]],
                [[0, 1, 1, 2], [0, 3, 1, 3]],
                [[0, 3, 1, 2]],
                [[0, np.nan, 1, 2]],
            )
        ),
        (
            lambda: jaccard_merge_stage(POINTS, np.arange(10), 2),
            "features must have length 1, got 3.60555 for feature 1",
        ),
        *(
            (partial(merge_stage, tensor, np.arange(10), 2), "features must be a dense tensor without gradient")
            for tensor in (
                torch.ones(10, 2, requires_grad=True),
                torch.ones(10, 2).to_sparse(),
                torch.ones(10, 2, device="meta"),
            )
        ),
    ],
)
def test_arguments_of_other_types_are_refused_in_one_line(call, words):
    with pytest.raises((UsageError, DbcError), match=words):
        call()


def test_constraints_without_pairs_are_none():
    none = PairConstraints(same=[], different=[])
    found = merge_stage(POINTS, np.arange(10), 2, constraints=none)
    np.testing.assert_array_equal(found.merges, merge_stage(POINTS, np.arange(10), 2).merges)


@pytest.mark.parametrize("value", [np.float32(0.5), np.int64(2), 1])
def test_numbers_of_every_type_are_taken(value):
    expected = merge_stage(POINTS, np.arange(10), 2, lambda_=float(value))
    found = merge_stage(POINTS.astype(np.int64), np.arange(10).tolist(), np.int64(2), lambda_=value)
    np.testing.assert_array_equal(found.merges, expected.merges)


@pytest.mark.parametrize("fraction", [0, 1, -0.05, float("nan")])
def test_a_merge_percent_outside_0_to_1_is_refused(fraction):
    with pytest.raises(UsageError, match="`merge_percent` must be a fraction above 0 and below 1"):
        number_of_merges(100, fraction)


def test_a_linkage_of_other_labels_is_refused():
    result = merge_stage(POINTS, initial_labels(10), 3)
    linkage = extend_linkage(empty_linkage(), initial_labels(10), result)
    with pytest.raises(DbcError, match="of one partition, got 7 and 10 clusters"):
        extend_linkage(linkage, initial_labels(10), result)


def test_clusters_that_come_from_no_merges_are_merged_without_a_linkage():
    labels = np.repeat(np.arange(5), 2)
    assert extend_linkage(empty_linkage(), labels, merge_stage(POINTS, labels, 3)).shape == (0, 4)


@pytest.mark.parametrize("kernels", ["compiled", "arrays"])
def test_the_memory_model_bounds_what_is_allocated_and_has_no_square_term(kernels):
    features = np.random.default_rng(0).standard_normal((3000, 64)).astype(np.float32)
    merge_stage(features[:50], initial_labels(50), 5, kernels=kernels)
    tracemalloc.start()
    merge_stage(features, initial_labels(3000), 150, kernels=kernels, n_threads=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    shape = {"dim": 64, "n_merges": 150, "tile": 512, "n_threads": 2, "compiled": kernels == "compiled"}
    model = engine_bytes(n_samples=3000, n_clusters=3000, **shape)
    assert peak <= model
    doubled = engine_bytes(n_samples=6000, n_clusters=6000, **shape)
    assert doubled <= 2 * model


def test_few_samples_of_many_values_are_merged_in_little_memory():
    features = np.random.default_rng(0).standard_normal((100, 2048)).astype(np.float32)
    tracemalloc.start()
    merge_stage(features, initial_labels(100), 33, kernels="arrays", update="exact", n_threads=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    shape = {"dim": 2048, "n_merges": 33, "tile": 1024, "n_threads": 2, "compiled": False}
    assert peak <= engine_bytes(n_samples=100, n_clusters=100, exact=True, **shape) < 200 << 20


@pytest.mark.parametrize("kernels", ["compiled", "arrays"])
def test_the_memory_model_bounds_a_whole_dendrogram(kernels):
    features = np.random.default_rng(0).standard_normal((800, 64)).astype(np.float32)
    dispersion_linkage(features[:50], kernels=kernels)
    tracemalloc.start()
    dispersion_linkage(features, kernels=kernels, n_threads=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    shape = {"dim": 64, "n_merges": 799, "tile": 512, "n_threads": 2, "compiled": kernels == "compiled"}
    assert peak <= engine_bytes(n_samples=800, n_clusters=800, exact=True, **shape)


@pytest.mark.parametrize("device_bytes", [78 << 30, 139 << 30])
@pytest.mark.parametrize("n_samples", [500_000, 1_000_000])
def test_a_million_samples_fit_beside_their_features_on_one_gpu(n_samples, device_bytes):
    features_bytes = n_samples * 2048 * 4
    shape = {"n_samples": n_samples, "dim": 2048, "tile": 4096, "n_threads": 1, "compiled": False}
    for n_clusters in (n_samples, n_samples // 2):
        taken = engine_bytes(n_clusters=n_clusters, n_merges=n_samples // 20, **shape)
        assert 4 * n_clusters * 2048 < taken < 0.8 * (device_bytes - features_bytes)
    assert engine_bytes(n_clusters=n_samples, n_merges=n_samples // 20, **shape) < 1.5 * features_bytes + 4e9


def test_features_are_taken_in_parts_that_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((40, 6)).astype(np.float32), rng.permutation(np.arange(40) % 13)
    for update, metric in itertools.product(("stale", "exact"), ("sqeuclidean", "cosine")):
        options = {"update": update, "metric": metric, "kernels": "arrays"}
        monkeypatch.setattr("stages.merge.tables.canonical_rows.PART_VALUES", 1 << 22)
        expected = merge_stage(features, labels, 6, **options)
        for part_values in (1, 17, 60):
            monkeypatch.setattr("stages.merge.tables.canonical_rows.PART_VALUES", part_values)
            found = merge_stage(features, labels, 6, **options)
            for name in ("labels", "merges", "distance", "inter", "intra", "sizes"):
                np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        zeros = np.where(np.arange(40)[:, None] == 31, 0, features)
        with pytest.raises(DbcError, match="row 31"):
            merge_stage(zeros, labels, 6, metric="cosine", kernels="arrays")


def test_a_merge_of_the_published_size_fits_in_600_mib():
    shape = {"n_samples": 12936, "n_clusters": 12936, "dim": 2048, "n_merges": 646, "tile": 512, "n_threads": 2}
    assert engine_bytes(**shape) < 600 << 20


@pytest.mark.parametrize(("labels", "told"), [([0, 0, 1, 2, 3], "3 of 3; to put them together"), ([0, 0, 1, 1, 2], "")])
def test_samples_without_a_label_that_nothing_joined_are_counted(labels: list[int], told: str) -> None:
    kept = Keeping(SILENT)
    none = np.empty((0, 2))
    result = StageMerges(np.array(labels), none.astype(np.int64), none[:, 0], none[:, 0], none, none.astype(np.int64))
    _tell_alone(result, np.array([0, 0, -1, -1, -1]), kept)
    assert told in "".join(kept.warned)
    assert bool(kept.warned) is bool(told)
