"""Errors below the commands name arguments; what a user reads names flags."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import dbc_cli.app  # noqa: F401 — declares the flags
from dbc_cli.commands import all_commands
from dbc_cli.console import RichReporter
from dbc_cli.problems import in_flags, memory_problem
from tests.cli.conftest import Dbc


@pytest.mark.parametrize(
    ("named", "flag"),
    [
        ("`camera_weight` must be at least 0", "--camera-weight must be at least 0"),
        ("`start='previous'`", "--start previous"),
        ('`start="previous"`', "--start previous"),
        ("`lambda_=0.1`", "--lambda 0.1"),
        ("`update=exact`", "--update exact"),
        ("`out='`", "--out '"),
        ("`pin_clusters='v1'`", "--clusters v1"),
        ("`extract_batch_size`", "--batch-size"),
        ("`batch_size=2`", "--batch-size 2"),
        ("`compiled`", "--compile"),
        ("`amp=True`", "--amp"),
        ("leave out `amp=True`, say `amp=False`", "leave out --amp, say no --amp"),
        ("`frames=None`", "no --frames"),
        (r"`camera_pattern='c(\\d+)'`", r"--camera-pattern 'c(\d+)'"),
        ("`weights` or `top`, `rule` and `seeds`", "--weights or --top, --rule and --seeds"),
    ],
)
def test_an_argument_in_backticks_is_printed_as_its_flag(named: str, flag: str) -> None:
    assert in_flags(f"x: {named}, y") == f"x: {flag}, y"


@pytest.mark.parametrize(
    ("command", "named", "flag"),
    [
        ("assign", "`camera_pattern='c'`", "dbc ingest --camera-pattern c"),
        ("assign", "`on_bad_image='skip'`", "--on-bad-image skip"),
        ("assign", "`root`", "--root"),
        ("count", "`constraints`", "--answers"),
        ("merge", "`constraints`", "--constraints"),
        ("run", "`root`", "dbc ingest --root"),
    ],
)
def test_a_flag_that_the_command_lacks_is_named_with_one_that_has_it(command: str, named: str, flag: str) -> None:
    assert in_flags(f"x: {named}, y", f"dbc {command}") == f"x: {flag}, y"


@pytest.mark.parametrize(
    "text", ["`n_clusters_of`", "`n_merges=0`", "`merge_stage()`", "``", "lambda_", "`a b`", "`start='a"]
)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert in_flags(text) == text


def test_a_field_has_the_same_flag_in_every_command() -> None:
    options: dict[str, set[str]] = {}
    for command in all_commands().values():
        for flag in command.flags:
            options.setdefault(flag.name, set()).add(flag.key)
    assert {name: keys for name, keys in options.items() if len(keys) > 1} == {}


def test_failures_and_warnings_are_printed_with_flags(
    dbc: Dbc, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        from stages.errors import UsageError

        raise UsageError("`lambda_` must be at least 0, got -1; give `update='stale'`")

    monkeypatch.setattr("stages.merge.stage.merge", fails)
    Path("run").mkdir()
    assert dbc("merge", "--run", "run").err == "dbc merge: --lambda must be at least 0, got -1; give --update stale\n"
    RichReporter().warn("`whiten=0` is slower")
    RichReporter().note("see `memory_limit`")
    assert capsys.readouterr().err == "warning: --whiten 0 is slower\nsee --memory-limit\n"


@pytest.mark.parametrize(
    ("error", "command", "told"),
    [
        (MemoryError(), "merge", "out of memory on the host; lower --memory-limit"),
        (
            MemoryError("Unable to allocate 2.00 GiB for an array with shape (1,)"),
            "merge",
            "out of memory on the host (Unable to allocate 2.00 GiB for an array with shape (1,)); lower --memory-limit",
        ),
        (MemoryError(), "ingest", "out of memory on the host; lower --workers"),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:1] data. DefaultCPUAllocator: can't allocate memory: 8 bytes. Error"
            ),
            "extract",
            "out of memory on the host (DefaultCPUAllocator: can't allocate memory: 8 bytes); lower --batch-size",
        ),
        (
            torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB"
            ),
            "train",
            "out of memory on the GPU (CUDA out of memory); lower --batch-size, or give --cache none",
        ),
        (
            RuntimeError("CUDA error: out of memory"),
            "run",
            "out of memory on the GPU (CUDA error: out of memory); lower --batch-size or --memory-limit, or give --cache none",
        ),
        (
            type("OutOfMemoryError", (MemoryError,), {"__module__": "cupy.cuda.memory"})("8 bytes"),
            "merge",
            "out of memory on the GPU (8 bytes); lower --memory-limit",
        ),
    ],
)
def test_memory_that_runs_out_is_one_line_that_says_what_to_lower(error: Exception, command: str, told: str) -> None:
    assert memory_problem(error, f"dbc {command}") == f"{told}, or end other programs"


def test_nothing_is_said_to_be_lowered_that_the_command_has_not() -> None:
    assert memory_problem(MemoryError(), "dbc eval") == "out of memory on the host; end other programs"


@pytest.mark.parametrize("kind", [ImportError, OSError])
def test_a_limit_of_memory_is_named(kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    error = kind("libtorch_cuda.so: failed to map segment from shared object")
    monkeypatch.setattr("resource.getrlimit", lambda _: (3_072_000_000, -1))
    lower = "" if kind is ImportError else "lower --memory-limit, or "
    assert memory_problem(error, "dbc merge") == (
        f"out of memory on the host ({error}); {lower}raise the limit of 3.1 GB (ulimit -v)"
    )


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("out of memory"), OSError()])
def test_another_error_is_none_of_memory(error: Exception) -> None:
    assert memory_problem(error, "dbc merge") is None


def test_memory_that_runs_out_in_a_command_is_no_unexpected_error(dbc: Dbc, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        torch.empty(1 << 50)

    monkeypatch.setattr("stages.merge.stage.merge", fails)
    Path("run").mkdir()
    told = dbc("merge", "--run", "run")
    assert told.status == 1
    assert told.line.startswith("dbc merge: out of memory on the host (")
    assert told.line.endswith("; lower --memory-limit, or end other programs")


def test_several_sources_and_a_file_that_begins_with_a_dash_are_told_what_to_do(
    dbc: Dbc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-dash.jpg").touch()
    assert "give one SOURCE, then the next: dbc ingest card2 --add" in dbc("ingest", "card1", "card2", "card3").err
    several = ["ingest", "card1", "card2", "--camera-pattern", "([^/]+)/"]
    assert "then the next: dbc ingest card2 --add, with the same flags" in dbc(*several).err
    assert "give one SOURCE, then the next: dbc assign card2;" in dbc("assign", "card1", "card2").err
    assert "-dash.jpg is a file here, so write it as ./-dash.jpg" in dbc("query", "-dash.jpg").err
