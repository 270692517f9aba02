"""Grey pictures among coloured ones are told of, and clusters that keep both apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest

from stages.ingest.light import told_apart, told_light
from stages.runs.store import Artifact


def dataset(is_grey: Sequence[bool], camid: Sequence[int] = ()) -> Artifact:
    """A dataset of pictures that are grey, with the noise of compression, or of one colour."""
    grey = np.random.default_rng(0).integers(100, 102, (len(is_grey), 4, 6, 3))
    colour = np.array([90, 120, 70])
    arrays = {
        "images": np.where(np.array(is_grey)[:, None, None, None], grey, colour).astype(np.uint8),
        "frame_start": np.arange(len(is_grey) + 1),
        "split": np.zeros(len(is_grey), dtype=np.uint8),
        "camid": np.array(camid or [-2] * len(is_grey)),
        "pid": np.zeros(len(is_grey)),
    }

    class Stored:
        def read(self, name: str) -> Any:
            return arrays[name]

        rows = read

    return cast("Artifact", Stored())


def test_grey_pictures_of_cameras_that_took_coloured_ones_too_are_told() -> None:
    (told,) = told_light(dataset([True, False, False, True] * 5))
    assert told.startswith("10 of 20 pictures are grey, as infrared ones of the night are")
    assert "column camera" in told
    # cameras that took few pictures are sightings, and ignored
    assert told_light(dataset([True, False, False, True] * 5, [*range(20)])) == [told]


@pytest.mark.parametrize(
    ("is_grey", "camid"),
    [([True] * 20, ()), ([False] * 20, ()), ([True] + [False] * 39, ()), ([True, False] * 20, [1, 2] * 20)],
)
def test_one_kind_a_few_greys_and_cameras_of_one_kind_are_not_told(is_grey: list[bool], camid: list[int]) -> None:
    assert told_light(dataset(is_grey, camid)) == []


def test_clusters_of_one_kind_are_told_and_mixed_ones_are_not() -> None:
    is_grey = [True, False] * 20
    told = told_apart(dataset(is_grey), np.arange(40) % 8)
    assert told is not None
    assert told.startswith("0% of the pairs in clusters are of a grey and a coloured picture, 51% by chance")
    assert "column camera" in told
    assert "dbc review" in str(told_apart(dataset(is_grey, [1, 2] * 20), np.arange(40) % 8))
    assert told_apart(dataset(is_grey), np.arange(40) // 5) is None
    assert told_apart(dataset(is_grey), np.arange(40)) is None
    assert told_apart(dataset([False] * 40), np.arange(40) % 8) is None
