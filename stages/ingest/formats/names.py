"""Texts that name identities, cameras and tracklets: which are missing, and the numbers that stand for the others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from stages.errors import DbcError, UsageError
from stages.plain_files import plain_file, why_not_utf8
from stages.samples import DISTRACTOR, GALLERY, JUNK, UNKNOWN
from stages.typing import Int32Array
from stages.wording import shown

INT32_MAX = 2**31 - 1

MISSING = frozenset({"", "na", "n/a", "nan", "-nan", "none", "null", "<na>", "#n/a", "#n/a n/a", "#na"})
"""Texts, in lower case, that say that a value is not known, in every format; blanks around them do not count."""
_NAMES = frozenset({"Na", "Nan"})
"""Names of individuals, which in lower case are in `MISSING`."""

MAYBE_MISSING = frozenset(
    {
        *("unknown", "unk", "unid", "unidentified", "undetermined", "unsure", "not identified", "not known", "new"),
        *(
            "na",
            "nan",
            "n.a.",
            "n.a",
            "not available",
            "missing",
            "(blank)",
            "(none)",
            "tbd",
            "?",
            "??",
            "???",
            "-",
            "--",
        ),
    }
)
"""Names, in lower case, that people give to individuals they do not know: taken as they are, and told."""

_PARTING = re.compile(r"(?<=[^\W\d])[\s_-]+|[\s_-]+(?=[^\W\d])")
"""What parts two words, or a word and a number, in a name; numbers it may part from each other."""

# pandas writes a column of integers with gaps as 1.0, 2.0
_WHOLE = re.compile(r"(-?[0-9]+)(?:\.0+)?", re.ASCII)

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
_EXIF_DATE = re.compile(r"[0-9]{4}:[0-9]{2}:[0-9]{2}(?![0-9:])")


def is_missing(text: str) -> bool:
    """Whether `text` says that a value is not known (`MISSING`)."""
    text = text.strip()
    return text.lower() in MISSING and text not in _NAMES


def may_be_missing(text: str) -> bool:
    """Whether `text` is taken for a name, and people write it for what they do not know (`MAYBE_MISSING`)."""
    return text.strip().casefold() in MAYBE_MISSING and not is_missing(text)


def whole_number(text: str) -> int | None:
    """The whole number that `text` writes (`7`, `007`, `7.0`); None if it writes none or one beyond int32."""
    match = _WHOLE.fullmatch(text)
    # Python refuses to parse beyond 4300 digits
    if match is None or len(text) > 100 or abs(int(match[1])) > INT32_MAX:
        return None
    return int(match[1])


def relative_path(path: str, root: PurePosixPath) -> str | None:
    """`path` (POSIX) relative to `root` (absolute), without needless parts; None if it names nothing below `root`."""
    if path.isprintable() and path[:1] not in ("", ".", "/") and not any(part in path for part in ("/.", "//")):
        return path.rstrip("/") or None
    pure = PurePosixPath(path)
    if pure.is_absolute() and pure.is_relative_to(root):
        pure = pure.relative_to(root)
    if not path or "\0" in path or pure.is_absolute() or ".." in pure.parts:
        return None
    return pure.as_posix()


def told_beginning(path: str, root: Path | PurePosixPath) -> str:
    """What to do if `path`, of another place or computer, is that of a file in `root` without its first folders; or empty."""
    parts = path.replace("\\", "/").split("/")
    with suppress(OSError, ValueError):
        for n in range(1, len(parts)):
            if Path(root, *parts[n:]).is_file():
                cut = shown("/".join(parts[:n]) + "/")
                return f"a file of that name is there without {cut}: if it is the picture, take that off all paths"
    return ""


def path_below(path: str, root: PurePosixPath, origin: str) -> str:
    """`path` as `relative_path`; UsageError that begins with `origin` if it names nothing below `root`."""
    found = relative_path(path, root)
    if found is None:
        advice = told_beginning(path, root) or "give the folder that holds the pictures as `root`"
        raise UsageError(f"{origin}: {shown(path)} is not below {shown(str(root))}; {advice}")
    return found


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
            return datetime.fromisoformat(written).isoformat()
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


def numbers_of(texts: Sequence[str], *, smallest: int) -> list[int]:
    """One number for each text, equal for equal texts only; `UNKNOWN` for a missing one.

    The number that the text writes, if every text writes one of at least `smallest` and no two texts write the same;
    else the rank 1, 2, … of the text in sorted order. So `007` and `7` are never one.
    """
    different = sorted({text for text in texts if not is_missing(text)})
    written = {text: whole_number(text) for text in different}
    as_written = all(number is not None and number >= smallest for number in written.values())
    if not as_written or len(set(written.values())) < len(written):
        written = {text: rank for rank, text in enumerate(different, start=1)}
    return [UNKNOWN if (number := written.get(text)) is None else number for text in texts]


def _alike(texts: Iterable[str], form: Callable[[str], str]) -> list[list[str]]:
    """The groups of different `texts` that have one `form`; all of them sorted."""
    alike: dict[str, set[str]] = {}
    for text in texts:
        alike.setdefault(form(text), set()).add(text)
    return sorted(sorted(group) for group in alike.values() if len(group) > 1)


def twins_note(texts: Collection[str], *, kind: str) -> str | None:
    """One line about `texts`, names of `kind`, that look alike: by Unicode's forms, dashes or invisible letters; or None."""
    special = {text for text in texts if not (text.isascii() and text.isprintable())}
    # the form of any other text is itself
    found = _alike(special | (set(map(_as_seen, special)) & set(texts)), _as_seen)
    if not found:
        return None
    first = " and ".join(ascii(text) for text in found[0])
    return (
        f"{kind} written in two ways that look alike: {len(found)}, the first {first}; each way counts as a name of its own; "
        "write them alike (Unicode NFC, without invisible letters) if they are one"
    )


def _as_seen(text: str) -> str:
    """`text` as it looks: compatible letters, one kind of dash, and no letters that are not seen."""
    letters = ((letter, unicodedata.category(letter)) for letter in unicodedata.normalize("NFKC", text))
    return "".join("-" if kind == "Pd" else letter for letter, kind in letters if kind not in ("Cc", "Cf"))


def alike_note(texts: Collection[str], *, kind: str) -> str | None:
    """One line about `texts`, names of `kind`, that differ in capitals, in what parts words, or as 1 and 1.0; or None."""
    known = (text for text in set(texts) if not is_missing(text))
    found = _alike(known, lambda text: _PARTING.sub("", _without_point(text).casefold()))
    if not found:
        return None
    return (
        f"{kind} that differ in capitals, blanks, dashes or .0 alone: {sum(map(len, found))}, such as "
        f"{', '.join(map(shown, found[0][:4]))}; each counts as a name of its own; write them alike if they are one"
    )


def one_number(texts: Collection[str]) -> tuple[str, str] | None:
    """The first two of `texts` that are one number, with and without .0; None if there are no such two."""
    here = set(texts)
    return next(
        ((whole, text) for text in sorted(here) if (whole := _without_point(text)) != text and whole in here), None
    )


def _without_point(text: str) -> str:
    """`1` for `1.0`, as pandas writes a column with gaps; other texts, such as `007`, as they are."""
    match = _WHOLE.fullmatch(text)
    return match[1] if match else text


def doubts(texts: Collection[str], *, kind: str) -> list[str]:
    """A line for each reason to doubt how `texts`, names of `kind`, are read."""
    nobody = sorted({text for text in texts if may_be_missing(text)})
    notes = [twins_note(texts, kind=kind), alike_note(texts, kind=kind)]
    if changed := sorted(filter(_BY_EXCEL.fullmatch, set(texts))):
        notes.append(
            f"{kind} as Excel writes long numbers and names like dates, so that one may stand for several: {len(changed)}, "
            f"such as {', '.join(map(shown, changed[:4]))}; see to the table that they come from"
        )
    if nobody:
        notes.append(
            f"{kind}: {', '.join(map(shown, nobody))} is taken for a name like any other; write NA for what is not known"
        )
    return [note for note in notes if note]


def has_minus_one(texts: Iterable[str]) -> bool:
    """Whether one of `texts`, names of individuals, is −1, by which many mean junk, or what no cluster was found for."""
    return any(text.startswith("-1") and whole_number(text) == JUNK for text in set(texts))


def one_individual_note(texts: Iterable[str]) -> str | None:
    """A line if one of `texts`, identities that a source gives, is −1; else None."""
    if not has_minus_one(texts):
        return None
    return (
        "identity -1 is one individual like any other; if it stands for junk, or for what another program left out of its "
        "clusters, leave the identity of these pictures empty, or write NA"
    )


def identities_from_one(pid: NDArray[np.integer], split: NDArray[np.integer]) -> Int32Array:
    """`pid` (n_samples), counted from 1 if the data counts identities from 0.

    A distractor is nobody's query and is not trained on, so a pid 0 there means an identity by it.
    """
    counted = pid.astype(np.int32)
    if not (pid[split != GALLERY] == 0).any():
        return counted
    return np.where(counted >= 0, counted + np.int32(1), counted)


def nobody_notes(pid: NDArray[np.integer], split: NDArray[np.integer], *, kind: str, n_left_out: int = 0) -> list[str]:
    """Lines about how many of the gallery, samples of `kind`, are nobody's, and how many junk ones of train were left out.

    `pid` and `split` (n_samples) are those that are kept, identities counted from 1.
    """
    notes = []
    n_junk, n_distractors = (int((pid[split == GALLERY] == number).sum()) for number in (JUNK, DISTRACTOR))
    if n_junk or n_distractors:
        told = f"junk that evaluation ignores (pid -1): {n_junk}, distractors (pid 0): {n_distractors}"
        notes.append(f"{kind} of the gallery that are nobody's: {told}")
    if n_left_out:
        notes.append(f"junk (pid -1) in train, left out: {n_left_out}")
    return notes


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty; DbcError if it cannot be read as UTF-8."""
    return [line for _, line in numbered_lines(path)]


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """As `read_lines`, each line with its number, from 1."""
    try:
        with open(path, encoding="utf-8-sig", opener=plain_file) as text:
            # a second BOM, too, as two programs leave it
            lines = text.read().lstrip("\ufeff").splitlines()
        return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    except OSError as error:
        raise DbcError(f"cannot read {shown(path)}: {error.strerror}; restore the published file") from error
    except UnicodeDecodeError as error:
        raise DbcError(f"cannot read {shown(path)} as UTF-8: {why_not_utf8(path)}; save it as UTF-8") from error
