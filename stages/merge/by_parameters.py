"""A merge by its parameters: by features or by neighbours, with their options."""

from __future__ import annotations

from functools import partial

from schemas.parameters import MergeParameters
from stages.arrays.backend import Backend
from stages.merge.jaccard.merge_stage import jaccard_merge_stage
from stages.merge.merge_stage import Progress, merge_stage
from stages.merge.result import StageMerges
from stages.merge.selection.links import PairConstraints
from stages.processes import Processes
from stages.typing import Array, Int32Array, Int64Array


def merge_as(
    parameters: MergeParameters,
    features: Array,
    labels: Int64Array,
    n_merges: int,
    *,
    camid: Int32Array | None,
    camera_weight: float | None = None,
    memory_limit: int | None = None,
    progress: Progress | None = None,
    processes: Processes | None = None,
    backend: Backend | None = None,
    constraints: PairConstraints | None = None,
) -> StageMerges:
    """The result of `merge_stage` or, for `metric='jaccard'`, `jaccard_merge_stage` by `parameters`; raises what they raise.

    `features` (n, d) are whitened and centred already, if `parameters` say so. Shared cameras are penalised if `camid`
    (n,) is given, with `camera_weight` or, if it is None, that of `parameters`. `backend` says where the work is done, if not
    where the features are.
    """
    weight = parameters.camera_weight if camera_weight is None else camera_weight
    if parameters.metric == "jaccard":
        by_metric = partial(jaccard_merge_stage, k1=parameters.k1, k2=parameters.k2)
        features = features if backend is None else backend.asarray(features)
    else:
        by_metric = partial(merge_stage, metric=parameters.metric, camera_weight=weight, backend=backend)
    return by_metric(
        features,
        labels,
        n_merges,
        lambda_=parameters.lambda_,
        update=parameters.update,
        intra_normalizer=parameters.intra_normalizer,
        criterion=parameters.criterion,
        memory_limit=memory_limit,
        progress=progress,
        processes=processes,
        camid=camid,
        constraints=constraints,
    )
