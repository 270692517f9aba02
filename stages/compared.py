"""The train features as a merge compares them: those extracted, centred by camera or whitened where it was asked to."""

from __future__ import annotations

from schemas.parameters import MergeParameters
from stages.cameras import centred_by_camera
from stages.data.samples import TRAIN
from stages.errors import DbcError
from stages.store import Artifact
from stages.typing import Float32Array
from stages.whitening import fit_whitening, whitened


def compared_features(features: Artifact, dataset: Artifact, parameters: MergeParameters) -> Float32Array:
    """The train features (n_train, d) float32 that a merge by `parameters` compares, in dataset order.

    Camera ids are read for `camera` 'centring' alone, identities never. Raises DbcError where the features are of other
    samples than the dataset, or it has no train samples, and what centring and whitening raise.
    """
    is_train = dataset.read("split") == TRAIN
    pooled = features.read("pooled")
    if len(pooled) != len(is_train):
        raise DbcError(
            f"{features.path}: pooled of {len(pooled)} rows, wanted {len(is_train)}, one a sample of {dataset.path}; "
            "extract them again"
        )
    rows: Float32Array = pooled[is_train]
    if not len(rows):
        raise DbcError(f"{dataset.path}: no train samples found, wanted at least 2; ingest data with a train split")
    if parameters.camera == "centring":
        rows = centred_by_camera(rows, dataset.read("camid")[is_train])
    if parameters.whiten:
        rows = whitened(rows, fit_whitening(rows, ridge=parameters.whiten))
    return rows
