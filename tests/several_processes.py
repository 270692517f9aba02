"""Several processes that share the work of a command, forked by one that has imported everything: torch is imported once."""

from __future__ import annotations

import importlib
import os
import socket
import sys
from collections.abc import Callable

from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from dbc_cli.__main__ import main, run_command

IMPORTED_LATE = (
    "dbc_cli.commands.extract",
    "dbc_cli.commands.merge",
    "dbc_cli.commands.run",
    "dbc_cli.commands.train",
    "stages.extract.compute",
    "stages.loop.run_stages",
    "stages.merge.merge_stage",
    "stages.train.compute",
    "torch._dynamo",
)


def as_torchrun(n_processes: int, work: Callable[..., None], *arguments: object) -> None:
    """`work(*arguments)` in each of `n_processes`, which torchrun's agent forks and looks after."""
    import_all()
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=n_processes,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        max_restarts=0,
        start_method="fork",
        monitor_interval=0.1,
    )
    elastic_launch(config, work)(*arguments)


def unattended(n_processes: int, arguments: list[str]) -> None:
    """`dbc` in processes that find each other as torchrun's do, and that nobody looks after: ids first, then how they end."""
    import_all()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "WORLD_SIZE": n_processes,
        "LOCAL_WORLD_SIZE": n_processes,
    }
    children = []
    for rank in range(n_processes):
        if (child := os.fork()) == 0:
            os.environ |= {name: str(value) for name, value in (found | {"RANK": rank, "LOCAL_RANK": rank}).items()}
            # what it prints is not asked for
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os._exit(run_command(arguments))
        children.append(child)
    print(*children, flush=True)  # noqa: T201
    print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))  # noqa: T201


def import_all() -> None:
    """Import what the processes need, before they are forked."""
    for name in IMPORTED_LATE:
        importlib.import_module(name)


def command(arguments: list[str]) -> None:
    """`dbc` as a shell starts it: what ends the process is dbc's to tell, not torchrun's, from which it was forked."""
    sys.argv[1:] = arguments
    main()


if __name__ == "__main__":
    how, n, *words = sys.argv[1:]
    if how == "torchrun":
        as_torchrun(int(n), command, words)
    else:
        unattended(int(n), words)
