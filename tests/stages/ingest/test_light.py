"""Grey pictures among coloured ones are told of, and clusters that keep both apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import pytest

from stages.ingest.light import told_apart, told_light
from stages.runs.store import Artifact
from stages.typing import UInt8Array


def pictures(is_grey: Sequence[bool]) -> UInt8Array:
    """Pictures that are grey, with the noise of compression, or coloured."""
    draw = np.random.default_rng(0).integers
    grey = draw(60, 160, (len(is_grey), 12, 8, 1)) + draw(0, 3, (len(is_grey), 12, 8, 3))
    colour = draw(60, 160, (len(is_grey), 12, 8, 1)) * np.array([0.9, 1.0, 0.7])
    return np.where(np.array(is_grey)[:, None, None, None], grey, colour).astype(np.uint8)


def dataset(is_grey: Sequence[bool], camid: Sequence[int] = (), *, images: UInt8Array | None = None) -> Artifact:
    arrays = {
        "images": pictures(is_grey) if images is None else images,
        "frame_start": np.arange(len(is_grey) + 1),
        "split": np.zeros(len(is_grey), dtype=np.uint8),
        "camid": np.array(camid or [-2] * len(is_grey)),
        "pid": np.zeros(len(is_grey)),
        "path": [f"{number}.jpg" for number in range(len(is_grey))],
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


def padded(images: UInt8Array, level: int) -> UInt8Array:
    """`images` in the middle third of the picture, with borders of `level` left and right."""
    held = np.full_like(images, level)
    held[:, :, 3:6] = images[:, :, 3:6]
    return held


@pytest.mark.parametrize(
    "change",
    [
        *(partial(padded, level=level) for level in (0, 114, 255)),
        lambda images: (images * 0.2).astype(np.uint8),
        np.zeros_like,
        lambda images: np.full_like(images, 200),
    ],
    ids=["black borders", "grey borders", "white borders", "dark", "black", "blank"],
)
def test_coloured_pictures_with_borders_and_dark_or_blank_ones_are_not_grey(
    change: Callable[[UInt8Array], UInt8Array],
) -> None:
    """A published set of people pads its pictures in black, and 33 of 969 were taken for infrared."""
    images = pictures([False] * 40)
    images[::2] = change(images[::2])
    changed = dataset([False] * 40, images=images)
    assert all("are black" in line for line in told_light(changed))
    assert told_apart(changed, np.arange(40) % 8) is None


def test_pale_pictures_by_day_are_not_grey() -> None:
    """Seals on mud: hardly any colour in the mean, and a hundredth of the pixels has some."""
    images = pictures([True, False] * 20)
    images[::2, 5, :2] = (120, 114, 110)
    assert told_light(dataset([False] * 40, images=images)) == []


def test_black_pictures_are_told() -> None:
    images = pictures([False] * 40)
    images[3::8] = 9
    (told,) = told_light(dataset([False] * 40, images=images))
    assert told.startswith("5 of 40 pictures are black or nearly so, and taken as any other, the first '3.jpg': ")


@pytest.mark.parametrize("level", [0, 114, 255])
def test_infrared_pictures_are_told_with_borders_too_and_where_they_are_dark(level: int) -> None:
    is_grey = [True, False] * 20
    found = dataset(is_grey, images=padded(pictures(is_grey), level))
    (told,) = told_light(found)
    assert told.startswith("20 of 40 pictures are grey")
    assert told_apart(found, np.arange(40) % 8) is not None
    assert told_light(dataset(is_grey, images=(pictures(is_grey) * 0.3).astype(np.uint8))) == [told]


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


@pytest.mark.parametrize("edge", [slice(1), slice(-1, None)])
def test_a_coloured_strip_of_the_camera_does_not_hide_infrared(edge: slice) -> None:
    """Bushnell's has a coloured logo: no picture of 192 with one was told."""
    is_grey = [True, False] * 20
    images = pictures(is_grey)
    images[:, edge] = (255, 200, 0)
    (told,) = told_light(dataset(is_grey, images=images))
    assert told.startswith("20 of 40 pictures are grey")
