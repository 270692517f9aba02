"""Artifacts on disk: Zarr v3 groups that appear whole or not at all. The only package that knows Zarr.

A writer fills a temporary sibling, syncs it, writes the manifest into the root attributes last and renames the directory
into place. A directory without a manifest is no artifact. While it is being written its owner holds a lock on the
temporary directory, which the system drops when the owner dies: that is how the next call tells stale from busy.
"""

from stages.runs.store.artifact import (
    Artifact,
    Rows,
    UnreadableError,
    artifact_versions,
    every_version,
    open_artifact,
    readable_versions,
)
from stages.runs.store.commit import commit
from stages.runs.store.grid import CHUNK_BYTES, SHARD_BYTES, chunk_grid
from stages.runs.store.row_files import RowFiles
from stages.runs.store.share import share, take_again
from stages.runs.store.table import SharedArray
from stages.runs.store.temporary import TEMPORARY_PREFIX, entries, remove_if_empty, remove_stale, temporary_directory
from stages.runs.store.writer import Stream, Writer

__all__ = [
    "CHUNK_BYTES",
    "SHARD_BYTES",
    "TEMPORARY_PREFIX",
    "Artifact",
    "RowFiles",
    "Rows",
    "SharedArray",
    "Stream",
    "UnreadableError",
    "Writer",
    "artifact_versions",
    "chunk_grid",
    "commit",
    "entries",
    "every_version",
    "open_artifact",
    "readable_versions",
    "remove_if_empty",
    "remove_stale",
    "share",
    "take_again",
    "temporary_directory",
]
