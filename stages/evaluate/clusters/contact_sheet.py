"""A picture of clusters: a row of thumbnails for each, with its numbers beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stages.typing import BoolArray, UInt8Array

THUMBNAIL_HEIGHT = 96
"""Pixels; the width follows the images."""

TITLE_WIDTH, GAP, FRAME, TEXT_HEIGHT, SMALL = 190, 6, 3, 17, 12
BACKGROUND, TEXT, WRONG, PLAIN = (255, 255, 255), (40, 40, 40), (214, 39, 40), (200, 200, 200)


@dataclass(frozen=True)
class SheetRow:
    """A cluster on the sheet: lines of `title`, its `images` (n, H, W, 3) uint8; those `is_wrong` (n) get a red frame.

    `captions` are lines of text under each image.
    """

    title: Sequence[str]
    images: UInt8Array
    is_wrong: BoolArray
    captions: Sequence[Sequence[str]] = ()


def contact_sheet(rows: Sequence[SheetRow], *, caption: str = "") -> Image.Image:
    """The picture (RGB) of `rows`, at least one with an image, below each other, and the `caption` under them."""
    n_high, n_wide = rows[0].images.shape[1:3]
    size = (max(1, round(THUMBNAIL_HEIGHT * n_wide / n_high)), THUMBNAIL_HEIGHT)
    n_lines = max(len(lines) for row in rows for lines in (*row.captions, ()))
    small = ImageFont.load_default(size=10)
    step = size[0] + 2 * FRAME + GAP, size[1] + 2 * FRAME + GAP + n_lines * SMALL
    columns = max(len(row.images) for row in rows)
    font = ImageFont.load_default(size=13)
    width = max(TITLE_WIDTH + columns * step[0] + GAP, 2 * GAP + round(font.getlength(caption)))
    below = TEXT_HEIGHT + GAP if caption else 0
    sheet = Image.new("RGB", (width, len(rows) * step[1] + GAP + below), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, len(rows) * step[1] + GAP), caption, fill=TEXT, font=font)
    for place, row in enumerate(rows):
        top = GAP + place * step[1]
        for line, text in enumerate(row.title):
            draw.text((GAP, top + FRAME + line * TEXT_HEIGHT), text, fill=TEXT, font=font)
        for column, (pixels, is_wrong) in enumerate(zip(row.images, row.is_wrong, strict=True)):
            left = TITLE_WIDTH + column * step[0]
            box = (left, top, left + size[0] + 2 * FRAME - 1, top + size[1] + 2 * FRAME - 1)
            draw.rectangle(box, fill=WRONG if is_wrong else PLAIN)
            thumbnail = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BILINEAR)
            sheet.paste(thumbnail, (left + FRAME, top + FRAME))
            for line, text in enumerate(row.captions[column] if row.captions else ()):
                draw.text((left, box[3] + 1 + line * SMALL), text, fill=TEXT, font=small)
    return sheet
