"""What samples are called in a file of answers: the path of a picture, with a number if a picture holds several samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from stages.runs.source_names import places
from stages.runs.store import Artifact
from stages.typing import Int64Array


def sample_names(dataset: Artifact) -> list[str]:
    """The name (n_samples) of each sample of `dataset`: the path of its first image, `path#N` if the path is not its own.

    N counts the samples of one path from 1, by the frame number and then the box (left, top) of their first images.
    """
    first = dataset.read("frame_start")[:-1]
    paths = dataset.read("path")[first].tolist()
    if len(set(paths)) == len(paths):
        return [str(path) for path in paths]
    place = _places(dataset, first.tolist())
    order = sorted(range(len(paths)), key=lambda sample: (paths[sample], place[sample], sample))
    n_of, count = Counter(paths), Counter[str]()
    names = [""] * len(paths)
    for sample in order:
        path = paths[sample]
        count[path] += 1
        names[sample] = path if n_of[path] == 1 else f"{path}#{count[path]}"
    return names


def place_of(dataset: Artifact, samples: Int64Array) -> dict[str, list[int | None]]:
    """Frame and box of the first image of each of `samples`, by the names of columns; only what the dataset has."""
    found = places(dataset, dataset.read("frame_start")[:-1][samples])
    return {
        name: [None if name == "frame" and number < 0 else number for number in column.tolist()]
        for name, column in found.items()
    }


def _places(dataset: Artifact, images: Sequence[int]) -> list[tuple[float, ...]]:
    """Where in its picture each of `images` is: its frame number and its box."""
    columns = [dataset.read(name)[list(images)] for name in ("frame_number", "box") if name in dataset.names()]
    table = np.concatenate([column.reshape(len(images), -1) for column in columns], axis=1) if columns else None
    return [()] * len(images) if table is None else [tuple(row) for row in np.nan_to_num(table).tolist()]
