"""What a merge refuses before it begins: options out of range, too few clusters."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, get_args

import numpy as np

from schemas.choices import PUBLISHED_LAMBDA, IntraNormalizer, Update
from schemas.recipes import DEFAULT_RECIPE, merging_by
from schemas.rules import MERGE_RULES, broken_rule
from stages.errors import DbcError, UsageError
from stages.merge.selection.criterion import criterion_names


def require_options(lambda_: float, n_merges: int, *, update: str, intra_normalizer: str) -> None:
    """Raise UsageError if λ is no number, below 0 or not finite, there are no merges, or a name is unknown."""
    require_number("lambda_", lambda_)
    require_whole("n_merges", n_merges)
    if not (np.isfinite(lambda_) and lambda_ >= 0):
        raise UsageError(f"`lambda_` must be at least 0 and finite, got {lambda_}; the published value is 0.1")
    if n_merges < 1:
        raise UsageError(f"`n_merges` must be at least 1, got {n_merges}")
    require_one_of("update", update, get_args(Update))
    require_one_of("intra_normalizer", intra_normalizer, get_args(IntraNormalizer))


def with_defaults(
    criterion: str, lambda_: float | None, update: Update | None, intra_normalizer: IntraNormalizer | None
) -> tuple[float, Update, IntraNormalizer]:
    """(`lambda_`, `update`, `intra_normalizer`), with what the default recipe says for those that are None.

    Raises UsageError if there is no `criterion` of that name.
    """
    require_one_of("criterion", criterion, criterion_names())
    merging = merging_by(DEFAULT_RECIPE, criterion, update)
    return (
        PUBLISHED_LAMBDA[criterion] if lambda_ is None else lambda_,
        merging["update"] if update is None else update,
        merging["intra_normalizer"] if intra_normalizer is None else intra_normalizer,
    )


def require_one_of(name: str, value: str, known: Sequence[str]) -> None:
    """Raise UsageError unless `value`, the argument `name`, is one of `known`."""
    if value not in known:
        raise UsageError(f"unknown `{name}` '{value}': choose {', '.join(known[:-1])} or {known[-1]}")


def require_together(**options: object) -> None:
    """Raise UsageError if `options`, fields of `MergeParameters`, do not go together."""
    if (broken := broken_rule(MERGE_RULES, **options)) is not None:
        raise UsageError(broken)


def require_number(name: str, value: Any) -> None:
    """Raise UsageError unless `value`, the argument `name`, is a real number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UsageError(f"`{name}` must be a number, got {value!r}")
    try:
        float(value)
    except OverflowError:
        raise UsageError(f"`{name}` must be finite, got a number that float64 does not hold") from None


def require_whole(name: str, value: Any) -> None:
    """Raise UsageError unless `value`, the argument `name`, is an integer."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise UsageError(f"`{name}` must be a whole number, got {value!r}")


def require_counts(**values: int | None) -> None:
    """Raise UsageError unless each of `values`, arguments by name, is None or a whole number from 1."""
    for name, value in values.items():
        if value is not None:
            require_whole(name, value)
            if value < 1:
                raise UsageError(f"`{name}` must be at least 1, got {value}")


def require_clusters(n_clusters: int, n_merges: int) -> None:
    """Raise DbcError if `n_merges` merges would leave none of `n_clusters` clusters."""
    if n_merges >= n_clusters:
        raise DbcError(f"`n_merges` must be less than the number of clusters, {n_clusters}, got {n_merges}; make fewer")
