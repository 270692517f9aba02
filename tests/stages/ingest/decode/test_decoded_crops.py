"""Regions cut out of pictures: what Pillow gives for the upright picture, cropped and then resized."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from stages.ingest.decode.crops import BadImageError, Crop, Region, crops_of, window
from stages.ingest.decode.image_file import decode_crops, decode_image


def encoded(width: int, height: int, *, kind: str = "PNG", orientation: int = 1, mode: str = "RGB") -> bytes:
    rng = np.random.default_rng(width * height)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).convert(mode).save(content, kind, exif=exif)
    return content.getvalue()


def cropped(data: bytes, rectangle: tuple[int, int, int, int], size: tuple[int, int]) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    return upright.crop(rectangle).resize(size, Image.Resampling.BILINEAR).tobytes()


def only(crop: Crop | BadImageError) -> Crop:
    assert isinstance(crop, Crop)
    return crop


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_box_is_what_the_upright_picture_shows_there(orientation: int, mode: str) -> None:
    data = encoded(60, 40, orientation=orientation, mode=mode)
    regions = [Region((4, 7, 20, 13)), Region((0, 0, 9, 30)), Region()]
    crops = [only(crop) for crop in decode_crops(data, regions, pad=0, height=16, width=8)]
    whole = (0, 0, 60, 40) if orientation < 5 else (0, 0, 40, 60)
    assert [crop.window.rectangle for crop in crops] == [(4, 7, 24, 20), (0, 0, 9, 30), whole]
    for crop in crops:
        wanted = cropped(data, crop.window.rectangle, (8, 16))
        difference = np.frombuffer(crop.pixels, np.uint8).astype(int) - np.frombuffer(wanted, np.uint8)
        # a turned picture is resized before it is turned, which rounds otherwise
        assert abs(difference).max() <= (0 if orientation < 5 else 2)


def test_the_whole_picture_is_the_same_as_without_regions() -> None:
    data = encoded(200, 160, kind="JPEG", orientation=6)
    (crop,) = decode_crops(data, [Region()], pad=0.5, height=20, width=16)
    assert only(crop).pixels == decode_image(data, height=20, width=16)


def test_a_jpeg_decoded_at_a_fraction_gives_nearly_the_same_box() -> None:
    data = encoded(640, 480, kind="JPEG")
    regions = [Region((101, 53, 399, 350)), Region((7, 11, 301, 300))]
    for crop in decode_crops(data, regions, pad=0, height=32, width=32):
        wanted = np.frombuffer(cropped(data, only(crop).window.rectangle, (32, 32)), np.uint8).astype(int)
        assert abs(wanted - np.frombuffer(only(crop).pixels, np.uint8)).mean() < 1.5


def test_a_small_box_keeps_all_the_pixels_of_its_picture() -> None:
    data = encoded(640, 480, kind="JPEG")
    crop = only(next(iter(decode_crops(data, [Region((600, 400, 30, 30)), Region()], pad=0, height=16, width=16))))
    assert crop.pixels == cropped(data, (600, 400, 630, 430), (16, 16))


def test_a_box_outside_its_picture_is_bad_alone() -> None:
    data = encoded(20, 10)
    regions = [Region((25, 0, 4, 4)), Region((1, 1, 4, 4)), Region((0, -9, 4, 4))]
    first, good, last = decode_crops(data, regions, pad=1, height=8, width=8)
    assert str(first) == "is of 20×10 pixels, and box [25, 0, 4, 4] lies outside of it"
    assert only(good).window.rectangle == (0, 0, 9, 9)
    assert isinstance(last, BadImageError)
    frame = Image.new("RGB", (20, 10))
    assert [type(crop) for crop in crops_of(frame, regions, pad=0, height=8, width=8)] == [
        BadImageError,
        Crop,
        BadImageError,
    ]


def test_a_broken_picture_is_bad_as_a_whole() -> None:
    with pytest.raises(BadImageError, match="cannot be decoded"):
        list(decode_crops(encoded(64, 64, kind="JPEG")[:500], [Region()], pad=0, height=8, width=8))


@pytest.mark.parametrize(
    ("region", "pad", "rectangle", "is_clipped"),
    [
        (Region((0.25, 0.5, 0.5, 0.25), is_relative=True), 0, (25, 20, 75, 30), False),
        (Region((10, 10, 20, 10)), 0.5, (0, 5, 40, 25), False),
        (Region((0, 0, 20, 10)), 0.5, (0, 0, 30, 15), False),
        (Region((-10, 35, 30, 10)), 0, (0, 35, 20, 40), True),
        (Region((-0.6, 0, 20, 10)), 0, (0, 0, 19, 10), False),
        (Region((99.9, 39.9, 0.05, 0.05)), 0, (99, 39, 100, 40), False),
        (Region((10.2, 10.2, 0.1, 0.1)), 0, (10, 10, 11, 11), False),
    ],
)
def test_rectangles_by_hand(region: Region, pad: float, rectangle: tuple[int, int, int, int], is_clipped: bool) -> None:
    found = window(region, width=100, height=40, pad=pad)
    assert (found.rectangle, found.is_clipped) == (rectangle, is_clipped)
    assert found.unpadded == window(region, width=100, height=40, pad=0).rectangle


number = st.floats(-50, 150)
length = st.floats(0.01, 200)


@given(box=st.tuples(number, number, length, length), pad=st.floats(0, 1), is_relative=st.booleans())
def test_every_rectangle_lies_in_the_picture_and_has_a_pixel(
    box: tuple[float, float, float, float], pad: float, is_relative: bool
) -> None:
    scaled = (box[0] / 100, box[1] / 40, box[2] / 100, box[3] / 40) if is_relative else box
    try:
        left, top, right, bottom = window(Region(scaled, is_relative), width=100, height=40, pad=pad).rectangle
    except BadImageError:
        assert box[0] >= 99.9 or box[1] >= 39.9 or box[0] + box[2] <= 0.1 or box[1] + box[3] <= 0.1
    else:
        assert 0 <= left < right <= 100
        assert 0 <= top < bottom <= 40
