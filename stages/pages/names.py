"""What a page calls identities and cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stages.runs.source_names import NUMBERS, source_names
from stages.runs.store import Artifact
from stages.typing import Int64Array


@dataclass(frozen=True)
class Names:
    """What identities or cameras are called: the `texts` on the page, and the place in them of each sample (−1: unknown)."""

    texts: list[str]
    place: Int64Array


def names_of(dataset: Artifact, kind: Literal["identity", "camera"]) -> Names:
    """What the source of `dataset` calls its identities or cameras."""
    names = source_names(dataset, kind)
    place_of = {number: place for place, number in enumerate(names)}
    place = [place_of.get(number, -1) for number in dataset.read(NUMBERS[kind]).tolist()]
    return Names([*names.values()], np.array(place, dtype=np.int64))
