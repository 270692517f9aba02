"""The lines of text files."""

from __future__ import annotations

from pathlib import Path

from stages.errors import DbcError
from stages.plain_files import plain_file, why_not_utf8
from stages.wording import shown


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
