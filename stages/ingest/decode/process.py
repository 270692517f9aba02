"""One decoding process, seen from its parent: started, asked, heard, and ended."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.errors import DbcError
from stages.ingest.decode.block import Block, ImageSize
from stages.ingest.decode.pixels import ImageSource

# A fresh interpreter that runs this and nothing else: unlike multiprocessing's, it never imports the caller's main
# module, which may hold torch or lack a guard, and it holds no handle that would outlive the parent.
_WORKER = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from stages.ingest.decode.worker import serve; serve(int(sys.argv[2]))"
)
_PACKAGES = str(Path(__file__).parents[3])
_RECEIVED_BYTES = 1 << 16


class DecodeProcess:
    """A decoding process and the socket to it. DbcError, on one line, where it turns out to be dead."""

    def __init__(self) -> None:
        self._asked: deque[Block] = deque()
        self._received = b""
        self.socket, theirs = socket.socketpair()
        with theirs:
            # -P: a json.py may lie in the working folder; -S: site would take a third of the start, and all that it could
            # add is in the path by now
            path = json.dumps([_PACKAGES, *sys.path])
            command = [sys.executable, "-P", "-S", "-c", _WORKER, path, str(theirs.fileno())]
            environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            # Ctrl-C reaches the whole terminal; blocked here, it is blocked in the child, which the parent ends
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                self._process = subprocess.Popen(  # noqa: S603
                    command,
                    pass_fds=(theirs.fileno(),),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def set_up(self, source: ImageSource, size: ImageSize) -> None:
        """Say where images come from and what size they are given."""
        self._send({"source": source.to_json(), "size": size._asdict()})

    def ask(self, block: Block) -> None:
        """Have `block` filled after all that was asked before."""
        self._asked.append(block)
        self._send({"paths": block.paths, "file": block.file, "offset": block.offset})

    def answers(self) -> list[dict[str, Any]]:
        """The answers that have come since the last call, in the order asked; waits until something comes."""
        try:
            received = self.socket.recv(_RECEIVED_BYTES)
        except OSError as error:
            raise self._death() from error
        if not received:
            raise self._death()
        *lines, self._received = (self._received + received).split(b"\n")
        for _ in lines:
            self._asked.popleft()
        return [json.loads(line) for line in lines]

    def kill(self) -> None:
        """Have it end now."""
        self._process.kill()

    def close(self) -> None:
        """Wait for its end and forget it."""
        self._process.wait()
        self.socket.close()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self.socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise self._death() from error

    def _death(self) -> DbcError:
        status = self._process.wait()
        end = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        at = f" while decoding {self._asked[0].paths[0]!r} to {self._asked[0].paths[-1]!r}" if self._asked else ""
        return DbcError(f"a decoding process {end}{at}; free memory or use fewer worker processes, then try again")


def wait_for_any(processes: Iterable[DecodeProcess]) -> list[DecodeProcess]:
    """Those of `processes`, at least one, that have said something or are dead; waits until there is one."""
    with selectors.DefaultSelector() as selector:
        for process in processes:
            selector.register(process.socket, selectors.EVENT_READ, process)
        return [key.data for key, _ in selector.select()]
