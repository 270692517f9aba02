"""What merging alone would have given: the measures of stages that train nothing, on features that stay as they are."""

from __future__ import annotations

import numpy as np

from schemas.parameters import MergeParameters
from stages.loop.choice.measures import StageMeasures, measure
from stages.loop.choice.separation import separation, tells
from stages.merge.by_parameters import merge_as
from stages.merge.schedule import initial_labels, newest_merges, stage_merges
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
    separates = float("nan")
    if tells(parameters):
        separates = separation(features, parameters, sampling_seed=sampling_seed, camid=camid)
    measures = []
    for stage in range(1, n_stages + 1):
        start = labels if parameters.start == "previous" else initial_labels(len(features))
        n_merges = stage_merges(len(features), parameters.merge_percent, stage=stage, start=parameters.start)
        if not 0 < n_merges <= int(start.max(initial=0)):
            break
        merged = merge_as(parameters, features, start, n_merges, camid=camid)
        measures.append(
            measure(
                features,
                merged.labels,
                stage=stage,
                previous=labels,
                criterion=newest_merges(merged.criterion, len(features), parameters.merge_percent),
                generator=np.random.default_rng(sampling_seed),
                separation=separates,
            )
        )
        labels = merged.labels
    return measures
