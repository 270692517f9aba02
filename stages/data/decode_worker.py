"""The body of a decoding process: it fills blocks on request until its parent is gone."""

from __future__ import annotations

import json
import mmap
from multiprocessing.connection import Connection

from stages.data.decode_block import Block, BlockShape
from stages.data.image_source import ImageSource, source_from_json


def serve(connection_fd: int, buffer_fd: int) -> None:
    """Answer every request on the connection: JSON {"slot", "paths"}, answered by one byte or by an error's text.

    The first message gives the source of images and the shape of blocks. The end of the connection, which is how the death
    of the parent shows, ends the process; so does a block that nobody waits for any more.
    """
    connection = Connection(connection_fd)
    try:
        setup = json.loads(connection.recv_bytes())
        source, shape = source_from_json(setup["source"]), BlockShape(**setup["shape"])
        shared = mmap.mmap(buffer_fd, 0)
        while True:
            request = json.loads(connection.recv_bytes())
            connection.send_bytes(
                _fill(Block(shape, shared, request["slot"] * shape.n_bytes), source, request["paths"])
            )
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _fill(block: Block, source: ImageSource, paths: list[str]) -> bytes:
    try:
        block.fill(source, paths)
    except Exception as error:
        text = " ".join(f"{type(error).__name__} {error}".split())
        return f"{text} in images {paths[0]!r} to {paths[-1]!r}"[:2000].encode(errors="replace")
    return b"."
