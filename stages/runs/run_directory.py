"""A run directory: which artifacts of which stages it holds, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

from schemas.choices import ArtifactKind
from schemas.manifest import (
    AssignmentsManifest,
    ClustersManifest,
    ConstraintsManifest,
    DatasetManifest,
    FeaturesManifest,
    Manifest,
    MetricsManifest,
    ModelManifest,
    Parent,
)
from schemas.stage_names import INIT_STAGE, parse_stage, stage_directory, stage_label
from stages.arguments import path_of
from stages.errors import DbcError, UsageError
from stages.runs.store import Artifact, artifact_versions, entries, open_artifact, remove_if_empty, remove_stale
from stages.typing import Int32Array

M = TypeVar("M", bound=Manifest[Any, Any])

MADE_BY: Mapping[ArtifactKind, str] = {
    "dataset": "dbc ingest",
    "constraints": "dbc merge",
    "features": "dbc extract",
    "clusters": "dbc merge",
    "model": "dbc train",
    "metrics": "dbc eval",
    "assignments": "dbc assign",
}


WITHOUT_STAGE: tuple[ArtifactKind, ...] = ("dataset", "constraints")
"""The kinds that belong to the run and to no stage of it."""


@dataclass(frozen=True, init=False)
class RunDirectory:
    """The artifacts under `root`.

    `chosen` are the versions an earlier step gave, by kind and stage; `pinned` those asked for by kind; others are taken
    newest. In a run of several datasets they are the newest that were made from the dataset taken, and from no other.
    `root` may also be given as text. UsageError if it is a file, or lies in one.
    """

    root: Path
    pinned: Mapping[ArtifactKind, int]
    chosen: Mapping[tuple[ArtifactKind, int], int]

    def __init__(
        self,
        root: Path | str,
        pinned: Mapping[ArtifactKind, int] | None = None,
        chosen: Mapping[tuple[ArtifactKind, int], int] | None = None,
    ) -> None:
        # so that a type checker, too, lets text be given
        object.__setattr__(self, "root", path_of("root", root))
        object.__setattr__(self, "pinned", {} if pinned is None else pinned)
        object.__setattr__(self, "chosen", {} if chosen is None else chosen)
        if taken := next((place for place in (self.root, *self.root.parents) if place.is_file()), None):
            raise UsageError(f"`run` must be a folder, got the file {taken}; give another")

    def choose(self, artifact: Artifact, stage: int) -> RunDirectory:
        """This run, in which exactly `artifact` is found as its kind at `stage`, any for a kind without stages."""
        key = _place(artifact.manifest.kind, stage)
        return replace(self, chosen={**self.chosen, key: artifact.version})

    def directory(self, kind: ArtifactKind, stage: int) -> Path:
        """Where the versions of an artifact are; `stage` is any for a kind without stages. UsageError for an unknown kind."""
        if kind not in MADE_BY:
            raise UsageError(f"unknown `kind` '{kind}': choose one of {', '.join(MADE_BY)}")
        require_stage(stage)
        return self.root / kind if kind in WITHOUT_STAGE else self.root / stage_directory(stage) / kind

    def versions(self, kind: ArtifactKind, stage: int = 0) -> list[int]:
        """The versions there are, ascending."""
        return artifact_versions(self.directory(kind, stage))

    def stages(self, kind: ArtifactKind) -> list[int]:
        """The stages that have an artifact of this kind made from the dataset taken, ascending; `INIT_STAGE` first."""
        dataset = self._one_of_several()
        return [stage for stage in self.all_stages(kind) if self._versions_from(dataset, kind, stage)]

    def all_stages(self, kind: ArtifactKind) -> list[int]:
        """The stages that have an artifact of this kind, from whichever dataset, ascending; `INIT_STAGE` first."""
        names = (entry.name for entry in entries(self.root) if entry.name.startswith("stage-"))
        return sorted(stage for stage in map(_stage_of, names) if stage is not None and self.versions(kind, stage))

    def find(self, kind: ArtifactKind, stage: int = 0) -> Artifact | None:
        """The chosen version, else the pinned, else the newest; None where there is none.

        UsageError where the chosen or pinned one is missing.
        """
        versions = self.versions(kind, stage)
        wanted = self.chosen.get(_place(kind, stage), self.pinned.get(kind))
        if wanted is not None and wanted not in versions:
            found = ", ".join(f"v{version}" for version in versions) or "none"
            raise UsageError(f"{self._name(kind, stage)} v{wanted}: no such version, found {found}")
        if wanted is None and kind != "dataset":
            versions = self._versions_from(self._one_of_several(), kind, stage)
        if not versions:
            return None
        return open_artifact(self.directory(kind, stage), wanted or versions[-1])

    def _one_of_several(self) -> Artifact | None:
        """The dataset that commands take, if there are several or one is pinned, which may not be there; else None."""
        return self.find("dataset") if "dataset" in self.pinned or len(self.versions("dataset")) > 1 else None

    def _versions_from(self, dataset: Artifact | None, kind: ArtifactKind, stage: int) -> list[int]:
        """The versions made from `dataset`, or from none at all; one that cannot be opened is told when it is used.

        Any initial model will do: it says which network the run has. Models trained on a dataset that pictures were added to
        count as well, up to the first stage that was trained on more.
        """
        versions = self.versions(kind, stage)
        if dataset is None or (kind, stage) == ("model", INIT_STAGE):
            return versions
        own = self._made_from({dataset.manifest.id}, kind, stage)
        if own or kind != "model" or not versions:
            return own
        before = self._grown_from(dataset)
        if not before or any(self._made_from({dataset.manifest.id}, "model", each) for each in range(stage)):
            return []
        return self._made_from(before, kind, stage)

    def _grown_from(self, dataset: Artifact) -> set[str]:
        """The ids of the datasets that pictures were added to until there was `dataset`."""
        found: set[str] = set()
        parents = dataset.manifest.parents
        while parents:
            found |= {parent.id for parent in parents}
            parents = tuple(each for parent in parents for each in self.resolve(parent).manifest.parents)
        return found

    def _made_from(self, datasets: set[str], kind: ArtifactKind, stage: int) -> list[int]:
        versions = self.versions(kind, stage)
        return [version for version in versions if self._is_from(datasets, self.directory(kind, stage), version)]

    @staticmethod
    def _is_from(datasets: set[str], directory: Path, version: int) -> bool:
        try:
            parents = open_artifact(directory, version).manifest.parents
        except DbcError:
            return True
        return all(parent.id in datasets for parent in parents if parent.kind == "dataset")

    def require(self, kind: ArtifactKind, stage: int = 0) -> Artifact:
        """As `find`; DbcError with the next step where there is none."""
        artifact = self.find(kind, stage)
        if artifact is None:
            of = "; those there are made from another dataset" if self.versions(kind, stage) else self._others(kind)
            it = "them" if kind.endswith("s") else "it"
            raise DbcError(
                f"{self.root}: no {self._name(kind, stage)} found{of}; make {it} with: {made_by(kind, stage)}"
            )
        return artifact

    def newest_up_to(self, kind: ArtifactKind, stage: int) -> Artifact | None:
        """The artifact of the newest stage not after `stage`; None where there is none."""
        stages = [found for found in self.stages(kind) if found <= stage]
        return self.find(kind, stages[-1]) if stages else None

    def resolve(self, parent: Parent) -> Artifact:
        """The artifact that a manifest names as a parent; DbcError where it is gone or another one."""
        path = self.root / parent.location
        versions = artifact_versions(path.parent)
        # where it was is tried first, but it may have been made again under another number
        for version in sorted(versions, key=lambda version: (path.name != f"v{version}.zarr", -version)):
            artifact = open_artifact(path.parent, version)
            if artifact.manifest.id == parent.id:
                return artifact
        stage = _stage_of(path.parent.parent.name)
        anew = "; or have `dbc run` make what follows anew, and `dbc gc --delete` remove what is left"
        raise DbcError(
            f"{path}: the {parent.kind} {parent.id[:12]} that a later artifact was made from is missing; restore it or make "
            f"it again, with the options that it was made with: {made_by(parent.kind, 0 if stage is None else stage)}"
            f"{'' if parent.kind == 'dataset' else anew}"
        )

    def as_parent(self, artifact: Artifact) -> Parent:
        """How a manifest names `artifact`."""
        return Parent(
            kind=artifact.manifest.kind,
            id=artifact.manifest.id,
            location=artifact.path.relative_to(self.root).as_posix(),
        )

    def sweep(self) -> int:
        """Remove what dead writers left anywhere in the run, and directories with nothing in them; how many leftovers.

        A writer that loses its directory before it has anything in it makes it again.
        """
        stages = [entry for entry in entries(self.root) if entry.name.startswith("stage-")]
        removed = 0
        own = (self.root / kind for kind in WITHOUT_STAGE)
        for folder in (*own, *(stage / kind for stage in stages for kind in MADE_BY)):
            removed += remove_stale(folder)
            remove_if_empty(folder)
        for stage in stages:
            remove_if_empty(stage)
        return removed

    def _others(self, kind: ArtifactKind) -> str:
        stages = [stage_label(stage) for stage in self.stages(kind)]
        return f", only of {', '.join(stages)}" if stages else ""

    @staticmethod
    def _name(kind: ArtifactKind, stage: int) -> str:
        return kind if kind in WITHOUT_STAGE else f"{kind} of stage {stage_label(stage)}"


def require_stage(stage: object, name: str = "stage") -> None:
    """Raise UsageError unless `stage`, the argument `name`, is a whole number."""
    if not isinstance(stage, Integral):
        raise UsageError(f"`{name}` must be a whole number ({INIT_STAGE} is init), got {stage!r}")


def made_by(kind: ArtifactKind, stage: int) -> str:
    """The command that makes an artifact of this kind and stage."""
    if kind in WITHOUT_STAGE:
        return "dbc ingest SOURCE" if kind == "dataset" else "dbc merge"
    # the initial model comes with its features
    command = MADE_BY["features" if kind == "model" and stage == INIT_STAGE else kind]
    # the first merge makes stage 1
    return command if kind == "clusters" and stage < 1 else f"{command} --stage {stage_label(stage)}"


def _place(kind: ArtifactKind, stage: int) -> tuple[ArtifactKind, int]:
    return kind, 0 if kind in WITHOUT_STAGE else stage


def _stage_of(directory_name: str) -> int | None:
    try:
        return parse_stage(directory_name)
    except ValueError:
        return None


def _checked(artifact: Artifact, *, wanted: type[M]) -> M:
    manifest = artifact.manifest
    if not isinstance(manifest, wanted):
        raise DbcError(f"{artifact.path}: found a {manifest.kind} artifact, wanted {wanted.__name__}")
    return manifest


dataset_manifest = partial(_checked, wanted=DatasetManifest)
constraints_manifest = partial(_checked, wanted=ConstraintsManifest)
features_manifest = partial(_checked, wanted=FeaturesManifest)
clusters_manifest = partial(_checked, wanted=ClustersManifest)
model_manifest = partial(_checked, wanted=ModelManifest)
metrics_manifest = partial(_checked, wanted=MetricsManifest)
assignments_manifest = partial(_checked, wanted=AssignmentsManifest)
"""The manifest of an artifact of each kind; DbcError if it is of another."""


def compared_cameras(dataset: Artifact) -> Int32Array:
    """The camera (n_samples) that took each sample, as features are compared by cameras.

    It is `camid` but for samples in a light, grey or coloured, that has a camera of its own (`stages.ingest.light`).
    """
    cameras: Int32Array = dataset.read("compared_camid" if "compared_camid" in dataset.names() else "camid")
    return cameras


def source_boxes(dataset: Artifact) -> Int32Array:
    """Left, top, width and height (n_images, 4), in pixels, of the boxes of the source, without `pad`.

    Datasets that were made before they were kept have those with it.
    """
    boxes: Int32Array = dataset.read("source_box" if "source_box" in dataset.names() else "box")
    return boxes
