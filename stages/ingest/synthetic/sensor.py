"""How a camera renders a scene: light, colour cast, tone curve, blur, noise and eight bits."""

from __future__ import annotations

import numpy as np

from stages.ingest.synthetic.camera import Camera
from stages.ingest.synthetic.raster import Colour
from stages.typing import Float32Array, UInt8Array


def expose(
    scene: Float32Array, camera: Camera, noise: Float32Array, *, light: Colour, slope: float, blur: float
) -> UInt8Array:
    """The picture (height, width, 3) uint8 that the camera takes of `scene` (3, height, width), 0 to 1.

    `light` is the colour of the light, `slope` makes it rise from left to right; `blur` (a share of the height) adds to the
    camera's own. `noise` (height, width) has variance 1 and is scaled to the camera's level.
    """
    height, width = scene.shape[1:]
    ramp = np.linspace(-1, 1, width, dtype=np.float32) if width > 1 else np.zeros(1, dtype=np.float32)
    response = [camera.gains[channel] * light[channel] for channel in range(3)]
    gains = np.asarray(response, dtype=np.float32).reshape(3, 1, 1) * (1 + slope * ramp)
    grey = (scene[0] + scene[1] + scene[1] + scene[2]) * np.float32(0.25)
    picture = (grey + camera.saturation * (scene - grey)) * gains
    picture = _blurred(picture, sigma=(camera.blur + blur) * height)
    picture = np.clip(picture, 0, 1)
    picture = picture + camera.curve * picture * (1 - picture)
    picture += camera.noise * noise
    return np.ascontiguousarray(np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def _blurred(picture: Float32Array, *, sigma: float) -> Float32Array:
    """The picture after a blur of `sigma` pixels: three-point means of growing reach, whose variances add."""
    variance, reach = sigma * sigma, 1
    while variance > 0.01 and reach < min(picture.shape[1:]):
        weight = min(1 / 3, variance / (2 * reach * reach))
        picture = _three_point(_three_point(picture, 1, reach, weight), 2, reach, weight)
        variance -= 2 * reach * reach * weight
        reach *= 2
    return picture


def _three_point(picture: Float32Array, axis: int, reach: int, weight: float) -> Float32Array:
    """(1 − 2w) of each pixel and w of either neighbour `reach` away; the picture's edges are repeated."""
    length = picture.shape[axis]
    padding = [(0, 0)] * 3
    padding[axis] = (reach, reach)
    wide = np.pad(picture, padding, mode="edge")
    before, after = [slice(None)] * 3, [slice(None)] * 3
    before[axis], after[axis] = slice(0, length), slice(2 * reach, 2 * reach + length)
    blurred: Float32Array = picture * (1 - 2 * weight) + (wide[tuple(before)] + wide[tuple(after)]) * weight
    return blurred
