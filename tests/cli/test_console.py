"""Results and remarks: what goes where, and how values read."""

from __future__ import annotations

import json
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest
from rich.console import Console

from dbc_cli.command import Given
from dbc_cli.commands import all_commands
from dbc_cli.commands.log import lineage_table
from dbc_cli.commands.status import status_table
from dbc_cli.console import RichReporter, flat, print_json, print_table, text_of
from dbc_cli.run_progress import RunProgress
from stages.loop.forecast import Forecast


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (True, "yes"), (False, "no"), (0.69231, "0.6923"), (1234.56, "1234.6"), (7, "7"), ("a", "a")],
)
def test_values_read_as_people_write_them(value: object, text: str) -> None:
    assert text_of(value) == text


def test_empty_fields_are_left_out_and_mappings_are_one_line() -> None:
    fields = {"n": 3, "sizes": {"1": 2, "4": 1}, "none": {}, "notes": ["a", "b"], "empty": []}
    assert list(flat(fields)) == [("n", 3), ("sizes", "1=2, 4=1"), ("notes", "a"), ("notes", "b")]


def test_floats_of_a_mapping_have_at_most_six_digits_that_count() -> None:
    shown = text_of({"share": 0.2926829268292683, "rate": 1e-8, "whiten": 3.0, "n": 12345678})
    assert shown == "share=0.292683, rate=1e-08, whiten=3.0, n=12345678"


def test_progress_notes_and_warnings_stay_off_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = RichReporter()
    with reporter.task("work", total=2, unit="things") as advance:
        advance(2, "done")
    reporter.note("a [note] with brackets")
    reporter.warn("something odd")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["a [note] with brackets", "warning: something odd"]


def test_parameters_that_say_nothing_are_left_out_and_nested_ones_have_dotted_names() -> None:
    parameters = {"format": "synthetic", "digest": "", "pattern": None, "amp": False, "synthetic": {"identities": 8}}
    told = "format=synthetic, amp=False, synthetic.identities=8"
    assert list(flat({"parameters": parameters})) == [("parameters", told)]
    assert text_of(parameters) == told


def test_a_long_list_is_cut_after_ten_items() -> None:
    assert list(flat({"skipped": list(range(10))})) == [("skipped", item) for item in range(10)]
    told = list(flat({"skipped": list(range(13))}))
    assert told == [*(("skipped", item) for item in range(10)), ("skipped", "and 3 more")]


def test_a_note_is_told_once_and_a_warning_every_time(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = RunProgress((), Forecast(()), may_train=False)
    for message in ("a", "b", "a"):
        reporter.note(message)
        reporter.warn("odd")
    assert capsys.readouterr().err.splitlines() == ["a", "warning: odd", "b", "warning: odd", "warning: odd"]


@pytest.mark.parametrize(("width", "one_line"), [(80, True), (80, False), (160, False)])
def test_the_lineage_is_cut_in_its_commands_alone(width: int, one_line: bool) -> None:
    name = "stage-init/features/v1.zarr"
    row = {"artifact": name, "id": "0123456789abcdef", "created": "2026-11-28T01:18:26.617+00:00", "seconds": 1234.5}
    out = StringIO()
    console = Console(file=out, width=width)
    console.print(lineage_table([row | {"command": ["dbc", "run", "--stages", "[1]"] * 9}] * 2, one_line=one_line))
    told, lines = f"{name}  0123456789ab  2026-11-28 01:18  1234.5   dbc run", out.getvalue().splitlines()
    assert sum(line.startswith(told) for line in lines) == 2
    assert (len(lines) == 3, "…" in out.getvalue()) == (one_line, one_line)
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("damaged", [[], ["pooled", "embedding"]])
def test_artifacts_keep_their_names_in_a_narrow_terminal(damaged: list[str]) -> None:
    name = "stage-init/features/v1.zarr"
    row = {"artifact": name, "id": "0123456789abcdef", "seconds": 1234.5, "made_from": [name, name], "damaged": damaged}
    out = StringIO()
    Console(file=out, width=60).print(status_table("run", [row]))
    lines = out.getvalue().splitlines()
    assert any(line.startswith(f"{name}  0123456789ab ") for line in lines)
    assert "…" not in out.getvalue()
    assert max(map(len, lines)) <= 60


def test_nothing_is_cut_in_a_terminal_of_twenty_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    name = "stage-init/features/v1.zarr"
    row = {"artifact": name, "id": "0123456789abcdef", "seconds": 1234.5, "made_from": [name], "damaged": []}
    print_table(status_table("run", [row]))
    told = capsys.readouterr().out
    assert name in told
    assert "…" not in told


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_stays_json_whatever_stdout_can_show(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    out = BytesIO()
    monkeypatch.setattr("sys.stdout", TextIOWrapper(out, encoding=encoding, errors="backslashreplace"))
    value = {"größe": "大 λ 👩"}
    print_json(value)
    assert json.loads(out.getvalue().decode(encoding)) == value


def test_what_is_warned_of_is_kept_for_json_as_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    all_commands()  # declare the flags
    given = Given(Path("r"), {"json": True})
    given.reporter.note("not kept")
    given.reporter.warn("`stage` is odd")
    given.note("`eps` has no effect")
    given.show({"run": "r", "notes": ["--stage is odd", "of the artifact"]}, title="")
    shown = capsys.readouterr()
    assert json.loads(shown.out)["notes"] == ["--stage is odd", "--eps has no effect", "of the artifact"]
    assert shown.err.splitlines() == ["not kept", "warning: --stage is odd", "--eps has no effect"]
