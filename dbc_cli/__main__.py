"""The entry point: runs a command and turns every failure into one line and an exit status."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path

from dbc_cli import check_siblings

INTERRUPTED = 130
TERMINATED = 143


class Terminated(BaseException):
    """SIGTERM came; what runs unwinds as it does on Ctrl-C."""


def main() -> None:
    """Run `dbc` with the process's arguments and exit with its status."""
    signal.signal(signal.SIGTERM, _terminate)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 — it stays open as long as the process
    if sys.stdout is None:
        _exit_with_line("dbc", "stdout is closed, wanted a place for results; redirect it to a file or /dev/null")
    try:
        check_siblings()
    except ImportError as error:
        _exit_with_line("dbc", str(error))
    arguments = sys.argv[1:]
    debug = "--debug" in arguments or os.environ.get("DBC_DEBUG", "") not in ("", "0")
    status = run_command([argument for argument in arguments if argument != "--debug"], debug=debug)
    _close_stdout()
    sys.exit(status)


def run_command(arguments: list[str], *, debug: bool = False) -> int:
    """The exit status of `dbc` with these arguments; a failure has told its one line on stderr."""
    name = "dbc"
    try:
        import typer

        from dbc_cli.app import app
        from stages.errors import DbcError

        name = _name_of(arguments, {command.name for command in app.registered_commands})
    except (KeyboardInterrupt, Terminated) as error:
        return _report_interrupted(name, error)
    try:
        status = app(arguments, standalone_mode=False, prog_name="dbc")
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        sys.stdout.flush()
        return int(status or 0)
    except typer.TyperException as error:
        from dbc_cli.problems import misuse_of

        message = misuse_of(error)
        return _report(name, f"{message}; see: {name} --help" if message else "", error.exit_code, debug=False)
    except DbcError as error:
        from dbc_cli.problems import in_flags

        return _report(name, in_flags(str(error)), error.exit_code, debug=debug)
    except (KeyboardInterrupt, Terminated, typer.Abort) as error:
        return _report_interrupted(name, error)
    except BrokenPipeError:
        return 1
    except Exception as error:
        return _report_unexpected(name, error, debug=debug)


def _name_of(arguments: list[str], commands: set[str | None]) -> str:
    return f"dbc {arguments[0]}" if arguments and arguments[0] in commands else "dbc"


def _terminate(*_: object) -> None:
    raise Terminated


def _close_stdout() -> None:
    """Write what is left; where that cannot be, drop it, so that Python does not try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_interrupted(name: str, error: BaseException) -> int:
    status = TERMINATED if isinstance(error, Terminated) else INTERRUPTED
    told = "terminated" if status == TERMINATED else "interrupted"
    return _report(name, f"{told}; what was finished is kept, the same command goes on", status, debug=False)


def _report_unexpected(name: str, error: Exception, *, debug: bool) -> int:
    """A value that no parameter takes is misuse; anything else is a fault of the program."""
    from dbc_cli.problems import problem_of

    misused = problem_of(error)
    if misused is not None:
        return _report(name, misused, 2, debug=debug)
    message = f"unexpected {type(error).__name__}: {error}; run it again with --debug for the traceback"
    return _report(name, message, 1, debug=debug)


def _report(name: str, message: str, status: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        name = f"{name} [process {os.environ.get('RANK', '0')}]"
    if message:
        print(f"{name}: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    return status


def _exit_with_line(name: str, message: str) -> None:
    sys.exit(_report(name, message, 1, debug=False))


if __name__ == "__main__":
    main()
