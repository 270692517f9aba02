"""What `dbc run` shows on stderr while it works: the stages done, what is being done, and the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dbc_cli.console import RichReporter
from dbc_cli.stage_table import NOT_TRAINED, stage_line, stage_table
from schemas.stage_names import stage_label
from stages.reporting import Advance

if TYPE_CHECKING:
    from stages.loop.forecast import Forecast
    from stages.loop.plan import StageWork

_A_SECOND = 2
"""Times that the screen is drawn."""


class RunProgress(RichReporter):
    """A reporter of a whole run: on a terminal one moving picture, elsewhere a line a stage.

    `works` are the stages to come, and `forecast` learns from them how long the rest takes. `may_train` says whether any
    stage trains. What it warns of is added to `told`.
    """

    def __init__(
        self, works: Sequence[StageWork], forecast: Forecast, *, may_train: bool, told: list[str] | None = None
    ) -> None:
        super().__init__(told)
        self.rows: list[dict[str, Any]] = []
        self._noted: set[str] = set()
        self._works = {work.stage: work for work in works}
        self._forecast = forecast
        self._may_train = may_train
        self._stage: int | None = None
        self._tasks: list[_Task] = []
        self._live = Live(
            console=self.console, transient=True, refresh_per_second=_A_SECOND, get_renderable=self._drawn
        )

    def __enter__(self) -> RunProgress:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the moving picture; the caller prints the final table."""
        if self.console.is_terminal:
            self._live.stop()

    def note(self, message: str) -> None:
        """A remark, the first time."""
        if message not in self._noted:
            self._noted.add(message)
            super().note(message)

    def begin(self, stage: int) -> None:
        """A stage is begun."""
        self._stage = stage
        self._forecast.begin_stage(stage)

    def add(self, row: dict[str, Any]) -> None:
        """A stage is done: show its figures."""
        self._forecast.end_stage()
        self.rows.append(row)
        if not self.console.is_terminal:
            line = stage_line(row, may_train=self._may_train)
            self.console.print(line, markup=False, highlight=False)

    @contextmanager
    def task(self, description: str, *, total: int, unit: str) -> Iterator[Advance]:
        """A part of a stage, shown while it lasts."""
        task = _Task(description, total, unit)
        self._tasks.append(task)
        word = description.partition(" ")[0]
        self._forecast.begin_task(word if word in ("train", "extract") else "other")  # type: ignore[arg-type]
        try:
            yield self._advance(task)
        finally:
            self._tasks.remove(task)
            self._forecast.end_task()

    def _advance(self, task: _Task) -> Callable[[int, str], None]:
        def advance(amount: int, text: str) -> None:
            task.done, task.text = task.done + amount, text
            self._forecast.advance(amount)

        return advance

    def _drawn(self) -> RenderableType:
        parts: list[RenderableType] = [stage_table(self.rows)] if self.rows else []
        return Group(*parts, *self._now())

    def _now(self) -> Iterator[RenderableType]:
        if self._stage is None:
            return
        work, last = self._works.get(self._stage), max(self._works, default=0)
        text = f"stage {stage_label(self._stage)} of {last}"
        if self._may_train and work is not None and self._stage >= 0 and not work.trained:
            text += f", {NOT_TRAINED}"
        left = self._forecast.left()
        if left is not None:
            text += f"; left: {duration(left[0])}, of the run about {duration(left[1])}"
        yield Text(text, style="dim")
        for task in self._tasks[-1:]:
            row = Table.grid(padding=(0, 1))
            bar = ProgressBar(total=max(task.total, 1), completed=task.done, width=20)
            row.add_row(Text(task.description), bar, Text(f"{task.done:,}/{task.total:,} {task.unit}  {task.text}"))
            yield row


class _Task:
    """A part of a stage: what it is, how much of it is done, and a short text."""

    def __init__(self, description: str, total: int, unit: str) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.done, self.text = 0, ""


def duration(seconds: float) -> str:
    """A time for people: `40 s`, `3 min`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
