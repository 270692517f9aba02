"""A run directory finds the artifact that was chosen, pinned, newest or named as a parent."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from schemas.choices import ArtifactKind
from schemas.manifest import DatasetManifest, Execution, FeaturesManifest, Parent
from schemas.parameters import ExtractParameters, IngestParameters
from schemas.summaries import DatasetSummary, FeaturesSummary
from stages.errors import DbcError, UsageError
from stages.runs.context import Context
from stages.runs.making import Computed, Request, make_artifact
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, Writer

EXECUTION = Execution(backend="test", device="cpu")
FEATURES = FeaturesSummary(stage=0, n_samples=3, n_images=3, dim=2, embedding_dim=2, images_per_second=1.0)
DATASET = DatasetSummary(
    n_images=3, n_samples=3, n_train=3, n_query=0, n_gallery=0, n_identities=0, n_cameras=0, height=8, width=8
)


def dataset(run: RunDirectory, seed: int) -> Artifact:
    def compute(writer: Writer) -> Computed:
        writer.array("pid", np.arange(3, dtype=np.int32))
        return Computed(DATASET, EXECUTION)

    request = Request("dataset", 0, DatasetManifest, IngestParameters(seed=seed))
    return made(make_artifact(run, request, compute, context=Context()).artifact)


def features(run: RunDirectory, stage: int, value: float, *parents: Artifact, flip: bool = False) -> Artifact:
    def compute(writer: Writer) -> Computed:
        writer.array("features", np.full((3, 2), value, dtype=np.float32))
        return Computed(FEATURES.model_copy(update={"stage": stage}), EXECUTION)

    request = Request("features", stage, FeaturesManifest, ExtractParameters(flip=flip), parents)
    return made(make_artifact(run, request, compute, context=Context(force=True)).artifact)


def made(artifact: Artifact | None) -> Artifact:
    assert artifact is not None
    return artifact


def test_the_chosen_version_is_found_before_the_pinned_and_the_newest(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    versions = [features(run, 2, value) for value in (0.0, 1.0, 2.0)]
    pinned = RunDirectory(tmp_path, pinned={"features": 2})
    for artifact in versions:
        for chosen in (run.choose(artifact, 2), pinned.choose(artifact, 2)):
            assert chosen.find("features", 2) == artifact
            assert chosen.require("features", 2) == artifact
            assert chosen.newest_up_to("features", 5) == artifact


def test_choosing_leaves_the_run_it_is_asked_of_and_other_stages_as_they_were(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    old, new = features(run, 0, 0.0), features(run, 0, 1.0)
    other = [features(run, 1, value) for value in (0.0, 1.0)][-1]
    chosen = run.choose(old, 0)
    assert run.find("features", 0) == new
    assert chosen.find("features", 0) == old
    assert chosen.find("features", 1) == other
    assert chosen.choose(new, 0).find("features", 0) == new
    assert chosen.pinned == run.pinned


def test_a_chosen_dataset_is_found_whatever_the_stage(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    old = dataset(run, 0)
    dataset(run, 1)
    chosen = run.choose(old, 4)
    assert [chosen.find("dataset", stage) for stage in (0, 4, 7)] == [old] * 3


def test_a_chosen_version_that_is_gone_is_refused(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    old = features(run, 1, 0.0)
    chosen = run.choose(old, 1)
    old.path.rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="features of stage 1 v1: no such version, found none"):
        chosen.find("features", 1)


def test_a_parent_made_again_under_another_number_is_found_by_its_id(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    first = features(run, 3, 0.0)
    second = features(run, 3, 1.0)
    parent = run.as_parent(first)
    assert run.resolve(parent) == first
    shutil.rmtree(first.path)
    again = features(run, 3, 0.0)
    assert again.version == 3
    assert run.resolve(parent) == again
    assert run.resolve(run.as_parent(second)) == second


@pytest.mark.parametrize(
    ("kind", "location", "command"),
    [
        ("dataset", "dataset/v1.zarr", "dbc ingest SOURCE"),
        ("model", "stage-init/model/v1.zarr", "dbc extract --stage init"),
        ("model", "stage-00/model/v1.zarr", "dbc train --stage 0"),
        ("features", "stage-12/features/v2.zarr", "dbc extract --stage 12"),
        ("clusters", "stage-03/clusters/v1.zarr", "dbc merge --stage 3"),
    ],
)
def test_a_lost_parent_is_told_with_the_command_that_makes_it(
    tmp_path: Path, kind: ArtifactKind, location: str, command: str
) -> None:
    with pytest.raises(DbcError) as caught:
        RunDirectory(tmp_path).resolve(Parent(kind=kind, id="0" * 64, location=location))
    assert str(caught.value).startswith(f"{tmp_path / location}: the {kind} 000000000000 ")
    assert f"make it again, with the options that it was made with: {command}" in str(caught.value)


def test_what_another_stage_has_is_told_where_one_has_none(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for stage in (2, 1):
        features(run, stage, 0.0)
    with pytest.raises(DbcError, match=r"no features of stage 0 found, only of 1, 2; make them with: dbc extract"):
        run.require("features")


def test_a_kind_that_there_is_none_of_is_refused(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for ask in (run.find, run.require):
        with pytest.raises(UsageError, match=r"unknown `kind` 'cluster': choose one of dataset, .*clusters"):
            ask(cast(Any, "cluster"), 1)
