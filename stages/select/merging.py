"""What merging alone would have given: the measures of stages that train nothing, on features that stay as they are."""

from __future__ import annotations

import numpy as np

from schemas.parameters import MergeParameters
from stages.merge.jaccard import jaccard_merge_stage
from stages.merge.merging import merge_stage
from stages.merge.result import StageMerges
from stages.merge.schedule import initial_labels, number_of_merges
from stages.select.measures import StageMeasures, measure
from stages.typing import Float32Array, Int32Array, Int64Array


def merging_alone(
    features: Float32Array,
    parameters: MergeParameters,
    *,
    n_stages: int,
    sampling_seed: int,
    camid: Int32Array | None = None,
) -> list[StageMeasures]:
    """The measures of stages 1 to `n_stages`, or to the last that has clusters to merge, of `features` (n_samples, d).

    Each merges as `parameters` say, in which `whiten` and `camera` 'centring' are taken as done to `features` already;
    shared cameras of `camid` (n_samples,), where given, are penalised. `sampling_seed` draws samples where there are many.
    Raises what merging does.
    """
    labels = initial_labels(len(features))
    n_merges = number_of_merges(len(features), parameters.merge_percent)
    measures = []
    for stage in range(1, n_stages + 1):
        if not 0 < n_merges <= int(labels.max(initial=0)):
            break
        merged = _merge(features, labels, n_merges, parameters, camid)
        measures.append(
            measure(
                features,
                merged.labels,
                stage=stage,
                previous=labels,
                criterion=merged.criterion,
                generator=np.random.default_rng(sampling_seed),
            )
        )
        labels = merged.labels
    return measures


def _merge(
    features: Float32Array, labels: Int64Array, n_merges: int, parameters: MergeParameters, camid: Int32Array | None
) -> StageMerges:
    if parameters.metric == "jaccard":
        return jaccard_merge_stage(
            features,
            labels,
            n_merges,
            lambda_=parameters.lambda_,
            update=parameters.update,
            intra_normalizer=parameters.intra_normalizer,
            criterion=parameters.criterion,
            k1=parameters.k1,
            k2=parameters.k2,
            camid=camid,
        )
    return merge_stage(
        features,
        labels,
        n_merges,
        lambda_=parameters.lambda_,
        update=parameters.update,
        metric=parameters.metric,
        intra_normalizer=parameters.intra_normalizer,
        criterion=parameters.criterion,
        camid=camid,
        camera_weight=parameters.camera_weight,
    )
