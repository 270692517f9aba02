"""Which clusters were made last, and whether they end a run."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.manifest import ClustersManifest
from stages.errors import DbcError
from stages.runs.descent import clusters_now
from stages.runs.lineage import before_review
from stages.runs.run_directory import RunDirectory, clusters_manifest


def ending_stage(run: RunDirectory) -> int | None:
    """The stage of the clusters that were made last, if they end the run, as the features or a person ask, or correct such.

    None if not, and if they cannot be read: `dbc status` tells that with the artifacts.
    """
    try:
        merged = clusters_now(run)
        stage = made_last(run, merged).summary.stage if merged else None
        return stage if stage is not None and clusters_manifest(before_review(run, stage)).parameters.ends_run else None
    except DbcError:
        return None


def made_last(run: RunDirectory, merged: Sequence[int]) -> ClustersManifest:
    """The manifest of the clusters that were made last, of those of the stages `merged`."""
    manifests = [clusters_manifest(run.require("clusters", stage)) for stage in merged]
    return max(manifests, key=lambda manifest: (manifest.created, manifest.summary.stage))
