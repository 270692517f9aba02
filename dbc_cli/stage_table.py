"""The table of stages that grows during `dbc run` and is printed at its end."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.table import Table

from dbc_cli.console import borderless_table, number_text
from schemas.stage_names import stage_label

if TYPE_CHECKING:
    from rich.console import Console

    from stages.loop.run_stages import StageRow

COLUMNS = (
    ("stage", "stage"),
    ("n_clusters", "clusters"),
    ("loss", "loss"),
    ("rank1", "rank-1"),
    ("mAP", "mAP"),
    ("ari", "ARI"),
    ("nmi", "NMI"),
    ("seconds", "seconds"),
)


def row_fields(row: StageRow) -> dict[str, Any]:
    """The figures of a stage, as JSON and table show them."""
    figures = row.metrics.summary
    return {
        "stage": stage_label(row.stage),
        "n_clusters": figures.n_clusters,
        "n_identities": figures.n_identities,
        "loss": row.model.summary.loss_last,
        "accuracy": row.model.summary.accuracy_last,
        "rank1": figures.rank1,
        "rank5": figures.rank5,
        "rank10": figures.rank10,
        "mAP": figures.mAP,
        "ari": figures.ari,
        "nmi": figures.nmi,
        "seconds": row.seconds,
        "made": list(row.made),
        "model_id": row.model.id,
        "metrics_id": row.metrics.id,
    }


def stage_table(rows: Sequence[dict[str, Any]]) -> Table:
    """The rows as a table; figures that the data cannot give are a dash."""
    return borderless_table(
        [heading for _, heading in COLUMNS], [[_cell(name, row[name]) for name, _ in COLUMNS] for row in rows]
    )


def _cell(name: str, value: Any) -> str:
    return f"{value:.1f}" if name == "seconds" else number_text(value)


class LiveTable:
    """The rows so far on stderr, growing as stages end; on no terminal, one line a stage."""

    def __init__(self, console: Console) -> None:
        self.rows: list[dict[str, Any]] = []
        self._console = console
        self._live = Live(stage_table(()), console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> LiveTable:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the growing table; the caller prints the final one."""
        if self._console.is_terminal:
            self._live.stop()

    def add(self, row: dict[str, Any]) -> None:
        """Show one more stage."""
        self.rows.append(row)
        if self._console.is_terminal:
            self._live.update(stage_table(self.rows), refresh=True)
            return
        line = "  ".join(f"{heading} {_cell(name, row[name])}" for name, heading in COLUMNS)
        self._console.print(line, markup=False, highlight=False)
