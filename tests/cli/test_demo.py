"""`dbc demo` keeps to its own run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Dbc


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The runs and plans that would have been run; ingest draws two people."""
    seen: list[Any] = []
    monkeypatch.setattr("dbc_cli.commands.demo.run_plan", lambda given, plan: seen.append((given, plan)))
    return seen


@pytest.fixture(autouse=True)
def few_people(monkeypatch: pytest.MonkeyPatch) -> None:
    import schemas.parameters

    few = schemas.parameters.SyntheticParameters(identities=4, cameras=2, images_per_camera=1)
    monkeypatch.setattr("schemas.parameters.SyntheticParameters", lambda **_: few)


def test_it_reads_neither_the_run_remembered_nor_that_of_the_environment(
    dbc: Dbc, run: Path, planned: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / "config.toml").write_text("seed = 7\n")
    Path(".dbc-run").write_text(f"{run}\n")
    monkeypatch.setenv("DBC_RUN", str(run))
    result = dbc("demo")
    assert result.status == 0, result.err
    given, plan = planned[0]
    assert given.run == Path("runs/demo")
    assert plan.train["seed"] == 0
    assert plan.initial["backbone"] == "resnet10"
    assert "8 images of 4 drawn people, created: runs/demo/dataset/v1.zarr" in result.err


def test_it_reads_the_configuration_of_its_own_run(dbc: Dbc, tmp_path: Path, planned: list[Any]) -> None:
    for folder in (Path("runs/demo"), tmp_path / "own"):
        folder.mkdir(parents=True)
    Path("runs/demo/config.toml").write_text("seed = 3\n")
    (tmp_path / "own" / "config.toml").write_text("seed = 4\n")
    assert dbc("demo").status == 0
    assert dbc("demo", "--run", tmp_path / "own").status == 0
    assert [plan.train["seed"] for _, plan in planned] == [3, 4]


def test_a_dry_run_makes_nothing(dbc: Dbc, planned: list[Any]) -> None:
    result = dbc("demo", "--dry-run", "--json")
    assert result.json == {"run": "runs/demo", "stages": [], "would_create": "dataset", "notes": []}
    assert dbc("demo", "--dry-run").out == "a real run would go on with: dataset\n"
    assert not list(Path().iterdir())
    assert planned == []


def test_force_draws_again(dbc: Dbc, planned: list[Any]) -> None:
    dbc("demo")
    assert "up to date" in dbc("demo").err
    assert "identical" in dbc("demo", "--force").err
    assert planned[-1][0].context().force


def test_a_negative_seed_is_one_line(dbc: Dbc) -> None:
    result = dbc("demo", "--seed", "-1")
    assert result.status == 2
    assert "--seed must be at least 0, got -1" in result.line
