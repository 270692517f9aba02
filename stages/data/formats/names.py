"""Names of identities, cameras and tracklets turned into numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stages.data.samples import UNKNOWN

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
