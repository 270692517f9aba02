"""How well features separate clusters, against one dendrogram cut by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import cut_tree
from sklearn.metrics import silhouette_samples

from schemas.parameters import MergeParameters
from stages.features.prepared import Prepared
from stages.loop.choice.rule import LEAST_ACROSS
from stages.loop.choice.separation import MEAN_SIZES, Separation, separation, tells
from stages.merge import dispersion_linkage, initial_labels, merge_stage
from stages.typing import Float32Array


def mixture(n_identities: int, *, spread: float, seed: int = 0) -> Float32Array:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n_identities, 12)).repeat(6, axis=0)
    rows += spread * generator.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def best_of(rows: Float32Array, parameters: MergeParameters, **options: int) -> float:
    return max(separation(Prepared(rows), parameters, **options).silhouette, default=float("nan"))


@pytest.mark.parametrize("parameters", [MergeParameters(), MergeParameters(lambda_=0.0, intra_normalizer="n2")])
def test_it_is_the_best_silhouette_of_cuts_of_the_dendrogram(parameters: MergeParameters) -> None:
    rows = mixture(10, spread=0.5)
    linkage = dispersion_linkage(rows, lambda_=parameters.lambda_, intra_normalizer=parameters.intra_normalizer)
    best = -1.0
    for size in MEAN_SIZES:
        labels = cut_tree(linkage, n_clusters=max(2, round(len(rows) / size)))[:, 0]
        of_samples = silhouette_samples(rows, labels, metric="cosine")
        best = max(best, float(np.mean([of_samples[labels == label].mean() for label in np.unique(labels)])))
    assert best_of(rows, parameters, sampling_seed=0) == pytest.approx(best, abs=1e-5)


def test_how_a_stage_starts_and_selects_makes_no_difference_and_tighter_identities_do() -> None:
    rows = mixture(12, spread=0.4)
    found = best_of(rows, MergeParameters(), sampling_seed=0)
    other = MergeParameters(update="exact", start="singletons", merge_percent=0.3)
    assert best_of(rows, other, sampling_seed=0) == found
    assert best_of(mixture(12, spread=0.1), MergeParameters(), sampling_seed=0) > found + 0.1


def test_many_samples_are_drawn_from_and_few_have_none() -> None:
    rows = mixture(40, spread=0.4)
    found = [best_of(rows, MergeParameters(), sampling_seed=seed, merge_limit=120) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert found[0] == pytest.approx(best_of(rows, MergeParameters(), sampling_seed=0), abs=0.15)
    assert np.isnan(best_of(rows[:2], MergeParameters(), sampling_seed=0))
    assert np.isfinite(best_of(rows[:3], MergeParameters(), sampling_seed=0))


def test_the_number_of_clusters_is_of_all_samples_however_few_are_drawn() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 24)).repeat(16, axis=0)
    rows += 0.3 * np.random.default_rng(1).normal(size=rows.shape)
    limits = 800, 400, 200
    found = [
        separation(Prepared(rows.astype(np.float32)), MergeParameters(), sampling_seed=0, merge_limit=limit)
        for limit in limits
    ]
    assert [each.best_clusters for each in found] == [50, pytest.approx(50, abs=5), pytest.approx(50, abs=5)]
    assert found[2].n_clusters[0] == pytest.approx(800 / 4, rel=0.2)
    # 2 to 800 were looked at in few: of 50 individuals those with the best silhouette are not the last
    assert not any(each.is_open_below((50, 60)) for each in found)
    assert found[0].is_open_below((found[0].n_clusters[-1], 50))


def test_a_number_that_a_random_walk_asks_for_is_not_open_below() -> None:
    """Also if it happens to be the last at which the silhouette was looked at, which had fallen by then."""
    found = Separation((40, 20, 10), silhouette=(0.3, 0.5, 0.1), across_cameras=(np.nan,) * 3, walked=10)
    assert found.likely_clusters == (10, 20)
    assert not found.is_open_below(found.likely_clusters)


def test_few_individuals_of_many_pictures_are_looked_for_while_fewer_clusters_are_better() -> None:
    individual = np.arange(4).repeat(100)
    rows = np.random.default_rng(0).normal(size=(4, 24))[individual]
    rows += 0.4 * np.random.default_rng(1).normal(size=rows.shape)
    found = separation(Prepared(rows.astype(np.float32)), MergeParameters(), sampling_seed=0)
    assert found.n_clusters[-3:] == (6, 4, 3)
    assert (found.best_clusters, found.is_open_below((4, 4))) == (4, False)
    # the best is among the first sizes: no others are looked at
    assert separation(Prepared(mixture(40, spread=0.4)), MergeParameters(), sampling_seed=0).n_clusters[-1] == 240 / 48


def test_runs_by_neighbours_are_looked_at_by_distances_and_only_whitened_dispersions_tell() -> None:
    rows = mixture(12, spread=0.4)
    found = best_of(rows, MergeParameters(metric="jaccard", lambda_=0.01), sampling_seed=0)
    assert [tells(MergeParameters(whiten=ridge, criterion=name)) for ridge in (0, 3) for name in ("dbc", "buc")] == [
        False,
        False,
        True,
        False,
    ]
    assert found == best_of(rows, MergeParameters(intra_normalizer="n2"), sampling_seed=0)


def test_identical_and_zero_rows_are_no_trouble() -> None:
    rows = mixture(6, spread=0.2)
    rows[:20] = 0
    rows[20:30] = rows[20]
    assert np.isfinite(best_of(rows, MergeParameters(), sampling_seed=0))
    assert best_of(np.zeros_like(rows), MergeParameters(), sampling_seed=0) == pytest.approx(0, abs=0.01)


def test_cameras_are_looked_at_and_merges_ignore_them_if_the_run_does() -> None:
    rows, camid = mixture(12, spread=0.6), np.arange(72, dtype=np.int32) % 2
    plain, found = (
        separation(Prepared(rows), MergeParameters(), sampling_seed=0, camid=known) for known in (None, camid)
    )
    assert plain.n_clusters == found.n_clusters
    assert plain.silhouette == pytest.approx(found.silhouette, abs=1e-6)
    assert np.isnan([*plain.across_cameras, plain.camera_mixing]).all()
    assert np.isfinite([*found.across_cameras, found.camera_mixing]).all()
    assert found.camera_mixing == pytest.approx(1, abs=0.2)


def test_it_merges_with_what_the_run_adds_to_d_for_a_shared_camera() -> None:
    plain, camid = mixture(12, spread=0.6), np.arange(72, dtype=np.int32) % 2
    rows = np.concatenate([plain, 0.5 * np.eye(2, dtype=np.float32)[camid]], axis=1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    weight, n_merges = 0.4, 36
    found = separation(Prepared(rows, camid, weight), MergeParameters(), sampling_seed=0, camid=camid)
    merged = merge_stage(rows, initial_labels(72), n_merges, camid=camid, camera_weight=weight)
    of_samples = silhouette_samples(rows, merged.labels, metric="cosine")
    by_cluster = np.mean([of_samples[merged.labels == label].mean() for label in np.unique(merged.labels)])
    place = found.n_clusters.index(72 - n_merges)
    assert found.silhouette[place] == pytest.approx(by_cluster, abs=1e-5)
    ignoring = separation(Prepared(rows), MergeParameters(), sampling_seed=0, camid=camid)
    assert found.across_cameras[place] > ignoring.across_cameras[place] + 0.02


def test_features_that_learn_the_camera_separate_better_but_not_across_cameras() -> None:
    rows, camid = mixture(12, spread=0.6), np.arange(72, dtype=np.int32) % 2
    learnt = np.concatenate([rows, 1.5 * np.eye(2, dtype=np.float32)[camid]], axis=1)
    plain, collapsed = (
        separation(Prepared(known), MergeParameters(), sampling_seed=0, camid=camid) for known in (rows, learnt)
    )
    assert max(collapsed.silhouette) > max(plain.silhouette)
    assert max(collapsed.across_cameras) < max(plain.across_cameras)
    assert collapsed.camera_mixing < 0.1 < plain.camera_mixing


def test_cameras_in_which_nobody_is_alike_do_not_say_how_many_clusters_there_are() -> None:
    """As of cameras that are day and night: silhouettes across them are noise, and 12 antelopes became 2 clusters."""
    camid = np.arange(72, dtype=np.int32) % 2
    rows = np.zeros((72, 24), dtype=np.float32)
    rows[::2, :12], rows[1::2, 12:] = mixture(6, spread=0.1), mixture(6, spread=0.1, seed=1)
    found = separation(Prepared(rows), MergeParameters(), sampling_seed=0, camid=camid)
    assert max(found.across_cameras) < LEAST_ACROSS < 0.3 < max(found.silhouette)
    assert found.judged == found.silhouette
