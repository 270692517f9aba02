"""What ranks a pair of clusters: D_ab = d_ab + λ (p_a + p_b), a linkage d and a penalty p.

A new criterion is one file in `criteria/`, with a class `class MyCriterion(Criterion, name="mine")`, and its name in
`schemas.choices`.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from schemas.choices import IntraNormalizer, Linkage
from stages.merge.selection import criteria
from stages.typing import Array

_REGISTERED: dict[str, type[Criterion]] = {}


@dataclass(frozen=True)
class Criterion(ABC):
    """A linkage d and a penalty p, weighted by λ = `lambda_` ≥ 0; `normalizer` is for penalties that divide by a size.

    The `exact` update relies on one property: when a and b merge into c, D_cx is at least the smaller of D_ax and D_bx
    for every x. A subclass says in its docstring why that holds.
    """

    lambda_: float
    normalizer: IntraNormalizer = "n"

    linkage: ClassVar[Linkage]
    """How d_ab follows from the distances between members, in SciPy's words: their mean, or the smallest."""

    def __init_subclass__(cls, *, name: str) -> None:
        """Register the criterion `name`; TypeError if it reads what its linkage lacks."""
        if cls.linkage == "single" and np.isnan(cls(0.1).penalties(np.ones(1), np.full(1, np.nan))).any():
            raise TypeError(
                f"criterion '{name}' ({cls.__module__}): penalties of mean distances need linkage 'average', got 'single'"
            )
        _REGISTERED[name] = cls

    @abstractmethod
    def penalties(self, counts: Array, ordered_means: Array) -> Array:
        """p (K,) float64, from sizes and the mean distance over ordered pairs of members (0 under single linkage)."""

    def distance(self, inter: Array, first: Array, second: Array) -> Array:
        """D, eq. (4), from d_ab = `inter` (P,) and the penalties `first` and `second` of a and b, each (P,) or one number.

        Its order of operations decides the last bit. For merges nothing else defines D; `Penalties.distance` adds that of
        cameras.
        """
        return inter + self.lambda_ * (first + second)

    def weights(self, penalties: Array) -> Array:
        """w = λ p (K,): screening bounds D_ab from below by a bound on d_ab plus w_a + w_b."""
        return self.lambda_ * penalties

    def slack(self, inter_slack: float, *, n_samples: int) -> float:
        """How far rounding may move D in one merge, where it moves d_ab and p_a / n_a by at most `inter_slack`."""
        return inter_slack * (1 + 4 * self.lambda_ * n_samples)


def criterion_names() -> list[str]:
    """The names of all criteria, sorted."""
    for module in sorted(found.name for found in pkgutil.iter_modules(criteria.__path__)):
        importlib.import_module(f"{criteria.__name__}.{module}")
    return sorted(_REGISTERED)


def criterion_of(name: str, *, lambda_: float, normalizer: IntraNormalizer) -> Criterion:
    """The criterion called `name`, which is one of `criterion_names`."""
    return _REGISTERED[name](lambda_, normalizer)
