"""Which train samples are of one encounter, as far as its name says that it is known."""

from __future__ import annotations

import numpy as np

from stages.ingest.formats.names import may_be_missing
from stages.runs.store import Artifact
from stages.samples import TRAIN, UNKNOWN
from stages.typing import BoolArray, Int32Array


def train_encounters(dataset: Artifact) -> Int32Array:
    """The encounter (n_train) of each train sample, `UNKNOWN` if it has none or a doubtful one."""
    is_train = dataset.read("split") == TRAIN
    if "encounter" not in dataset.names():
        return np.full(int(is_train.sum()), UNKNOWN, dtype=np.int32)
    found: Int32Array = np.where(doubtful_encounters(dataset), UNKNOWN, dataset.read("encounter"))[is_train]
    return found


def doubtful_encounters(dataset: Artifact) -> BoolArray:
    """(n_samples) whose encounter has a name such as `-` or `unknown`, which says that it is not known."""
    names = dataset.read("encounter_name").tolist() if "encounter_name" in dataset.names() else []
    doubtful = {name for name in set(names) if may_be_missing(name)}
    return np.array([name in doubtful for name in names] or np.zeros(len(dataset.read("split"))), dtype=np.bool_)
