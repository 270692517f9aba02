"""What functions refuse to be called with: an argument of another kind is told in one line. The command line gives none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stages.errors import UsageError


def require_kind(name: str, value: object, kind: type, *, give: str = "") -> None:
    """Raise UsageError unless `value`, the argument `name`, is of `kind`; `give` says what to give in its place."""
    if isinstance(value, kind):
        return
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    wanted = "fields by name" if kind is Mapping else f"{article} {kind.__name__}"
    got = f"the class {value.__name__}" if isinstance(value, type) else repr(value)
    raise UsageError(f"`{name}` must be {wanted}, got {got}{f'; give {give}' if give else ''}")


def path_of(name: str, value: Path | str) -> Path:
    """`value`, the argument `name`, as a path; UsageError if it is none, or the empty text, which would be this folder."""
    if not isinstance(value, (Path, str)) or value == "":
        raise UsageError(f"`{name}` must be a path, got {value!r}")
    return Path(value)
