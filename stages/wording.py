"""How messages write names, numbers and errors of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def shown(text: str | Path) -> str:
    """`text` in quotes, on one line, without control characters, and with the backslashes it has."""
    return repr(str(text)).replace("\\\\", "\\")


def plain(text: str) -> str:
    """`text` as it is, in quotes only if it holds control characters."""
    return text if text.isprintable() else shown(text)


def so_many(n: float, noun: str) -> str:
    """`n` of a thing as people write it: "1 identity", "2 identities"; only what the last word is counts.

    Examples
    --------
    >>> so_many(1, "picture"), so_many(0, "new picture"), so_many(2, "box")
    ('1 picture', '0 new pictures', '2 boxes')
    """
    if n == 1:
        return f"1 {noun}"
    several = (
        f"{noun[:-1]}ies" if noun.endswith(("ty", "ry")) else f"{noun}{'es' if noun.endswith(('x', 's')) else 's'}"
    )
    return f"{n:g} {several}" if isinstance(n, float) else f"{n} {several}"


def with_first(found: Sequence[Any], each: Callable[[Any], str] = shown) -> str:
    """How many were `found`, and what `each` makes of the first: `3, the first 'a.jpg'`."""
    return f"{len(found)}, the first {each(found[0])}"


def counted(counts: Counter[str]) -> str:
    """Counts as words, the largest first: `12 .txt, 3 .db`."""
    return ", ".join(f"{n} {plain(name)}" for name, n in sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def shortened(names: Sequence[str], *, most: int = 5) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def first_names(files: Sequence[Path]) -> str:
    """The names of the first five of `files`."""
    return ", ".join(plain(file.name) for file in files[:5])


def one_line(error: Exception) -> str:
    """The error's text on one line, without control characters, or its type if it has none."""
    text = " ".join(str(error).split())
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text) or type(error).__name__


def first_line(error: Exception) -> str:
    """The first line of the error's text, or its type if it has none."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
