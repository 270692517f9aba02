"""What belongs to a camera: where it looks from, what stands behind the people, how it renders colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stages.ingest.synthetic.chance import between, pick
from stages.ingest.synthetic.raster import Colour
from stages.typing import Float32Array

Backdrop = Literal["panels", "bricks", "hedge", "windows"]

_WALLS = (
    (0.70, 0.68, 0.62),
    (0.56, 0.58, 0.62),
    (0.64, 0.52, 0.44),
    (0.38, 0.46, 0.34),
    (0.78, 0.76, 0.74),
    (0.42, 0.42, 0.45),
)
_FLOORS = ((0.52, 0.52, 0.52), (0.64, 0.60, 0.54), (0.42, 0.43, 0.46), (0.58, 0.54, 0.50), (0.70, 0.70, 0.68))
_NEUTRAL_WALL, _NEUTRAL_FLOOR = (0.62, 0.62, 0.60), (0.54, 0.54, 0.53)
_GOLDEN_TURN = 0.382
LATTICE = (12, 48)
"""Rows and columns of the random field that gives a camera's surroundings their uneven tone."""


@dataclass(frozen=True)
class Camera:
    """One camera: the way people walk before it (`heading`, in turns), its backdrop and its sensor."""

    heading: float
    backdrop: Backdrop
    wall: Colour
    floor: Colour
    horizon: float
    period: float
    tone: Float32Array
    gains: Colour
    curve: float
    saturation: float
    blur: float
    noise: float


def draw_camera(rng: np.random.Generator, camid: int, *, difficulty: float) -> Camera:
    """The camera chosen by `rng`; at `difficulty` 0 all of them look from the front with a neutral sensor.

    Headings advance by the golden turn from camera to camera, so that any few of them see different sides.
    """
    turn = (camid * _GOLDEN_TURN + between(rng, -0.06, 0.06)) % 1
    heading = (turn if turn < 0.5 else turn - 1) * min(1.0, 0.9 * difficulty)
    strangeness = 0.6 * difficulty
    warmth, tint = _spread(rng, camid, step=0.618), _spread(rng, camid, step=0.414)
    cast, exposure = 0.12 * difficulty, 1 + between(rng, -0.1, 0.1) * difficulty
    return Camera(
        heading=heading,
        backdrop=pick(rng, ("panels", "bricks", "hedge", "windows")),
        wall=_between_colours(_NEUTRAL_WALL, pick(rng, _WALLS), strangeness),
        floor=_between_colours(_NEUTRAL_FLOOR, pick(rng, _FLOORS), strangeness),
        horizon=between(rng, 0.62, 0.8),
        period=between(rng, 0.10, 0.22),
        tone=_lattice(rng),
        gains=(
            exposure * (1 + cast * warmth),
            exposure * (1 + 0.5 * cast * tint),
            exposure * (1 - cast * warmth),
        ),
        curve=between(rng, -0.35, 0.35) * difficulty,
        saturation=1 - between(rng, 0.0, 0.3) * difficulty,
        blur=0.003 + between(rng, 0.0, 0.008) * difficulty,
        noise=0.006 + between(rng, 0.01, 0.04) * difficulty,
    )


def _spread(rng: np.random.Generator, camid: int, *, step: float) -> float:
    """A number from −1 to 1 that neighbouring cameras spread evenly, so that no seed makes all of them alike."""
    return 2 * ((camid * step + between(rng, -0.1, 0.1)) % 1) - 1


def _lattice(rng: np.random.Generator) -> Float32Array:
    raw = np.frombuffer(rng.bytes(LATTICE[0] * LATTICE[1]), dtype=np.uint8)
    return raw.reshape(LATTICE).astype(np.float32) / np.float32(255)


def _between_colours(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (a + share * (b - a) for a, b in zip(one, other, strict=True))
    return (red, green, blue)
