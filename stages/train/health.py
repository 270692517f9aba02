"""Signs that training went wrong without failing: nothing learned, or every feature alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

from schemas.parameters import TrainParameters

CHANCE_SHARE = 0.98
"""If the last epoch's loss is above this share of what guessing gives, the clusters were not learned."""
LEAST_SPREAD = 1e-3
"""If the feature spread is below this, features have collapsed to a single point."""


def guessed_loss(parameters: TrainParameters, n_clusters: int, *, n_steps: int) -> float | None:
    """The loss of guessing: ln K, with what a queue holds of others beside the K clusters; None of a loss with a margin."""
    queued = min(parameters.queue_size, n_steps * parameters.batch_size) if parameters.loss == "oim" else 0
    return None if parameters.loss == "dal" or n_clusters < 2 else math.log(n_clusters + queued)


def is_as_guessing(last_loss: float | None, guessed: float | None) -> bool:
    """Whether the last epoch's loss, None if nothing was trained, is about the `guessed` one or more."""
    return last_loss is not None and guessed is not None and last_loss > CHANCE_SHARE * guessed


@dataclass(frozen=True)
class Health:
    """Loss and feature spread of the last epoch, None if no step was taken.

    `last_loss` is the epoch's mean, `guessed` that of guessing. `feature_spread` is 1 − ‖mean f‖² over the L2-normalised
    pooled features f: half their mean squared distance from each other, in [0, 1].
    """

    guessed: float | None
    last_loss: float | None
    feature_spread: float | None

    def warnings(self) -> tuple[str, ...]:
        """A line for each sign of collapse, with what to try; usually none."""
        lines = []
        if self.last_loss is not None and self.guessed is not None and is_as_guessing(self.last_loss, self.guessed):
            lines.append(
                f"training: loss {self.last_loss:.3f} is as high as that of guessing, ln {math.exp(self.guessed):.0f} = "
                f"{self.guessed:.3f}; later stages, of fewer clusters, may still learn; if the last does not, try another "
                "`learning_rate` or `recipe`, more `epochs`, which is for every stage, or merge what was there before it: "
                "dbc extract --stage init && dbc merge --n-clusters auto --from-stage init"
            )
        if self.feature_spread is not None and self.feature_spread < LEAST_SPREAD:
            lines.append(
                f"training: features have collapsed to a single point: their spread should be above {LEAST_SPREAD:g}, got "
                f"{self.feature_spread:.1e}; lower `learning_rate` or try another `recipe`, if the pictures differ at all"
            )
        return tuple(lines)
