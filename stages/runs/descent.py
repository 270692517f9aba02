"""Which stages follow from what a run has now, and which are left from another network, other parameters or other training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from schemas.choices import ArtifactKind
from schemas.manifest import FeaturesManifest, ModelManifest, Parent
from schemas.stage_names import INIT_STAGE, stage_label
from stages.errors import DbcError
from stages.reporting import SILENT, Reporter
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact


def stages_now(run: RunDirectory, kind: ArtifactKind) -> list[int]:
    """The stages of `kind` whose newest artifact follows from what the run has now, ascending.

    It does if all features and models that it was made from, however long ago, are those that commands take of their stages
    now. Clusters may be others, since answers correct them and one stage may be merged anew; and so may be features of another
    dataset, before pictures were added. If versions are pinned, these are all stages.
    """
    found = run.stages(kind)
    if not found or set(run.pinned) - {"dataset"} or any(place[0] != "dataset" for place in run.chosen):
        return found
    try:
        dataset = run.require("dataset")
    except DbcError:
        # what cannot be read is told when it is used
        return found
    descent = _Descent(run, dataset)
    return [stage for stage in found if descent.is_of_now(kind, stage)]


def clusters_now(run: RunDirectory, reporter: Reporter = SILENT) -> list[int]:
    """`stages_now` of clusters, or all if none would be left; a warning names those that do not follow."""
    found = run.stages("clusters")
    own = stages_now(run, "clusters") if len(found) > 1 else found
    others = [stage for stage in found if stage not in own]
    if not others:
        return found
    if not own:
        reporter.warn(
            f"{_named(others)} follow from other models or features than those that the stages before have now; "
            "`dbc run` makes all anew"
        )
        return found
    follows = "follows" if len(others) == 1 else "follow"
    reporter.warn(
        f"{_named(others)} {follows} from other models or features than the stages before have now, and "
        f"{'is' if len(others) == 1 else 'are'} left out; `stage` takes one all the same"
    )
    return own


def _named(stages: Sequence[int]) -> str:
    names = [stage_label(stage) for stage in stages]
    return f"stage {names[0]}" if len(names) == 1 else f"stages {', '.join(names[:-1])} and {names[-1]}"


class _Descent:
    """What artifacts were made from, held against what the run has now; each is looked at once."""

    def __init__(self, run: RunDirectory, dataset: Artifact) -> None:
        self._run = run
        self._dataset = dataset.manifest.id
        self._has_others = len(run.versions("dataset")) > 1
        self._newest = cache(self._find)
        self._counts = cache(self._is_own)

    def is_of_now(self, kind: ArtifactKind, stage: int) -> bool:
        newest = self._newest(kind, stage)
        return newest is None or self._follows(newest)

    def _find(self, kind: ArtifactKind, stage: int) -> Artifact | None:
        """The artifact that commands take; None if it cannot be opened, which is told when it is used."""
        try:
            return self._run.find(kind, stage)
        except DbcError:
            return None

    def _follows(self, artifact: Artifact) -> bool:
        """Whether all that `artifact` was made from is of now."""
        return all(self._counts(parent) for parent in artifact.manifest.parents)

    def _is_own(self, parent: Parent) -> bool:
        if parent.kind in ("dataset", "constraints"):
            return True
        try:
            artifact = self._run.resolve(parent)
        except DbcError:
            return True
        return self._is_taken(artifact) and self._follows(artifact)

    def _is_taken(self, artifact: Artifact) -> bool:
        """Whether commands take `artifact` of its stage, if it matters which they take."""
        manifest = artifact.manifest
        if not isinstance(manifest, FeaturesManifest | ModelManifest):
            return True
        stage, datasets = manifest.summary.stage, [each.id for each in manifest.parents if each.kind == "dataset"]
        if isinstance(manifest, ModelManifest):
            # of several datasets each may have begun with another network
            is_free = stage == INIT_STAGE and self._has_others
        else:
            is_free = bool(datasets) and self._dataset not in datasets
        newest = self._newest(manifest.kind, stage)
        return is_free or (newest is not None and newest.manifest.id == manifest.id)
