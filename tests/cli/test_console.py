"""Results and remarks: what goes where, and how values read."""

from __future__ import annotations

import pytest

from dbc_cli.console import RichReporter, flat, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (True, "yes"), (False, "no"), (0.69231, "0.6923"), (1234.56, "1234.6"), (7, "7"), ("a", "a")],
)
def test_values_read_as_people_write_them(value: object, text: str) -> None:
    assert text_of(value) == text


def test_empty_fields_are_left_out_and_mappings_are_one_line() -> None:
    fields = {"n": 3, "sizes": {"1": 2, "4": 1}, "none": {}, "notes": ["a", "b"], "empty": []}
    assert list(flat(fields)) == [("n", 3), ("sizes", "1=2, 4=1"), ("notes", "a"), ("notes", "b")]


def test_progress_notes_and_warnings_stay_off_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = RichReporter()
    with reporter.task("work", total=2, unit="things") as advance:
        advance(2, "done")
    reporter.note("a [note] with brackets")
    reporter.warn("something odd")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["a [note] with brackets", "warning: something odd"]
