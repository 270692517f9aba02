"""Pictures that would be squeezed, shrunk or taken in part are told, with what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.ingest.headers import fitting_size, in_pages, shrunk, some_headers, squeezed
from stages.samples import Samples


def table(paths: list[str]) -> Samples:
    n = len(paths)
    return Samples.of_images(paths, [1] * n, [1] * n, [0] * n)


def pictures(folder: Path, *sizes: tuple[int, int], turned: bool = False) -> Samples:
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    for place, size in enumerate(sizes):
        Image.new("RGB", size).save(folder / f"{place}.jpg", exif=exif)
    return table([f"{place}.jpg" for place in range(len(sizes))])


def told_squeezed(folder: Path, samples: Samples, *, height: int, width: int) -> list[str]:
    return squeezed(some_headers(folder, samples.path), samples, height=height, width=width)


def told_shrunk(folder: Path, samples: Samples, *, side: int) -> list[str]:
    return shrunk(some_headers(folder, samples.path), samples, height=side, width=side)


def test_squares_stored_as_standing_people_are_told(tmp_path: Path) -> None:
    (told,) = told_squeezed(tmp_path, pictures(tmp_path, (80, 80), (100, 90), (64, 128)), height=256, width=128)
    assert "1.00 times as wide" in told
    assert "`height=128` `width=128`" in told


@pytest.mark.parametrize(("size", "turned"), [((60, 128), False), ((128, 60), True), ((80, 128), False)])
def test_pictures_that_fit_are_not_told(tmp_path: Path, size: tuple[int, int], turned: bool) -> None:
    assert told_squeezed(tmp_path, pictures(tmp_path, size, size, turned=turned), height=256, width=128) == []


@pytest.mark.parametrize(("box", "is_relative"), [((5, 5, 40, 40), False), ((0.25, 0, 0.5, 1), True)])
def test_boxes_count_and_not_their_pictures(
    tmp_path: Path, box: tuple[float, float, float, float], is_relative: bool
) -> None:
    whole = pictures(tmp_path, (128, 64))
    assert told_squeezed(tmp_path, whole, height=64, width=64)
    boxed = replace(whole, box=np.array([box], dtype=np.float64), is_relative=np.array([is_relative]))
    assert told_squeezed(tmp_path, boxed, height=64, width=64) == []


def test_pictures_that_cannot_be_read_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("no picture")
    assert told_squeezed(tmp_path, table(["x.jpg", "lost.jpg"]), height=256, width=128) == []
    assert told_squeezed(tmp_path, table([]), height=256, width=128) == []


@pytest.mark.parametrize(
    ("aspect", "size"), [(1.0, (128, 128)), (0.5, (256, 128)), (1.5, (128, 192)), (0.99, (128, 128)), (3.0, (128, 384))]
)
def test_a_size_that_suits(aspect: float, size: tuple[int, int]) -> None:
    assert fitting_size(aspect, shorter=128) == size


def test_whole_photographs_that_are_shrunk_a_lot_are_told_and_cut_out_or_boxed_ones_are_not(tmp_path: Path) -> None:
    whole = pictures(tmp_path, *[(160, 120)] * 9, (120, 160))
    (told,) = told_shrunk(tmp_path, whole, side=12)
    assert told.startswith("pictures are shrunk 10 times in each direction")
    assert told_shrunk(tmp_path, whole, side=16) == []
    assert told_shrunk(tmp_path, table(["0.jpg"]), side=12) == []
    box = np.tile([5.0, 5, 40, 40], (10, 1))
    assert told_shrunk(tmp_path, replace(whole, box=box, is_relative=np.zeros(10, dtype=bool)), side=12) == []
    cut_out = pictures(tmp_path, *((160, 120 + n) for n in range(10)))
    assert told_shrunk(tmp_path, cut_out, side=12) == []


@pytest.mark.parametrize("suffix", ["gif", "tif", "png", "webp"])
def test_pages_that_are_left_out_are_told(tmp_path: Path, suffix: str) -> None:
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second])
    first.save(tmp_path / f"b.{suffix}")
    (told,) = in_pages(some_headers(tmp_path, [f"b.{suffix}", f"a.{suffix}", "lost.png"]))
    assert told.startswith(
        "pictures of several pages or frames, of which the first is taken: 1 of the 2 looked at, the first"
    )
    assert in_pages(some_headers(tmp_path, [f"b.{suffix}"])) == []
