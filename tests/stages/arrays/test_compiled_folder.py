"""Machine code is kept where it can be written, apart for other sources, and survives processes that save at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.arrays.compiled import cache_folder

FUNCTIONS = """
from stages.arrays.compiled import compiled


@compiled()
def twice(values):
    total = values[0] + values[0]
    for i in range(values.size):
        total += values[i]
    return total
"""
CALL = "import sys, numpy; from functions import twice; print([float(twice(numpy.ones(3, kind))) for kind in sys.argv[1:]])"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr("numba.config.CACHE_DIR", "")
    cache_folder.cache_clear()
    yield
    cache_folder.cache_clear()


def test_the_folder_is_the_users_and_a_temporary_one_where_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder().parent == tmp_path / "cache" / "dbc"
    cache_folder.cache_clear()
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_folder().parent.parent == tmp_path


def test_a_user_without_a_home_has_a_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_folder().parent.parent == tmp_path


def test_the_folder_that_is_given_goes_before_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    assert cache_folder().parent == tmp_path


def test_other_sources_have_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names = []
    for source in ("first", "second", "first"):
        (tmp_path / "compiled_loops.py").write_text(source)
        monkeypatch.setattr("stages.arrays.compiled.__file__", str(tmp_path / "arrays" / "compiled.py"))
        names.append(cache_folder().name)
        cache_folder.cache_clear()
    assert names[0] == names[2] != names[1]


def test_processes_that_compile_for_other_types_at_once_leave_code_for_all(tmp_path: Path) -> None:
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    shutil.copytree(Path(__file__).parents[3] / "stages", tmp_path / "stages", ignore=shutil.ignore_patterns("*.pyc"))
    environment = {"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": ""}
    types = ("float32", "float64", "int64")

    def start(*kinds: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", CALL, *kinds]
        return subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True)

    for processes in ([start(kind) for kind in types], [start(*types)]):
        told = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
        assert [value for values in told for value in values] == [5.0] * len(types)
    assert len(list((tmp_path / "cache").rglob("*.nbc"))) == len(types)


@pytest.mark.parametrize("place", ["given", "cache/dbc", "temporary"])
@pytest.mark.parametrize("harm", ["another user's", "open to everybody"])
def test_code_is_never_taken_from_a_folder_that_others_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, harm: str
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("cache" if place == "cache/dbc" else "file")))
    (tmp_path / "file").touch()
    if place == "given":
        monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path / "given"))
    taken = cache_folder()
    cache_folder.cache_clear()
    if harm == "another user's":
        own = os.stat

        def others(path: Any, **options: Any) -> os.stat_result:
            status = own(path, **options)
            is_taken = Path(path) == taken.parent
            return os.stat_result((*status[:4], status[4] + 1, *status[5:10])) if is_taken else status

        monkeypatch.setattr("os.stat", others)
    else:
        taken.parent.chmod(0o777)
    assert taken not in (cache_folder(), *cache_folder().parents)
    assert cache_folder().stat().st_mode & 0o077 == 0
