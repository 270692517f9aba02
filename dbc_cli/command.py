"""The values of a command: flags, then the run's `config.toml`, then the schemas' defaults."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from dbc_cli.at_work import at_work
from dbc_cli.configuration import CONFIGURABLE, Configurable, configured
from dbc_cli.console import RichReporter, print_json, show
from dbc_cli.flags.flag import DECLARED, FLAGS_OF, Flag
from dbc_cli.flags.training import INITIAL
from dbc_cli.pointer import POINTER, remember_run, remembered_run
from dbc_cli.problems import in_flags, problem_of
from schemas.stage_names import parse_stage
from stages.errors import DbcError, MemoryLimitError, UsageError
from stages.processes import is_leader
from stages.reporting import Reporter

if TYPE_CHECKING:
    from pydantic import BaseModel

    from stages.runs.context import Context
    from stages.runs.run_directory import RunDirectory

MOST_BYTES = 1 << 60
WITHOUT_LIMIT = "end other programs, or take a machine with more memory"
"""The advice on too little memory if a command has no --memory-limit."""

_BLAMED = re.compile(r"^(?:--([a-z0-9-]+)|`(\w+)(?:=([^`]+))?`)(?= )")
"""How an error about a value begins: with the flag, or with the argument, alone or with the value."""

M = TypeVar("M", bound="BaseModel")


@dataclass(frozen=True)
class Given:
    """The values that a command was given, by field name, from flags and configuration; values left out are absent.

    `configured` are the fields whose values came from the run's `config.toml`.
    """

    run: Path
    values: Mapping[str, Any]
    arguments: tuple[str, ...] = ()
    from_environment: bool = False
    configured: frozenset[str] = frozenset()
    named_by: str | None = None
    """How the run is known if no flag names it, in words."""
    told: list[str] = field(default_factory=list)
    """What was noted of the options given, and warned of, for JSON."""

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name)

    def get(self, name: str, default: Any) -> Any:
        """The value given, else `default`."""
        return self.values.get(name, default)

    def blamed(self, problem: str) -> str:
        """`problem`, with `config.toml` in the place of a flag that it begins with and that was given there alone."""
        return _BLAMED.sub(self._in_file, problem, count=1)

    def _in_file(self, begun: re.Match[str]) -> str:
        keys = {name: DECLARED[name].key for name in self.configured}
        name = next((name for name, key in keys.items() if begun[1] == key or begun[2] == name), None)
        if name is None:
            return begun[0]
        value = "" if begun[3] is None else f" = {begun[3].lower() if begun[3] in ('True', 'False') else begun[3]}"
        return f"{self.run / 'config.toml'}: {keys[name]}{value}"

    def flag(self, name: str) -> bool:
        """Whether a yes-or-no flag was given."""
        return bool(self.values.get(name))

    def note(self, message: str) -> None:
        """A remark on the options given, which JSON has, too."""
        self.told.append(in_flags(message))
        self.reporter.note(message)

    def writes(self, file: Path, n_rows: int) -> bool:
        """Whether a list of `n_rows` goes into `file`: a new one without rows would only bar the next, which is told."""
        if n_rows:
            return True
        replaces = self.flag("overwrite") and file.exists()
        then = "holds a header alone now" if replaces else "is not written"
        self.note(f"there is nothing to list, so {file} {then}")
        return replaces

    @property
    def reporter(self) -> RichReporter:
        """What shows notes, warnings and progress on stderr; JSON has the warnings, too."""
        return RichReporter(self.told)

    def print_json(self, fields: Mapping[str, Any]) -> None:
        """Print `fields` as JSON, whose notes begin with what was told."""
        print_json({**fields, "notes": list(dict.fromkeys([*self.told, *fields.get("notes", ())]))})

    def show(self, fields: Mapping[str, Any], *, title: str) -> None:
        """Print `fields`: as a table of two columns or, with --json, by `print_json`."""
        if self.flag("json"):
            self.print_json(fields)
        else:
            show(fields, title=title)

    def fields_of(self, flags: Sequence[Flag]) -> dict[str, Any]:
        """The values given for these flags, by field name."""
        return {flag.name: self.values[flag.name] for flag in flags if flag.name in self.values}

    @property
    def run_directory(self) -> RunDirectory:
        """The run, pinned to the versions that flags name."""
        from stages.runs.run_directory import RunDirectory

        pinned = {name.removeprefix("pin_"): value for name, value in self.values.items() if name.startswith("pin_")}
        return RunDirectory(self.run, {kind: _version(kind, text) for kind, text in pinned.items()})  # type: ignore[misc]

    @property
    def clustered_run(self) -> RunDirectory:
        """The run with the dataset of its newest clusters, which is said if pictures were added after them."""
        from stages.runs.lineage import with_clusters

        return with_clusters(self.run_directory, self.note)

    def context(self, reporter: Reporter | None = None) -> Context:
        """Device, limits and the like; reports go to `reporter`, by default to that of `self`."""
        from stages.runs.context import Context

        names = ("device", "workers", "cache", "checkpoint_every", "force", "dry_run")
        return Context(
            **{name: self.values[name] for name in names if name in self.values},
            memory_limit=parse_bytes(self["memory_limit"]),
            compiled=self.flag("compile"),
            command=("dbc", *self.arguments),
            reporter=reporter or self.reporter,
        )

    @property
    def stage(self) -> int | None:
        """The stage of --stage; None for the next one."""
        return self.stage_of("stage")

    def stage_of(self, name: str) -> int | None:
        """The stage that the flag of this field names; None if it is not given."""
        text = self.values.get(name)
        if text is None:
            return None
        try:
            return parse_stage(text)
        except ValueError as error:
            raise UsageError(f"--{name.replace('_', '-')}: {error}") from error

    def require_run(self) -> None:
        """Raise DbcError if there is no run, for a command that needs none in some of its forms."""
        if not self.run.is_dir():
            raise _no_run(self.run)

    def remember(self, *, only_read: bool = False) -> None:
        """Remember the run for the next commands in this folder, unless it is missing, dry, or from DBC_RUN.

        A command that has `only_read` it changes nothing that is remembered. It is told if the folder cannot be written.
        """
        if self.flag("dry_run") or self.from_environment or not self.run.is_dir() or not is_leader():
            return
        if only_read and POINTER.exists():
            return
        try:
            before = remember_run(self.run)
        except (OSError, DbcError) as error:
            if not only_read:
                reason = getattr(error, "strerror", error)
                RichReporter().note(
                    f"{POINTER} cannot be written here ({reason}), so {self.run} is not remembered: name it with --run"
                )
            return
        if before is not None:
            RichReporter().note(
                f"commands in this folder now use {self.run}, no longer {before}; {POINTER} remembers it"
            )


@dataclass(frozen=True)
class Command:
    """A command of `dbc`: its name, its place in help, all its flags, its help, and the function that Typer calls.

    `annotations` are those of the arguments of `invoke`, by name: to make them, and what parses them, takes a while.
    """

    name: str
    order: int
    flags: tuple[Flag, ...]
    help: str
    invoke: Callable[..., None]
    annotations: Callable[[], dict[str, Any]]

    def parser(self) -> Any:
        """What parses the arguments of this command and calls it."""
        found = self.annotations()
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter(n, keyword, annotation=a, default=None) for n, a in found.items()]
        self.invoke.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        self.invoke.__annotations__ = found
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
        alone.command(self.name, help=self.help)(self.invoke)
        return typer.main.get_command(alone)


def command(
    name: str,
    *others: Sequence[Flag],
    order: int,
    configurable: Sequence[Flag] = (),
    tables: Sequence[str] = (),
    source: Any = None,
    run: Path | None = None,
    makes_run: bool = False,
    works: bool = False,
) -> Callable[[Callable[..., None]], Command]:
    """Turn `body(given)`, or `body(given, source)`, into the command `name`; its docstring is the help.

    Parameters
    ----------
    others
        Flags for the command line alone: those that pick a stage, a run or a version, or say how to print.
    order
        Its place among the commands in help, the smallest first.
    configurable
        Flags that `config.toml` may give, too.
    tables
        The tables of `config.toml` that it reads, the last one first in rank; without any, general keys alone.
    source
        The annotated type of a positional argument, for a command that has one.
    run
        The run of a command that takes no remembered one.
    makes_run
        Whether the run may be missing.
    works
        Whether it makes what the next command takes: it says which run that is, and if another one is at work on it.
    """
    every = [*configurable, *(flag for group in others for flag in group)]
    flags = tuple(sorted(every, key=lambda flag: flag.place))
    DECLARED.update((flag.name, flag) for flag in flags)
    FLAGS_OF[name] = order, frozenset(flag.name for flag in flags)
    CONFIGURABLE[name] = Configurable(tuple(configurable), tuple(tables))

    def decorate(body: Callable[..., None]) -> Command:
        def invoke(**given: Any) -> None:
            positional = [given.pop("source")] if source is not None else []
            try:
                resolved = resolve(name, given, run=run, makes_run=makes_run)
                works_on = at_work(resolved) if works else nullcontext()
                with _blaming(resolved):
                    for flag in flags:
                        flag.require_bounds(resolved.values.get(flag.name))
                    # read or not
                    for each in ("stage", "from_stage"):
                        resolved.stage_of(each)
                    with works_on:
                        body(resolved, *positional)
            except MemoryLimitError as error:
                if any(flag.name == "memory_limit" for flag in flags):
                    raise
                raise MemoryLimitError(error.found, WITHOUT_LIMIT) from error

        def annotations() -> dict[str, Any]:
            positional: dict[str, Any] = {} if source is None else {"source": source}
            return positional | {flag.name: flag.annotation for flag in flags}

        return Command(name, order, flags, _flowing(body.__doc__ or ""), invoke, annotations)

    return decorate


@contextmanager
def _blaming(given: Given) -> Iterator[None]:
    """Let a UsageError name `config.toml` if the value that it is about was given there."""
    try:
        yield
    except UsageError as error:
        told = given.blamed(str(error))
        if type(error) is not UsageError or told == str(error):
            raise
        raise UsageError(told) from error
    except ValueError as error:
        told_of_parameters = problem_of(error)
        if told_of_parameters is None:
            raise
        raise UsageError(given.blamed(told_of_parameters)) from error


def _flowing(text: str) -> str:
    """A docstring with one line for each paragraph and list item, which the terminal wraps."""
    lines = re.sub(r"\n(?!\n|- )", " ", inspect.cleandoc(text).replace("\n\n", "\n\n\n"))
    return lines.replace("\n\n ", "\n\n")


def resolve(command: str, given: Mapping[str, Any], *, run: Path | None = None, makes_run: bool = False) -> Given:
    """The values of a command: flags over the run's configuration. `run` replaces the remembered run."""
    flagged = {name: value for name, value in given.items() if value is not None}
    named = flagged.get("run")
    if named is not None and not str(named).strip():
        raise UsageError("--run must not be empty; leave it out for the last run used here")
    by_environment = os.environ.get("DBC_RUN") if run is None and named is None else None
    path = Path(named) if named is not None else run or Path(by_environment or remembered_run())
    source = "--run" if named is not None else "DBC_RUN" if by_environment else POINTER.name
    _require_folder(path, source=source)
    if not makes_run and not path.is_dir():
        where = (
            "" if source == "--run" else f", which {source} names" if source == "DBC_RUN" or POINTER.exists() else ""
        )
        raise _no_run(path, where)
    in_file = configured(path / "config.toml", command)
    named_by = None
    if source != "--run" and run is None:
        how = {"DBC_RUN": "which DBC_RUN names", POINTER.name: f"which {POINTER} remembers"}[source]
        named_by = how if by_environment or POINTER.exists() else "as no other run is named or remembered here"
    return Given(
        path,
        {**in_file, **flagged},
        tuple(sys.argv[1:]),
        from_environment=bool(by_environment),
        configured=frozenset(in_file) - frozenset(flagged),
        named_by=named_by,
    )


def _no_run(path: Path, where: str = "") -> DbcError:
    return DbcError(f"no run found at {path}{where}; make one with: dbc ingest SOURCE --run {shlex.quote(str(path))}")


def parse(model: type[M], values: Mapping[str, Any]) -> M:
    """`values` as parameters; UsageError names the first flag that does not fit."""
    from pydantic import ValidationError

    try:
        return model(**values)
    except ValidationError as error:
        raise UsageError(problem_of(error) or str(error)) from error


def parse_bytes(text: str | None) -> int | None:
    """A size such as `8GiB`, `500MB` or `1000000` in bytes; None for None."""
    if text is None:
        return None
    units = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "kb": 10**3, "mb": 10**6, "gb": 10**9}
    lowered = text.strip().lower()
    unit = next((unit for unit in units if lowered.endswith(unit)), "")
    try:
        n_bytes = int(float(lowered.removesuffix(unit)) * units.get(unit, 1))
    except (ValueError, OverflowError):
        n_bytes = 0
    if not 0 < n_bytes < MOST_BYTES:
        raise UsageError(f"--memory-limit must be a size such as 8GiB or 500MB, got {text!r}")
    return n_bytes


def initial_fields(given: Given, *groups: Sequence[Flag]) -> dict[str, Any]:
    """The values of INITIAL and `groups`, as fields of `InitParameters`; UsageError names the first that does not fit.

    They are checked here, because a run with an initial model only compares them.
    """
    from schemas.parameters import InitParameters

    fields = given.fields_of([*INITIAL, *(flag for group in groups for flag in group)])
    parse(InitParameters, fields)
    return fields


def _require_folder(path: Path, *, source: str) -> None:
    """Raise UsageError if the path of a run leads through a file."""
    taken = next((place for place in (path, *path.parents) if place.is_file()), None)
    if taken is not None:
        other = "another" if source == "--run" else "--run"
        raise UsageError(f"{source} must be a folder, got the file {taken}; give {other}")


def _version(kind: str, text: str) -> int:
    number = text.removeprefix("v")
    if not number.isascii() or not number.isdigit() or int(number) < 1:
        way = "see dbc status"
        if kind == "features" and Path(text).suffix:
            way = "features of your own are measured and merged from Python, see docs/methods.md"
        raise UsageError(f"--{kind} must be a version such as v1, got {text!r}; {way}")
    return int(number)
