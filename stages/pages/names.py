"""What a dataset calls its identities and cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.runs.store import Artifact
from stages.typing import Int32Array, Int64Array


@dataclass(frozen=True)
class Names:
    """What identities or cameras are called: the `texts` on the page, and the place in them of each sample (−1: unknown)."""

    texts: list[str]
    place: Int64Array


def names_of(dataset: Artifact, text: str, number: str) -> Names:
    """What the array `text` of a dataset calls the values of its array `number`; the numbers themselves without texts."""
    numbers: Int32Array = dataset.read(number)
    texts = dataset.read(text).tolist() if text in dataset.names() else [""] * len(numbers)
    values, place = np.unique(numbers, return_inverse=True)
    called = [str(value) for value in values.tolist()]
    for sample, name in enumerate(texts):
        if name:
            called[place[sample]] = name
    place = np.where(numbers < 0, -1, place)
    return Names(called, place.astype(np.int64))
