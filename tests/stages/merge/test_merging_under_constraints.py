"""Merges under constraints equal plain loops, for every update, metric and criterion, by every way of computing them."""

import functools
import itertools

import numpy as np
import pytest
from plain_constraints import jaccard_numbers, plain_constrained, plain_numbers, random_constraints
from plain_jaccard import plain_jaccard_distances

from stages.errors import DbcError, UsageError
from stages.merge.selection.links import Links, PairConstraints
from tests.pairwise import pairwise, slow_beyond_pairs
from tests.reference.published import jaccard_merge_stage, merge_stage
from tests.stages.merge.test_every_combination import (
    CPU_WAYS,
    CRITERIA,
    EACH_OPTION,
    EACH_WAY,
    METRICS,
    OPTIONS,
    UPDATES,
    WAYS,
    arrays_of,
    normal,
    spread,
)

CASES = ("few", "same alone", "different alone", "dense", "star", "cliques", "views", "views and links", "equal points")


def case_of(name, seed):
    """(features, labels, n_merges, same, different, view)."""
    rng = np.random.default_rng([CASES.index(name), seed])
    n_samples = 16
    labels = np.arange(n_samples) if seed % 2 else spread(rng, n_samples, 12)
    features = np.repeat(normal(rng, 4), 4, axis=0) if name == "equal points" else normal(rng, n_samples)
    n_clusters = int(labels.max()) + 1
    n_merges = (n_clusters - 1, n_clusters // 2, n_clusters // 3)[seed % 3]
    counts = {
        "few": (2, 3, 0),
        "same alone": (9, 0, 0),
        "different alone": (0, 12, 0),
        "dense": (5, 60, 0),
        "star": (0, 0, 0),
        "cliques": (0, 0, 0),
        "views": (0, 0, 2),
        "views and links": (8, 10, 3),
        "equal points": (2, 10, 0),
    }[name]
    same, different, view = random_constraints(rng, labels, n_same=counts[0], n_different=counts[1], n_views=counts[2])
    others = [i for i in range(1, n_samples) if labels[i] != labels[0]]
    if name == "star":
        different = [(0, i) for i in others]
    if name == "cliques":
        # everyone differs from everyone of the same third, so that joining is a colouring
        different = [
            (i, j) for i, j in itertools.combinations(range(n_samples), 2) if labels[i] != labels[j] and i % 3 == j % 3
        ]
    return features, labels, n_merges, same, different, view


def pairs(values):
    return np.array(values, dtype=np.int64).reshape(-1, 2)


def loops(features, labels, n_merges, *, same, different, view, update, **options):
    numbers_of = functools.partial(plain_numbers, features, **options)
    return plain_constrained(labels, n_merges, numbers_of, same=same, different=different, view=view, update=update)


def assert_equals_loops(result, expected):
    labels, merges, rows = expected
    np.testing.assert_array_equal(result.merges, merges)
    np.testing.assert_array_equal(result.labels, labels)
    found = np.column_stack([result.distance, result.inter, result.intra, result.sizes])
    np.testing.assert_array_equal(found, rows)


@functools.cache
def expected_of(name, seed, **options):
    features, labels, n_merges, same, different, view = case_of(name, seed)
    return loops(features, labels, n_merges, same=same, different=different, view=view, **options)


def assert_way_equals_loops(by_processes, way, name, seed, options):
    how = dict(WAYS[way])
    library, size = how.pop("library", None), how.pop("processes", 1)
    features, labels, n_merges, same, different, view = case_of(name, seed)
    features = arrays_of(library).asarray(features) if library else features
    constraints, expected = PairConstraints(pairs(same), pairs(different), view), expected_of(name, seed, **options)
    for result in by_processes(size, features, labels, n_merges, constraints=constraints, **options, **how):
        assert_equals_loops(result, expected)


# seeds of six in a row have all numbers of merges, with and without singletons alone
@pytest.mark.parametrize(
    ("way", "name", "seed", "update", "metric", "criterion"),
    pairwise(CPU_WAYS, CASES, range(6), UPDATES, METRICS, CRITERIA),
)
def test_every_pair_equals_the_loops(by_processes, way, name, seed, update, metric, criterion):
    assert_way_equals_loops(by_processes, way, name, seed, {"update": update, "metric": metric, **CRITERIA[criterion]})


@pytest.mark.parametrize("way", EACH_WAY)
@EACH_OPTION
def test_every_way_equals_the_loops(by_processes, options, way):
    place = OPTIONS.index(options) + list(WAYS).index(way)
    for name, seed in ((CASES[place % len(CASES)], place), (CASES[(place + 4) % len(CASES)], place + 1)):
        assert_way_equals_loops(by_processes, way, name, seed, options)


@pytest.mark.parametrize(("name", "update", "seed"), slow_beyond_pairs(CASES, UPDATES, range(4)))
def test_blocks_that_run_out_are_followed_by_others(name, update, seed, monkeypatch):
    monkeypatch.setattr("stages.merge.selection.walks.FEWEST_PAIRS", 3)
    monkeypatch.setattr("stages.merge.selection.walks.PAIRS_PER_MERGE", 0)
    features, labels, n_merges, same, different, view = case_of(name, seed)
    constraints = PairConstraints(pairs(same), pairs(different), view)
    found = merge_stage(features, labels, n_merges, update=update, constraints=constraints)
    assert_equals_loops(found, expected_of(name, seed, update=update))


@pytest.mark.parametrize(
    ("name", "update", "normalizer", "seed"), slow_beyond_pairs(CASES, UPDATES, ("n", "n2"), range(3))
)
def test_the_jaccard_distance_equals_the_loops(name, update, normalizer, seed):
    features, labels, n_merges, same, different, view = case_of(name, seed)
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    numbers_of = functools.partial(
        jaccard_numbers, plain_jaccard_distances(features, 4, 2), lambda_=0.1, normalizer=normalizer
    )
    expected, merges, rows = plain_constrained(
        labels, n_merges, numbers_of, same=same, different=different, view=view, update=update
    )
    found = jaccard_merge_stage(
        features,
        labels,
        n_merges,
        update=update,
        intra_normalizer=normalizer,
        k1=4,
        k2=2,
        constraints=PairConstraints(pairs(same), pairs(different), view),
    )
    np.testing.assert_array_equal(found.merges, merges)
    np.testing.assert_array_equal(found.labels, expected)
    columns = np.column_stack([found.distance, found.inter, found.intra, found.sizes])
    np.testing.assert_allclose(columns, rows, atol=1e-11)


def test_views_inherit_what_another_view_forbids():
    # left and right of one individual, two lefts, and a right that is not the second left; the rights are near each other
    features = np.array([[0.0], [0.0], [0.1], [0.15]])
    view, constraints = np.array([0, 1, 0, 1]), pairs([(2, 3)])
    for update in ("stale", "union", "exact"):
        asked = PairConstraints(pairs([(0, 1)]), constraints, view)
        result = merge_stage(features, np.arange(4), 3, update=update, constraints=asked)
        assert result.labels.tolist() == [0, 0, 0, 1]
        assert result.merges.tolist() == [[0, 1], [0, 2]]


def test_without_constraints_nothing_changes(random_clusters):
    features, labels = random_clusters(0, 40, 6, 25)
    for update in ("stale", "union", "exact"):
        plain = merge_stage(features, labels, 12, update=update)
        for constraints in (
            PairConstraints(),
            PairConstraints(pairs([(0, 0)])),
            PairConstraints(view=np.zeros(40, int)),
        ):
            found = merge_stage(features, labels, 12, update=update, constraints=constraints)
            for name in ("labels", "merges", "distance", "inter", "intra", "sizes"):
                np.testing.assert_array_equal(getattr(found, name), getattr(plain, name))


@pytest.mark.parametrize("update", ["stale", "union", "exact"])
@pytest.mark.parametrize("seed", range(5))
def test_no_cluster_breaks_a_constraint(seed, update, random_clusters):
    features, labels = random_clusters(seed, 150, 6, 120)
    rng = np.random.default_rng(seed)
    same, different, view = random_constraints(rng, labels, n_same=40, n_different=300, n_views=3)
    constraints = PairConstraints(pairs(same), pairs(different), view)
    result = merge_stage(features, labels, 100, update=update, constraints=constraints)
    assert all(result.labels[i] == result.labels[j] for i, j in same)
    assert all(result.labels[i] != result.labels[j] for i, j in different)
    assert result.labels.max() + 1 == 120 - len(result.merges)


def test_merges_stop_when_nothing_more_may_join():
    features = np.random.default_rng(0).standard_normal((8, 3)).astype("f4")
    everyone = pairs(list(itertools.combinations(range(4), 2)))
    for update in ("stale", "union", "exact"):
        result = merge_stage(features, np.arange(8), 7, update=update, constraints=PairConstraints(different=everyone))
        assert result.labels.max() + 1 == (4 if update != "stale" else result.labels.max() + 1)
        assert len(set(result.labels[:4])) == 4
        result = merge_stage(
            features[:4], np.arange(4), 3, update=update, constraints=PairConstraints(different=everyone)
        )
        assert len(result.merges) == 0
        assert result.labels.tolist() == [0, 1, 2, 3]


def test_more_may_be_the_same_than_the_schedule_merges():
    features = np.arange(6.0)[:, None]
    result = merge_stage(features, np.arange(6), 1, constraints=PairConstraints(same=pairs([(0, 5), (5, 3), (1, 2)])))
    assert result.merges.tolist() == [[0, 3], [0, 5], [1, 2]]
    assert result.labels.tolist() == [0, 1, 1, 0, 2, 0]


def test_what_cannot_be_is_refused():
    features, labels = np.arange(6.0)[:, None], np.array([0, 1, 1, 2, 3, 4])
    with pytest.raises(DbcError, match="samples 1 and 2 are different individuals, but in one cluster"):
        merge_stage(features, labels, 1, constraints=PairConstraints(different=pairs([(1, 2)])))
    with pytest.raises(DbcError, match="samples 0 and 4 are different"):
        merge_stage(
            features, labels, 1, constraints=PairConstraints(same=pairs([(0, 1), (2, 4)]), different=pairs([(0, 4)]))
        )
    with pytest.raises(UsageError, match="`same` must hold samples from 0 to 5, got 0 to 6"):
        merge_stage(features, labels, 1, constraints=PairConstraints(same=pairs([(0, 6)])))
    with pytest.raises(UsageError, match="`view` must have shape"):
        merge_stage(features, labels, 1, constraints=PairConstraints(view=np.zeros(5, int)))


@pytest.mark.parametrize("seed", range(20))
def test_links_are_inherited_as_sets_of_samples_are(seed):
    rng = np.random.default_rng(seed)
    n = 14
    different = pairs([rng.choice(n, 2, replace=False) for _ in range(18)])
    links, sets = Links(np.arange(n), None, different), [{i} for i in range(n)]
    for _ in range(30):
        a, b = sorted(rng.choice(n, 2, replace=False).tolist())
        if not sets[a] or not sets[b]:
            continue
        told = any((i in sets[a] and j in sets[b]) or (j in sets[a] and i in sets[b]) for i, j in different.tolist())
        assert links.may_join(a, b) == (not told)
        if not told:
            links.join(a, b)
            sets[a], sets[b] = sets[a] | sets[b], set()
