"""Which stages follow from what a run has now, and which are left from another network, other parameters or other training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from schemas.choices import ArtifactKind
from schemas.manifest import ClustersManifest, FeaturesManifest, ModelManifest, Parent
from schemas.stage_names import INIT_STAGE, parse_stage, stage_label
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
    descent = _descent(run) if found else None
    return found if descent is None else [stage for stage in found if descent.is_of_now(kind, stage)]


def _descent(run: RunDirectory, *, counts_clusters: bool = False) -> _Descent | None:
    if set(run.pinned) - {"dataset"} or any(place[0] != "dataset" for place in run.chosen):
        return None
    try:
        return _Descent(run, run.require("dataset"), counts_clusters=counts_clusters)
    except DbcError:
        # what cannot be read is told when it is used
        return None


def clusters_now(run: RunDirectory, reporter: Reporter = SILENT) -> list[int]:
    """`stages_now` of clusters, or all if none would be left; a warning names those that do not follow."""
    found = run.stages("clusters")
    own = stages_now(run, "clusters") if len(found) > 1 else found
    others = [stage for stage in found if stage not in own]
    if not others:
        return found
    if not own:
        reporter.warn(
            f"{named_stages(others)} follow from other models or features than those that the stages before have now; "
            "`dbc run` makes all anew"
        )
        return found
    follows = "follows" if len(others) == 1 else "follow"
    reporter.warn(
        f"{named_stages(others)} {follows} from other models or features than the stages before have now, and "
        f"{'is' if len(others) == 1 else 'are'} left out; `stage` takes one all the same"
    )
    return own


def metrics_now(run: RunDirectory, reporter: Reporter = SILENT) -> list[int]:
    """As `clusters_now`, of metrics."""
    found, own = run.stages("metrics"), stages_now(run, "metrics")
    others = [stage for stage in found if stage not in own]
    if others:
        left_out = ", and are left out" if own else ""
        reporter.warn(
            f"the figures of {named_stages(others)} are of other models or features than the run has now{left_out}; "
            "`dbc run` makes all anew"
        )
    return own or found


def older_chain(run: RunDirectory, *artifacts: Artifact | None) -> str | None:
    """A line if one of `artifacts` follows from another model, other features or clusters than commands take now.

    None if answers corrected those clusters, if versions are pinned, or if it is the model of features of the same stage.
    """
    descent = _descent(run, counts_clusters=True)
    told = (None if descent is None or each is None else _told_of(descent, each) for each in artifacts)
    return next(filter(None, told), None)


def _told_of(descent: _Descent, artifact: Artifact) -> str | None:
    strange = descent.strange(artifact)
    if strange is None:
        return None
    (own, of), (kind, stage) = _place(artifact), _place(strange)
    newest = descent.newest(kind, stage)
    if newest is None or (own, of, kind) == ("features", stage, "model"):
        return None
    what, after = "another model" if kind == "model" else f"other {kind}", stage_label(stage)
    follow, then = "follow", f"the stages after {after} are to be made anew"
    if own == "model":
        follow, then = "follows", f"dbc train --stage {of} makes that of these" if stage == of else then
    return (
        f"the {own} of stage {stage_label(of)} (v{artifact.version}) {follow} from {what} of stage {after} than "
        f"v{newest.version}; {then}"
    )


def _place(artifact: Artifact) -> tuple[ArtifactKind, int]:
    return artifact.manifest.kind, parse_stage(artifact.path.parent.parent.name)


def named_stages(stages: Sequence[int]) -> str:
    """Stages as a sentence names them: `stages init, 0 and 1`."""
    names = [stage_label(stage) for stage in stages]
    return f"stage {names[0]}" if len(names) == 1 else f"stages {', '.join(names[:-1])} and {names[-1]}"


class _Descent:
    """What artifacts were made from, held against what the run has now; each is looked at once."""

    def __init__(self, run: RunDirectory, dataset: Artifact, *, counts_clusters: bool) -> None:
        self._run = run
        self._dataset = dataset.manifest.id
        self._counts_clusters = counts_clusters
        self._has_others = len(run.versions("dataset")) > 1
        self._unreadable: set[tuple[ArtifactKind, int]] = set()
        self.newest = cache(self._find)
        self._strange_of = cache(self._of_parent)

    def is_of_now(self, kind: ArtifactKind, stage: int) -> bool:
        newest = self.newest(kind, stage)
        return newest is None or self.strange(newest) is None

    def strange(self, artifact: Artifact) -> Artifact | None:
        """The first of all that `artifact` was made from that is not of now; None if all is."""
        found = map(self._strange_of, artifact.manifest.parents)
        return next((each for each in found if each is not None), None)

    def _find(self, kind: ArtifactKind, stage: int) -> Artifact | None:
        """The artifact that commands take; None if it cannot be opened, which is told when it is used."""
        try:
            return self._run.find(kind, stage)
        except DbcError:
            self._unreadable.add((kind, stage))
            return None

    def _of_parent(self, parent: Parent) -> Artifact | None:
        if parent.kind in ("dataset", "constraints"):
            return None
        try:
            artifact = self._run.resolve(parent)
        except DbcError:
            return None
        before = self.strange(artifact)
        return artifact if before is None and not self._is_taken(artifact) else before

    def _is_taken(self, artifact: Artifact) -> bool:
        """Whether commands take `artifact` of its stage, if it matters which they take."""
        manifest = artifact.manifest
        if not isinstance(manifest, FeaturesManifest | ModelManifest | ClustersManifest):
            return True
        if isinstance(manifest, ClustersManifest) and not self._counts_clusters:
            return True
        stage, datasets = manifest.summary.stage, [each.id for each in manifest.parents if each.kind == "dataset"]
        if isinstance(manifest, ModelManifest):
            # of several datasets each may have begun with another network
            is_free = stage == INIT_STAGE and self._has_others
        else:
            is_free = bool(datasets) and self._dataset not in datasets
        newest = self.newest(manifest.kind, stage)
        if newest is None or is_free:
            return is_free or (manifest.kind, stage) in self._unreadable
        is_corrected = isinstance(newest.manifest, ClustersManifest) and newest.manifest.parameters.start == "reviewed"
        return is_corrected or newest.manifest.id == manifest.id
