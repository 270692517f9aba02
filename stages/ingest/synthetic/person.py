"""What a drawn person looks like: body, hair, clothes and bag, the same before every camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stages.ingest.synthetic.chance import between, pick
from stages.ingest.synthetic.raster import Colour

Upper = Literal["shirt", "tee", "jacket", "coat"]
Lower = Literal["trousers", "shorts", "skirt"]
Texture = Literal["plain", "hoops", "stripes", "checks", "dots", "halves", "band", "print"]
Hair = Literal["short", "long", "tail", "bald", "cap", "scarf"]
Bag = Literal["none", "backpack", "shoulder", "hand"]

_SKIN = ((0.93, 0.76, 0.65), (0.86, 0.66, 0.52), (0.70, 0.49, 0.35), (0.45, 0.30, 0.22))
_HAIR = ((0.10, 0.08, 0.07), (0.10, 0.08, 0.07), (0.33, 0.20, 0.11), (0.76, 0.60, 0.30), (0.62, 0.62, 0.62))
_CLOTH = (
    (0.88, 0.88, 0.86),
    (0.12, 0.12, 0.14),
    (0.48, 0.49, 0.51),
    (0.75, 0.14, 0.15),
    (0.16, 0.26, 0.58),
    (0.42, 0.66, 0.84),
    (0.16, 0.48, 0.24),
    (0.90, 0.76, 0.20),
    (0.86, 0.50, 0.62),
    (0.44, 0.22, 0.50),
    (0.88, 0.46, 0.14),
)
_LEGWEAR = (
    (0.13, 0.13, 0.15),
    (0.17, 0.23, 0.42),
    (0.40, 0.51, 0.68),
    (0.45, 0.45, 0.46),
    (0.72, 0.64, 0.48),
    (0.36, 0.25, 0.17),
    (0.84, 0.84, 0.82),
    (0.55, 0.14, 0.18),
    (0.25, 0.36, 0.24),
)
_SHOES = ((0.08, 0.08, 0.08), (0.90, 0.90, 0.90), (0.38, 0.22, 0.12), (0.78, 0.18, 0.16))
_BAG = ((0.10, 0.10, 0.11), (0.42, 0.24, 0.12), (0.78, 0.16, 0.16), (0.18, 0.30, 0.62), (0.86, 0.74, 0.24))


@dataclass(frozen=True)
class Person:
    """The lasting appearance of one identity; lengths in units of an upright person's height."""

    shoulder: float
    waist: float
    hip: float
    girth: float
    hip_height: float
    leg: float
    head: float
    stride: float
    skin: Colour
    hair: Hair
    hair_colour: Colour
    headwear_colour: Colour
    upper: Upper
    texture: Texture
    upper_colour: Colour
    second_colour: Colour
    contrast_sleeves: bool
    lower: Lower
    lower_colour: Colour
    shoe_colour: Colour
    bag: Bag
    bag_colour: Colour
    bag_side: int


def draw_person(rng: np.random.Generator) -> Person:
    """A person chosen by `rng`: every trait comes from a palette that all share, so only the combination is rare."""
    upper_colour = _dye(rng, _CLOTH)
    second_colour = _dye(rng, tuple(colour for colour in _CLOTH if _distance(colour, upper_colour) > 0.45))
    shoulder = between(rng, 0.092, 0.128)
    return Person(
        shoulder=shoulder,
        waist=shoulder * between(rng, 0.66, 0.95),
        hip=between(rng, 0.076, 0.106),
        girth=between(rng, 0.058, 0.086),
        hip_height=between(rng, 0.47, 0.53),
        leg=between(rng, 0.040, 0.054),
        head=between(rng, 0.92, 1.10),
        stride=between(rng, 0.7, 1.1),
        skin=pick(rng, _SKIN),
        hair=pick(rng, ("short", "short", "long", "long", "tail", "bald", "cap", "scarf")),
        hair_colour=pick(rng, _HAIR),
        headwear_colour=_dye(rng, _CLOTH),
        upper=pick(rng, ("shirt", "shirt", "tee", "tee", "jacket", "coat")),
        texture=pick(rng, ("plain", "plain", "plain", "hoops", "stripes", "checks", "dots", "halves", "band", "print")),
        upper_colour=upper_colour,
        second_colour=second_colour,
        contrast_sleeves=rng.random() < 0.2,
        lower=pick(rng, ("trousers", "trousers", "trousers", "shorts", "skirt")),
        lower_colour=_dye(rng, _LEGWEAR),
        shoe_colour=pick(rng, _SHOES),
        bag=pick(rng, ("none", "none", "backpack", "backpack", "shoulder", "hand")),
        bag_colour=_dye(rng, _BAG),
        bag_side=pick(rng, (-1, 1)),
    )


def _dye(rng: np.random.Generator, palette: tuple[Colour, ...]) -> Colour:
    """A colour of `palette`, a little off, as no two garments are dyed alike."""
    red, green, blue = pick(rng, palette)
    return (red + between(rng, -0.05, 0.05), green + between(rng, -0.05, 0.05), blue + between(rng, -0.05, 0.05))


def _distance(one: Colour, other: Colour) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))
