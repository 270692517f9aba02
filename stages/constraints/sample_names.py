"""What samples are called in a file of answers: the path of a picture, with a number if a picture holds several samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stages.runs.source_names import places
from stages.runs.store import Artifact
from stages.typing import Float64Array, Int64Array


def sample_names(dataset: Artifact, by_path: Mapping[str, list[int]] | None = None) -> list[str]:
    """The name (n_samples) of each sample of `dataset`: the path of its first image, `path#N` if others have images of it.

    N is its place in `by_path` of that path, from 1, which is `samples_by_path` if it is not given.
    """
    first = dataset.read("frame_start")[:-1]
    paths = [str(path) for path in dataset.read("path")[first].tolist()]
    names = list(paths)
    for path, samples in (by_path or samples_by_path(dataset)).items():
        if len(samples) > 1:
            for number, sample in enumerate(samples, start=1):
                if paths[sample] == path:
                    names[sample] = f"{path}#{number}"
    return names


def samples_by_path(dataset: Artifact) -> dict[str, list[int]]:
    """The samples with an image of each path, by the frame number and then the box (left, top) of their first image of it."""
    paths, frame_start = dataset.read("path").tolist(), dataset.read("frame_start")
    sample_of = np.repeat(np.arange(len(frame_start) - 1), np.diff(frame_start)).tolist()
    if len(set(paths)) == len(paths):
        return {path: [sample] for path, sample in zip(paths, sample_of, strict=True)}
    number_of: dict[str, int] = {}
    number = np.array([number_of.setdefault(path, len(number_of)) for path in paths])
    found: dict[str, dict[int, None]] = {}
    for image in np.lexsort((sample_of, *_places(dataset).T[::-1], number)).tolist():
        found.setdefault(paths[image], {})[sample_of[image]] = None
    return {path: list(samples) for path, samples in found.items()}


def place_of(dataset: Artifact, samples: Int64Array) -> dict[str, list[int | None]]:
    """Frame and box of the first image of each of `samples`, by the names of columns; only what the dataset has."""
    found = places(dataset, dataset.read("frame_start")[:-1][samples])
    return {
        name: [None if name == "frame" and number < 0 else number for number in column.tolist()]
        for name, column in found.items()
    }


def _places(dataset: Artifact) -> Float64Array:
    """Where in its picture each image is, (n_images, 0 to 5): its frame number and its box, as far as the dataset has them."""
    columns = [dataset.read(name) for name in ("frame_number", "box") if name in dataset.names()]
    n_images = int(dataset.read("frame_start")[-1])
    table = [column.reshape(n_images, -1).astype(np.float64) for column in columns]
    found: Float64Array = np.nan_to_num(np.concatenate([np.empty((n_images, 0)), *table], axis=1))
    return found
