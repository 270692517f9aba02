"""What a stage is trained from."""

from __future__ import annotations

from dataclasses import dataclass

from stages.runs.store import Artifact


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
