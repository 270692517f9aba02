"""What people call the samples of a dataset, and the source its identities and cameras, whose numbers are of no use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Literal

import numpy as np

from stages.runs.run_directory import source_boxes
from stages.runs.store import Artifact
from stages.samples import UNKNOWN
from stages.typing import Int64Array

BOX = ("left", "top", "width", "height")
"""The columns of a box."""
_NUMBERS = {"identity": "pid", "camera": "camid"}
_FIRST = {"identity": 1, "camera": 0}
"""The smallest number of one that is known: pid 0 is a distractor, which is nobody."""


def sample_is(dataset: Artifact) -> str:
    """What a sample of `dataset` is called: `track` if one has several images, `box` if cut out, or `picture`."""
    if np.diff(dataset.read("frame_start")).max(initial=1) > 1:
        return "track"
    return "box" if "box" in dataset.names() else "picture"


def samples_are(dataset: Artifact) -> str:
    """What samples of `dataset` are called, as `sample_is` says: `tracks`, `boxes` or `pictures`."""
    return {"track": "tracks", "box": "boxes", "picture": "pictures"}[sample_is(dataset)]


def places(dataset: Artifact, images: Int64Array | slice = slice(None)) -> dict[str, Int64Array]:
    """Where `images` lie in their pictures or videos, by names of columns: `frame` from 0, −1 for none, and those of `BOX`.

    Only what the source says is there; boxes are in pixels.
    """
    found = {}
    if "frame_number" in dataset.names():
        found["frame"] = dataset.read("frame_number")[images]
    if "box" in dataset.names():
        found |= dict(zip(BOX, source_boxes(dataset)[images].T.astype(np.int64), strict=True))
    return found


def tracklet_names(dataset: Artifact) -> tuple[list[str | int | None], str]:
    """What the source calls the tracklet (n_samples) of each sample, or its number, or None; and a line if some are renamed.

    Days of one camera often have the same names: the second of a name, by number, is `name (2)`.
    """
    number = dataset.read("tracklet")
    names = (dataset.read("tracklet_name") if "tracklet_name" in dataset.names() else number).tolist()
    known = np.flatnonzero(number != UNKNOWN)
    found: list[str | int | None] = [None] * len(names)
    taken, n_of, first, n_renamed = set(names), Counter[str | int](), "", 0
    for sample in known[np.argsort(number[known], kind="stable")].tolist():
        found[sample] = name = names[sample]
        n_of[name] += 1
        if n_of[name] > 1:
            found[sample] = new = next(text for n in count(n_of[name]) if (text := f"{name} ({n})") not in taken)
            taken.add(new)
            first, n_renamed = first or new, n_renamed + 1
    if not n_renamed:
        return found, ""
    told = f"tracklets that share a name in the source have a number behind it: {n_renamed}, the first {first!r}"
    return [None if name is None else str(name) for name in found], told


def source_names(dataset: Artifact, kind: Literal["identity", "camera"]) -> dict[int, str]:
    """The names of all known identities or cameras by their numbers, ascending; the number itself for one without."""
    numbers = dataset.read(_NUMBERS[kind])
    names = {number: str(number) for number in np.unique(numbers).tolist() if number >= _FIRST[kind]}
    if kind in dataset.names():
        texts = dataset.read(kind)
        # of one number some samples may have no name: pictures that were added by another source
        names |= dict(zip(numbers[texts != ""].tolist(), texts[texts != ""].tolist(), strict=True))
    return names


def names_of(dataset: Artifact, kind: Literal["identity", "camera"]) -> list[str | None]:
    """(n_samples) the name of each sample's identity or camera, None for one that is not known."""
    return list(map(source_names(dataset, kind).get, dataset.read(_NUMBERS[kind]).tolist()))


def only_names(identity: Sequence[str | None], cluster: Sequence[int]) -> dict[int, str]:
    """The one identity of each cluster, by its label, whose samples have one and no other; both are of each sample (n)."""
    held: dict[int, set[str]] = {}
    for text, label in zip(identity, cluster, strict=False):
        if text is not None and label >= 0:
            held.setdefault(label, set()).add(text)
    return {label: texts.pop() for label, texts in held.items() if len(texts) == 1}


def titled(individual: int | None, name: str | None) -> str:
    """What to call an individual: its number, which lasts, and its name, if it has one, beside it: `73 (Ayo)`."""
    return f"{individual}" if name is None else f"{individual} ({name})"


def named_places(dataset: Artifact, kind: Literal["identity", "camera"]) -> tuple[list[str], Int64Array]:
    """The `source_names`, and the place among them of each sample (n_samples), −1 for one that is not known."""
    names = source_names(dataset, kind)
    place_of = {number: place for place, number in enumerate(names)}
    places = [place_of.get(number, -1) for number in dataset.read(_NUMBERS[kind]).tolist()]
    return [*names.values()], np.array(places, dtype=np.int64)
