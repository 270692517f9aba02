"""What tells the images of a dataset apart, and where they lie: kept hidden beside it, so that more can be added."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.runs.store import Artifact
from stages.runs.store.checkpoint import keep, read_checkpoint


@dataclass(frozen=True)
class KeptSource:
    """The `root` that paths of a dataset start from, and the digest of each image (n_images), as `digest_images` gives it.

    `beside` is where the root is if it was moved together with the run, if that was kept.
    """

    root: Path
    digests: tuple[str, ...]
    beside: tuple[Path, ...] = ()


def keep_source(dataset: Artifact, source: KeptSource) -> None:
    """Keep `source` beside `dataset`; nothing is said if the run cannot be written, for it is only needed to add to it."""
    if read_source(dataset) is None:
        text = np.frombuffer("\n".join(source.digests).encode(), dtype=np.uint8)
        root, folder = source.root.absolute(), dataset.path.parent
        from_run = os.path.relpath(root, folder.absolute())
        about = {"holds": "digests of the source", "root": str(root), "from_run": from_run}
        keep(folder, _key(dataset), {"digests": text}, about=about)


def read_source(dataset: Artifact) -> KeptSource | None:
    """The source kept beside `dataset`; None if there is none or it is damaged."""
    kept = read_checkpoint(dataset.path.parent, _key(dataset))
    if kept is None:
        return None
    digests = tuple(kept.arrays["digests"].tobytes().decode().split("\n"))
    from_run = kept.about.get("from_run")
    beside = () if from_run is None else (Path(os.path.normpath(dataset.path.parent.absolute() / from_run)),)
    return KeptSource(Path(kept.about["root"]), digests, beside)


def _key(dataset: Artifact) -> str:
    return hashlib.sha256(f"source of {dataset.manifest.id}".encode()).hexdigest()


def file_digests(paths: Sequence[str], digests: Sequence[str]) -> dict[str, str]:
    """The digest of the file at each path."""
    return {path: digest_of_file(digest) for path, digest in zip(paths, digests, strict=True)}


def digest_of_file(digest: str) -> str:
    """The digest of the file that an image is in; its own also tells its box and frame."""
    return digest.partition(" ")[0]
