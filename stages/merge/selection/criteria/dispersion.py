"""DBC (Ding et al., BMVC 2019): the mean distance between members, penalised by intra-dispersions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from schemas.choices import Linkage
from stages.merge.selection.criterion import Criterion
from stages.typing import Array


@dataclass(frozen=True)
class DispersionCriterion(Criterion, name="dbc"):
    """Eq. (4): average linkage, and intra-dispersion as the penalty.

    D_cx is at least the smaller of D_ax and D_bx: d_cx is the mean of d_ax and d_bx weighted by size, and d_c is at least
    that mean of d_a and d_b, for `n` by 2 n_a n_b d_ab / n_c, for `n2` by n_a n_b (2 d_ab − d_a − d_b) / n_c², an energy
    distance.
    """

    linkage: ClassVar[Linkage] = "average"

    def penalties(self, counts: Array, ordered_means: Array) -> Array:
        """d_a (K,): the mean distance over ordered pairs for `n2`, times n_a for `n`."""
        return ordered_means * counts if self.normalizer == "n" else ordered_means
