"""The entry point: runs a command and turns every failure into one line and an exit status."""

from __future__ import annotations

import os
import sys
import traceback

from dbc_cli import check_siblings

INTERRUPTED = 130


def main() -> None:
    """Run `dbc` with the process's arguments and exit with its status."""
    try:
        check_siblings()
    except ImportError as error:
        _exit_with_line("dbc", str(error), status=1)
    arguments = sys.argv[1:]
    debug = "--debug" in arguments or os.environ.get("DBC_DEBUG", "") not in ("", "0")
    sys.exit(run_command([argument for argument in arguments if argument != "--debug"], debug=debug))


def run_command(arguments: list[str], *, debug: bool = False) -> int:
    """The exit status of `dbc` with these arguments; a failure has told its one line on stderr."""
    import typer

    from dbc_cli.app import app
    from stages.errors import DbcError

    name = " ".join(["dbc", *arguments[:1]]) if arguments and not arguments[0].startswith("-") else "dbc"
    try:
        status = app(arguments, standalone_mode=False, prog_name="dbc")
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        sys.stdout.flush()
        return int(status or 0)
    except typer.TyperException as error:
        message = error.format_message().replace("Value error, ", "")
        return _report(
            name, f"{message.rstrip('.')}; see: {name} --help" if message else "", error.exit_code, debug=False
        )
    except DbcError as error:
        return _report(name, str(error), error.exit_code, debug=debug)
    except (KeyboardInterrupt, typer.Abort):
        return _report(
            name, "interrupted; what was finished is kept, the same command goes on", INTERRUPTED, debug=False
        )
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        message = f"unexpected {type(error).__name__}: {error}; run it again with --debug for the traceback"
        return _report(name, message, 1, debug=debug)


def _report(name: str, message: str, status: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    if message:
        print(f"{name}: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    return status


def _exit_with_line(name: str, message: str, *, status: int) -> None:
    sys.exit(_report(name, message, status, debug=False))


if __name__ == "__main__":
    main()
