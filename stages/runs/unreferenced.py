"""Versions that nothing refers to: which they are, what they take, and their removal."""

from __future__ import annotations

import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from stages.errors import DbcError
from stages.runs.lineage import parent_of
from stages.runs.listing import artifacts_of
from stages.runs.run_directory import RunDirectory
from stages.runs.store import TEMPORARY_PREFIX, Artifact
from stages.runs.store.checkpoint import kept, remove_kept
from stages.runs.store.temporary import is_written_in, remove_stale, writing

WHITENING = "whitening"
"""What is kept beside features says that it holds this."""
CALIBRATION = "calibration"
"""What is kept beside clusters says that it holds this."""


def unreferenced(run: RunDirectory) -> list[Artifact]:
    """The artifacts of `run` that commands do not read by default and that no kept artifact was made from.

    Kept are, for every dataset, the newest version of each kind and stage made from it, the newest dataset, and all that
    these were made from. DbcError if an artifact cannot be read, because what it refers to is not known.
    """
    artifacts = artifacts_of(run)
    newest: dict[tuple[str, str, str], Artifact] = {}
    for artifact in artifacts:
        dataset = parent_of(artifact, "dataset")
        place = (artifact.path.parent.as_posix(), artifact.manifest.kind, "" if dataset is None else dataset.id)
        # versions come in ascending order
        newest[place] = artifact
    by_id: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        by_id.setdefault(artifact.manifest.id, []).append(artifact)
    needed, waiting = set(), list(newest.values())
    while waiting:
        artifact = waiting.pop()
        if artifact.path not in needed:
            needed.add(artifact.path)
            for parent in artifact.manifest.parents:
                # of versions with the same content, that which a reader finds
                found = by_id.get(parent.id, [])
                waiting += [each for each in found if each.path == run.root / parent.location] or found[-1:]
    return [artifact for artifact in artifacts if artifact.path not in needed]


def features_folders(root: Path) -> list[Path]:
    """The folders of the run at `root` that hold features, of which there is one a stage."""
    return sorted(root.glob("stage-*/features"))


def kept_whitenings(root: Path) -> list[Path]:
    """The folders with whitenings beside the features of the run at `root`, which only save the time to fit them again."""
    return [path for place in features_folders(root) for path in kept(place, holds=WHITENING)]


def kept_calibrations(root: Path) -> list[Path]:
    """The folders with calibrations beside the clusters of the run at `root`, which only save the time to learn them again."""
    return [path for place in sorted(root.glob("stage-*/clusters")) for path in kept(place, holds=CALIBRATION)]


def remove_whitenings(root: Path, *, but: Path | None = None) -> None:
    """Remove what `kept_whitenings` finds, without what is in the folder `but`."""
    remove_kept(path for path in kept_whitenings(root) if path.parent != but)


def bytes_in(folders: Sequence[Path]) -> int:
    """The bytes of all files below `folders`."""
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def own_bytes(artifact: Artifact) -> int:
    """The bytes that removing `artifact` frees: those of files that no other artifact shares by a hard link."""
    return freed_bytes([artifact])[0]


def freed_bytes(artifacts: Sequence[Artifact]) -> list[int]:
    """The bytes that the removal of each of `artifacts` frees, in their order: the last link of a file frees it."""
    links: Counter[tuple[int, int]] = Counter()
    freed = []
    for artifact in artifacts:
        n_bytes = 0
        for path in artifact.path.rglob("*"):
            if path.is_file():
                found = path.stat()
                file = (found.st_dev, found.st_ino)
                links[file] += 1
                n_bytes += found.st_size if links[file] == found.st_nlink else 0
        freed.append(n_bytes)
    return freed


def bytes_of_earlier_datasets(run: RunDirectory, removed: Sequence[Artifact]) -> dict[str, int]:
    """Bytes by kind of all artifacts made from earlier datasets than the newest, without `removed`."""
    newest, gone = run.find("dataset"), {artifact.path for artifact in removed}
    by_kind: dict[str, list[Artifact]] = {}
    for artifact in artifacts_of(run):
        dataset = parent_of(artifact, "dataset")
        is_kept = artifact.manifest.kind != "dataset" and artifact.path not in gone
        if is_kept and dataset is not None and newest is not None and dataset.id != newest.manifest.id:
            by_kind.setdefault(artifact.manifest.kind, []).append(artifact)
    found = {kind: sum(freed_bytes(artifacts)) for kind, artifacts in by_kind.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def remove(artifact: Artifact) -> None:
    """Remove `artifact`; it is gone at once, or not at all. DbcError if its folder or a file of it cannot be changed."""
    doomed = artifact.path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
    with writing(artifact.path.parent):
        try:
            artifact.path.rename(doomed)
        except FileNotFoundError as error:
            raise DbcError(f"{artifact.path} is gone; run the command again") from error
        shutil.rmtree(doomed)


def written_now(run: RunDirectory) -> Path | None:
    """A folder of `run` in which an artifact is being written, by whatever program; None if there is none."""
    folders = sorted({path.parent for path in run.root.glob(f"*/{TEMPORARY_PREFIX}*")})
    folders += sorted({path.parent for path in run.root.glob(f"stage-*/*/{TEMPORARY_PREFIX}*")})
    return next((folder for folder in folders if is_written_in(folder)), None)


def remove_leftovers(run: RunDirectory) -> None:
    """Remove what processes that were killed left beside the artifacts of `run`, whitenings and calibrations.

    DbcError if one of the latter cannot be removed.
    """
    for directory in sorted({artifact.path.parent for artifact in artifacts_of(run)}):
        remove_stale(directory)
    remove_kept([*kept_whitenings(run.root), *kept_calibrations(run.root)], must_go=True)
