"""Whether features are averaged with those of mirror images."""

from __future__ import annotations

from schemas.choices import FlipUse
from stages.features.views import views_known
from stages.runs.store import Artifact


def mirrored(flip: FlipUse, dataset: Artifact) -> bool:
    """Whether features of `dataset` are averaged with those of mirror images; `auto`: unless views are known."""
    return not views_known(dataset) if flip == "auto" else flip
