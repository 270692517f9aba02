"""Errors for the command line: one line with the flag, the value given and the value expected.

Below this package errors know no flags. They name a Python argument in backticks, alone or with a value; `in_flags` turns
it into the flag that the user types.
"""

from __future__ import annotations

import ast
import re
import resource
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbc_cli.flags.flag import DECLARED, FLAGS_OF

if TYPE_CHECKING:
    import typer

_ARGUMENT = re.compile(r"`([A-Za-z_]\w*)(?:=([^`]+))?`")
_OTHER_NAMES = {"compiled": "compile"}
"""The flag's field, for arguments of functions with another name."""
_ELSEWHERE = {"constraints": "answers"}
"""Fields that some commands call otherwise."""

_OUT_OF_MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|unable to allocate|failed to map segment",
    re.IGNORECASE,
)
"""How torch, CuPy, NumPy and the system say it."""
_LOWERED = ("workers", "batch_size", "extract_batch_size", "memory_limit")
"""What takes less memory if it is lower."""

_MUST = {
    "int_parsing": "be a whole number",
    "int_type": "be a whole number",
    "int_from_float": "be a whole number",
    "float_parsing": "be a number",
    "float_type": "be a number",
    "finite_number": "be a finite number",
    "greater_than": "be above {gt:g}",
    "greater_than_equal": "be at least {ge:g}",
    "less_than": "be below {lt:g}",
    "less_than_equal": "be at most {le:g}",
    "literal_error": "be {expected}",
    "string_too_short": "not be empty",
}
"""What a value must be, by pydantic's kinds of problems."""


def in_flags(text: str, command: str = "") -> str:
    """`text` with every argument in backticks as its flag; other text in backticks stays as it is.

    `` `lambda_` `` becomes `--lambda`, `` `start='previous'` `` becomes `--start previous`, `` `amp=True` `` becomes
    `--amp`, and `` `amp=False` `` or `` `frames=None` `` becomes `no --amp` or `no --frames`. If `command`, such as
    `dbc assign`, lacks the flag, it becomes that of one that has it: `dbc ingest --root`.
    """
    return _ARGUMENT.sub(lambda found: _in_flags(found[0], _own_name(found[1], command), found[2], command), text)


def _flags_of(command: str) -> frozenset[str]:
    _, names = FLAGS_OF.get(command.removeprefix("dbc "), (0, frozenset()))
    return names


def _own_name(name: str, command: str) -> str:
    """The field as `command` calls it."""
    field, own = _OTHER_NAMES.get(name, name), _flags_of(command)
    other = _ELSEWHERE.get(field)
    return other if other in own and field not in own else field


def _where(name: str, command: str) -> str:
    """`dbc ingest ` if `command` lacks the flag `name` and ingest is the first command to have it, else nothing."""
    own = _flags_of(command)
    if not own or name in own:
        return ""
    return next((f"dbc {each} " for each in sorted(FLAGS_OF, key=FLAGS_OF.__getitem__) if name in _flags_of(each)), "")


def lines_in_flags(lines: Iterable[str]) -> list[str]:
    """`lines`, each as `in_flags` has it, for the `notes` and `warnings` of JSON."""
    return [in_flags(line) for line in lines]


def _in_flags(whole: str, name: str, value: str | None, command: str) -> str:
    flag = DECLARED.get(name)
    if flag is None:
        return whole
    option = f"{_where(name, command)}--{flag.key}"
    if value is None or value == "True":
        return option
    if value in ("False", "None"):
        return flag.option.partition("/")[2] or f"no {option}"
    return f"{option} {_unquoted(value)}"


def _unquoted(value: str) -> str:
    """A Python literal, quoted for a shell; other text unchanged."""
    try:
        return shlex.quote(str(ast.literal_eval(value)))
    except (ValueError, SyntaxError):
        return value


def problem_of(error: BaseException) -> str | None:
    """The first problem of a pydantic ValidationError about parameters; None for any other error."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or not error.title.endswith("Parameters"):
        return None
    problem = error.errors()[0]
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return in_flags(message)
    name = str(problem["loc"][-1])
    flag = DECLARED.get(name)
    return _line("--" + name.replace("_", "-") if flag is None else f"--{flag.key}", problem, in_flags(message))


def misuse_of(error: typer.TyperException, arguments: Sequence[str] = ()) -> str:
    """The message of a Typer error about `arguments`, in the style of ours if it is about a flag's value; may be empty."""
    from pydantic import ValidationError

    message = error.format_message().replace("Value error, ", "").rstrip(".")
    parameter, cause = getattr(error, "param", None), error.__cause__
    if parameter is None or not isinstance(cause, ValidationError):
        return message + _advice(message, arguments)
    problem = cause.errors()[0]
    # of a choice Typer says '… is not one of …'
    choices = problem["msg"].rstrip(".").partition(" is not one of ")[2]
    if choices:
        return f"{_name_of(parameter)} must be one of {choices}, got {problem['input']!r}"
    return _line(_name_of(parameter), problem, message)


def _advice(message: str, arguments: Sequence[str]) -> str:
    """What to do about several sources, or about a file whose name begins with a dash; empty for other messages."""
    extra = re.match(r"Got unexpected extra argument\(s\) \((.*)\)", message)
    if extra and arguments[0] in ("ingest", "assign"):
        first = next((argument for argument in arguments if extra[1].startswith(argument)), extra[1])
        told = f"; give one SOURCE, then the next: dbc {arguments[0]} {shlex.quote(first)}"
        flags = ", with the same flags" if any(each.startswith("-") for each in arguments) else ""
        return f"{told} --add{flags}" if arguments[0] == "ingest" else told
    if message.startswith("No such option: --seeds") and arguments[0] == "run":
        return "; for several seeds: dbc sweep --seed 0,1,2"
    if message.startswith("No such option"):
        file = next((each for each in arguments if each.startswith("-") and Path(each).exists()), None)
        return f"; {file} is a file here, so write it as ./{file}" if file else ""
    return ""


def _name_of(parameter: Any) -> str:
    return str(parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.metavar or parameter.opts[0])


def _line(flag: str, problem: Mapping[str, Any], message: str) -> str:
    must = _MUST.get(problem["type"])
    if must is None:
        return f"{flag}: {message}, got {problem['input']!r}"
    return f"{flag} must {must.format(**problem.get('ctx', {}))}, got {problem['input']!r}"


def memory_problem(error: BaseException, command: str) -> str | None:
    """One line about memory that ran out, on the host or a GPU, and what `command` can lower; None for another error.

    torch raises RuntimeError, NumPy and CuPy (on a GPU) kinds of MemoryError, and a library that finds no room ImportError
    or OSError.
    """
    text = " ".join(str(error).split())
    told_of_it = isinstance(error, (RuntimeError, ImportError, OSError)) and _OUT_OF_MEMORY.search(text)
    if not isinstance(error, MemoryError) and not told_of_it:
        return None
    is_gpu = not isinstance(error, (ImportError, OSError)) and (
        "cupy" in type(error).__module__ or "cuda" in text.lower()
    )
    sentences = text.split(". ")
    told = next(
        (f" ({sentence})" for sentence in sentences if _OUT_OF_MEMORY.search(sentence)), f" ({text})" if text else ""
    )
    own = frozenset() if isinstance(error, ImportError) else _flags_of(command)
    lowered = [f"--{DECLARED[name].key}" for name in _LOWERED if name in own]
    ways = [f"lower {' or '.join(lowered)}"] if lowered else []
    ways += ["give --cache none"] if "cache" in own else []
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    is_limited = limit != resource.RLIM_INFINITY and not is_gpu
    ways.append(f"raise the limit of {limit / 1e9:.1f} GB (ulimit -v)" if is_limited else "end other programs")
    return f"out of memory on the {'GPU' if is_gpu else 'host'}{told}; {', or '.join(ways)}"
