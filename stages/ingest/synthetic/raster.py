"""Anti-aliased shapes on a small float canvas, with arithmetic that gives the same bits on every machine.

Only single additions, products, quotients, square roots, comparisons and roundings are used: IEEE 754 fixes their
result, while `sin`, `pow`, float sums and fused loops differ between math libraries and processors.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from stages.typing import Array, Float32Array

Colour = tuple[float, float, float]
"""Red, green, blue, 0 to 1."""


Outline = tuple[tuple[float, float], ...]
"""The (y, half-width) knots of an upright shape, y increasing."""


class Canvas(NamedTuple):
    """A picture being drawn: `pixels` (3, height, width) float32, `x` (1, width) and `y` (height, 1) its coordinates.

    The unit is the height of an upright person: `y` runs from 0 (crown) to 1 (soles), `x` from the body's axis to the
    right. `density` is the number of pixels in a unit of `y`.
    """

    pixels: Float32Array
    x: Float32Array
    y: Float32Array
    density: float


class Patch(NamedTuple):
    """A shape on a canvas: where its box lies, its coverage and its position across, each (rows, columns) float32.

    `alpha` is 0 to 1; `across` is −1 at the shape's left edge, 1 at its right edge.
    """

    rows: slice
    columns: slice
    alpha: Float32Array
    across: Float32Array


def sine(turns: float) -> float:
    """The sine of an angle in turns, within 0.002 (Bhaskara's rational approximation)."""
    half_turns = 2 * (turns - turns // 1)
    arc = half_turns % 1
    bump = arc * (1 - arc)
    value = 16 * bump / (5 - 4 * bump)
    return value if half_turns < 1 else -value


def new_canvas(height: int, width: int, *, zoom: float, shift_x: float, shift_y: float) -> Canvas:
    """A black canvas whose view is half as wide as high: a crop around a person, as a detector cuts it.

    At zoom 1 the crop is 1.08 units high. `shift_x` and `shift_y` move the person in the crop, in units.
    """
    span = 1.08 / zoom
    y = (np.arange(height, dtype=np.float32) + 0.5) * (span / height) + (0.5 - span / 2 - shift_y)
    x = (np.arange(width, dtype=np.float32) + 0.5) * (0.42 * span / width) - (0.21 * span + shift_x)
    pixels = np.zeros((3, height, width), dtype=np.float32)
    return Canvas(pixels, x.reshape(1, -1), y.reshape(-1, 1), height / span)


def limb(canvas: Canvas, start: tuple[float, float], end: tuple[float, float], *, radii: tuple[float, float]) -> Patch:
    """The rounded, tapering bar from `start` to `end` (x, y), `radii` thick at either end, in units."""
    reach = max(radii)
    rows, columns = _box(
        canvas,
        (min(start[0], end[0]) - reach, max(start[0], end[0]) + reach),
        (min(start[1], end[1]) - reach, max(start[1], end[1]) + reach),
    )
    x, y = canvas.x[:, columns] - start[0], canvas.y[rows] - start[1]
    run, rise = end[0] - start[0], end[1] - start[1]
    squared = run * run + rise * rise + 1e-9
    along = np.clip(x * (run / squared) + y * (rise / squared), 0, 1)
    off_x, off_y = x - along * run, y - along * rise
    radius = radii[0] + along * (radii[1] - radii[0])
    inside = radius - np.sqrt(off_x * off_x + off_y * off_y)
    return Patch(rows, columns, shape_coverage(inside, canvas.density), np.clip(off_x / radius, -1, 1))


def ellipse(canvas: Canvas, centre: tuple[float, float], *, radii: tuple[float, float]) -> Patch:
    """The upright ellipse around `centre` (x, y) with half axes `radii`, in units."""
    rows, columns = _box(
        canvas, (centre[0] - radii[0], centre[0] + radii[0]), (centre[1] - radii[1], centre[1] + radii[1])
    )
    across = (canvas.x[:, columns] - centre[0]) / radii[0]
    down = (canvas.y[rows] - centre[1]) / radii[1]
    inside = (1 - np.sqrt(across * across + down * down)) * min(radii)
    return Patch(rows, columns, shape_coverage(inside, canvas.density), np.clip(across + 0 * down, -1, 1))


def column(canvas: Canvas, x: float, knots: Outline, *, lean: float = 0.0) -> Patch:
    """The upright shape around `x` whose half-width runs linearly between `knots` (y, half-width), y increasing.

    `lean` shifts its lower end sideways by so many units.
    """
    top, bottom = knots[0][0], knots[-1][0]
    reach = max(half for _, half in knots) + abs(lean)
    rows, columns = _box(canvas, (x - reach, x + reach), (top, bottom))
    y = canvas.y[rows]
    half = np.full_like(y, knots[0][1])
    for (upper, wide), (lower, next_wide) in pairwise(knots):
        half = half + np.clip((y - upper) / (lower - upper), 0, 1) * (next_wide - wide)
    offset = canvas.x[:, columns] - x - (y - top) * (lean / (bottom - top))
    sides = shape_coverage(half - np.abs(offset), canvas.density)
    ends = shape_coverage(np.minimum(y - top, bottom - y), canvas.density)
    return Patch(rows, columns, sides * ends, np.clip(offset / np.maximum(half, 1e-3), -1, 1))


def shape_coverage(inside: Array, density: float) -> Float32Array:
    """The share of each pixel, 0 to 1, that a shape covers whose edge is `inside` units away, less than 0 if outside it."""
    share: Float32Array = np.clip(inside * density + 0.5, 0, 1)
    return share


def from_nearest(position: Float32Array, period: float) -> Float32Array:
    """The distance to the nearest multiple of `period`, with its sign, in units."""
    turns = position * (1 / period)
    nearest: Float32Array = (turns - np.floor(turns + 0.5)) * period
    return nearest


def paint(
    canvas: Canvas, patch: Patch, colour: Colour | Float32Array, *, light: float = 0.0, depth: float = 0.3
) -> None:
    """Lay `patch` over the canvas in `colour`: one colour, or one a pixel (3, rows, columns).

    Edges darken by `depth`, as on a cylinder; `light` (−1 to 1) brightens one side of it.
    """
    shade = 1 - patch.across * patch.across * depth + patch.across * (0.5 * depth * light)
    target = canvas.pixels[:, patch.rows, patch.columns]
    field = np.asarray(colour, dtype=np.float32)
    if field.ndim == 1:
        field = field.reshape(3, 1, 1)
    target += (field * shade - target) * patch.alpha


def _box(canvas: Canvas, horizontal: tuple[float, float], vertical: tuple[float, float]) -> tuple[slice, slice]:
    return _run(canvas.y[:, 0], vertical), _run(canvas.x[0], horizontal)


def _run(coordinates: Float32Array, interval: tuple[float, float]) -> slice:
    """The pixels within `interval`, with one more on either side for the soft edge."""
    first, last = np.searchsorted(coordinates, np.asarray(interval, dtype=np.float32))
    return slice(max(int(first) - 1, 0), min(int(last) + 1, len(coordinates)))
