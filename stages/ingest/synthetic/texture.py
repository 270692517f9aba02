"""The patterns on a garment: how much of its second colour shows at each pixel."""

from __future__ import annotations

import numpy as np

from stages.ingest.synthetic.person import Texture
from stages.ingest.synthetic.raster import Canvas, Colour, Patch, from_nearest, shape_coverage
from stages.typing import Float32Array


def dyed(
    canvas: Canvas, patch: Patch, texture: Texture, *, colours: tuple[Colour, Colour], top: float, facing: float
) -> Float32Array:
    """The colour of each pixel of `patch` (3, rows, columns): `colours` mixed as `texture` says.

    `top` is where the garment starts, in units; `facing` is 1 from the front, −1 from the back, 0 from the side.
    """
    first, second = (np.asarray(colour, dtype=np.float32).reshape(3, 1, 1) for colour in colours)
    share = _second_share(texture, patch, canvas.y[patch.rows] - top, density=canvas.density, facing=facing)
    mixed: Float32Array = first + share * (second - first)
    return mixed


def _second_share(texture: Texture, patch: Patch, down: Float32Array, *, density: float, facing: float) -> Float32Array:
    across = patch.across
    match texture:
        case "hoops":
            share = _bars(down, period=0.07, density=density)
        case "stripes":
            share = _bars(across * 0.1, period=0.05, density=density)
        case "checks":
            one = _bars(down, period=0.08, density=density)
            other = _bars(across * 0.1 + 0.02, period=0.08, density=density)
            share = one + other - 2 * one * other
        case "dots":
            column, row = from_nearest(across * 0.1, 0.055), from_nearest(down, 0.055)
            share = shape_coverage(0.0175 - np.sqrt(column * column + row * row), density)
        case "halves":
            share = shape_coverage(down - 0.15, density)
        case "band":
            share = shape_coverage(0.035 - np.abs(down - 0.12), density)
        case "print":
            inside = np.minimum(0.05 - np.abs(down - 0.13), 0.06 - np.abs(across * 0.1))
            share = shape_coverage(inside, density) * max(facing, 0.0)
        case _:
            share = 0 * down
    return share + 0 * across


def _bars(position: Float32Array, *, period: float, density: float) -> Float32Array:
    """Bars half a period wide, softened over a pixel and never sharper than the pixels can show."""
    return shape_coverage(np.abs(from_nearest(position, period)) - period / 4, density)
