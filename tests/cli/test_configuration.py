"""Which value a command takes: flags over tables over general keys, and only keys that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbc_cli.command import Given, resolve
from dbc_cli.commands import all_commands
from dbc_cli.configuration import CONFIGURABLE
from dbc_cli.flags.flag import Flag
from stages.errors import DbcError, UsageError
from tests.cli.conftest import Dbc

all_commands()


def given(tmp_path: Path, command: str, text: str, **flags: object) -> Given:
    (tmp_path / "config.toml").write_text(text)
    return resolve(command, {"run": tmp_path, **flags})


@pytest.mark.parametrize("command", ["train", "run"])
def test_flags_go_before_tables_and_tables_before_general_keys(tmp_path: Path, command: str) -> None:
    general = "epochs = 1\n"
    table = f"{general}[train]\nepochs = 3\n"
    assert given(tmp_path, command, general)["epochs"] == given(tmp_path, command, f"\ufeff{general}")["epochs"] == 1
    assert given(tmp_path, command, table)["epochs"] == 3
    assert given(tmp_path, command, table, epochs=4)["epochs"] == 4
    assert given(tmp_path, command, table, epochs=None)["epochs"] == 3


def test_run_takes_the_last_of_extract_merge_eval_train_and_run(tmp_path: Path) -> None:
    text = "seed = 1\ndevice = 'auto'\n"
    for expected, table in enumerate(("extract", "train", "run"), start=2):
        # tables may stand in any order in the file
        text += f"[{table}]\nseed = {expected}\n"
        assert given(tmp_path, "run", text)["seed"] == expected
    assert given(tmp_path, "train", text)["seed"] == 3
    assert given(tmp_path, "merge", "lambda = 0.1\n[run]\nlambda = 0.2\n[merge]\nlambda = 0.3\n")["lambda_"] == 0.3
    assert given(tmp_path, "run", "lambda = 0.1\n[run]\nlambda = 0.2\n[merge]\nlambda = 0.3\n")["lambda_"] == 0.2
    trapezoid = "average-precision = 'standard'\n[eval]\naverage-precision = 'trapezoid'\n"
    assert given(tmp_path, "run", trapezoid)["average_precision"] == "trapezoid"


def test_the_batch_sizes_of_extract_and_train_stay_apart_in_run(tmp_path: Path) -> None:
    values = given(tmp_path, "run", "[extract]\nbatch-size = 32\n[train]\nbatch-size = 8\n")
    assert (values["extract_batch_size"], values["batch_size"]) == (32, 8)
    alone = given(tmp_path, "run", "[extract]\nbatch-size = 32\n")
    assert (alone["extract_batch_size"], alone["batch_size"]) == (32, None)
    assert given(tmp_path, "run", "", batch_size=8)["extract_batch_size"] is None


def test_a_table_of_another_command_says_nothing(tmp_path: Path) -> None:
    assert given(tmp_path, "merge", "[train]\nepochs = 3\n[run]\nlambda = 0.2\n").values.keys() == {"run"}


def test_whole_numbers_hold_for_numbers_and_underscores_for_dashes(tmp_path: Path) -> None:
    assert given(tmp_path, "merge", "lambda = 1\nmerge_percent = 0.1\n").fields_of(CONFIGURABLE["merge"].flags) == {
        "lambda_": 1,
        "merge_percent": 0.1,
    }


def test_a_flag_that_turns_off_goes_before_a_configuration_that_turns_on(tmp_path: Path) -> None:
    assert given(tmp_path, "train", "amp = true\n")["amp"] is True
    assert given(tmp_path, "train", "amp = true\n", amp=False)["amp"] is False
    assert given(tmp_path, "train", "amp = false\n")["amp"] is False


def test_a_flag_with_an_opposite_has_one_key() -> None:
    assert Flag("x", bool, "…", spelled="--keep-it/--no-keep-it").key == "keep-it"
    assert Flag("x", bool, "…", spelled="--keep-it").key == "keep-it"


def test_no_command_has_two_flags_of_one_key_or_field() -> None:
    for command, flags in ((name, found.flags) for name, found in CONFIGURABLE.items()):
        assert len({flag.key for flag in flags}) == len(flags), command
        assert len({flag.name for flag in flags}) == len(flags), command


def test_a_value_of_the_configuration_that_no_stage_takes_is_one_line(dbc: Dbc, run: Path) -> None:
    (run / "config.toml").write_text("backbone = 'vgg'\n")
    result = dbc("extract", "--run", run)
    assert result.status == 2
    assert "/config.toml: backbone must be bow" in result.line
    (run / "config.toml").write_text("pooling = 'max'\n")
    assert (
        "config.toml: pooling must be one of 'auto', 'avg', 'gem', 'layers', 'parts', got 'max'"
        in dbc("extract", "--run", run).line
    )
    (run / "config.toml").write_text("lambda = -1\n")
    assert f"dbc merge: {run}/config.toml: lambda must be at least 0, got -1" in dbc("merge", "--run", run).line
    # a flag goes before it, and is blamed itself
    assert "dbc merge: --lambda must be at least 0, got -2" in dbc("merge", "--lambda", "-2", "--run", run).line


def test_a_dry_run_and_a_run_of_the_environment_are_not_remembered(
    dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer = Path(".dbc-run")
    assert dbc("merge", "--merge-percent", "0.2", "--run", run, "--dry-run").status == 0
    assert not pointer.exists()
    monkeypatch.setenv("DBC_RUN", str(run))
    assert dbc("eval").status == 0
    assert not pointer.exists()
    assert dbc("eval", "--run", run).status == 0
    assert pointer.read_text().startswith(f"{run}\n")


def test_a_failed_command_does_not_remember_a_run_that_is_not_there(dbc: Dbc, tmp_path: Path) -> None:
    assert dbc("run", "--run", tmp_path / "no").status == 1
    assert not Path(".dbc-run").exists()


def test_a_configuration_that_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(UsageError, match=r"config.toml is no file; make it one, or move it away"):
        resolve("merge", {"run": tmp_path})


def test_a_link_to_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.toml").symlink_to("nowhere")
    with pytest.raises(DbcError, match=r"config.toml cannot be read: No such file or directory"):
        resolve("merge", {"run": tmp_path})


def test_a_key_written_twice_is_told_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(DbcError, match=r"a key is written twice \(at line 2"):
        given(tmp_path, "merge", "lambda = 1\nlambda = 2\n")


@pytest.mark.parametrize(
    "text", ["merge-percent = 0.1\nmerge_percent = 0.2", "[merge]\nmerge_percent = 1\nmerge-percent = 1"]
)
def test_a_flag_written_twice_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="are the same flag, written twice"):
        given(tmp_path, "merge", text)


@pytest.mark.parametrize(
    ("command", "flag", "value"),
    [
        ("extract", "--seed", 2**64),
        ("ingest", "--seed", 2**64),
        ("train", "--seed", 2**63),
        ("extract", "--batch-size", 10**9),
        ("train", "--batch-size", 10**9),
        ("train", "--epochs", 10**11),
        ("train", "--learning-rate", 1e308),
        ("merge", "--lambda", 1e308),
        ("merge", "--whiten", 1e308),
        ("merge", "--memory-limit", "inf"),
        ("merge", "--memory-limit", "1e400GB"),
        ("merge", "--memory-limit", "nan"),
        ("merge", "--camera-weight", 1e308),
        ("merge", "--stage", 10**11),
        ("eval", "--whiten", 1e308),
        ("eval", "--rerank-k1", 10**9),
    ],
)
def test_a_number_without_measure_is_refused(dbc: Dbc, begun: Path, command: str, flag: str, value: object) -> None:
    told = dbc(command, flag, value, "--run", begun)
    assert told.status == 2, told.err
    assert told.line.startswith(f"dbc {command}: {flag}")


def test_a_value_out_of_bounds_is_told_with_the_file_before_any_stage_is_made(dbc: Dbc, run: Path) -> None:
    for text, told in (
        ("epochs = -1", "epochs must be at least 0, got -1"),
        ("[train]\ndropout = 2", "dropout must be below 1, got 2"),
        ("stage0-epochs = -1", "stage0-epochs must be at least 0, got -1"),
        ("device = 'cuda:99'", "device = 'cuda:99' is not there: "),
    ):
        (run / "config.toml").write_text(text)
        result = dbc("run", "--run", run)
        assert (result.status, result.err.count("\n")) == (2, 1)
        assert f"dbc run: {run}/config.toml: {told}" in result.line
    assert [folder.name for folder in run.glob("stage-*")] == ["stage-init"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epochs = 2024-01-01", "epochs must be a whole number, got 2024-01-01"),
        ("[train]\nepochs = {x = 1}", "epochs must be a whole number, got a table"),
        ("[[train]]\nepochs = 1", r"train must be one table, \[train\], got several, \[\[train\]\]"),
        ("no-flip = true", "write flip = false in place of 'no-flip'"),
        (f"recipe = '{'x' * 1000}'", "x{199}…$"),
    ],
)
def test_odd_lines_are_told_in_the_words_of_toml(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        given(tmp_path, "run", text)
