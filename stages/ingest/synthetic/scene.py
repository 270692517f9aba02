"""What surrounds a person in the picture: the backdrop behind, the obstacle in front."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stages.ingest.synthetic.camera import LATTICE, Camera
from stages.ingest.synthetic.raster import Canvas, Colour, Patch, column, ellipse, from_nearest, paint, shape_coverage
from stages.typing import Float32Array


class Obstacle(NamedTuple):
    """Something between camera and person: its middle, half-width and top in units, and its colour."""

    x: float
    half_width: float
    top: float
    colour: Colour


def draw_backdrop(canvas: Canvas, camera: Camera, *, scroll: float, contrast: float) -> None:
    """Fill the canvas with the camera's wall and floor around the place `scroll`, in units along the wall.

    `contrast` (0 to 1) is how strongly the wall's structure and its uneven tone show.
    """
    x, y = canvas.x + scroll, canvas.y
    tone = 1 + contrast * 0.5 * (_tone(camera.tone, x, y) - 0.5)
    line = 1 - contrast * _structure(camera, x, y, canvas.density)
    floor_share = shape_coverage(y - camera.horizon, canvas.density)
    depth = 1 - 0.25 * np.clip(camera.horizon + 0.12 - y, 0, 0.3)
    for channel in range(3):
        wall = camera.wall[channel] * line
        canvas.pixels[channel] = (wall + floor_share * (camera.floor[channel] * depth - wall)) * tone


def draw_shadow(canvas: Canvas, *, light: float) -> None:
    """Darken the floor under the feet, away from the light."""
    patch = ellipse(canvas, (-0.05 * light, 0.975), radii=(0.15, 0.03))
    paint(canvas, Patch(patch.rows, patch.columns, patch.alpha * 0.45, patch.across), (0.1, 0.1, 0.1))


def draw_obstacle(canvas: Canvas, obstacle: Obstacle) -> None:
    """Draw the obstacle over everything, from its top to the lower edge of the picture."""
    patch = column(canvas, obstacle.x, ((obstacle.top, obstacle.half_width), (1.3, obstacle.half_width)))
    paint(canvas, patch, obstacle.colour, depth=0.2)


def _structure(camera: Camera, x: Float32Array, y: Float32Array, density: float) -> Float32Array:
    """How dark the wall's joints, panes or leaves are at each pixel, 0 to 1."""
    upright = _stripe(x, camera.period, 0.008, density)
    match camera.backdrop:
        case "panels":
            shade = 0.55 * upright + 0 * y
        case "bricks":
            course = np.floor(y * (2.5 / camera.period))
            joint = _stripe(x + (course % 2) * (camera.period / 2), camera.period, 0.006, density)
            shade = 0.4 * np.maximum(joint, _stripe(y, camera.period / 2.5, 0.006, density))
        case "windows":
            pane = _stripe(x, camera.period * 1.6, camera.period * 0.5, density)
            shade = 0.6 * pane * _stripe(y + 0.1, 0.42, 0.13, density)
        case _:
            shade = 0.7 * np.abs(_tone(camera.tone, x * 3.7, y * 3.1) - 0.5)
    return shade


def _stripe(position: Float32Array, period: float, half_width: float, density: float) -> Float32Array:
    return shape_coverage(half_width - np.abs(from_nearest(position, period)), density)


def _tone(lattice: Float32Array, x: Float32Array, y: Float32Array) -> Float32Array:
    """The random field at each pixel, linear between the lattice's points, which repeat without end."""
    rows, columns = LATTICE
    down, right = y[:, 0] * (rows / 1.1), x[0] * (columns / 4)
    top, left = np.floor(down), np.floor(right)
    row, col = top.astype(np.int64) % rows, left.astype(np.int64) % columns
    row_share, col_share = (down - top).reshape(-1, 1), (right - left).reshape(1, -1)
    upper, lower = lattice[row], lattice[(row + 1) % rows]
    mixed = upper + row_share * (lower - upper)
    start, end = mixed[:, col], mixed[:, (col + 1) % columns]
    field: Float32Array = start + col_share * (end - start)
    return field
