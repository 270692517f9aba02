"""Times as people and programs write them, as ISO 8601."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

_YEAR_FIRST = re.compile(r"(?P<year>[0-9]{4})([-/.])(?P<month>[0-9]{1,2})\2(?P<day>[0-9]{1,2})")

_DAY_FIRST = re.compile(r"(?P<day>[0-9]{1,2})\.(?P<month>[0-9]{1,2})\.(?P<year>[0-9]{4})")

_BY_EXCEL = re.compile(
    r"[0-9](?:[.,][0-9]+)?E\+[0-9]{2}|[0-9]{1,2}-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
)

_MONTHS = "january february march april may june july august september october november december"

_BY_NAME = re.compile(
    r"(?P<day>[0-9]{1,2})[-/. ]+(?P<month>[A-Za-z]{3,9})[-/., ]+(?P<year>[0-9]{4}|[0-9]{2})(?![0-9])", re.ASCII
)

_THIS_CENTURY = 69
"""Two digits below are a year from 2000 on, others one of before, as POSIX has it."""

_HOUR = re.compile(r"(?:[T ]|, )\s*([0-9]{1,2})(:[0-9]{2}(?![0-9]).*)", re.ASCII)

_CUT_SHORT = re.compile(r"(?<![0-9:])[0-9]{2}(?::?[0-9]{2})?[.,][0-9]", re.ASCII)
"""A fraction of an hour or minute, which Python takes for one of a second: 14.35 is likely 14:35."""

_CLOCK = re.compile(
    r"(?P<hour>[0-9]{1,2})[:.h](?P<minute>[0-9]{2})(?:[:.](?P<second>[0-9]{2}(?:[.,][0-9]+)?))?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?\s*(?P<zone>z|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII | re.IGNORECASE,
)

_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)?", re.ASCII)

_EXIF_DATE = re.compile(r"[0-9]{4}:[0-9]{2}:[0-9]{2}(?![0-9:])")


def iso_time(text: str) -> str:
    """A date and time as ISO 8601; empty if it cannot be read.

    It may be written so, as EXIF does (`2024:05:31 07:15:00`), or with the year first or dots between day, month and year, and
    fewer digits (`2024/5/31 7:15`, `31.5.2024`), or with the month by its English name (`31-May-24`, `31 May 2024`). What may
    be the month or the day (`05/06/2024`) is not read.
    """
    text = text.strip()
    if _EXIF_DATE.match(text):
        text = f"{text[:4]}-{text[5:7]}-{text[8:]}"
    for written in (text, _in_two_digits(text)):
        try:
            read = datetime.fromisoformat(written)
            return "" if _CUT_SHORT.search(written, len("20240531")) else read.isoformat()
        except ValueError:
            continue
    return ""


def _in_two_digits(text: str) -> str:
    """A date with the year or the day first, and its time, as ISO 8601 wants their digits; `text` itself if it is none."""
    date = _YEAR_FIRST.match(text) or _DAY_FIRST.match(text) or _BY_NAME.match(text)
    if date is None:
        return text
    name, year = date["month"].lower(), date["year"]
    # 13 is no month, nor is another word
    month = (
        name
        if name.isdecimal()
        else next((n for n, each in enumerate(_MONTHS.split(), 1) if each.startswith(name)), 13)
    )
    if len(year) < len("2024"):
        year = f"{'20' if int(year) < _THIS_CENTURY else '19'}{year}"
    day = f"{year}-{int(month):02}-{int(date['day']):02}"
    rest = text[date.end() :]
    hour = _HOUR.fullmatch(rest)
    return f"{day}T{int(hour[1]):02}{hour[2]}" if hour else day + rest


def is_day(time: str) -> bool:
    """Whether a `time` (ISO 8601) is midnight to the second, as a date without a time is read."""
    return time[10:19] == "T00:00:00"


def finer(known: str, taken: str) -> str:
    """The time that is `known`, or when a picture was `taken` if none is, or only the day is and that is the same one."""
    return taken if taken and (not known or (is_day(known) and taken[:10] == known[:10])) else known


def clocks(times: Sequence[str]) -> list[str]:
    """The `times` of day of a column (n) as 07:15:00; empty for those that cannot be read.

    They may be written so, as `7.15`, `7h15` or `7:15 PM`, with a zone, or with a day, as spreadsheets give times one. But
    `7.15` is a number if another that is none of a clock stands in the column: of seconds, or parts of a day.
    """
    read = list(map(_clock, times))
    numbers = [_NUMBER.fullmatch(time.strip()) is not None for time in times]
    if all(clock for clock, is_number in zip(read, numbers, strict=True) if is_number):
        return read
    return ["" if is_number else clock for clock, is_number in zip(read, numbers, strict=True)]


def _clock(text: str) -> str:
    """A time of day as ISO 8601; empty if it cannot be read."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return iso_time(text)[11:] if ":" in text else ""
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            return ""
        hour = hour % 12 + 12 * (match["half"].lower() == "p")
    second = (match["second"] or "00").replace(",", ".")
    return iso_time(f"2000-01-01T{hour:02}:{match['minute']}:{second}{(match['zone'] or '').upper()}")[11:]


def joined(date: str, clock: str) -> str:
    """One text of a `date` and a time of day (`clocks`); `date` if there is none, or it has a time of its own.

    Spreadsheets give days the time 00:00:00, and a zone of such a day is that of the time, unless it has one.
    """
    day = iso_time(date)
    if not (is_day(day) and clock):
        return date
    zone = day[19:] if datetime.fromisoformat(f"{day[:10]}T{clock}").tzinfo is None else ""
    return f"{day[:10]} {clock}{zone}"


def has_short_year(text: str) -> bool:
    """Whether a date that `iso_time` reads has two digits of its year, so that the century is a guess."""
    date = _BY_NAME.match(text.strip())
    return date is not None and len(date["year"]) < len("2024") and bool(iso_time(text))


def told_zones(times: Iterable[str]) -> list[str]:
    """A line to warn with if some of `times` (ISO 8601, or empty) name a zone and others do not; or none."""
    has_zone = [datetime.fromisoformat(time).tzinfo is not None for time in times if time]
    if len(set(has_zone)) < 2:
        return []
    return [
        f"times with a zone, as 07:15:00Z: {sum(has_zone)} of {len(has_zone)}; the others are compared with them as if in "
        "UTC, in encounters too; write all of them one way"
    ]
