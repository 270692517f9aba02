"""Sweeps of several parameters: a few combinations have every pair of values, and the others are slow."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest


def covering(sizes: list[int]) -> list[tuple[int, ...]]:
    """Few rows of places, the k-th of `sizes[k]`, in which each two places of two columns stand together; sorted.

    Each row begins with a pair that no row has yet, and takes of every other column the place that adds most pairs.
    """
    columns = range(len(sizes))
    left = {
        (i, x, j, y): True
        for i, j in itertools.combinations(sorted(columns, key=lambda k: -sizes[k]), 2)
        for x, y in itertools.product(range(sizes[i]), range(sizes[j]))
    }
    rows = []
    while left:
        i, x, j, y = next(iter(left))
        row = {i: x, j: y}
        for k in sorted(set(columns) - row.keys(), key=lambda k: -sizes[k]):
            row[k] = max(range(sizes[k]), key=lambda z: sum(_is_left(left, (k, z), other) for other in row.items()))
        for first, second in itertools.permutations(row.items(), 2):
            left.pop((*first, *second), None)
        rows.append(tuple(row[k] for k in columns))
    return sorted(rows)


def _is_left(left: dict[tuple[int, int, int, int], bool], first: tuple[int, int], second: tuple[int, int]) -> bool:
    return (*first, *second) in left or (*second, *first) in left


def pairwise(*values: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Few combinations of `values` that have every pair of values of two of them."""
    lists = [list(each) for each in values]
    rows = covering([len(each) for each in lists])
    return [tuple(each[place] for each, place in zip(lists, row, strict=True)) for row in rows]


def slow_beyond_pairs(*values: Iterable[Any]) -> list[Any]:
    """All combinations of `values`, for `parametrize`; those that `pairwise` leaves out are slow."""
    lists = [list(each) for each in values]
    quick = set(covering([len(each) for each in lists]))
    return [
        pytest.param(
            *(each[place] for each, place in zip(lists, row, strict=True)),
            marks=() if row in quick else pytest.mark.slow,
        )
        for row in itertools.product(*(range(len(each)) for each in lists))
    ]
