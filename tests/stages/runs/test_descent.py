"""Which stages follow from what a run has now, and which are left from before."""

from __future__ import annotations

from pathlib import Path

from test_lineage import model
from test_making import Warned
from test_run_directory import EXECUTION, dataset, features, made

from schemas.manifest import ClustersManifest
from schemas.parameters import MergeParameters
from schemas.summaries import ClustersSummary
from stages.runs.context import Context
from stages.runs.descent import clusters_now, older_chain, stages_now
from stages.runs.making import Computed, Request, make_artifact
from stages.runs.next_stage import newest_trained, next_evaluate, next_merge, next_train
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact


def clusters(run: RunDirectory, stage: int, lambda_: float, *parents: Artifact, start: str = "singletons") -> Artifact:
    parameters = MergeParameters(merge_percent=0.1, lambda_=lambda_, start=start)  # type: ignore[arg-type]
    counts = {"n_samples": 3, "n_clusters": 2, "n_merges": 1, "n_singletons": 1, "largest_cluster": 2}
    summary = ClustersSummary(
        stage=stage, features_stage=stage - 1, criterion_first=None, criterion_last=None, **counts
    )
    request = Request("clusters", stage, ClustersManifest, parameters, parents)
    return made(make_artifact(run, request, lambda _: Computed(summary, EXECUTION), context=Context()).artifact)


def chain(run: RunDirectory, last: int, *, seed: int, root: Artifact, start: Artifact | None = None) -> None:
    """All stages from `init` to `last`; another `seed` is another network."""
    before = model(run, -1, seed) if start is None else start
    found = features(run, -1, seed, root, before)
    for stage in range(last + 1):
        merged = [clusters(run, stage, seed, root, found)] if stage else []
        before = model(run, stage, seed, root, before, *merged)
        found = features(run, stage, seed, root, before)


def test_later_stages_of_an_older_chain_are_left_out_and_named(tmp_path: Path) -> None:
    run, reporter = RunDirectory(tmp_path), Warned()
    root = dataset(run, 0)
    chain(run, 3, seed=0, root=root)
    assert (stages_now(run, "clusters"), newest_trained(run)) == ([1, 2, 3], 3)
    chain(run, 1, seed=1, root=root)
    assert stages_now(run, "clusters") == clusters_now(run, reporter) == [1]
    assert stages_now(run, "features") == stages_now(run, "model") == [-1, 0, 1]
    (told,) = reporter.told
    assert told.startswith(
        "stages 2 and 3 follow from other models or features than the stages before have now, and are"
    )
    assert (newest_trained(run), next_merge(run), next_train(run), next_evaluate(run)) == (1, 2, 1, 1)
    # a stage that is asked for is taken, and told
    told = older_chain(run, run.require("clusters", 3))
    assert told == (
        "the clusters of stage 3 (v1) follow from another model of stage init than v2; the stages after init are to be "
        "made anew"
    )
    assert older_chain(run, run.require("clusters", 1)) is None
    # who names versions is not held back
    pinned = RunDirectory(tmp_path, {"clusters": 1})
    assert clusters_now(pinned, reporter) == [1, 2, 3]
    assert len(reporter.told) == 1


def test_clusters_that_were_made_anew_or_corrected_hold_no_later_stage_back(tmp_path: Path) -> None:
    run, reporter = RunDirectory(tmp_path), Warned()
    root = dataset(run, 0)
    chain(run, 3, seed=0, root=root)
    old = run.require("clusters", 2)
    clusters(run, 2, 0.5, root, run.require("features", 1))
    assert clusters_now(run, reporter) == [1, 2, 3]
    # but they follow from those that were, which is told if it is asked for
    told = older_chain(run, run.require("features", 3))
    assert told is not None
    assert "features of stage 3 (v1) follow from other clusters of stage 2 than v2; the stages after 2" in told
    clusters(run, 2, 0.0, root, run.require("features", 1), old, start="reviewed")
    assert older_chain(run, run.require("features", 3)) is None
    # a stage that ends a run is merged from features of any stage before
    clusters(run, 4, 0.0, root, run.require("features", 1))
    assert clusters_now(run, reporter) == [1, 2, 3, 4]
    assert (newest_trained(run), reporter.told) == (3, [])


def test_a_stage_whose_features_were_extracted_anew_begins_anew(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    root = dataset(run, 0)
    chain(run, 3, seed=0, root=root)
    features(run, 1, 9.0, root, run.require("model", 1))
    assert stages_now(run, "clusters") == [1]
    assert (newest_trained(run), next_merge(run)) == (1, 2)


def test_if_nothing_follows_all_stages_are_shown_with_a_warning(tmp_path: Path) -> None:
    run, reporter = RunDirectory(tmp_path), Warned()
    root = dataset(run, 0)
    chain(run, 2, seed=0, root=root)
    features(run, -1, 9.0, root, model(run, -1, 9))
    assert clusters_now(run, reporter) == [1, 2]
    assert "`dbc run` makes all anew" in reporter.told[0]
    assert (newest_trained(run), next_evaluate(run), next_train(run)) == (-1, -1, 0)


def test_stages_of_before_pictures_were_added_count(tmp_path: Path) -> None:
    run, reporter = RunDirectory(tmp_path), Warned()
    first = dataset(run, 0)
    chain(run, 2, seed=0, root=first)
    before = run.require("model", 2)
    second = dataset(run, 1)
    grown = run.choose(second, 0)
    found = features(run, 2, 5.0, second, before)
    clusters(run, 3, 0.0, second, found)
    assert clusters_now(run, reporter) == [3]
    assert stages_now(run.choose(first, 0), "clusters") == [1, 2]
    chain(run, 1, seed=1, root=second)
    assert not reporter.told
    assert clusters_now(grown, reporter) == [1]
    assert stages_now(run.choose(first, 0), "clusters") == [1, 2]
