"""The body of a decoding process: it fills blocks on request until its parent is gone."""

from __future__ import annotations

import json
import os
from typing import Any, NoReturn

from stages.ingest.decode.block import Block, ImageSize, fill
from stages.ingest.decode.pixels import ImageSource, source_from_json


def serve(descriptor: int) -> NoReturn:
    """Answer requests on the socket, a line of JSON each, by a line of JSON each, and end the process at their end.

    The first line gives the source of images and their size. A request is a block {"paths", "file", "offset"}; an answer
    is {"bad": [[place, reason], …]}, or {"failed": why}, or {"unwritten": why}. The end of the socket is how the death of
    the parent shows.
    """
    with (
        open(descriptor, "rb", closefd=False) as requests,
        open(descriptor, "wb", buffering=0, closefd=False) as answers,
    ):
        try:
            setup = json.loads(requests.readline())
            source, size = source_from_json(setup["source"]), ImageSize(**setup["size"])
            for line in requests:
                told = json.dumps(_answer(json.loads(line), source, size)).encode() + b"\n"
                while told:
                    told = told[answers.write(told) :]
        except (ConnectionError, json.JSONDecodeError):
            pass  # the parent went away while it was told something, or within a line
    # nothing to tidy up, and nobody left to tell
    os._exit(0)


def _answer(request: dict[str, Any], source: ImageSource, size: ImageSize) -> dict[str, Any]:
    block = Block(tuple(request["paths"]), request["file"], request["offset"])
    try:
        return {"bad": list(fill(block, source, size))}
    except OSError as error:
        return {"unwritten": error.strerror or str(error)}
    except Exception as error:
        text = " ".join(f"{type(error).__name__} {error}".split())
        return {"failed": f"{text} in images {block.paths[0]!r} to {block.paths[-1]!r}"[:2000]}
