"""Output for people: results on stdout, progress and remarks on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from dbc_cli import into_nothing
from dbc_cli.problems import in_flags
from stages.errors import DbcError
from stages.escapes import visible, visible_line
from stages.processes import is_leader
from stages.reporting import Advance

PIPE_WIDTH = 160
"""Columns of a table if stdout is no terminal, so that nothing is cut."""
NARROWEST = 60
"""Columns of a table in a narrower terminal, which breaks its lines, so that no name is cut."""
MOST_ITEMS = 10
"""Items of a list that a table shows."""


def stderr() -> Console:
    """The console for progress, notes and warnings; of several processes only the leader's shows anything."""
    return Console(stderr=True, soft_wrap=True, quiet=not is_leader())


class RichReporter:
    """Progress bars on a terminal, nothing but notes and warnings elsewhere. Warnings are added to `told`, if it is given."""

    def __init__(self, told: list[str] | None = None) -> None:
        self.console = stderr()
        self._told = told

    @contextmanager
    def task(self, description: str, *, total: int, unit: str) -> Iterator[Advance]:
        """A bar with the count, a short text, and the time left."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn(unit),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as bar:
            task = bar.add_task(description, total=total, text="")
            yield lambda amount, text: bar.update(task, advance=amount, text=text)

    def note(self, message: str) -> None:
        """A remark, in grey."""
        self.console.print(visible_line(in_flags(message)), style="dim", markup=False, highlight=False)

    def warn(self, message: str) -> None:
        """A warning, marked as one."""
        if self._told is not None:
            self._told.append(in_flags(message))
        self.console.print(f"warning: {visible_line(in_flags(message))}", style="yellow", markup=False, highlight=False)


class QuietReporter(RichReporter):
    """As `RichReporter`, without the notes and warnings that many runs would repeat; manifests keep them."""

    def note(self, message: str) -> None:
        """Drop the remark."""

    def warn(self, message: str) -> None:
        """Drop the warning."""

    def say(self, message: str) -> None:
        """A line, in grey."""
        super().note(message)


def show(result: Mapping[str, Any], *, title: str) -> None:
    """Print the fields of `result` as a table of two columns."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in flat(result):
        table.add_row(name, text_of(value))
    print_table(table)


def print_table(table: Table, *, narrowest: int = NARROWEST) -> None:
    """Print `table` on stdout, without markup; lines do not end in blanks if stdout is no terminal."""
    console = Console(width=max(Console().width if sys.stdout.isatty() else PIPE_WIDTH, narrowest))
    plain(table)
    text = printed(console, table)
    _write(text if console.is_terminal else "\n".join(line.rstrip() for line in text.splitlines()))


def printed(console: Console, what: RenderableType) -> str:
    """What `console` would print; Rich writes to stdout even so, to hand on what came before."""
    with _on_stdout(), console.capture() as captured:
        console.print(what)
    return captured.get()


def plain(table: Table) -> None:
    """Take the title and the cells of `table` for the text they are: nothing in them is markup, or steers the terminal."""
    if isinstance(table.title, str):
        table.title = Text(visible_line(table.title), style="table.title")
    for column in table.columns:
        column._cells[:] = [Text(visible_line(cell)) if isinstance(cell, str) else cell for cell in column.cells]


def print_json(value: Any) -> None:
    """Print `value` on stdout as JSON, paths as text, in ASCII if stdout takes no more."""
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    print_text(json.dumps(value, indent=2, ensure_ascii=not is_unicode, allow_nan=False, default=os.fspath))


def print_text(text: str) -> None:
    """Print `text` on stdout, at once, on the leading process only.

    Raises DbcError if stdout cannot be written; text whose reader has gone is dropped.
    """
    _write(visible(text))


def _write(text: str) -> None:
    if not is_leader():
        return
    with _on_stdout():
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()


@contextmanager
def _on_stdout() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # its reader, as `head -1`, has seen enough: what is at work goes on
        into_nothing(sys.stdout)
    except OSError as error:
        raise DbcError(f"stdout cannot be written: {error.strerror or error}; free space or redirect it") from error


def flat(result: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields that a table shows: no empty ones, mappings as `name=value` or by what they tell, ten items of lists."""
    for name, value in result.items():
        if isinstance(value, Mapping) and "told" in value:
            yield name, value["told"]
        elif isinstance(value, Mapping):
            if text := text_of(value):
                yield name, text
        elif isinstance(value, (list, tuple)):
            yield from ((name, item) for item in value[:MOST_ITEMS])
            if len(value) > MOST_ITEMS:
                yield name, f"and {len(value) - MOST_ITEMS} more"
        else:
            yield name, value


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", item) for key, item in _leaves(value))
        elif value is not None and value != "":
            yield name, value


def borderless_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, n_left: int = 0) -> Table:
    """A table without borders, whose first `n_left` columns are aligned left and the others right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place < n_left else "right")
    for row in rows:
        table.add_row(*row)
    return table


def number_text(value: float | str | None) -> str:
    """A cell of a table: three decimals for a float, a dash for None."""
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def text_of(value: Any) -> str:
    """A value for people: four decimals if it is below 10, else one."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_short(item)}" for key, item in _leaves(value))
    return str(value)


def _short(value: Any) -> Any:
    """A float with at most six digits that count, so that a parameter is shown as it was given; all else as it is."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
