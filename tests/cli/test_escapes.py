"""Text from file names, keys, headers and names of runs never steers the terminal, on whichever stream it is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.table import Table

from dbc_cli.console import RichReporter, print_json, print_table, print_text, show
from stages.escapes import visible
from tests.cli.conftest import Dbc

STEERING = ("\x1b[2J", "\x07", "\r", "\x7f", "\x9b31m", "\u202e", "\u2066", "\u2028", "\x00", "\udcff")


@pytest.mark.parametrize("steering", STEERING)
def test_what_steers_is_written_out_and_json_stays_what_it_is(steering: str) -> None:
    shown = visible(f"a{steering}b")
    assert shown.isprintable()
    assert shown.startswith("a\\")
    assert json.loads(f'"{shown}"') == f"a{steering}b"


@pytest.mark.parametrize("text", ["", "plain", "tab\tand\nline", "größe 大 λ – ×", "\u00a0", "👩\u200d🔬", "שלום"])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_every_way_to_show_text_writes_it_out(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\x1b[31m[bold]\x9b2J\u202e"
    line = "a\nb"
    RichReporter().note(line)
    RichReporter().warn(line)
    show({"name": line}, title=line)
    told = capsys.readouterr()
    assert told.err == "a\\nb\nwarning: a\\nb\n"
    assert told.out.split() == ["a\\nb", "name", "a\\nb"]
    table = Table(title=name)
    table.add_column("name")
    table.add_row(name)
    print_table(table)
    print_text(name)
    print_json({"name": name})
    show({"name": name}, title=name)
    RichReporter().note(name)
    RichReporter().warn(name)
    told = capsys.readouterr()
    assert set("\x1b\x9b\u202e").isdisjoint(told.out + told.err)
    assert (told.out + told.err).count("\\u001b[31m[bold]\\u009b2J\\u202e") == 8


@pytest.mark.parametrize("steering", ["\x1b[2J", "\x9b2J", "\u202e", "\r", "\udcff"])
@pytest.mark.parametrize("as_json", [False, True])
def test_names_of_runs_keys_and_sources(dbc: Dbc, tmp_path: Path, steering: str, as_json: bool) -> None:
    run = tmp_path / f"run{steering}"
    run.mkdir()
    told = [dbc("status", "--run", run, *["--json"] * as_json)]
    (run / "config.toml").write_text('"key\\u001b\\u009b" = 1\n["table\\u202e"]\n')
    told += [dbc("merge", "--run", run), dbc("ingest", tmp_path / steering, "--format", "folder", "--run", "other")]
    assert [ran.status for ran in told] == [0, 2, 2]
    for ran in told:
        assert (ran.out + ran.err).replace("\n", "").isprintable()
        assert "unexpected" not in ran.err
