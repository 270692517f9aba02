"""A dataset without the names and places of its source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from schemas.summaries import DatasetSummary
from stages.runs.context import Context
from stages.samples import TEXT_COLUMNS, Samples


def anonymous(samples: Samples, summary: DatasetSummary) -> tuple[Samples, DatasetSummary]:
    """The samples with images named by their order, without texts and times, and the summary without names of skipped images.

    Numbers stay: identities, cameras, encounters and views can still be told apart.
    """
    width = len(str(len(samples.path)))
    skipped = tuple(
        image.model_copy(update={"path": f"skipped-{number}"}) for number, image in enumerate(summary.skipped, start=1)
    )
    path = tuple(f"image-{number:0{width}}" for number in range(1, len(samples.path) + 1))
    nameless: dict[str, Any] = {"path": path, **dict.fromkeys(TEXT_COLUMNS, ())}
    return replace(samples, **nameless), summary.model_copy(update={"skipped": skipped})


def without_source(context: Context, source: Path | None) -> Context:
    """`context`, with the word SOURCE for the source in the command that manifests keep."""
    return replace(context, command=tuple("SOURCE" if Path(word) == source else word for word in context.command))
