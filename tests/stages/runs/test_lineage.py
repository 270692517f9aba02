"""What does not belong together is told, unless a person asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_making import Warned
from test_run_directory import EXECUTION, dataset, features, made

from schemas.manifest import ModelManifest
from schemas.parameters import InitParameters
from schemas.stage_names import stage_label
from schemas.summaries import ModelSummary
from stages.errors import DbcError
from stages.runs.context import Context
from stages.runs.lineage import newest_features
from stages.runs.making import Computed, Request, make_artifact
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact


def model(run: RunDirectory, stage: int, seed: int, *parents: Artifact, n_steps: int | None = None) -> Artifact:
    initial = InitParameters(seed=seed)
    summary = ModelSummary(stage=stage, backbone="resnet10", n_parameters=1, n_steps=n_steps)
    request = Request("model", stage, ModelManifest, initial, parents, extra={"initial": initial})
    return made(make_artifact(run, request, lambda _: Computed(summary, EXECUTION), context=Context()).artifact)


def test_features_of_another_model_than_is_taken_are_warned_of(tmp_path: Path) -> None:
    run, reporter = RunDirectory(tmp_path), Warned()
    root = dataset(run, 0)
    first = model(run, 2, 0, root)
    old = features(run, 2, 0.0, root, first)
    assert (newest_features(run, 2, reporter), reporter.told) == (old, [])
    model(run, 2, 1, root)
    for asked in (run.choose(first, 2), RunDirectory(tmp_path, {"model": 1}), RunDirectory(tmp_path, {"features": 1})):
        assert (newest_features(asked, 2, reporter), reporter.told) == (old, [])
    assert newest_features(run, 2, reporter) == old
    assert reporter.told == [
        "the features of stage 2 (v1) come from another model than v2 of that stage; dbc extract --stage 2 makes those of "
        "this one"
    ]


def test_a_stage_before_all_features_names_the_extraction_that_makes_them(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    root = dataset(run, 0)
    features(run, 1, 0.0, root, model(run, 1, 0, root))
    for found in (-1, 0):
        model(run, found, found + 1, root)
        with pytest.raises(DbcError, match=f"make them with: dbc extract --stage {stage_label(found)}$"):
            newest_features(run, 0, Warned())


def test_features_of_another_dataset_alone_are_told(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    root = dataset(run, 0)
    features(run, 1, 0.0, root, model(run, 1, 0, root))
    dataset(run, 1)
    with pytest.raises(
        DbcError, match=r"no features up to stage 1 of dataset v2 found, only those of another dataset; m"
    ):
        newest_features(run, 1, Warned())


def test_features_that_were_forgotten_are_warned_of_and_those_of_untrained_stages_are_not(tmp_path: Path) -> None:
    run, reporter = RunDirectory(tmp_path), Warned()
    root = dataset(run, 0)
    first = features(run, 0, 0.0, root, model(run, 0, 0, root, n_steps=1))
    model(run, 1, 1, root, n_steps=0)
    assert newest_features(run, 1, reporter) == first
    assert reporter.told == ["stage 1 has no features: taking those of stage 0 (v1)"]
    trained = model(run, 2, 2, root, n_steps=1)
    for stage in (2, 3):
        reporter.told.clear()
        assert newest_features(run, stage, reporter) == first
        assert reporter.told == [
            "stage 2 was trained and has no features: taking those of stage 0 (v1); dbc extract --stage 2 makes its own"
        ]
    reporter.told.clear()
    own = features(run, 2, 1.0, root, trained)
    assert (newest_features(run, 2, reporter), reporter.told) == (own, [])
