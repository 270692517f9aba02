"""One image file: every kind there is decodes to the right pixels, every damaged one to a reason."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.ingest.decode.crops import BadImageError
from stages.ingest.decode.image_file import ALPHA_BACKGROUND, MAX_PIXELS, decode_image, image_suffixes, without_warnings

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")


def scene(height, width, channels=3, *, seed=0):
    """Smooth (height, width, channels) uint8 without any symmetry."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (5, 4, channels), dtype=np.uint8)
    planes = [Image.fromarray(small[..., c]).resize((width, height), Image.Resampling.BICUBIC) for c in range(channels)]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def encoded(image, kind, **options):
    file = io.BytesIO()
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


def decode(data, *, height, width):
    with without_warnings():
        return np.frombuffer(decode_image(data, height=height, width=width), np.uint8).reshape(height, width, 3)


def reason(data):
    with without_warnings(), pytest.raises(BadImageError) as caught:
        decode_image(data, height=16, width=8)
    assert str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def png_of_size(width, height, *, bits=8, colour=2):
    """A PNG file whose header gives this size and whose data ends at once."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def upright(stored, orientation):
    """What EXIF says a viewer shows: the side of row 0 and of column 0, read from the standard's table."""
    return {
        1: lambda x: x,
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: np.rot90(x, -1),
        7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
        8: lambda x: np.rot90(x, 1),
    }[orientation](stored)


def with_orientation(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation, kind):
    stored = scene(40, 24)
    expected = upright(stored, orientation)
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(stored, kind, exif=with_orientation(orientation), **options)
    height, width = expected.shape[:2]
    np.testing.assert_array_equal(decode(data, height=height, width=width), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_photo_is_undone_and_resized_as_if_stored_upright(orientation):
    stored = scene(800, 480)
    turned = decode(encoded(stored, "JPEG", quality=95, exif=with_orientation(orientation)), height=64, width=32)
    stored_upright = Image.fromarray(np.ascontiguousarray(upright(stored, orientation)))
    expected = np.asarray(stored_upright.resize((32, 64), Image.Resampling.BILINEAR))
    assert np.abs(turned.astype(int) - expected).max() <= 6
    assert np.abs(turned.astype(int) - expected).mean() < 1


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_is_upright(orientation):
    stored = scene(16, 8)
    data = encoded(stored, "PNG", exif=with_orientation(orientation))
    np.testing.assert_array_equal(decode(data, height=16, width=8), stored)


def test_damaged_exif_is_upright_and_silent():
    stored = scene(16, 8)
    for exif in (b"Exif\0\0garbage!", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"):
        plain = decode(encoded(stored, "JPEG"), height=16, width=8)
        np.testing.assert_array_equal(decode(encoded(stored, "JPEG", exif=exif), height=16, width=8), plain)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_kind_of_file_decodes_to_its_pixels(kind, tmp_path):
    stored = scene(64, 32)
    path = tmp_path / "no-suffix"
    path.write_bytes(encoded(stored, kind, **({"quality": 100} if kind in ("JPEG", "WEBP") else {})))
    decoded = decode(path, height=64, width=32)
    assert np.abs(decoded.astype(int) - stored).max() <= (0 if kind in ("PNG", "BMP") else 12)
    np.testing.assert_array_equal(decoded, decode(path.read_bytes(), height=64, width=32))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PPM", "JPEG2000", "TGA", "PCX", "SGI", "QOI", "AVIF", "DDS"])
def test_whatever_else_pillow_reads_decodes_to_its_pixels(kind):
    stored = scene(64, 64)
    image = Image.fromarray(stored)
    plain = image.convert("P", palette=Image.Palette.ADAPTIVE) if kind == "GIF" else image
    decoded = decode(encoded(plain, kind), height=64, width=64)
    tolerance = 40 if kind == "AVIF" else 12 if kind == "JPEG2000" else 0
    assert np.abs(decoded.astype(int) - np.asarray(plain.convert("RGB"))).max() <= tolerance


@pytest.mark.parametrize(("kind", "options"), [("TIFF", {}), ("GIF", {}), ("WEBP", {"lossless": True})])
def test_pages_and_frames_after_the_first_are_not_shown(kind, options):
    pages = [Image.fromarray(scene(16, 8, seed=seed)) for seed in (1, 2)]
    data = encoded(pages[0], kind, save_all=True, append_images=pages[1:], **options)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(decode(data, height=16, width=8), expected)


@pytest.mark.parametrize(("kind", "order"), [("TIFF", "<"), ("TIFF", ">"), ("PNG", "<")])
def test_16_bit_grey_is_scaled_not_clipped(kind, order):
    wide = np.linspace(0, 65535, 32 * 16).astype(f"{order}u2").reshape(32, 16)
    image = Image.frombytes("I;16B" if order == ">" else "I;16", (16, 32), wide.tobytes())
    decoded = decode(encoded(image, kind), height=32, width=16)
    assert np.abs(decoded - wide.astype(float)[..., None] / 257).max() <= 0.5


def test_pixels_without_a_known_range_are_refused_by_name():
    assert "has floating-point pixels" in reason(encoded(np.ones((16, 8), np.float32), "TIFF"))
    assert "has pixels from 0 to 70000, beyond 16 bits" in reason(encoded(np.array([[0, 70_000]], np.int32), "TIFF"))


def test_no_other_program_is_started_and_no_stub_is_taken_for_an_image():
    assert image_suffixes() >= {
        ".jpg",
        ".jpeg",
        ".png",
        ".bmp",
        ".webp",
        ".tif",
        ".gif",
        ".jp2",
        ".ppm",
        ".avif",
        ".mpo",
    }
    assert not image_suffixes() & {".eps", ".ps", ".pdf", ".h5", ".grib", ".wmf", ".mpg", ".txt", ""}
    assert "is not an image that Pillow reads" in reason(encoded(scene(8, 8), "EPS"))


@given(st.binary(max_size=200), st.sampled_from(["", *FORMATS, "GIF", "TIFF", "PPM", "TGA", "ICO", "PSD"]), st.data())
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_pixels_or_a_reason_on_one_line(noise, kind, data):
    whole = encoded(scene(16, 8), kind) if kind not in ("", "PSD") else b"8BPS\0\1" * (kind == "PSD")
    cut = data.draw(st.integers(0, len(whole)))
    try:
        assert len(decode_image(whole[:cut] + noise, height=8, width=8)) == 8 * 8 * 3
    except BadImageError as error:
        assert str(error).isprintable()  # noqa: PT017


def test_resizing_weighs_every_pixel():
    stored = scene(96, 64)
    decoded = decode(encoded(stored, "PNG"), height=8, width=8)
    # a triangle as wide as two target pixels, written out: weights of rows, then of columns
    weights = {}
    for n in (96, 64):
        scale = n / 8
        centre = (np.arange(8) + 0.5) * scale
        distance = np.abs(np.arange(n) + 0.5 - centre[:, None]) / scale
        weights[n] = np.clip(1 - distance, 0, None)
        weights[n] /= weights[n].sum(axis=1, keepdims=True)
    expected = np.einsum("yr,xc,rcn->yxn", weights[96], weights[64], stored.astype(float))
    assert np.abs(decoded - expected).max() <= 1.5


def test_the_fast_decoding_of_large_photos_equals_the_full_one_within_a_level():
    rng = np.random.default_rng(1)
    rough = (scene(2048, 1024).astype(int) + rng.integers(-40, 41, (2048, 1024, 3))).clip(0, 255).astype(np.uint8)
    data = encoded(rough, "JPEG", quality=90)
    with Image.open(io.BytesIO(data)) as image:
        full = np.asarray(image.resize((128, 256), Image.Resampling.BILINEAR)).astype(int)
    fast = decode(data, height=256, width=128)
    assert np.abs(fast - full).mean() < 1
    assert np.abs(fast - full).max() <= 8


@pytest.mark.parametrize(("mode", "kind"), [("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("L", "JPEG"), ("CMYK", "JPEG")])
def test_other_colour_modes_decode_as_their_colours(mode, kind):
    image = Image.fromarray(scene(20, 12)).convert(mode)
    decoded = decode(encoded(image, kind, **({"quality": 100} if kind == "JPEG" else {})), height=20, width=12)
    assert np.abs(decoded.astype(int) - np.asarray(image.convert("RGB"))).max() <= (0 if kind == "PNG" else 12)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_is_composited_on_mid_grey(mode, kind):
    pixels = scene(24, 16, 4)
    image = Image.fromarray(pixels, "RGBA").convert(mode)
    data = encoded(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    decoded = decode(data, height=24, width=16)
    opaque = np.asarray(image.convert("RGBA")).astype(float)
    share = opaque[..., 3:] / 255
    assert np.abs(decoded - (opaque[..., :3] * share + np.asarray(ALPHA_BACKGROUND) * (1 - share))).max() <= 1


def test_a_transparent_palette_colour_is_composited():
    image = Image.fromarray(np.zeros((4, 4), np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0])
    data = encoded(image, "PNG", transparency=0)
    assert set(decode(data, height=4, width=4).ravel().tolist()) == {128}


def test_an_empty_file_a_text_and_another_kind_of_image_are_told_apart():
    assert reason(b"") == "is empty (0 bytes)"
    assert "is not an image that Pillow reads (starts with b'%PDF-1" in reason(encoded(scene(8, 8), "PDF"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\n<!DOCTYPE html>\nnot found", "but a web page, as a failed download leaves it (download it again)"),
        (b'<?xml version="1.0"?><Error>', "but a message, as a failed download leaves it (look into it, and"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "but a pointer of Git LFS to one (run git lfs pull"),
        (b"/annex/objects/SHA256E-s7--a.jpg\n", "but a pointer of git-annex to one (run git annex get"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "but HEIC, as telephones save it (save it as JPEG)"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "but a video (give it its ending, or take frames of it)"),
        (b"\0" * 5000, "but zeros, as an interrupted copy leaves them (copy it again)"),
        (b"\0" * 5000 + b"1", "(starts with b'\\x00"),
    ],
)
def test_a_file_that_is_no_image_is_called_what_it_is(content, told):
    assert told in reason(content).removeprefix("is not an image that Pillow reads ")


def test_a_file_that_cannot_be_read_has_a_reason(tmp_path):
    assert reason(tmp_path / "gone.jpg") == "cannot be read: No such file or directory"
    assert reason(tmp_path) == "cannot be read: Is a directory"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_anywhere_has_a_reason(kind):
    data = encoded(scene(64, 32), kind)
    # a PNG ends in check sums and an empty chunk: with all pixels there, their loss is no damage
    ends = len(data) - (24 if kind == "PNG" else 2)
    for cut in {*range(1, 40), *np.linspace(40, ends, 40).astype(int).tolist()}:
        assert reason(data[:cut]), cut


@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_file_gives_pixels_or_a_reason_and_nothing_else(kind):
    rng = np.random.default_rng(2)
    data = np.frombuffer(encoded(scene(32, 16), kind, exif=with_orientation(6)), np.uint8)
    n_bad = 0
    for _ in range(300):
        damaged = data.copy()
        where = rng.integers(0, min(len(data), rng.choice([60, len(data)])), 3)
        damaged[where] = rng.integers(0, 256, 3)
        text = ""
        try:
            assert decode(damaged.tobytes(), height=16, width=8).shape == (16, 8, 3)
        except BadImageError as error:
            text = str(error)
            n_bad += 1
        assert "\n" not in text
    assert n_bad > 0


@pytest.mark.parametrize("limited", [True, False], ids=["Pillow's limit on", "Pillow's limit off"])
def test_an_absurdly_large_image_is_refused_from_its_header(monkeypatch, limited):
    if not limited:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    text = reason(png_of_size(30_000, 30_000))
    assert "is too large" in text
    assert str(MAX_PIXELS) in text
    assert ("900000000" in text) or ("30000×30000" in text)


def test_a_merely_large_image_raises_no_warning():
    # above the size at which Pillow warns, below the one refused
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        text = reason(png_of_size(10_000, 9_000, bits=1, colour=0))
        with without_warnings():
            warnings.warn("of the user", stacklevel=1)
    assert "too large" not in text
    assert [str(each.message) for each in seen] == ["of the user"]
