"""EUG (Wu et al., CVPR 2018): one labelled sample an identity, and ever more of the others by their nearest labelled one."""

from __future__ import annotations

import numpy as np

from stages.merge.clustering import Task
from stages.merge.known import nearest_known, require_labels
from stages.typing import Float32Array, Int64Array

TRAINS_ON_LABELLED = True


def cluster(task: Task) -> Int64Array:
    """Labels (n,) of the known samples and of the most confident others; −1 for samples that the stage leaves out."""
    return estimated_labels(
        task.features, require_labels(task, "eug"), stage=task.stage, enlarging=task.parameters.merge_percent
    )


def estimated_labels(features: Float32Array, known: Int64Array, *, stage: int, enlarging: float) -> Int64Array:
    """Labels (n,) int64: `known` (n,; −1 where unknown), in which some unknown samples get that of their nearest known one.

    Of the U unknown samples, the ⌊U · stage · enlarging⌋ nearest to a known one get its label: eq. (4) and (6), with the
    stage counted from 1. The choice is made afresh at every stage, from all unknown samples. `features` (n, d) are
    L2-normalised; equal distances go by index.
    """
    labels = known.copy()
    unknown = np.flatnonzero(known < 0)
    # a share such as 0.1 is no binary fraction: 3 stages of 0.1 are 0.3, not a little more
    n_chosen = min(len(unknown), int(round(len(unknown) * stage * enlarging, 9)))
    nearest, distance = nearest_known(features, known)
    chosen = unknown[np.argsort(distance[unknown], kind="stable")[:n_chosen]]
    labels[chosen] = known[nearest[chosen]]
    return labels
