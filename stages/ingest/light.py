"""Grey pictures, as cameras take them in infrared light at night, among coloured ones."""

from __future__ import annotations

import numpy as np

from stages.runs.store import Artifact
from stages.samples import TRAIN, UNKNOWN, took_few
from stages.typing import BoolArray, Int64Array

MOST_LOOKED_AT = 1000
"""Samples that stand for all: the first, since they are stored in an order that only content decides."""
GREY = 3.0
"""Levels of 255 between the brightest and the darkest channel of a pixel, in the mean of a picture: those of infrared have
fewer. Cars on asphalt, the least coloured of five sets by day, have 3.7 or more."""
A_GOOD_PART = 0.05
FAR_BELOW_CHANCE = 1 / 3
ADVICE = "a table whose column camera calls grey ones night, say, evens that out (docs/cameras.md)"
_LEAST_PAIRS = 10
_AT_ONCE = 100


def grey_ones(dataset: Artifact, samples: Int64Array) -> BoolArray:
    """Whether the first image of each of `samples` (n,) is grey, as it is stored."""
    images, first = dataset.rows("images"), dataset.read("frame_start")[:-1][samples]
    found = [np.zeros(0, dtype=np.bool_)]
    for start in range(0, len(first), _AT_ONCE):
        # channel by channel: np.ptp along them takes twenty times as long
        red, green, blue = np.moveaxis(np.asarray(images[first[start : start + _AT_ONCE]]), 3, 0)
        spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
        found.append(spread.mean(axis=(1, 2)) < GREY)
    return np.concatenate(found)


def told_light(dataset: Artifact) -> list[str]:
    """A line if cameras of `dataset` took a good part of their pictures in grey, and others in colour; else none."""
    camid = dataset.read("camid")
    # cameras that took few are ignored
    camid = (np.full_like(camid, UNKNOWN) if took_few(camid) else camid)[:MOST_LOOKED_AT]
    is_grey = grey_ones(dataset, np.arange(len(camid)))
    # of each camera the fewer ones: none if grey pictures have cameras of their own
    of_both = [min(is_grey[own].sum(), (~is_grey[own]).sum()) for own in (camid == each for each in np.unique(camid))]
    if sum(of_both) < max(A_GOOD_PART * len(camid), 1):
        return []
    looked_at = " looked at" if len(dataset.read("pid")) > len(camid) else ""
    return [
        f"{int(is_grey.sum())} of {len(camid)} pictures{looked_at} are grey, as infrared ones of the night are: features may "
        f"keep them apart from coloured ones, so that an individual counts twice; {ADVICE}"
    ]


def told_apart(dataset: Artifact, labels: Int64Array) -> str | None:
    """A line if clusters `labels` (n_train,) hold grey and coloured pictures far more rarely than chance; else None."""
    is_grey = grey_ones(dataset, np.flatnonzero(dataset.read("split") == TRAIN)[:MOST_LOOKED_AT])
    of_all, n_grey = labels[: len(is_grey)], int(is_grey.sum())
    size = np.bincount(of_all)
    grey = np.bincount(of_all, weights=is_grey, minlength=len(size))
    n_pairs, n_mixed = int((size * (size - 1)).sum()) // 2, int((grey * (size - grey)).sum())
    chance = 2 * n_grey * (len(is_grey) - n_grey) / max(len(is_grey) * (len(is_grey) - 1), 1)
    if chance * n_pairs < _LEAST_PAIRS or n_mixed >= FAR_BELOW_CHANCE * chance * n_pairs:
        return None
    return (
        f"{n_mixed / n_pairs:.0%} of the pairs in clusters are of a grey and a coloured picture, {chance:.0%} by chance: "
        f"individuals may be in one cluster by day and in another by night, and count twice; "
        + (ADVICE if told_light(dataset) else "join them by dbc review")
    )
