"""What ranks a pair of clusters: D_ab = d_ab + λ (p_a + p_b), a linkage d and a penalty p. A new one is a class here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from stages.errors import UsageError
from stages.typing import Array

IntraNormalizer = Literal["n", "n2"]
CriterionName = Literal["dbc", "buc"]


class Criterion(Protocol):
    """A linkage and a penalty.

    The engine relies on one property, which makes `exact` cheap: when a and b merge into c, D_cx is at least the
    smaller of D_ax and D_bx for every x. (`dbc`: d_cx is the mean of d_ax and d_bx weighted by size, and d_c at least
    that mean of d_a and d_b: for `n` by 2 n_a n_b d_ab / n_c, for `n2` by n_a n_b (2 d_ab − d_a − d_b) / n_c², an energy
    distance. `buc`: d_cx is the smaller of the two, and sizes grow.)
    """

    @property
    def lambda_(self) -> float:
        """λ, at least 0."""

    @property
    def linkage(self) -> Literal["mean", "minimum"]:
        """How d_ab follows from the distances between members."""

    def penalties(self, counts: Array, ordered_means: Array) -> Array:
        """p (K,) float64 from sizes and the mean dist over ordered pairs of members."""


@dataclass(frozen=True)
class DispersionCriterion:
    """DBC, eq. (4): the mean distance between members, and intra-dispersion as the penalty."""

    lambda_: float = 0.1
    normalizer: IntraNormalizer = "n"
    linkage: Literal["mean", "minimum"] = "mean"

    def penalties(self, counts: Array, ordered_means: Array) -> Array:
        """d_a: the mean over ordered pairs for `n2`, times n_a for `n`."""
        return ordered_means * counts if self.normalizer == "n" else ordered_means


@dataclass(frozen=True)
class CardinalityCriterion:
    """BUC (Lin et al., AAAI 2019): the smallest distance between members, and the size as the penalty."""

    lambda_: float = 0.005
    linkage: Literal["mean", "minimum"] = "minimum"

    def penalties(self, counts: Array, ordered_means: Array) -> Array:  # noqa: ARG002
        """n_a."""
        return counts


def criterion_of(name: CriterionName, *, lambda_: float, normalizer: IntraNormalizer) -> Criterion:
    """The criterion called `name`; raises UsageError for another name."""
    if name == "dbc":
        return DispersionCriterion(lambda_=lambda_, normalizer=normalizer)
    if name == "buc":
        return CardinalityCriterion(lambda_=lambda_)
    raise UsageError(f"criterion is '{name}', wanted one of dbc, buc")
