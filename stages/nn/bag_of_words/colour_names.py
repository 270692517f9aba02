"""Colour names: how likely each of the eleven basic colour terms is for a colour, from prototypes in CIE Lab."""

from __future__ import annotations

from typing import Final

import numpy as np

from stages.typing import Float32Array, Float64Array

PROTOTYPES: Final[dict[str, tuple[tuple[int, int, int], ...]]] = {
    "black": ((0, 0, 0), (22, 22, 22)),
    "blue": ((0, 0, 255), (0, 0, 128), (50, 90, 170), (110, 160, 220)),
    "brown": ((101, 67, 33), (139, 90, 43), (70, 45, 35)),
    "grey": ((75, 75, 75), (128, 128, 128), (180, 180, 180)),
    "green": ((0, 128, 0), (0, 200, 0), (40, 75, 40), (130, 180, 90)),
    "orange": ((255, 140, 0), (225, 110, 40)),
    "pink": ((255, 192, 203), (255, 105, 180), (215, 130, 155)),
    "purple": ((128, 0, 128), (75, 0, 130), (145, 95, 175)),
    "red": ((255, 0, 0), (200, 30, 40), (130, 15, 20)),
    "white": ((255, 255, 255), (232, 232, 232)),
    "yellow": ((255, 255, 0), (220, 200, 50)),
}
"""Colours (sRGB, 0 to 255) that each term stands for; the terms in the order in which they are usually published."""

NAMES: Final = tuple(PROTOTYPES)
SPREAD: Final = 15.0
"""Standard deviation, in units of CIE Lab, of the likelihood of a term around its nearest prototype."""
BIN: Final = 8
"""Values of a channel that share a row of the table: 32 bins a channel."""

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _TO_XYZ.sum(axis=1)


def lab(rgb: Float64Array) -> Float64Array:
    """CIE Lab (n, 3) under D65 of sRGB colours (n, 3) in [0, 255] (IEC 61966-2-1, CIE 15)."""
    value = rgb / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def name_probabilities(rgb: Float64Array) -> Float64Array:
    """p(term given colour), (n, 11) float64 with rows of sum 1, of sRGB colours (n, 3) in [0, 255].

    Proportional to exp(−ΔE²/2σ²), ΔE the distance in Lab to the term's nearest prototype, σ = `SPREAD`. An
    approximation of our own: the mapping of van de Weijer et al. (Learning color names for real-world applications,
    IEEE TIP 2009), which the published descriptor reads from a file, was learned from labelled photographs.
    """
    colour = lab(rgb)
    nearest = [
        ((colour[:, None] - lab(np.array(prototypes, dtype=np.float64))) ** 2).sum(axis=2).min(axis=1)
        for prototypes in PROTOTYPES.values()
    ]
    squared = np.stack(nearest, axis=1)
    # the nearest term has likelihood 1, so that a colour far from all of them divides by no zero
    likelihood = np.exp((squared.min(axis=1, keepdims=True) - squared) / (2 * SPREAD**2))
    probabilities: Float64Array = likelihood / likelihood.sum(axis=1, keepdims=True)
    return probabilities


def name_table() -> Float32Array:
    """`name_probabilities` of the centre of every bin, (32768, 11) float32, by r + 32 g + 1024 b of bins r, g, b."""
    index = np.arange(32**3)
    bins = np.stack([index % 32, index // 32 % 32, index // 1024], axis=1)
    return name_probabilities((bins * BIN + (BIN - 1) / 2).astype(np.float64)).astype(np.float32)
