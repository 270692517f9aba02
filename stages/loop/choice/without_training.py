"""What merging alone would have given: the measures of stages that train nothing, on features that stay as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.parameters import MergeParameters
from stages.loop.choice.choose import choose
from stages.loop.choice.measures import StageMeasures, measure
from stages.loop.choice.rule import nearly
from stages.loop.choice.separation import separation, tells
from stages.merge.by_parameters import merge_as
from stages.merge.schedule import initial_labels, stage_merges
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
                generator=np.random.default_rng(sampling_seed),
                separation=separates,
            )
        )
        labels = merged.labels
    return measures


def harm_of_training(trained: Sequence[StageMeasures], merged: Sequence[StageMeasures]) -> str | None:
    """A line if the best stage of `trained` separates clusters clearly less than the best of merging alone, `merged`.

    By the cluster-silhouette of each under its own features. None if it is as good, or if one is not known.
    """
    found, best = _most_separate(trained), _most_separate(merged)
    if found is None or best is None or found.cluster_silhouette >= nearly(best.cluster_silhouette):
        return None
    return (
        "training has not made clusters more separate than the initial features did: cluster-silhouette "
        f"{found.cluster_silhouette:.3f} at stage {found.stage}, {best.cluster_silhouette:.3f} at stage {best.stage} of "
        "merging alone; the features of stage init may be better"
    )


def _most_separate(measures: Sequence[StageMeasures]) -> StageMeasures | None:
    chosen = choose(measures, rule="cluster-silhouette")
    return next((stage for stage in measures if stage.stage == chosen), None)
