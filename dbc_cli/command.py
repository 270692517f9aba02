"""How a command comes by its values: flags, then the run's `config.toml`, then the schemas' defaults."""

from __future__ import annotations

import inspect
import os
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dbc_cli.flags import Flag
from stages.errors import DbcError, UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from stages.produce import How
    from stages.run_directory import RunDirectory

POINTER = Path(".dbc-run")
FIRST_RUN = Path("runs/default")
_NOT_CONFIGURED = {"run", "json", "debug", "force", "dry_run", "stage"}

M = TypeVar("M", bound="BaseModel")


@dataclass(frozen=True)
class Given:
    """What a command was given: `values` by field name, from flags and configuration, without what was left out."""

    run: Path
    values: Mapping[str, Any]
    arguments: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name)

    def get(self, name: str, default: Any) -> Any:
        """The value given, else `default`."""
        return self.values.get(name, default)

    def flag(self, name: str) -> bool:
        """Whether a yes-or-no flag was given."""
        return bool(self.values.get(name))

    def only(self, flags: Sequence[Flag]) -> dict[str, Any]:
        """The values of these flags alone."""
        return {flag.name: self.values[flag.name] for flag in flags if flag.name in self.values}

    @property
    def run_directory(self) -> RunDirectory:
        """The run, with the versions asked for pinned."""
        from stages.run_directory import RunDirectory

        pinned = {name.removeprefix("pin_"): value for name, value in self.values.items() if name.startswith("pin_")}
        return RunDirectory(self.run, {kind: _version(kind, text) for kind, text in pinned.items()})  # type: ignore[misc]

    @property
    def how(self) -> How:
        """How the artifact is wanted."""
        from stages.produce import How

        return How(
            force=self.flag("force"), dry_run=self.flag("dry_run"), command=("dbc", *_own_arguments(self.arguments))
        )

    @property
    def stage(self) -> int | None:
        """The stage asked for; None for the next one."""
        from schemas.stage import parse_stage

        text = self.values.get("stage")
        if text is None:
            return None
        try:
            return parse_stage(text)
        except ValueError as error:
            raise UsageError(f"--stage: {error}") from error


def with_flags(command: str, *groups: Sequence[Flag], source: Any = None) -> Callable[[Callable[..., None]], Any]:
    """Turn `body(given)` into a Typer command that has the flags of `groups`, and, given its type, a SOURCE argument."""
    flags = [flag for group in groups for flag in group]

    def decorate(body: Callable[..., None]) -> Any:
        def invoke(**given: Any) -> None:
            positional = [given.pop("source")] if source is not None else []
            body(resolve(command, flags, given), *positional)

        annotations: dict[str, Any] = {} if source is None else {"source": source}
        annotations |= {flag.name: flag.annotation() for flag in flags}
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter(n, keyword, annotation=a, default=None) for n, a in annotations.items()]
        invoke.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        invoke.__annotations__ = annotations
        invoke.__doc__ = body.__doc__
        return invoke

    return decorate


def resolve(command: str, flags: Sequence[Flag], given: Mapping[str, Any]) -> Given:
    """The values of a command: flags over the run's configuration. UsageError names a key that no command knows."""
    run = _run_path(given.get("run"))
    configured = _configuration(run, command, flags)
    flagged = {name: value for name, value in given.items() if value is not None and value is not False}
    return Given(run, {**configured, **flagged}, tuple(sys.argv[1:]))


def parse(model: type[M], values: Mapping[str, Any]) -> M:
    """`values` as parameters; UsageError, in one line, names the first flag that does not fit."""
    from pydantic import ValidationError

    try:
        return model(**values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][-1]) if problem["loc"] else model.__name__
        flag = "--" + name.rstrip("_").replace("_", "-")
        wanted = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        raise UsageError(f"{flag}: found {problem['input']!r}, but it {wanted}") from error


def remember(run: Path) -> None:
    """Make `run` the run of the next commands given in this folder."""
    try:
        POINTER.write_text(f"{run}\n")
    except OSError:
        return


def parse_bytes(text: str | None) -> int | None:
    """A size such as `8GiB`, `500MB` or `1000000` in bytes; None for None."""
    if text is None:
        return None
    units = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "kb": 10**3, "mb": 10**6, "gb": 10**9}
    lowered = text.strip().lower()
    unit = next((unit for unit in units if lowered.endswith(unit)), "")
    try:
        n_bytes = int(float(lowered.removesuffix(unit)) * units.get(unit, 1))
    except ValueError:
        n_bytes = 0
    if n_bytes <= 0:
        raise UsageError(f"--memory-limit: found {text!r}, wanted a size such as 8GiB or 500MB")
    return n_bytes


def _run_path(flag: Path | None) -> Path:
    if flag is not None:
        return flag
    if os.environ.get("DBC_RUN"):
        return Path(os.environ["DBC_RUN"])
    if POINTER.is_file() and (told := POINTER.read_text().strip()):
        return Path(told)
    return FIRST_RUN


def _configuration(run: Path, command: str, flags: Sequence[Flag]) -> dict[str, Any]:
    path = run / "config.toml"
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DbcError(f"{path} cannot be read: {error}; mend or remove it") from error
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    own = _own_tables(path, tables, command)
    fields = {flag.option.removeprefix("--"): flag.name for flag in flags if flag.name not in _NOT_CONFIGURED}
    general = {key: value for key, value in content.items() if key not in tables}
    _refuse_unknown(path, [*general, *(key for table in tables.values() for key in table)])
    merged = {**general, **own}
    return {fields[key]: value for key, value in ((_dashed(k), v) for k, v in merged.items()) if key in fields}


def _own_tables(path: Path, tables: Mapping[str, Mapping[str, Any]], command: str) -> dict[str, Any]:
    known = ("ingest", "extract", "merge", "train", "eval", "run")
    unknown = [name for name in tables if name not in known]
    if unknown:
        raise UsageError(f"{path}: table [{unknown[0]}] found, wanted one of {', '.join(known)}")
    return dict(tables.get(command, {}))


def _refuse_unknown(path: Path, keys: Sequence[str]) -> None:
    import dbc_cli.flags as table

    flags = [flag for group in vars(table).values() if isinstance(group, tuple) for flag in group]
    known = {flag.option.removeprefix("--") for flag in flags if isinstance(flag, Flag)}
    for key in keys:
        if _dashed(key) not in known or _dashed(key) in _NOT_CONFIGURED:
            raise UsageError(f"{path}: key '{key}' found, wanted the name of a flag without its dashes; see dbc --help")


def _dashed(key: str) -> str:
    return key.replace("_", "-")


def _version(kind: str, text: str) -> int:
    number = text.removeprefix("v")
    if not number.isascii() or not number.isdigit() or int(number) < 1:
        raise UsageError(f"--{kind}: found {text!r}, wanted a version such as v1; see dbc status")
    return int(number)


def _own_arguments(arguments: Sequence[str]) -> list[str]:
    return list(arguments)
