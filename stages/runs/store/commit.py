"""Commit: what was written becomes an artifact, synced to the disk and renamed into place."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from schemas.manifest import ATTRIBUTE, AnyManifest, dump_manifest
from stages.errors import DbcError
from stages.runs.store.artifact import CHECKSUMS, Artifact, artifact_versions, every_version
from stages.runs.store.root import write_root
from stages.runs.store.temporary import rename_new, sync, writing
from stages.runs.store.writer import Writer

SYNC_THREADS = 16
"""Files synced at once: journals commit them together, five times faster than one by one."""


def commit(
    writer: Writer, directory: Path, manifest: AnyManifest, *, after: int | None = None
) -> tuple[Artifact, bool]:
    """Write the manifest, sync and rename to the next free version; the artifact then in place, and whether it is new.

    Where a version has the same content already, the newest such is returned and nothing is added. DbcError where
    `directory` cannot be written, or if another version came after the one numbered `after`, which this one goes on from.
    """
    with writing(directory):
        writer.settle()
        sync_tree(writer.path)
        attributes = {ATTRIBUTE: dump_manifest(manifest)}
        write_root(writer.path, {**attributes, CHECKSUMS: writer.checksums} if writer.checksums else attributes)
        sync(writer.path / "zarr.json")
        sync(writer.path)
    while True:
        versions = artifact_versions(directory)
        same = next((each for each in every_version(directory) if each.manifest.id == manifest.id), None)
        if same is not None:
            return same, False
        version = versions[-1] + 1 if versions else 1
        if after is not None and version != after + 1:
            raise DbcError(
                f"{directory}: v{version - 1} was made while this went on from v{after}, and would be left out; nothing was "
                "written, run the same command again"
            )
        # if another writer takes this name first, the rename fails
        target = directory / f"v{version}.zarr"
        with writing(directory):
            if rename_new(writer.path, target):
                sync(directory)
                return Artifact(target, version, manifest, writer.checksums), True


def sync_tree(path: Path) -> None:
    """Have the system write every file and directory under `path` to the disk now."""
    found = [Path(folder) / name for folder, _, names in os.walk(path) for name in (*names, "")]
    with ThreadPoolExecutor(SYNC_THREADS) as pool:
        list(pool.map(sync, found))
