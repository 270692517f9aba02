"""The table of the stages of `dbc run`: figures of identities if there are any, else what is known without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from dbc_cli.console import borderless_table, number_text
from schemas.stage_names import json_stage

if TYPE_CHECKING:
    from stages.loop.run_stages import StageRow

_FIRST = (("stage", "stage"), ("n_clusters", "clusters"))
_LAST = (("seconds", "seconds"),)
OF_IDENTITIES = (("rank1", "rank-1"), ("mAP", "mAP"), ("ari", "ARI"), ("nmi", "NMI"))
COLUMNS = (*_FIRST, ("loss", "loss"), *OF_IDENTITIES, *_LAST)
WITHOUT_IDENTITIES = (
    *_FIRST,
    ("n_singletons", "single"),
    ("largest_cluster", "largest"),
    ("loss", "loss"),
    ("silhouette", "silhouette"),
    *_LAST,
)
"""`single` counts clusters of one picture, `largest` is the size of the largest; none of it needs identities."""
NOT_TRAINED = "not trained: clusters still small"


def row_fields(row: StageRow) -> dict[str, Any]:
    """The figures of a stage, as JSON and table show them."""
    figures, model = row.metrics.summary, row.model.summary
    is_own = model.stage == row.stage
    sizes = {int(size): n for size, n in figures.cluster_sizes.items()}
    return {
        "stage": json_stage(row.stage),
        "n_clusters": figures.n_clusters,
        "n_singletons": sizes.get(1, 0),
        "largest_cluster": max(sizes, default=0),
        "n_identities": figures.n_identities,
        "ends_run": row.ends_run,
        "trained": bool(model.n_steps) and is_own,
        "loss": model.loss_last if is_own else None,
        "accuracy": model.accuracy_last if is_own else None,
        "rank1": figures.rank1,
        "rank5": figures.rank5,
        "rank10": figures.rank10,
        "mAP": figures.mAP,
        "ari": figures.ari,
        "nmi": figures.nmi,
        "silhouette": figures.silhouette,
        "seconds": row.seconds,
        "made": list(row.made),
        "model_id": row.model.id,
        "metrics_id": row.metrics.id,
    }


def columns_of(rows: Sequence[dict[str, Any]]) -> Sequence[tuple[str, str]]:
    """The columns that show something of `rows`: those of identities, or those without them."""
    has_identities = any(row[name] is not None for row in rows for name, _ in OF_IDENTITIES)
    return COLUMNS if has_identities or not rows else WITHOUT_IDENTITIES


def stage_table(rows: Sequence[dict[str, Any]]) -> Table:
    """The rows as a table of at most 80 columns; figures that the data cannot give are a dash."""
    columns = columns_of(rows)
    return borderless_table(
        [heading for _, heading in columns], [[_cell(name, row[name]) for name, _ in columns] for row in rows]
    )


def stage_line(row: dict[str, Any], *, may_train: bool) -> str:
    """A stage in one line, for a log; `may_train` says whether its plan trains any stage."""
    told = [f"{heading} {_cell(name, row[name])}" for name, heading in columns_of([row]) if row[name] is not None]
    return "  ".join([*told, *([NOT_TRAINED] if may_train and is_too_small(row) else [])])


def is_too_small(row: dict[str, Any]) -> bool:
    """Whether a stage of merges was not trained; what ends a run never is."""
    return row["stage"] != "init" and not row["trained"] and not row["ends_run"]


def _cell(name: str, value: Any) -> str:
    return f"{value:.1f}" if name == "seconds" else number_text(value)
