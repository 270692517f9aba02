"""How a value that does not fit is told: one line that names the flag, what was found and what was wanted."""

from __future__ import annotations


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
    wanted = f", but it {message.removeprefix('Input ')}" if message.startswith("Input ") else f": {message}"
    return f"{flag}: found {problem['input']!r}{wanted}"
