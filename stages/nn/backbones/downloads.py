"""Published files in torch's own cache: downloaded with a time-out, checked by the hash in their names."""

from __future__ import annotations

import hashlib
import re
import urllib.request
from pathlib import Path

import torch

from stages.errors import DbcError
from stages.nn.backbones.weights import file_digest
from stages.reporting import Reporter
from stages.wording import first_line

TIME_OUT = 20.0
"""Seconds without an answer after which a download fails."""
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.")
_CHUNK = 1 << 20


def cached_download(url: str, *, reporter: Reporter) -> Path:
    """The file of `url` in torch's cache, downloaded if it is missing; its SHA-256 begins as its name says.

    Raises DbcError if the download fails, or if the cached file is damaged.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        _download(url, path, reporter)
    elif not _is_whole(path.name, file_digest(path)):
        raise DbcError(
            f"weights imagenet: {path} is damaged (its SHA-256 is not the one in its name); remove it and run the same "
            f"command again, which downloads it"
        )
    return path


def _download(url: str, path: Path, reporter: Reporter) -> None:
    """Put the file of `url` at `path`, complete or not at all."""
    part = path.with_name(f"{path.name}.part")
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=TIME_OUT) as answer, part.open("wb") as file:  # noqa: S310
            total = int(answer.headers.get("Content-Length") or 0)
            with reporter.task(f"download {path.name}", total=total >> 20, unit="MiB") as advance:
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    digest.update(chunk)
                    advance(1, "")
        if not _is_whole(path.name, digest.hexdigest()):
            raise OSError("it arrived damaged")
        part.replace(path)
    except OSError as error:
        reason = first_line(error)
        raise DbcError(
            f"weights imagenet: {path.name} could not be downloaded ({reason}); download it elsewhere from {url} and give "
            f"its path as `weights`, or start from random weights with `weights='none'`"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _is_whole(name: str, digest: str) -> bool:
    """Whether the SHA-256 begins with the hash in `name`; True if the name has none."""
    found = _HASH_IN_NAME.search(name)
    return found is None or digest.startswith(found.group(1))
