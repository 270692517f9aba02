"""Only versions that no command and no kept artifact needs are offered for removal."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_run_directory import dataset, features

from stages.errors import DbcError
from stages.runs.listing import artifacts_of
from stages.runs.run_directory import RunDirectory
from stages.runs.store.checkpoint import keep
from stages.runs.unreferenced import (
    WHITENING,
    bytes_of_earlier_datasets,
    freed_bytes,
    own_bytes,
    remove,
    remove_leftovers,
    remove_whitenings,
    unreferenced,
)


def test_old_versions_go_unless_something_kept_was_made_from_them(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    root = dataset(run, 0)
    old, used, newest = (features(run, 0, value, root) for value in (0.0, 1.0, 2.0))
    later = features(run, 1, 5.0, root, used)
    assert unreferenced(run) == [old]
    # what only a removable version refers to is removable, too
    features(run, 1, 6.0, root, newest)
    assert unreferenced(run) == [old, used, later]


def test_of_versions_with_one_content_those_stay_that_are_newest_or_named_by_what_was_made(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    root = dataset(run, 0)
    features(run, 0, 0.0, root)
    used = features(run, 0, 1.0, root)
    features(run, 1, 5.0, root, used)
    for _ in range(2):
        for value in (0.0, 1.0):
            features(run, 0, value, root)
    assert run.versions("features", 0) == [1, 2, 3, 4, 5, 6]
    assert [artifact.version for artifact in unreferenced(run)] == [1, 3, 4, 5]


def test_every_dataset_that_stages_were_made_from_keeps_its_newest_stages(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    first, unused, second = dataset(run, 0), dataset(run, 1), dataset(run, 2)
    features(run, 0, 0.0, first)
    features(run, 0, 1.0, second)
    assert unreferenced(run) == [unused]


def test_what_is_removed_is_gone_and_all_else_is_as_it_was(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    root = dataset(run, 0)
    old, kept = features(run, 0, 0.0, root), features(run, 0, 1.0, root)
    assert own_bytes(old) > 100
    for artifact in unreferenced(run):
        remove(artifact)
    assert artifacts_of(run) == [root, kept]
    assert unreferenced(run) == []
    assert [path.name for path in old.path.parent.iterdir()] == ["v2.zarr"]
    with pytest.raises(DbcError, match="is gone"):
        remove(old)


def test_what_is_told_to_be_freed_is_freed_whatever_links_there_are(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    root = dataset(run, 0)
    old, later, kept = (features(run, 0, value, root) for value in (0.0, 1.0, 2.0))
    for place, other in (("a", later), ("b", kept)):
        (old.path / place).write_bytes(bytes(1000))
        (other.path / place).hardlink_to(old.path / place)
    alone = [own_bytes(artifact) for artifact in (old, later)]
    told = freed_bytes([old, later])
    assert told == [alone[0], alone[1] + 1000]
    remove(old)
    assert own_bytes(later) == told[1]


def test_what_earlier_datasets_keep_is_counted_by_kind(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    first, second = dataset(run, 0), dataset(run, 1)
    earlier = features(run, 0, 0.0, first)
    features(run, 0, 1.0, second)
    assert bytes_of_earlier_datasets(run, []) == {"features": own_bytes(earlier)}
    assert bytes_of_earlier_datasets(run, [earlier]) == {}


def test_what_could_not_be_removed_is_told_and_goes_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    run = RunDirectory(tmp_path)
    root = dataset(run, 0)
    old, kept = features(run, 0, 0.0, root), features(run, 0, 1.0, root)
    with monkeypatch.context() as patch:
        patch.setattr("stages.runs.unreferenced.shutil.rmtree", refuse)
        with pytest.raises(DbcError, match="Permission denied"):
            remove(old)
    assert len(list(kept.path.parent.iterdir())) == 2
    remove_leftovers(run)
    assert [path.name for path in kept.path.parent.iterdir()] == ["v2.zarr"]


def test_whitenings_that_stay_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a run on a disk that may be read alone."""

    def refuse(path: Path, **_: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    run = RunDirectory(tmp_path)
    place = features(run, 0, 0.0, dataset(run, 0)).path.parent
    keep(place, "a" * 64, {}, about={"holds": WHITENING})
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", refuse)
        with pytest.raises(DbcError, match=r"stage-00/features cannot be written: Read-only file system"):
            remove_leftovers(run)
        # what only makes room says nothing
        remove_whitenings(run.root)
    remove_leftovers(run)
    assert [path.name for path in place.iterdir()] == ["v1.zarr"]


def test_a_run_with_an_artifact_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for value in (0.0, 1.0):
        features(run, 0, value)
    (tmp_path / "stage-00" / "features" / "v2.zarr" / "zarr.json").write_text("{}")
    with pytest.raises(DbcError, match="is not a readable artifact"):
        unreferenced(run)
