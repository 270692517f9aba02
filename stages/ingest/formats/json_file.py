"""JSON documents that describe data sets: found, read, and kept between recognising a source and reading it."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.errors import DbcError, UsageError
from stages.ingest.formats.layout import only_one
from stages.plain_files import plain_file, why_not_utf8
from stages.wording import shown


def find_json(source: Path) -> Path:
    """`source` itself if it is a file, else the only `.json` file in it; UsageError if there is none or several."""
    if source.is_file():
        return source
    found = sorted(entry for entry in source.iterdir() if entry.suffix.lower() == ".json" and entry.is_file())
    advice = "; give the file itself as the source, and the folder of the pictures as `root` if it is another"
    return only_one(found, source, wanted="exactly one .json file", advice=advice)


def load_json(file: Path) -> Any:
    """The document in `file`, UTF-8 with or without BOM. It is kept until `forget_json`, as long as the file is the same.

    Raises `UsageError`, with line and column, if it is no JSON, `DbcError` if it cannot be read.
    """
    try:
        status = file.stat()
        return _parsed(file, status.st_mtime_ns, status.st_size)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{shown(file)} line {error.lineno} column {error.colno} is not JSON: {error.msg}; write the file anew"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown(file)} is not JSON in UTF-8: {why_not_utf8(file)}; write the file anew") from error
    except (ValueError, RecursionError) as error:
        # too deep, or a number of thousands of digits
        raise UsageError(f"{shown(file)} is not JSON in UTF-8: {error}; write the file anew") from error
    except OSError as error:
        raise DbcError(f"cannot read {shown(file)}: {error.strerror}; make it readable") from error


@lru_cache(maxsize=1)
def _parsed(file: Path, changed: int, size: int) -> Any:  # noqa: ARG001 — a changed file is read again
    with open(file, "rb", opener=plain_file) as content:
        return json.loads(content.read().decode("utf-8-sig"))


def forget_json() -> None:
    """Let go of the document that `load_json` keeps: a large one takes hundreds of megabytes."""
    _parsed.cache_clear()


def peek_json(source: Path) -> Any:
    """The document of `source`, which is or holds one JSON file; None if it has none or another problem."""
    if source.is_file() and source.suffix.lower() != ".json":
        return None
    try:
        return load_json(find_json(source))
    except (UsageError, DbcError, OSError):
        return None
