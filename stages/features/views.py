"""Whether it is known which side of an individual pictures show."""

from __future__ import annotations

from stages.runs.store import Artifact
from stages.samples import UNKNOWN


def views_known(dataset: Artifact) -> bool:
    """Whether the view of any sample is known. A mirror image of a left flank looks like a right one, of another pattern."""
    return "view" in dataset.names() and not bool((dataset.read("view") == UNKNOWN).all())
