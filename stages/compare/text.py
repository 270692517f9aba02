"""Tables of compared runs as text: Markdown for people, LaTeX for papers, CSV for programs."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.stage_names import INIT_STAGE, stage_label
from stages.compare.grid import setting_text
from stages.compare.outcomes import COUNTS, OutcomeLine, Spread, line_fields, meanings, shown_metrics
from stages.output_files import rows_as_csv

HEADINGS = {
    "stage": "stage",
    "n_clusters": "clusters",
    "rank1": "rank-1",
    "rank5": "rank-5",
    "rank10": "rank-10",
    "mAP": "mAP",
    "ari": "ARI",
    "cluster_silhouette": "silhouette",
    "separation": "separation",
}


def table_cells(lines: Sequence[OutcomeLine], *, metrics: Sequence[str] = ()) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of text: the settings, which stage, and `metrics`, else `shown_metrics`, with their spread."""
    metrics = metrics or shown_metrics(lines)
    names = list(dict.fromkeys(name for line in lines for name in line.setting))
    head = [*names, "at", *(HEADINGS[name] for name in metrics)]
    rows = [
        [
            *(setting_text(line.setting[name]) if name in line.setting else "" for name in names),
            line.at,
            *(_metric_cell(name, line.metrics[name]) for name in metrics),
        ]
        for line in lines
    ]
    return head, rows


def _metric_cell(name: str, spread: Spread) -> str:
    if name == "stage" and spread.mean == INIT_STAGE and not spread.deviation:
        return stage_label(INIT_STAGE)
    return cell(spread, is_count=name in COUNTS)


def markdown(lines: Sequence[OutcomeLine], *, metrics: Sequence[str] = ()) -> str:
    """The table in Markdown, and what its stages and figures are."""
    told = meanings(lines)
    return markdown_table(*table_cells(lines, metrics=metrics)) + (f"\n{told}\n" if told else "")


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Any table of text in Markdown; a bar in a cell is escaped."""
    escaped = [[text.replace("|", "\\|") for text in row] for row in (head, *rows)]
    lines_of_text = ["| " + " | ".join(row) + " |" for row in escaped]
    return "\n".join([lines_of_text[0], "|" + "---|" * len(head), *lines_of_text[1:]]) + "\n"


_LATEX = {each: f"\\{each}" for each in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "±": r"$\pm$",
    "⁻": "$^-$",
}
"""What LaTeX would take otherwise, or has no letter for without packages."""


def latex(lines: Sequence[OutcomeLine]) -> str:
    """The table as LaTeX's `tabular`, which needs no package, over a comment that says what its stages and figures are."""
    head, rows = table_cells(lines)
    told = [
        " & ".join("".join(_LATEX.get(letter, letter) for letter in text) for text in row) + r" \\"
        for row in (head, *rows)
    ]
    columns = "l" * (head.index("at") + 1) + "r" * (len(head) - head.index("at") - 1)
    body = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", told[0], r"\hline", *told[1:], r"\hline", r"\end{tabular}"]
    told = [f"% {meanings(lines)}"] if meanings(lines) else []
    return "\n".join([*body, *told]) + "\n"


def comma_separated(lines: Sequence[OutcomeLine]) -> str:
    """The table as CSV with a header, one column for each metric and one for its standard deviation; empty if unknown."""
    fields = [line_fields(line) for line in lines]
    names = list(dict.fromkeys(name for line in lines for name in line.setting))
    metrics = [name for row in fields[:1] for name in row if name not in names]
    columns = [*names, *metrics]
    return rows_as_csv([columns, *([row.get(name) for name in columns] for row in fields)])


def cell(spread: Spread, *, is_count: bool) -> str:
    """A metric as people read it: mean ± standard deviation, if there is one."""
    if spread.mean is None:
        return "–"
    digits = (0 if spread.mean == round(spread.mean) and not spread.deviation else 1) if is_count else 3
    text = f"{spread.mean:.{digits}f}"
    is_alike = spread.deviation is None or (is_count and not spread.deviation)
    return text if is_alike else f"{text} ± {spread.deviation:.{digits}f}"
