"""The commands as scripts use them: defaults, versions, JSON, configuration."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stages.errors import DbcError
from tests.cli.conftest import NETWORK, PEOPLE, Dbc

TRAINING = ["--epochs", "1", "--batch-size", "8"]


def artifacts(run: Path) -> set[str]:
    return {path.relative_to(run).as_posix() for path in run.glob("**/v*.zarr")}


def test_the_loop_from_pretrained_weights_moves_on_by_itself(dbc: Dbc, run: Path) -> None:
    assert dbc("extract", "--run", run, "--json").json["status"] == "up to date"
    merged = dbc("merge", "--merge-percent", "0.2")
    assert merged.status == 0, merged.err
    assert "stage 0 has no features: taking those of stage init" in merged.err
    trained = dbc("train", *TRAINING, "--json")
    assert trained.status == 0, trained.err
    assert trained.json["stage"] == 1
    assert dbc("extract", "--json").json["stage"] == 1
    assert dbc("merge", "--merge-percent", "0.2", "--json").json["stage"] == 2
    assert dbc("merge", "--merge-percent", "0.2", "--json").json["status"] == "up to date"
    evaluated = dbc("eval", "--stage", "1", "--json").json
    assert evaluated["n_clusters"] == 13
    assert evaluated["n_identities"] == 4
    assert 0 <= evaluated["mAP"] <= 1
    assert dbc("status", "--json").json["next"] == "dbc train --stage 2"
    assert dbc("status", "--verify").status == 0


def test_eval_json_has_the_names_that_scripts_rely_on(dbc: Dbc, run: Path) -> None:
    fields = dbc("eval", "--run", run, "--json").json
    wanted = "stage n_clusters n_identities n_queries rank1 rank5 rank10 rank20 mAP mINP ari ami nmi"
    assert set(wanted.split()) <= set(fields)
    assert fields["stage"] == "init"


def test_a_camera_that_evaluation_does_not_read_is_told(dbc: Dbc, run: Path) -> None:
    told = "has no effect: it needs merges; features are evaluated as with --camera ignored"
    assert f"--camera centring {told}" in dbc("eval", "--camera", "centring", "--run", run).err
    (run / "config.toml").write_text("camera = 'centring'\n")
    assert told not in dbc("eval", "--run", run).err


@pytest.mark.parametrize("command", [["eval"], ["merge", "--merge-percent", "0.2"], ["extract"]])
def test_json_shows_every_figure_of_the_table(dbc: Dbc, run: Path, command: list[str]) -> None:
    fields = dbc(*command, "--run", run, "--json").json
    table = dbc(*command, "--run", run).out
    names = [line.split()[0] for line in table.splitlines()[1:] if line and not line.startswith(" ")]
    assert set(names) <= set(fields)
    shown = {name for name, value in fields.items() if value not in (None, [], {}, "")}
    assert shown <= set(names)


def test_other_parameters_make_a_version_and_a_pinned_one_is_taken(dbc: Dbc, run: Path) -> None:
    dbc("merge", "--merge-percent", "0.2", "--lambda", "0", "--run", run)
    second = dbc("merge", "--merge-percent", "0.2", "--lambda", "0.5", "--json").json
    assert (second["version"], second["status"]) == (2, "created")
    first = dbc("merge", "--merge-percent", "0.2", "--lambda", "0", "--json").json
    # what was asked for last is taken
    assert (first["status"], first["version"]) == ("up to date as v1, which is now v3", 3)
    by_default = dbc("eval", "--stage", "1", "--json").json["id"]
    assert dbc("eval", "--stage", "1", "--clusters", "v1", "--json").json["id"] == by_default
    assert dbc("eval", "--stage", "1", "--clusters", "v2", "--json").json["id"] != by_default
    dry = dbc("merge", "--merge-percent", "0.2", "--lambda", "0.5", "--json", "--dry-run").json
    assert dry["status"] == "up to date as v2, which would be the newest once more"
    missing = dbc("eval", "--stage", "1", "--clusters", "v7")
    assert missing.status == 2
    assert "v7: no such version, found v1, v2, v3" in missing.line
    assert "v77: no such version, found v1" in dbc("merge", "--dataset", "v77").line


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(dbc: Dbc, run: Path) -> None:
    before = artifacts(run)
    assert dbc("merge", "--merge-percent", "0.2", "--run", run, "--dry-run", "--json").json["status"] == "would create"
    planned = dbc("run", "--merge-percent", "0.2", "--run", run, "--dry-run", "--json").json
    assert planned["would_create"] == "metrics of stage init"
    assert artifacts(run) == before


def test_configuration_speaks_where_flags_do_not(dbc: Dbc, run: Path) -> None:
    (run / "config.toml").write_text("merge-percent = 0.2\n[merge]\nlambda = 0.3\n")
    parameters = dbc("merge", "--run", run, "--json").json["parameters"]
    assert (parameters["lambda"], parameters["merge_percent"]) == (0.3, 0.2)
    assert dbc("merge", "--run", run, "--lambda", "0.4", "--json").json["parameters"]["lambda"] == 0.4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lamda = 0.1", "key must be a flag of dbc run, without its dashes, got 'lamda'; see dbc run --help"),
        ("[merges]\nlambda = 1", "table must be one of assign, eval, extract, ingest, merge, run, train, got [merges]"),
        ("lambda = ", "cannot be read"),
        ("[merge]\nlambda = 'much'", "config.toml: [merge] lambda must be a number, got 'much'"),
        ("[merge]\nlambda = true", "lambda must be a number, got true"),
        ("epochs = 2.0", "config.toml: epochs must be a whole number, got 2.0"),
        ("epochs = true", "epochs must be a whole number, got true"),
        ("amp = 1", "amp must be true or false, got 1"),
        ("weights = 1", "weights must be text in quotes, got 1"),
        ("update = 'fast'", "update must be one of 'exact', 'stale', 'union', got 'fast'"),
        (
            "[merge]\nepochs = 3",
            "[merge] key must be a flag of dbc merge, without its dashes, got 'epochs'; see dbc merge --help",
        ),
        ("force = true", "config.toml: 'force' is for the command line alone, as it is of one call; leave it out here"),
        ("stage = '1'", "'stage' is for the command line alone"),
        ("[merge]\nclusters = 'v1'", "[merge] 'clusters' is for the command line alone"),
        ("[status]\nseed = 1", "table must be one of assign, eval, extract, ingest, merge, run, train, got [status]"),
    ],
)
def test_a_wrong_configuration_is_told_in_one_line(dbc: Dbc, run: Path, text: str, told: str) -> None:
    (run / "config.toml").write_text(text)
    result = dbc("merge", "--run", run)
    assert result.status in (1, 2)
    assert told in result.line
    assert result.out == ""


def test_the_run_is_remembered_in_the_folder_and_the_environment_overrides_it(
    dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dbc("eval", "--run", run)
    assert dbc("status", "--json").json["run"] == run.as_posix()
    monkeypatch.setenv("DBC_RUN", "elsewhere")
    assert "no run found at elsewhere" in dbc("status").line


def test_dbc_run_gives_the_ids_of_the_shell_loop_and_goes_on_where_it_stopped(dbc: Dbc, tmp_path: Path) -> None:
    flags = ["--merge-percent", "0.25"]
    for name in ("loop", "whole"):
        assert dbc("ingest", *PEOPLE, "--workers", "0", "--run", tmp_path / name).status == 0
    loop, whole = tmp_path / "loop", tmp_path / "whole"
    assert dbc("train", "--stage", "0", *NETWORK, *TRAINING, "--run", loop).status == 0
    assert dbc("extract", "--run", loop).status == 0
    assert dbc("merge", *flags, "--run", loop).status == 0
    assert dbc("train", "--stage", "1", *TRAINING, "--run", loop).status == 0
    assert dbc("extract", "--run", loop).status == 0
    assert dbc("eval", "--run", loop).status == 0
    assert dbc("merge", *flags, "--n-clusters", "auto", "--run", loop).status == 0
    run_flags = [*flags, *NETWORK, *TRAINING, "--stage0-epochs", "1", "--run", str(whole)]
    first = dbc("run", *run_flags, "--stages", "0", "--n-clusters", "schedule", "--json")
    assert first.status == 0, first.err
    rows = dbc("run", *run_flags, "--stages", "1", "--json").json["stages"]
    assert [row["stage"] for row in rows] == ["init", 0, 1, 2]
    assert [row["made"] for row in rows[:2]] == [[], []]
    assert rows[2]["made"] == ["clusters", "model", "features", "metrics"]
    assert rows[3]["made"] == ["clusters", "metrics"]
    shared = artifacts(loop)
    assert shared <= artifacts(whole)
    assert {path: _id(loop / path) for path in shared} == {path: _id(whole / path) for path in shared}


def failing_at_stage_0(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("stages.loop.run_stages.train", fail)


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [(DbcError("no space"), 1, "dbc run: no space"), (KeyboardInterrupt(), 130, "dbc run: interrupted")],
)
def test_a_run_that_ends_early_prints_the_stages_that_are_done(
    dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, told: str
) -> None:
    failing_at_stage_0(monkeypatch, error)
    flags = ["--merge-percent", "0.2", "--run", str(run)]
    result = dbc("run", *flags, "--json")
    assert result.status == status
    assert result.line.startswith(told)
    assert [row["stage"] for row in result.json["stages"]] == ["init"]
    assert result.json["would_create"] is None
    assert [line.split()[0] for line in dbc("run", *flags).out.splitlines()] == ["stage", "init"]


def test_identities_are_optional(dbc: Dbc, begun: Path, tmp_path: Path) -> None:
    _write_images(tmp_path / "flat", begun)
    run = tmp_path / "unnamed"
    ingested = dbc("ingest", tmp_path / "flat", "--format", "folder", "--height", "32", "--width", "16", "--run", run)
    assert ingested.status == 0, ingested.err
    rows = dbc("run", "--stages", "1", "--merge-percent", "0.2", *NETWORK, *TRAINING, "--stage0-epochs", "0", "--json")
    assert rows.status == 0, rows.err
    assert rows.json["stages"][-1]["mAP"] is None
    assert "need query and gallery samples with identities" in rows.err
    table = dbc("eval").out
    assert re.search(r"\bid +[0-9a-f]{12} *$", table, flags=re.MULTILINE)
    assert "silhouette" in table


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        # Typer itself reads choices with pydantic
        (["merge", "--help"], {"pydantic"}),
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str], allowed: set[str]) -> None:
    code = (
        "import sys; sys.argv = ['dbc', *sys.argv[1:]]\n"
        "from dbc_cli.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'torch', 'zarr', 'scipy', 'cupy', 'pydantic', 'sklearn', 'PIL'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True).stdout
    assert set(ast.literal_eval(told.splitlines()[-1].removeprefix("HEAVY "))) <= allowed


def _id(artifact: Path) -> str:
    return json.loads((artifact / "zarr.json").read_text())["attributes"]["dbc"]["id"]


def _write_images(folder: Path, run: Path) -> None:
    import zarr
    from PIL import Image

    folder.mkdir()
    images = zarr.open_group(run / "dataset" / "v1.zarr", mode="r")["images"][:]
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:03d}.png")
