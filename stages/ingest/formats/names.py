"""Names of identities, cameras and tracklets turned into numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.errors import DbcError
from stages.samples import GALLERY, UNKNOWN
from stages.typing import Int32Array

INT32_MAX = 2**31 - 1

# pandas writes a column of integers with gaps as 1.0, 2.0
_WHOLE = re.compile(r"(-?[0-9]+)(?:\.0+)?", re.ASCII)


def whole_number(text: str) -> int | None:
    """The whole number that `text` writes (`7`, `007`, `7.0`), None where it writes none or exceeds int32."""
    match = _WHOLE.fullmatch(text)
    # Python refuses to parse beyond 4300 digits
    if match is None or len(text) > 100 or abs(int(match[1])) > INT32_MAX:
        return None
    return int(match[1])


def whole_numbers_or_ranks(names: Sequence[str], *, reserved: Sequence[int] = ()) -> list[int]:
    """One number a name: the number itself if all are whole and not negative, else ranks 1..n in sorted order.

    An empty name is `UNKNOWN`. A name that writes a number in `reserved` means that number either way.
    """
    keep = {name: number for name in set(names) if (number := whole_number(name)) in reserved}
    others = {name: whole_number(name) for name in set(names) if name and name not in keep}
    if any(number is None or number < 0 for number in others.values()):
        others = {name: rank for rank, name in enumerate(sorted(others), start=1)}
    numbers = {"": UNKNOWN} | keep | others
    return [numbers[name] for name in names]  # type: ignore[misc]


def identities_from_one(pid: NDArray[np.integer], split: NDArray[np.integer]) -> Int32Array:
    """`pid` (n_samples), counted from 1 where the data counts identities from 0.

    A distractor is nobody's query and is not trained on, so a pid 0 there means an identity by it.
    """
    counted = pid.astype(np.int32)
    if not (pid[split != GALLERY] == 0).any():
        return counted
    return np.where(counted >= 0, counted + np.int32(1), counted)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty; DbcError where it cannot be read as UTF-8."""
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DbcError(f"cannot read '{path}': {error}; restore the published file") from error


def shown(text: str) -> str:
    """`text` in quotes, on one line, with the backslashes it has and not twice as many."""
    return repr(text).replace("\\\\", "\\")
