"""The entry point: runs a command and turns every failure into one line and an exit status."""

from __future__ import annotations

# these few alone: whatever is imported here is imported before Ctrl-C can be caught
import os
import signal
import sys

from dbc_cli import check_siblings, into_nothing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, TextIO

INTERRUPTED = 130
TERMINATED = 143
PASSIVE_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "700"}
"""Threads of torch that wait for each other spin some 15 µs, then sleep, so that other processes get the cores: see
benchmarks/RESULTS.md for other counts.
"""


class Terminated(BaseException):
    """Raised on SIGTERM; the command ends as on Ctrl-C."""


class _Stderr:
    """Stderr that never fails: text that cannot be written is dropped, and so is everything after it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text`, or drop it."""
        try:
            return self._stream.write(text)
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        """Flush the stream, or drop its text."""
        try:
            self._stream.flush()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        into_nothing(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def main() -> None:
    """Run `dbc` with the process's arguments and exit with its status; after Ctrl-C, die of SIGINT.

    A shell ends its loop only if the command died of the signal; `$?` is 130 there all the same.
    """
    try:
        signal.signal(signal.SIGTERM, _terminate)
        let_waiting_threads_sleep()
        # a lost process is told in a line of ours; torch would print the frames of its stack as well
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        status = _main()
    except (KeyboardInterrupt, Terminated) as error:
        status = _report_interrupted("dbc", error)
    # while Python itself ends, Ctrl-C would print a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if status == INTERRUPTED:
        # told already; Python ends as always, and sends itself the signal last
        sys.excepthook = lambda *_: None
        raise KeyboardInterrupt
    sys.exit(status)


def let_waiting_threads_sleep() -> None:
    """Set `PASSIVE_WAITING`, which OpenMP reads once, when torch loads; not if the user has chosen how it waits."""
    if not PASSIVE_WAITING.keys() & os.environ.keys():
        os.environ.update(PASSIVE_WAITING)


def _main() -> int:
    # closed streams are None, whatever their types say
    sys.stderr = _Stderr(sys.stderr or open(os.devnull, "w"))  # noqa: PTH123, SIM115
    if sys.stdout is None:
        return _report("dbc", "stdout is closed; redirect it to a file or /dev/null", 1)
    if (reconfigure := getattr(sys.stdout, "reconfigure", None)) is not None:
        # an old terminal shows unknown letters by their numbers
        reconfigure(errors="backslashreplace")
    try:
        check_siblings()
    except ImportError as error:
        return _report("dbc", str(error), 1)
    arguments = sys.argv[1:]
    debug = "--debug" in arguments or os.environ.get("DBC_DEBUG", "") not in ("", "0")
    status = run_command([argument for argument in arguments if argument != "--debug"], debug=debug)
    _close_stdout()
    return status


def run_command(arguments: list[str], *, debug: bool = False) -> int:
    """The exit status of `dbc` with these arguments; a failure has printed its one line on stderr."""
    name = "dbc"
    try:
        import typer

        from dbc_cli.app import command_line
        from dbc_cli.commands import all_commands
        from stages.errors import DbcError

        name = _name_of(arguments, all_commands().keys())
    except (KeyboardInterrupt, Terminated) as error:
        return _report_interrupted(name, error)
    try:
        if os.environ.keys() & {"WORLD_SIZE", "RANK"}:
            from stages.processes import require_launcher

            require_launcher()
        _refuse_empty(arguments)
        status = command_line()(arguments, standalone_mode=False, prog_name="dbc")
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        sys.stdout.flush()
        return int(status or 0)
    except typer.TyperException as error:
        from dbc_cli.problems import misuse_of

        message = misuse_of(error, arguments)
        return _report(name, f"{message}; see: {name} --help" if message else "", error.exit_code)
    except DbcError as error:
        from dbc_cli.problems import in_flags

        return _report(name, in_flags(str(error), name), error.exit_code, debug=debug)
    except (KeyboardInterrupt, Terminated, typer.Abort) as error:
        return _report_interrupted(name, error)
    except BrokenPipeError:
        return 1
    except OSError as error:
        return _report_file(name, error, debug=debug)
    except Exception as error:
        return _report_unexpected(name, error, debug=debug)


def _name_of(arguments: list[str], commands: Collection[str]) -> str:
    return f"dbc {arguments[0]}" if arguments and arguments[0] in commands else "dbc"


def _refuse_empty(arguments: list[str]) -> None:
    """Raise UsageError for an empty value, which as a path would be the current folder."""
    from stages.errors import UsageError

    for before, argument in zip(["", *arguments], arguments, strict=False):
        if argument and not (argument.startswith("--") and argument.endswith("=")):
            continue
        flag = argument.removesuffix("=") or (before if before.startswith("--") else "an argument")
        raise UsageError(f"{flag} must not be empty, got ''; leave it out, or give a value")


def _terminate(*_: object) -> None:
    raise Terminated


def _close_stdout() -> None:
    """Flush stdout; if that fails, drop its text, so that Python does not try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        into_nothing(sys.stdout)


def _is_writable(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True


def _comes_from_printing(error: OSError) -> bool:
    """Whether a library that prints raised it. Stderr never fails, so it was stdout, which may take what follows."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    name = "" if place is None else str(place.tb_frame.f_globals.get("__name__"))
    return name.partition(".")[0] in ("rich", "typer", "click")


def _report_interrupted(name: str, error: BaseException) -> int:
    status = TERMINATED if isinstance(error, Terminated) else INTERRUPTED
    ended = "terminated" if status == TERMINATED else "interrupted"
    return _report(name, f"{ended}; finished work is kept, and the same command goes on from there", status)


def _report_unexpected(name: str, error: Exception, *, debug: bool) -> int:
    """Memory may run out, and a value that no parameter takes is misuse; anything else is a fault of the program."""
    from dbc_cli.problems import memory_problem, problem_of

    if (short := memory_problem(error, name)) is not None:
        return _report(name, short, 1, debug=debug)
    misused = problem_of(error)
    if misused is not None:
        return _report(name, misused, 2, debug=debug)
    message = f"unexpected {type(error).__name__}: {error}; run it again with --debug for the traceback"
    return _report(name, message, 1, debug=debug)


def _report_file(name: str, error: OSError, *, debug: bool) -> int:
    """Report an error of the system about a file or, if it names none, about stdout."""
    from errno import ENOMEM

    from dbc_cli.problems import in_flags
    from stages.errors import file_problem

    if error.errno in (None, ENOMEM):
        return _report_unexpected(name, error, debug=debug)
    if error.filename is None and (_comes_from_printing(error) or not _is_writable(sys.stdout)):
        return _report(name, f"stdout cannot be written: {error.strerror}; free space or redirect it", 1, debug=debug)
    return _report(name, in_flags(file_problem(error)), 1, debug=debug)


def _report(name: str, message: str, status: int, *, debug: bool = False) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    if os.environ.get("WORLD_SIZE", "1") != "1":
        name = f"{name} [process {os.environ.get('RANK', '0')}]"
    if message:
        print(f"{name}: {_visible(' '.join(message.split()))}", file=sys.stderr)  # noqa: T201
    return status


def _visible(text: str) -> str:
    """`text` without what would steer a terminal, even if a foreign package called stages is what is to be told."""
    try:
        from stages.escapes import visible
    except ImportError:
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return visible(text)


if __name__ == "__main__":
    main()
