"""Pictures of 16 bits that use a small part of their range are told of, and others are not."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.ingest.headers import some_headers, stored_dark


def write(file: Path, largest: int, dtype: type = np.uint16) -> str:
    values = np.random.default_rng(largest).integers(0, largest, (12, 16), endpoint=True).astype(dtype)
    values[0, 0] = largest
    Image.fromarray(values).save(file)
    return file.name


def write_colours(file: Path, largest: int) -> str:
    """A PNG of 16 bits for each of three colours, which Pillow reads and cannot write."""
    row = b"\0" + np.full(8 * 3, largest, dtype=">u2").tobytes()
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * 8)),
        (b"IEND", b""),
    ]
    framed = (struct.pack(">I", len(d)) + name + d + struct.pack(">I", zlib.crc32(name + d)) for name, d in chunks)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed))
    return file.name


def told(folder: Path, paths: list[str]) -> list[str]:
    return stored_dark(some_headers(folder, paths), folder)


@pytest.mark.parametrize(("n_bits", "level"), [(10, 4), (12, 16), (14, 64)])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_bits_that_are_missing_are_told_with_the_number_to_multiply_by(
    tmp_path: Path, n_bits: int, level: int, suffix: str
) -> None:
    largest = (1 << n_bits) - 1
    paths = [write(tmp_path / f"{n}.{suffix}", largest - 3 * n) for n in range(3)]
    paths += [write(tmp_path / "bright.png", 65535), write(tmp_path / "usual.png", 255, np.uint8)]
    assert told(tmp_path, paths) == [
        f"pictures of 16 bits are stored nearly black: no pixel of 3 of the 4 looked at is brighter than {level} of 255, as "
        f"if they had {n_bits} bits; save them all at full range, each value times {2 ** (16 - n_bits)}"
    ]


def test_colours_of_16_bits_are_looked_at_too(tmp_path: Path) -> None:
    (line,) = told(tmp_path, [write_colours(tmp_path / "a.png", 4095)])
    assert "brighter than 15 of 255, as if they had 12 bits" in line


def test_dark_pictures_of_8_bits_and_bright_ones_of_16_are_not_told_of(tmp_path: Path) -> None:
    (tmp_path / "none.png").write_bytes(b"nothing")
    dark = [write(tmp_path / f"8.{suffix}", 9, np.uint8) for suffix in ("png", "tif", "bmp", "gif")]
    wide = [write(tmp_path / "15.png", 32767), write_colours(tmp_path / "c.png", 65535)]
    assert told(tmp_path, [*dark, *wide, "none.png", "lost.png", "film.mp4"]) == []
    assert told(tmp_path, []) == []
    assert told(tmp_path, [*wide, write(tmp_path / "12.png", 4095)]) == [
        "pictures of 16 bits are stored nearly black: no pixel of 1 of the 3 looked at is brighter than 16 of 255, the first "
        "'12.png'; look at them"
    ]
