"""How many clusters a stage merges, and how many stages there are."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from stages.errors import UsageError
from stages.typing import Int64Array


def number_of_merges(n_samples: int, merge_percent: float) -> int:
    """m = ⌊merge_percent · n_samples⌋, exactly, with merge_percent the decimal number its text shows (0.05 = 1/20)."""
    return int(_exact(merge_percent) * n_samples)


def stage_merges(n_samples: int, merge_percent: float, *, stage: int, start: str) -> int:
    """Merges that stage `stage` makes: m from the clusters before it, stage · m where it starts from singletons."""
    return number_of_merges(n_samples, merge_percent) * (stage if start == "singletons" else 1)


def last_stage(merge_percent: float) -> int:
    """⌊1/merge_percent⌋ − 1, exactly: 19 for 0.05. Raises UsageError unless 0 < merge_percent < 1."""
    return int(1 / _exact(merge_percent)) - 1


def initial_labels(n_samples: int) -> Int64Array:
    """Stage 0: every sample its own cluster, (n_samples,) int64."""
    return np.arange(n_samples, dtype=np.int64)


def _exact(merge_percent: float) -> Fraction:
    if not 0 < merge_percent < 1:
        raise UsageError(f"merge percent is {merge_percent}, wanted a fraction between 0 and 1; pass 0.05")
    return Fraction(repr(float(merge_percent)))


def least_merge_percent(n_samples: int) -> float:
    """The least merge percent, of four digits, that gives `n_samples` samples, at least two, a merge a stage."""
    digits = 3 - math.floor(math.log10(1 / n_samples))
    return float(math.ceil(10.0**digits / n_samples) / 10.0**digits)
