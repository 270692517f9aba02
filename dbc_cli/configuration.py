"""A run's `config.toml`: general keys and a table a command, checked against the flags that the commands have."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from dbc_cli.flags.flag import DECLARED, Flag
from stages.errors import DbcError, UsageError, file_problem
from stages.plain_files import why_not_utf8


@dataclass(frozen=True)
class Configurable:
    """What a command reads from `config.toml`: its flags, and its tables, of which later ones override earlier ones."""

    flags: tuple[Flag, ...]
    tables: tuple[str, ...]


CONFIGURABLE: dict[str, Configurable] = {}
"""What every command reads from `config.toml`; commands add themselves when they are declared."""

STAGE_TABLES = ("extract", "merge", "eval", "train", "run")
"""The tables of commands that run all stages."""

_EXPECTED = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text in quotes",
    int | str: "a whole number or text in quotes",
}

_MOST_LETTERS = 200
"""Letters of a value that an error shows."""


def configured(path: Path, command: str) -> dict[str, Any]:
    """The values of the file for `command`, by field name; none if there is no file.

    A table overrides the general keys. UsageError names an unknown key, or a value of another type.
    """
    content = _read(path)
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    general = {key: value for key, value in content.items() if key not in tables}
    _check(path, general, tables)
    layers = CONFIGURABLE[command].tables or (command,)
    values: dict[str, Any] = {}
    for entries_of in (dict.fromkeys(layers, general), tables):
        for layer in layers:
            values |= _fields(entries_of.get(layer, {}), CONFIGURABLE[layer].flags)
    return values


def _read(path: Path) -> dict[str, Any]:
    if not os.path.lexists(path):
        return {}
    import tomllib

    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is no file; make it one, or move it away")
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise DbcError(file_problem(error, path, failed="cannot be read")) from error
    except UnicodeDecodeError as error:
        raise DbcError(f"{path} cannot be read as UTF-8: {why_not_utf8(path)}; save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        # how tomllib says that a key is there twice
        told = str(error).replace("Cannot overwrite a value", "a key is written twice")
        raise DbcError(f"{path} cannot be read: {told}; mend or remove it") from error


def _check(path: Path, general: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> None:
    every = [flag for command in CONFIGURABLE.values() for flag in command.flags]
    _check_entries(f"{path}:", general, every, command="dbc run")
    known = sorted({table for command in CONFIGURABLE.values() for table in command.tables})
    for name, table in tables.items():
        if name not in known:
            raise UsageError(f"{path}: table must be one of {', '.join(known)}, got [{name}]")
        _check_entries(f"{path}: [{name}]", table, CONFIGURABLE[name].flags, command=f"dbc {name}")


def _check_entries(place: str, entries: Mapping[str, Any], flags: Iterable[Flag], *, command: str) -> None:
    known = _by_key(flags)
    written: dict[str, str] = {}
    for key, value in entries.items():
        other = written.setdefault(_dashed(key), key)
        if other != key:
            raise UsageError(f"{place} '{other}' and '{key}' are the same flag, written twice; leave one out")
        flag = known.get(_dashed(key))
        if flag is None:
            switch = known.get(_dashed(key).removeprefix("no-"))
            if switch is not None and switch.kind is bool:
                raise UsageError(f"{place} write {switch.key} = {_toml(value is not True)} in place of '{key}'")
            if key in CONFIGURABLE and isinstance(value, list):
                raise UsageError(f"{place} {key} must be one table, [{key}], got several, [[{key}]]")
            if _is_for_calls(_dashed(key)):
                raise UsageError(
                    f"{place} '{key}' is for the command line alone, as it is of one call; leave it out here"
                )
            raise UsageError(
                f"{place} key must be a flag of {command}, without its dashes, got '{key}'; see {command} --help"
            )
        if not _fits(value, flag.kind):
            raise UsageError(f"{place} {key} must be {_expected(flag.kind)}, got {_toml(value)}")


def _is_for_calls(key: str) -> bool:
    """Whether `key` is a flag that no table holds."""
    every = (flag for command in CONFIGURABLE.values() for flag in command.flags)
    return key in _by_key(DECLARED.values()) and key not in _by_key(every)


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _expected(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f"'{choice}'" for choice in get_args(kind))
    return _EXPECTED[kind]


def _toml(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    text = repr(value) if isinstance(value, str) else str(value).lower()
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"


def _fields(entries: Mapping[str, Any], flags: Iterable[Flag]) -> dict[str, Any]:
    known = {_dashed(key): value for key, value in entries.items()}
    return {flag.name: known[flag.key] for flag in flags if flag.key in known}


def _by_key(flags: Iterable[Flag]) -> dict[str, Flag]:
    return {flag.key: flag for flag in flags}


def _dashed(key: str) -> str:
    return key.replace("_", "-")
