"""Numbers and names as sources write them, in text or in JSON. What is neither them nor missing is refused, not guessed at."""

from __future__ import annotations

import math
import re

from stages.errors import UsageError
from stages.ingest.formats.names import INT32_MAX, is_missing
from stages.wording import shown

LARGEST = 1e30
"""No coordinate and no score is beyond it, and float32 holds it."""
NO_NUMBER = -math.inf
"""The score of what a source calls NaN, as a network that broke down does: below every confidence."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LONGEST = 60
"""Letters of a value that a message shows."""


def is_unsaid(value: object) -> bool:
    """Whether `value` says that it is not known: a missing word, or null or NaN of JSON."""
    if isinstance(value, str):
        return is_missing(value)
    return value is None or (isinstance(value, float) and math.isnan(value))


def number_of(value: object) -> float | None:
    """`value`, a number or its text, as a number; None if it is neither, or beyond `LARGEST`.

    Python alone takes more: `1_0` for 10, digits of every script, and true for 1.
    """
    if isinstance(value, str):
        text = value.strip()
        value = float(text) if _NUMBER.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        return None
    return float(value)


def score_of(value: object, origin: str, *, name: str = "score") -> float:
    """As `number_or_nan`, but `NO_NUMBER` if `value` is NaN itself."""
    is_nan = isinstance(value, str | float) and str(value).strip() in ("nan", "-nan", "NaN")
    return NO_NUMBER if is_nan else number_or_nan(value, origin, name=name)


def number_or_nan(value: object, origin: str, *, name: str) -> float:
    """The number `value`, NaN if it is missing; UsageError that begins with `origin` if it is something else."""
    if is_unsaid(value):
        return math.nan
    number = number_of(value)
    if number is None:
        raise UsageError(f"{origin}: {name} {_told(value)} is not a number; {_advice(value)}")
    return number


def frame_of(value: object, origin: str, *, name: str = "frame") -> int:
    """The number of a frame, from 0, or −1 if it is missing; UsageError that begins with `origin` for something else."""
    if is_unsaid(value):
        return -1
    number = number_of(value)
    if number is None or not 0 <= number <= INT32_MAX or not number.is_integer():
        raise UsageError(f"{origin}: {name} {_told(value)} is not a whole number from 0; {_advice(value)}")
    return int(number)


def box_of(values: object, origin: str, *, name: str, meaning: str) -> tuple[float, float, float, float] | None:
    """The four numbers in the list `values`, NaN for a missing one; None if all of them, or the list, are missing.

    UsageError that begins with `origin`, and tells their `meaning`, for something else.
    """
    if is_unsaid(values) or values == []:
        return None
    if isinstance(values, list) and len(values) == 4:
        if all(map(is_unsaid, values)):
            return None
        first, second, third, fourth = (math.nan if is_unsaid(value) else number_of(value) for value in values)
        if first is not None and second is not None and third is not None and fourth is not None:
            return first, second, third, fourth
    has_comma = isinstance(values, list) and any(isinstance(value, str) and pointed(value) != value for value in values)
    advice = "write points in place of the commas" if has_comma else "correct it"
    raise UsageError(f"{origin}: {name} {_told(values)} is not {meaning}; {advice}")


def size_of(width: object, height: object) -> tuple[float, float] | None:
    """Width and height of a picture in pixels as a source says them; None unless both are numbers above 0."""
    wide, high = number_of(width), number_of(height)
    return (wide, high) if wide and high and min(wide, high) > 0 else None


def text_of(value: object, origin: str, *, name: str) -> str:
    """A name: the text `value`, or the text of a number; empty if it is missing. UsageError for a list, true and the like."""
    if is_unsaid(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{origin}: {name} {_told(value)} is neither text nor a number; correct it")
    return str(value)


def pointed(text: str) -> str:
    """`text` with a point for its comma if that makes it a number, else as it is."""
    found = text.replace(",", ".", 1)
    return found if "," in text and number_of(found) is not None else text


def _advice(value: object) -> str:
    is_comma = isinstance(value, str) and pointed(value) != value
    return "write a point in place of the comma" if is_comma else "correct it"


def _told(value: object) -> str:
    text = str(value)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return shown(text) if isinstance(value, str) else text.encode("unicode_escape").decode("ascii")
