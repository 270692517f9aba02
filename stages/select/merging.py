"""What merging alone would have given: the measures of stages that train nothing, on features that stay as they are."""

from __future__ import annotations

import numpy as np

from schemas.parameters import MergeParameters
from stages.merge.parametrised import merge_as
from stages.merge.schedule import initial_labels, number_of_merges
from stages.select.measures import StageMeasures, measure
from stages.typing import Float32Array, Int32Array


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
        merged = merge_as(parameters, features, labels, n_merges, camid=camid)
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
