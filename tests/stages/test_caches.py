"""Caches of libraries are moved where the home of the user cannot be written, and into folders of this user alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stages.caches import keep_cache

PLACE = ".cupy/kernel_cache"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # set first, so that it is as before in the end
    monkeypatch.setenv("CUPY_CACHE_DIR", "")
    monkeypatch.delenv("CUPY_CACHE_DIR")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


@pytest.mark.parametrize("home", ["writable", "missing", "file/home", "taken", "open", "", "none"])
def test_a_cache_goes_into_the_folder_for_temporary_files_if_the_home_cannot_be_written(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "writable").mkdir()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / ".cupy").touch()
    open_to_all = tmp_path / "open" / PLACE
    open_to_all.mkdir(parents=True)
    open_to_all.chmod(0o777)
    monkeypatch.setenv("HOME", str(tmp_path / home) if home else "/dev/null/home")
    monkeypatch.chdir(tmp_path)
    if home == "none":
        # what Python gives for a user that the system does not know
        monkeypatch.setattr("os.path.expanduser", lambda path: path)
    keep_cache("CUPY_CACHE_DIR", PLACE)
    if home in ("writable", "missing"):
        assert "CUPY_CACHE_DIR" not in os.environ
        return
    folder = Path(os.environ["CUPY_CACHE_DIR"])
    assert folder.is_dir()
    assert folder.parent == temporary / f"dbc-{os.getuid()}"
    assert not (tmp_path / "~").exists()


def test_a_choice_of_the_users_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null/home")
    monkeypatch.setenv("CUPY_CACHE_DIR", "/somewhere")
    keep_cache("CUPY_CACHE_DIR", PLACE)
    assert os.environ["CUPY_CACHE_DIR"] == "/somewhere"


def test_a_folder_of_somebody_else_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null/home")
    monkeypatch.setattr("os.getuid", lambda: 424242)
    keep_cache("CUPY_CACHE_DIR", PLACE)
    assert "CUPY_CACHE_DIR" not in os.environ
