"""Returning to earlier parameters returns to earlier artifacts, and broken chains are told."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest

from dbc_cli.__main__ import run_command
from dbc_cli.run_progress import RunProgress
from schemas.parameters import (
    EvaluateParameters,
    ExtractParameters,
    IngestParameters,
    MergeParameters,
    SyntheticParameters,
)
from stages.compare.history import evaluations, history, of_other_clusters
from stages.errors import DbcError, UsageError
from stages.evaluate.stage import evaluate
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.loop.choice.stage import measured_stages
from stages.loop.plan import Plan
from stages.loop.run_stages import StageRow, run_stages
from stages.merge.stage import merge
from stages.pages.facts import metrics_by_stage
from stages.reporting import SILENT, Keeping
from stages.runs.context import Context
from stages.runs.listing import list_run
from stages.runs.next_stage import newest_trained, next_command
from stages.runs.run_directory import RunDirectory, clusters_manifest, metrics_manifest, model_manifest
from stages.train.stage import train

pytestmark = pytest.mark.usefixtures("tiny_networks")

INITIAL = {"backbone": "tiny", "weights": "none", "embedding_dim": 8}


def ingested(root: Path, *, seed: int = 0, new_dataset: bool = False) -> RunDirectory:
    run = RunDirectory(root)
    people = SyntheticParameters(identities=8, cameras=2, images_per_camera=2)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=32, width=16, seed=seed)
    ingest(run, source=None, parameters=parameters, new_dataset=new_dataset, context=Context(workers=0))
    return run


Looped = tuple[RunDirectory, list[StageRow]]


@pytest.fixture(scope="module")
def looped_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[StageRow]]:
    """A run that was brought through stage 1, and its rows. Not to be changed."""
    root = tmp_path_factory.mktemp("looped")
    return root, rows(ingested(root))


@pytest.fixture
def looped(looped_once: tuple[Path, list[StageRow]], tmp_path: Path) -> Looped:
    """A copy of it to work in."""
    root, found = looped_once
    return RunDirectory(Path(copytree(root, tmp_path, dirs_exist_ok=True))), found


def rows(run: RunDirectory, *, lambda_: float = 0.1, epochs: int = 1, **plan: object) -> list[StageRow]:
    found: list[StageRow] = []
    run_stages(
        run,
        Plan(
            merge=MergeParameters(merge_percent=0.25, lambda_=lambda_),
            extract=ExtractParameters(),
            evaluate=EvaluateParameters(),
            train={"epochs": epochs, "batch_size": 8},
            initial=INITIAL,
            **({"stages": 1} | plan),  # type: ignore[arg-type]
        ),
        on_row=found.append,
    )
    return found


def test_a_run_with_earlier_parameters_gives_the_earlier_rows(looped: Looped) -> None:
    run, first = looped
    other = rows(run, lambda_=9.0)
    again = rows(run)
    assert [row.metrics.id for row in again] == [row.metrics.id for row in first]
    assert [row.model.id for row in again] == [row.model.id for row in first]
    assert first[-1].metrics.id != other[-1].metrics.id
    assert all(row.made == () for row in again)
    # and other commands take them
    for kind in ("clusters", "model", "features", "metrics"):
        found, made = run.require(kind, 1), again[-1].run.require(kind, 1)  # type: ignore[arg-type]
        assert (found, found.version) == (made, 3)
    assert run.require("metrics", 0).version == 1


def test_a_stage_without_epochs_hands_on_weights_and_features(tmp_path: Path) -> None:
    run = ingested(tmp_path)
    init, zero, one = rows(run, epochs=0)
    assert init.metrics.summary.mAP == zero.metrics.summary.mAP == one.metrics.summary.mAP
    digests = [run.require("features", stage).manifest.arrays for stage in (-1, 0, 1)]
    assert digests[0] == digests[1] == digests[2]
    assert "its features are used" in run.require("features", 1).manifest.notes[0]
    assert one.model.summary.n_steps == 0
    for kind, array in (("features", "pooled"), ("model", "backbone/0.weight")):
        artifacts = [run.require(kind, stage) for stage in (-1, 0, 1)]  # type: ignore[arg-type]
        files = [{path.stat().st_ino for path in (one.path / array).rglob("*") if path.is_file()} for one in artifacts]
        assert files[0] == files[1] == files[2] != set()
        assert all(not artifact.damaged() for artifact in artifacts)


def test_epochs_are_for_every_stage_unless_stage_0_has_its_own(looped: Looped) -> None:
    run, first = looped
    assert [row.model.summary.epochs for row in first] == [None, 1, 1]
    assert [row.model.summary.epochs for row in rows(run, epochs=1, stage0_epochs=2)] == [None, 2, 1]


def test_stages_that_merge_more_than_there_is_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    run = ingested(tmp_path)
    with pytest.raises(UsageError, match=r"`stages` must be at most .*, got 9"):
        rows(run, stages=9)
    assert run.stages("model") == []


def test_evaluating_clusters_that_the_model_was_not_trained_on_says_so(looped: Looped) -> None:
    run, _ = looped
    merge(run, stage=1, parameters=MergeParameters(merge_percent=0.25, lambda_=9.0), context=Context(device="cpu"))
    outcome = evaluate(run, stage=1, parameters=EvaluateParameters())
    assert outcome.artifact is not None
    notes = metrics_manifest(outcome.artifact).notes
    assert any("trained on other clusters" in note for note in notes)
    (told,) = of_other_clusters(run, evaluations(run))
    assert "trained on other clusters than v2 of stage 1" in told
    # trained and not extracted: figures of the model before, beside the clusters of now
    train(run, stage=1, overrides={"epochs": 1, "batch_size": 8}, initial={}, context=Context(device="cpu"))
    mixed, reporter = evaluate(run, stage=1, parameters=EvaluateParameters()), Keeping(SILENT)
    assert (mixed.status, mixed.artifact) == ("up to date", outcome.artifact)
    assert any("come from another model than v2 of that stage; dbc extract" in note for note in mixed.notes)
    assert [each.summary.stage for each in evaluations(run, reporter)] == [-1, 0]
    assert [stage for stage, metrics in metrics_by_stage(run, {}).items() if metrics] == [-1, 0]
    assert reporter.warned[0].startswith("the figures of stage 1 are of other models or features than the run has now")
    assert next_command(run) == "dbc extract"
    # a stage that is asked for is made of an older chain, and that is told
    extract(run, stage=0, parameters=ExtractParameters(batch_size=3), initial={}, context=Context(device="cpu"))
    dry = Context(device="cpu", dry_run=True)
    told = "from other features of stage 0 than v2; the stages after 0 are to be made anew"
    made = extract(run, stage=1, parameters=ExtractParameters(batch_size=3), initial={}, context=dry)
    assert made.notes == (f"the model of stage 1 (v2) follows {told}",)
    made = train(run, stage=1, overrides={"epochs": 1, "batch_size": 8}, initial={}, context=dry)
    assert made.notes[:1] == (f"the clusters of stage 1 (v2) follow {told}",)
    # figures of an older chain alone
    rmtree(run.directory("metrics", -1))
    rmtree(run.directory("metrics", 0))
    assert [each.summary.stage for each in evaluations(run, reporter)] == [1]
    assert reporter.warned[1] == reporter.warned[0].replace(", and are left out", "")
    # figures are shown without clusters that are gone
    shown = [metrics_manifest(outcome.artifact)]
    rmtree(run.require("clusters", 1).path)
    assert of_other_clusters(run, shown) == []


def test_merging_on_from_clusters_of_another_dataset_is_refused(tmp_path: Path, looped: Looped) -> None:
    run, _ = looped
    other = ingested(tmp_path, seed=9, new_dataset=True)
    stage_two = MergeParameters(merge_percent=0.25, start="previous")
    dataset = other.require("dataset")
    assert dataset.version == 2
    # a model, and clusters, of the other line are not taken unless they are asked for
    with pytest.raises(DbcError, match="no model of stage 1 found; those there are made from another dataset"):
        extract(run, stage=1, parameters=ExtractParameters(), initial={}, context=Context(device="cpu"))
    mixed = RunDirectory(tmp_path, {"model": 1, "clusters": 1})
    extract(mixed, stage=1, parameters=ExtractParameters(), initial={}, context=Context(device="cpu"))
    with pytest.raises(DbcError, match="made from dataset"):
        merge(mixed, stage=2, parameters=stage_two, context=Context(device="cpu"))
    with pytest.raises(DbcError, match="made from dataset"):
        evaluate(mixed, stage=1, parameters=EvaluateParameters())


def test_two_lines_of_stages_stay_apart_and_follow_the_dataset(tmp_path: Path, looped: Looped) -> None:
    run, _ = looped
    first = rows(run, stages=2)
    assert [bool(row.made) for row in first] == [False, False, False, True]
    chosen, old = measured_stages(run), history(run)
    ingested(tmp_path, seed=9, new_dataset=True)
    # nothing of the new line is there yet
    assert measured_stages(run) == run.stages("model")[1:] == []
    assert (next_command(run), newest_trained(run)) == ("dbc extract", -1)
    with pytest.raises(DbcError, match="no metrics found"):
        history(run)
    second = rows(run, stages=1)
    assert measured_stages(run) == [-1, 0, 1]
    assert [figures["stage"] for figures in history(run)] == [-1, 0, 1]
    assert [row.metrics.id for row in second] != [row.metrics.id for row in first][:3]
    assert next_command(run) == "dbc merge"
    back = RunDirectory(tmp_path, {"dataset": 1})
    assert (measured_stages(back), history(back)) == (chosen, old)
    assert newest_trained(back) == 2
    # all is listed: datasets, models with the one initial model that both begin with, features, clusters, metrics
    assert len(list_run(run)) == len(list_run(back)) == 2 + (1 + 3 + 2) + (4 + 3) + (2 + 1) + (4 + 3)


def test_another_dataset_in_a_run_that_has_stages_is_refused_unless_asked_for(tmp_path: Path, looped: Looped) -> None:
    run, first = looped
    with pytest.raises(UsageError, match="has stages made from dataset v1, and this is another dataset"):
        ingested(tmp_path, seed=9)
    assert run.versions("dataset") == [1]
    assert ingested(tmp_path).versions("dataset") == [1]
    ingested(tmp_path, seed=9, new_dataset=True)
    with pytest.raises(UsageError, match="has stages made from dataset v1, and"):
        ingested(tmp_path, seed=3)
    # one flag leads back, and finds everything up to date
    back = rows(RunDirectory(tmp_path, {"dataset": 1}))
    assert [row.metrics.id for row in back] == [row.metrics.id for row in first]
    assert not any(row.made for row in back)


def test_a_loop_keeps_the_dataset_it_began_with(tmp_path: Path) -> None:
    run = ingested(tmp_path)
    found: list[StageRow] = []

    def on_row(row: StageRow) -> None:
        found.append(row)
        if row.stage == 0:
            ingested(tmp_path, seed=9, new_dataset=True)

    plan = Plan(
        merge=MergeParameters(merge_percent=0.25, lambda_=0.1),
        extract=ExtractParameters(),
        evaluate=EvaluateParameters(),
        train={"epochs": 1, "batch_size": 8},
        initial=INITIAL,
        stages=1,
    )
    run_stages(run, plan, on_row=on_row)
    assert [row.stage for row in found] == [-1, 0, 1]
    used = {parent.id for row in found for parent in row.metrics.parents if parent.kind == "dataset"}
    assert used == {RunDirectory(tmp_path, {"dataset": 1}).require("dataset").manifest.id}


def test_a_loop_keeps_the_configuration_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, configuration = ingested(tmp_path).root, tmp_path / "config.toml"
    configuration.write_text("lambda = 0.1\nepochs = 0\nseed = 1\n")
    add = RunProgress.add

    def changed(table: RunProgress, row: dict[str, Any]) -> None:
        add(table, row)
        configuration.write_text("lambda = 7\nepochs = 3\nseed = 2\nno-such-flag = 1\n")

    monkeypatch.setattr(RunProgress, "add", changed)
    monkeypatch.chdir(tmp_path)
    network = ["--backbone", "tiny", "--weights", "none", "--embedding-dim", "8"]
    assert run_command(["run", *network, "--merge-percent", "0.25", "--stages", "2", "--run", str(run)]) == 0
    merged = [clusters_manifest(RunDirectory(run).require("clusters", stage)) for stage in (1, 2)]
    assert [manifest.parameters.lambda_ for manifest in merged] == [0.1, 0.1]
    trained = [model_manifest(RunDirectory(run).require("model", stage)) for stage in (0, 1, 2)]
    assert [(manifest.summary.epochs, manifest.seeds["training"]) for manifest in trained] == [(0, 1)] * 3
    assert run_command(["run", "--run", str(run)]) == 2
