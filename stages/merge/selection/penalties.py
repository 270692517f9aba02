"""What D adds to the inter-dispersions of clusters: their penalties, and those for sharing cameras."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stages.merge.selection.cameras import CameraPenalty
from stages.merge.selection.criterion import Criterion
from stages.typing import Float64Array, Int64Array


@dataclass
class Penalties:
    """The penalties p = `values` (K,) of clusters of `counts` (K,) members, both float64, by `criterion`.

    `cameras`, if given, adds to D. That is never less than 0, so screening without it misses no pair.
    """

    criterion: Criterion
    counts: Float64Array
    values: Float64Array
    cameras: CameraPenalty | None = None

    def distance(self, inter: Float64Array, first: Int64Array, second: Int64Array) -> Float64Array:
        """D (P,) of clusters first[i] and second[i], whose d_ab is `inter` (P,)."""
        distance: Float64Array = self.criterion.distance(inter, self.values[first], self.values[second])
        return distance if self.cameras is None else distance + self.cameras.between(first, second)

    def merge(self, a: int, b: int, *, ordered_mean: float) -> None:
        """Let b's members join a, whose mean distance over ordered pairs is then `ordered_mean`."""
        if self.cameras is not None:
            self.cameras.merge(a, b)
        self.counts[a] += self.counts[b]
        self.values[a] = self.criterion.penalties(self.counts[a : a + 1], np.array([ordered_mean]))[0]

    def copy(self) -> Penalties:
        """These penalties, to be merged without changing the original."""
        cameras = self.cameras and replace(self.cameras, per_camera=self.cameras.per_camera.copy())
        return Penalties(self.criterion, self.counts.copy(), self.values.copy(), cameras)
