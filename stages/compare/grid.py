"""The combinations of a sweep, every value of every parameter with every other, and settings as text."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any


def combinations(lists: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every choice of one value from each list, by name, the last name changing fastest; one empty choice of none."""
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]


def folder_name(setting: Mapping[str, Any]) -> str:
    """A folder's name for a setting: `lambda-0.1_seed-0`; signs that paths do not like become dashes."""
    parts = (f"{name}-{setting_text(value)}" for name, value in setting.items())
    plain = ("".join(sign if sign.isalnum() or sign in "-._" else "-" for sign in part) for part in parts)
    return "_".join(plain) or "one"


def setting_text(value: object) -> str:
    """The value of a setting as people write it."""
    return f"{value:g}" if isinstance(value, float) else str(value)
