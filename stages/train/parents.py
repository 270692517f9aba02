"""What a stage is trained from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.constraints.stage import read_constraints
from stages.runs.store import Artifact
from stages.typing import Int64Array


@dataclass(frozen=True)
class Parents:
    """The artifacts a stage is trained from; `clusters` is None at stage 0, `features` if no centroids are needed.

    `constraints` are those of stage 0 if they say that samples are the same individual, or those that clusters were made with
    if doubtful samples are left out.
    """

    dataset: Artifact
    model: Artifact
    clusters: Artifact | None
    features: Artifact | None
    constraints: Artifact | None = None

    def all(self) -> tuple[Artifact, ...]:
        """The artifacts that are not None."""
        candidates = (self.dataset, self.model, self.clusters, self.features, self.constraints)
        return tuple(artifact for artifact in candidates if artifact is not None)

    def known_classes(self, n_samples: int) -> Int64Array:
        """A class (n_samples,) of each sample, one for all that `constraints` call the same; in order of their first."""
        if self.constraints is None:
            return np.arange(n_samples)

        # partitions come with numba, which takes half a second to import
        from stages.arrays.partition import connected, relabel

        return relabel(connected(n_samples, read_constraints(self.constraints).same))
