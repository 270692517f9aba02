"""The command `dbc`: thin commands over the stages."""

from __future__ import annotations

# imported by `main` before Ctrl-C can be caught, so this alone
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

SIBLINGS = ("stages", "schemas")


def check_siblings() -> None:
    """Raise ImportError, in one line, if another package of the same name hides one of ours.

    `stages` and `schemas` are names that other projects use too; whichever comes first on the path wins.
    """
    # imported here, so that Ctrl-C in the first moments meets `main`
    from importlib.util import find_spec
    from pathlib import Path

    home = Path(__file__).resolve().parent.parent
    for name in SIBLINGS:
        spec = find_spec(name)
        found = Path(spec.origin).resolve().parent if spec is not None and spec.origin else None
        if found != home / name:
            raise ImportError(
                f"package '{name}' must be that of dbc-reid beside dbc_cli, got {found or 'none'}: "
                f"install dbc-reid in an environment of its own, and do not run it from a folder that has '{name}/'"
            )


def into_nothing(stream: TextIO) -> None:
    """Drop the buffered text of `stream`, and everything written to it later."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    stream.flush()
