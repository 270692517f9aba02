"""Whether it is known which side of an individual pictures show, and so whether their mirror images are averaged in."""

from __future__ import annotations

from schemas.choices import FlipUse
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


def mirrored(flip: FlipUse, dataset: Artifact) -> bool:
    """Whether features of `dataset` are averaged with those of mirror images; `auto`: unless views are known."""
    return not views_known(dataset) if flip == "auto" else flip
