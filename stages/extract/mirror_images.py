"""Whether features are averaged with those of mirror images."""

from __future__ import annotations

from schemas.choices import FlipUse
from stages.runs.store import Artifact
from stages.samples import UNKNOWN


def mirrored(flip: FlipUse, dataset: Artifact) -> bool:
    """Whether features of `dataset` are averaged with those of mirror images; `auto`: unless the view of any is known.

    The mirror image of a left flank looks like a right one, and both may be of different patterns.
    """
    if flip != "auto":
        return flip
    return "view" not in dataset.names() or bool((dataset.read("view") == UNKNOWN).all())
