"""The random choices of a drawing: one independent generator for each thing that is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TypeVar

import numpy as np

from stages.typing import Float32Array

Choice = TypeVar("Choice")

IDENTITY, CAMERA, VISIT, SHOT, FRAME, SPLIT = range(6)
"""What a generator decides: a person, a camera, a person before a camera, one picture of that, one frame of it."""


def generator(seed: int, stream: int, *key: int) -> np.random.Generator:
    """The generator of (`stream`, `key`): no other stream or key shares or shifts its numbers."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(stream, *key))))


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A number from `low` to `high`; scaled in Python, where no processor fuses the product and the sum."""
    return low + (high - low) * rng.random()


def pick(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """One of `choices`, each as likely; repeat an entry to make it likelier."""
    return choices[int(rng.random() * len(choices))]


def bell(rng: np.random.Generator, shape: tuple[int, ...]) -> Float32Array:
    """Noise of `shape`, float32, mean 0 and variance 1: sums of four random bytes, so exact on every machine."""
    parts = np.frombuffer(rng.bytes(4 * prod(shape)), dtype=np.uint8).reshape(4, *shape)
    total = parts[0].astype(np.int16) + parts[1] + parts[2] + parts[3]
    noise: Float32Array = (total.astype(np.float32) - np.float32(510)) * np.float32(1 / 147.8)
    return noise
