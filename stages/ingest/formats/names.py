"""Texts that name identities, cameras and tracklets: which are missing, and the numbers that stand for the others."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.ingest.formats.times import _BY_EXCEL
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

_BETWEEN = re.compile(r"\s*[;|,+&]\s*|\s+(?:and|und|et|y)\s+", re.IGNORECASE)
"""What people write between two names in one cell."""

_LISTS = re.compile("[;|]")
"""What hardly any single name has."""

# pandas writes a column of integers with gaps as 1.0, 2.0
_WHOLE = re.compile(r"(-?[0-9]+)(?:\.0+)?", re.ASCII)


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


def without_several(texts: Sequence[str], *, known: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """`texts`, identities of as many pictures, empty where one names several individuals; and lines to warn with.

    It does if its parts, between such as `,` or `and`, are all names of their own, there or among those `known`; between `;`
    or `|`, two of them are enough. Others with these two are only told, but for one name alone beside empty, missing or the
    same parts (`Ayo;`): that is taken, if others have that name, too. What is itself `known` is one individual.
    """
    one = {text: _alone(text) for text in set(texts) if not is_missing(text)}
    before = {name.strip().casefold() for name in known}
    n_texts = Counter([*(name.casefold() for name in one.values()), *before])
    is_taken = {name: may_be_missing(name) or n_texts[name.casefold()] > 1 for name in one.values() if name}
    one = {text: name if is_taken.get(name, True) else text for text, name in one.items()}
    names = {name for name in one.values() if name}
    alone = ({name.strip().casefold() for name in names} | before) - {""}
    several = set()
    for name in (name for name in names if name.strip().casefold() not in before):
        is_list = _LISTS.search(name) is not None
        parts = set(_BETWEEN.split(name.strip().casefold()))
        parts = {part for part in parts if not (is_missing(part) or may_be_missing(part))} if is_list else parts
        if len(parts) > 1 and (parts <= alone or (is_list and len(parts & alone) > 1)):
            several.add(name)
    lists = sorted(filter(_LISTS.search, names - several))
    lines = []
    if changed := sorted(text for text, name in one.items() if name and text != name):
        lines.append(
            f"identities of one name beside empty, missing or the same parts, which is taken: {len(changed)}, such as "
            f"{shown(one[changed[0]])} for {shown(changed[0])}"
        )
    if nameless := sorted(text for text, name in one.items() if not name):
        lines.append(f"identities that hold no name, taken for unknown: {len(nameless)}, such as {shown(nameless[0])}")
    if several:
        n = sum(text in several for text in texts)
        lines.append(
            f"identities that name several individuals, taken for unknown: {n} of {len(texts)}, such as "
            f"{shown(min(several))}; to keep them, give each animal its box, in a row of its own"
        )
    if lists:
        lines.append(
            f"identities with ; or |, each taken for one individual: {len(lists)}, such as {shown(lists[0])}; if they name "
            "several, leave them empty"
        )
    taken = {text: "" if name in several else name for text, name in one.items()}
    return [taken.get(text, text) for text in texts], lines


def _alone(name: str) -> str:
    """The one part of `name`, between `;` or `|`, that names an individual; `name` if there are more, or no such letter."""
    if not _LISTS.search(name):
        return name
    parts = [part.strip() for part in _LISTS.split(name) if not is_missing(part)]
    sure = [part for part in parts if not may_be_missing(part)] or parts
    return name if len({part.casefold() for part in sure}) > 1 else "".join(sure[:1])


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
