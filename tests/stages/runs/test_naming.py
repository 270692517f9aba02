"""Artifacts are found by the names that people give, and lineages are whole and in order."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from test_run_directory import dataset, features

from stages.errors import DbcError, UsageError
from stages.runs.naming import lineage_of, named_artifact
from stages.runs.run_directory import RunDirectory


def test_an_artifact_has_several_names(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    first, second, later = features(run, 0, 0.0), features(run, 0, 1.0), features(run, 3, 0.0)
    assert named_artifact(run, "features") == later
    for name in ("0/features", "stage-00/features/", "0/features/v2.zarr", str(second.path), second.manifest.id[:8]):
        assert named_artifact(run, name) == second, name
    assert named_artifact(run, "0/features/v1") == first
    assert named_artifact(RunDirectory(tmp_path / "other"), str(first.path)) == first
    # all versions of another run: the newest
    assert named_artifact(RunDirectory(tmp_path / "other"), str(first.path.parent)) == second


def test_what_was_made_from_a_dataset_before_has_its_name_still(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    old = features(run, 1, 0.0, dataset(run, 0))
    dataset(run, 1)
    assert run.find("features", 1) is None
    assert named_artifact(run, "1/features") == old


@pytest.mark.parametrize("name", ["stage-03", "x/features", "a/b/features", "v1", "", "zzzzzz", "..", "features/x"])
def test_what_names_no_artifact_is_refused_with_what_does(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"give \[STAGE/\]KIND|is not a stage"):
        named_artifact(RunDirectory(tmp_path), name)


def test_a_version_or_an_id_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    features(run, 0, 0.0)
    with pytest.raises(DbcError, match="features of stage 0 has versions v1, got v7"):
        named_artifact(run, "0/features/v7")
    with pytest.raises(DbcError, match="must name one artifact, got 0"):
        named_artifact(run, "0" * 64)


def test_a_lineage_has_everything_once_and_nothing_after_its_parents(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    root = dataset(run, 0)
    middle = [features(run, stage, float(stage), root) for stage in (0, 1)]
    last = features(run, 2, 2.0, *middle, root)
    found = [listed.artifact for listed in lineage_of(run, last)]
    assert found[0] == last
    assert found[-1] == root
    assert sorted(artifact.path for artifact in found if artifact) == sorted(
        artifact.path for artifact in (root, *middle, last)
    )


def test_a_parent_that_is_gone_is_told_and_the_others_are_found(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    root = dataset(run, 0)
    last = features(run, 1, 1.0, root, features(run, 0, 0.0, root))
    shutil.rmtree(root.path)
    listed = lineage_of(run, last)
    assert [each.problem is None for each in listed].count(False) == 1
    assert len(listed) == 3
