"""How a value that does not fit is told: one line that names the flag, what was found and what was wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

_WANTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "literal_error": "{expected}",
    "string_too_short": "some text",
}
"""What pydantic's kinds of problems want."""


def problem_of(error: BaseException) -> str | None:
    """The first problem of a pydantic ValidationError about parameters; None for any other error."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or not error.title.endswith("Parameters"):
        return None
    problem = error.errors()[0]
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    flag = "--" + str(problem["loc"][-1]).rstrip("_").replace("_", "-")
    return _line(flag, problem, message)


def misuse_of(error: typer.TyperException) -> str:
    """What Typer refuses, told as our own refusals are where it is a value of a flag; empty where there is nothing to say."""
    from pydantic import ValidationError

    message = error.format_message().replace("Value error, ", "").rstrip(".")
    parameter, cause = getattr(error, "param", None), error.__cause__
    if parameter is None or not isinstance(cause, ValidationError):
        return message
    problem = cause.errors()[0]
    # of a choice Typer says '… is not one of …'
    choices = problem["msg"].rstrip(".").partition(" is not one of ")[2]
    if choices:
        return f"{_name_of(parameter)}: found {problem['input']!r}, wanted one of {choices}"
    return _line(_name_of(parameter), problem, message)


def _name_of(parameter: Any) -> str:
    return str(parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.metavar or parameter.opts[0])


def _line(flag: str, problem: Mapping[str, Any], message: str) -> str:
    wanted = _WANTED.get(problem["type"])
    if wanted is None:
        return f"{flag}: found {problem['input']!r}: {message}"
    return f"{flag}: found {problem['input']!r}, wanted {wanted.format(**problem.get('ctx', {}))}"
