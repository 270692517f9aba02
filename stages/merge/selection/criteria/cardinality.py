"""BUC (Lin et al., AAAI 2019): the smallest distance between members, penalised by cluster sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from schemas.choices import Linkage
from stages.merge.selection.criterion import Criterion
from stages.typing import Array


@dataclass(frozen=True)
class CardinalityCriterion(Criterion, name="buc"):
    """Single linkage, and the size as the penalty.

    D_cx is at least the smaller of D_ax and D_bx: d_cx is the smaller of d_ax and d_bx, and sizes grow.
    """

    linkage: ClassVar[Linkage] = "single"

    def penalties(self, counts: Array, ordered_means: Array) -> Array:  # noqa: ARG002
        """n_a (K,)."""
        return counts

    def slack(self, inter_slack: float, *, n_samples: int) -> float:  # noqa: ARG002
        """0: a merged cluster's distances are among those of its parts, and sizes are whole numbers."""
        return 0.0
