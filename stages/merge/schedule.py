"""How many clusters a stage merges, and how many stages there are."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from stages.errors import UsageError
from stages.merge.checks import require_number, require_whole
from stages.typing import Int64Array


def require_fewer_clusters(n_clusters: int, n_before: int, what: str = "train samples") -> None:
    """Raise UsageError unless merges of `n_before` can leave `n_clusters`."""
    if n_clusters >= n_before:
        raise UsageError(f"`n_clusters` must be less than the {n_before} {what}, got {n_clusters}")


def number_of_merges(n_samples: int, merge_percent: float) -> int:
    """The merges that a stage makes, m = ⌊merge_percent · n_samples⌋, exactly.

    Parameters
    ----------
    n_samples : int
        How many samples there are.
    merge_percent : float
        A fraction above 0 and below 1, taken as the decimal number its text shows (0.05 = 1/20).

    Returns
    -------
    int

    Raises
    ------
    UsageError
        `merge_percent` is out of range.

    Examples
    --------
    >>> number_of_merges(12936, 0.05)
    646
    """
    return int(_exact(merge_percent) * n_samples)


def stage_merges(n_samples: int, merge_percent: float, *, stage: int, start: str) -> int:
    """How many merges `stage` makes: m from the clusters before it, stage · m if it starts from single samples."""
    return number_of_merges(n_samples, merge_percent) * (stage if start == "singletons" else 1)


def last_stage(merge_percent: float) -> int:
    """The last stage that can merge `merge_percent` of the samples, ⌊1/merge_percent⌋ − 1, exactly.

    Parameters
    ----------
    merge_percent : float
        A fraction above 0 and below 1.

    Returns
    -------
    int

    Raises
    ------
    UsageError
        `merge_percent` is out of range.

    Examples
    --------
    >>> last_stage(0.05)
    19
    """
    return int(1 / _exact(merge_percent)) - 1


def initial_labels(n_samples: int) -> Int64Array:
    """The labels of stage 0, where every sample is its own cluster.

    Parameters
    ----------
    n_samples : int
        How many samples there are.

    Returns
    -------
    int64 array (n_samples,)

    Raises
    ------
    UsageError
        `n_samples` is no whole number, or below 0.

    Examples
    --------
    >>> initial_labels(3).tolist()
    [0, 1, 2]
    """
    require_whole("n_samples", n_samples)
    if n_samples < 0:
        raise UsageError(f"`n_samples` must be at least 0, got {n_samples}")
    return np.arange(n_samples, dtype=np.int64)


def _exact(merge_percent: float) -> Fraction:
    require_number("merge_percent", merge_percent)
    if not 0 < merge_percent < 1:
        raise UsageError(f"`merge_percent` must be a fraction above 0 and below 1, got {merge_percent}; 0.1 is usual")
    return Fraction(repr(float(merge_percent)))


def least_merge_percent(n_samples: int) -> float:
    """The smallest `merge_percent`, of four digits, that merges one of `n_samples` ≥ 2 samples a stage."""
    digits = 3 - math.floor(math.log10(1 / n_samples))
    return float(math.ceil(10.0**digits / n_samples) / 10.0**digits)
