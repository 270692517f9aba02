"""Signs that training went wrong without failing: nothing learned, or every feature alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeGuard

CHANCE_SHARE = 0.98
"""If the last epoch's loss is above this share of ln K, the clusters were not learned."""
LEAST_SPREAD = 1e-3
"""If the feature spread is below this, features have collapsed to a single point."""


def is_as_guessing(last_loss: float | None, n_clusters: int | None) -> TypeGuard[float]:
    """Whether the last epoch's loss, None if nothing was trained, is about ln K or more: K clusters were not learned."""
    if last_loss is None or n_clusters is None or n_clusters < 2:
        return False
    return last_loss > CHANCE_SHARE * math.log(n_clusters)


@dataclass(frozen=True)
class Health:
    """Loss and feature spread of the last epoch, None if no step was taken.

    `last_loss` is the epoch's mean; guessing gives ln K. `feature_spread` is 1 − ‖mean f‖² over the L2-normalised
    pooled features f: half their mean squared distance from each other, in [0, 1].
    """

    n_clusters: int
    last_loss: float | None
    feature_spread: float | None

    def warnings(self) -> tuple[str, ...]:
        """A line for each sign of collapse, with what to try; usually none."""
        lines = []
        if is_as_guessing(self.last_loss, self.n_clusters):
            lines.append(
                f"training: loss {self.last_loss:.3f} is as high as that of guessing, ln K = "
                f"{math.log(self.n_clusters):.3f}; try more `epochs`, another `learning_rate` or another `recipe`"
            )
        if self.feature_spread is not None and self.feature_spread < LEAST_SPREAD:
            lines.append(
                f"training: features have collapsed to a single point: their spread should be above {LEAST_SPREAD:g}, got "
                f"{self.feature_spread:.1e}; lower `learning_rate` or try another `recipe`, if the pictures differ at all"
            )
        return tuple(lines)
