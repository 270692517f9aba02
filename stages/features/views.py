"""Whether it is known which side of an individual pictures show."""

from __future__ import annotations

from stages.runs.store import Artifact
from stages.samples import UNKNOWN
from stages.typing import BoolArray


def views_known(dataset: Artifact, among: BoolArray | None = None) -> bool:
    """Whether the view of any sample is known, or of any of those `among` (n_samples).

    A mirror image of a left flank looks like a right one, of another pattern.
    """
    if "view" not in dataset.names():
        return False
    is_known = dataset.read("view") != UNKNOWN
    return bool(is_known.any() if among is None else is_known[among].any())
