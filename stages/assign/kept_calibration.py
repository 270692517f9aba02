"""What clusters say of known and new samples, learnt once and kept beside them, for the pictures of every later day."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields

from stages.assign.calibration import Calibration, calibrate
from stages.features.comparison import Comparison
from stages.features.prepared import train_rows
from stages.runs.context import Context
from stages.runs.run_directory import clusters_manifest, compared_cameras
from stages.runs.store import Artifact
from stages.runs.store.checkpoint import keep, kept, read_checkpoint, remove_kept
from stages.runs.store.digests import json_digest
from stages.runs.unreferenced import CALIBRATION
from stages.samples import TRAIN
from stages.typing import Float32Array, Int64Array

_VERSION = 1
"""Of how samples are compared and asked: what another version kept is learnt again."""


def calibration_of(
    clusters: Artifact,
    features: Artifact,
    dataset: Artifact,
    compared: Comparison,
    *,
    view: Int64Array | None = None,
    context: Context,
) -> Calibration:
    """What `clusters` of the `features` of a `dataset`, as they are `compared`, say of evidence: read if it was learnt before.

    It is kept under the ids of all three and the `view` (n,) of each sample, by which only those of one are compared; a later
    dataset may know other views. A new one takes the place of that before, of whatever clusters of the stage. What is damaged
    is learnt again, as all is if the run cannot be written. Raises what `calibrate` does, and MemoryLimitError.
    """
    views = None if view is None else hashlib.sha256(view.tobytes()).hexdigest()
    ids = {artifact.manifest.kind: artifact.manifest.id for artifact in (clusters, features, dataset)}
    key, directory = json_digest({"version": _VERSION, "calibration": ids, "views": views}), clusters.path.parent
    earlier = read_checkpoint(directory, key)
    found = {} if earlier is None else json.loads(earlier.about["calibration"])
    if found.keys() == {field.name for field in fields(Calibration)}:
        return Calibration(**found)
    calibration = _learnt(clusters, features, dataset, compared, view, context)
    # of clusters, features or views that were replaced, or of another version
    remove_kept(kept(directory, holds=CALIBRATION))
    keep(directory, key, {}, about={"holds": CALIBRATION, "calibration": json.dumps(asdict(calibration))})
    return calibration


def _learnt(
    clusters: Artifact,
    features: Artifact,
    dataset: Artifact,
    compared: Comparison,
    view: Int64Array | None,
    context: Context,
) -> Calibration:
    is_train, ridge = dataset.read("split") == TRAIN, clusters_manifest(clusters).parameters.whiten
    rows, camid = train_rows(features, dataset, is_train), compared_cameras(dataset)[is_train]
    compared.require_room_to_fit(rows, memory_limit=context.memory_limit)

    def held_out(there: Int64Array, asked: Int64Array) -> tuple[Float32Array, Float32Array]:
        return compared.held_out(rows, camid, there, asked, ridge=ridge)

    encounter = dataset.read("encounter")[is_train] if "encounter" in dataset.names() else None
    fit_work = compared.n_maps * float(rows.shape[1]) ** 3
    labels = clusters.read("labels")
    return calibrate(held_out, labels, encounter, view=view, fit_work=fit_work, reporter=context.reporter)
