"""Which artifacts belong together: what was made from what, and where a chain is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from schemas.choices import ArtifactKind
from schemas.manifest import Parent
from schemas.stage_names import INIT_STAGE, stage_label
from stages.errors import DbcError
from stages.reporting import Reporter
from stages.runs.descent import older_chain
from stages.runs.run_directory import (
    RunDirectory,
    assignments_manifest,
    clusters_manifest,
    dataset_manifest,
    features_manifest,
    made_by,
    model_manifest,
)
from stages.runs.source_names import samples_are
from stages.runs.store import Artifact, every_version, share


def parent_of(artifact: Artifact, kind: ArtifactKind) -> Parent | None:
    """The parent of this kind, None where there is none."""
    return next((parent for parent in artifact.manifest.parents if parent.kind == kind), None)


def made_from(run: RunDirectory, artifact: Artifact, kind: ArtifactKind) -> Artifact | None:
    """The artifact of this kind that `artifact` was made from, None where there is none; DbcError where it is gone."""
    parent = parent_of(artifact, kind)
    return None if parent is None else run.resolve(parent)


def grown_from(run: RunDirectory, dataset: Artifact) -> Artifact | None:
    """The dataset that pictures were added to, which made `dataset`; None where there is none, or it is gone."""
    try:
        return made_from(run, dataset, "dataset")
    except DbcError:
        return None


def dataset_chain(run: RunDirectory, dataset: Artifact | None) -> Iterator[Artifact]:
    """`dataset`, that which pictures were added to, and so on; none if it is None. DbcError if one of them is gone."""
    while dataset is not None:
        yield dataset
        dataset = made_from(run, dataset, "dataset")


def metrics_of(run: RunDirectory, clusters: Artifact, stage: int) -> Artifact | None:
    """The newest metrics of `stage` that were measured on `clusters`; None if there are none."""
    for metrics in every_version(run.directory("metrics", stage)):
        measured = parent_of(metrics, "clusters")
        if measured is not None and measured.id == clusters.manifest.id:
            return metrics
    return None


def dataset_of(run: RunDirectory, artifact: Artifact) -> Artifact:
    """The dataset that an artifact was made from; DbcError where it is gone."""
    dataset = made_from(run, artifact, "dataset")
    if dataset is None:
        raise DbcError(f"{artifact.path}: no dataset among its parents, wanted one; make it again")
    return dataset


def before_review(run: RunDirectory, stage: int) -> Artifact:
    """The clusters of `stage` as they were before answers corrected them; DbcError if there are none."""
    clusters = run.require("clusters", stage)
    is_corrected = clusters_manifest(clusters).parameters.start == "reviewed"
    return (made_from(run, clusters, "clusters") if is_corrected else None) or clusters


def newest_features(run: RunDirectory, stage: int, reporter: Reporter) -> Artifact:
    """The features of `stage` or, where it was never extracted, the newest before, and a note that says so.

    If it has clusters of the features of an earlier stage, these or the newest before them. A warning, if a later stage was
    trained and not extracted.
    """
    has_others = stage in run.stages("clusters") and stage not in run.stages("features")
    merged = clusters_manifest(run.require("clusters", stage)) if has_others else None
    features = run.newest_up_to("features", stage if merged is None else merged.summary.features_stage)
    if features is None:
        model = run.newest_up_to("model", stage)
        made = made_by("features", INIT_STAGE if model is None else model_manifest(model).summary.stage)
        # pictures may have been added, and that may have been stopped there
        there = (run.directory("features", each) for each in range(INIT_STAGE, stage + 1))
        others = any(any(folder.glob("v*.zarr")) for folder in there)
        of = f" of dataset v{run.require('dataset').version}" if others else ""
        only = ", only those of another dataset" if others else ""
        raise DbcError(
            f"{run.root}: no features up to stage {stage_label(stage)}{of} found{only}; make them with: {made}"
        )
    found = features_manifest(features).summary.stage
    is_meant = (
        merged is not None
        and (merged.parameters.ends_run or merged.parameters.start == "reviewed")
        and found == merged.summary.features_stage
    )
    if found != stage and not is_meant:
        taken = f"taking those of stage {stage_label(found)} (v{features.version})"
        forgotten = _trained_without_features(run, found, stage)
        if forgotten is not None and "features" not in run.pinned:
            reporter.warn(
                f"stage {forgotten} was trained and has no features: {taken}; dbc extract --stage {forgotten} makes its own"
            )
        else:
            reporter.note(f"stage {stage_label(stage)} has no features: {taken}")
    if "features" not in run.pinned:
        tell_of_another_model(run, features, reporter)
    return features


def _trained_without_features(run: RunDirectory, after: int, last: int) -> int | None:
    """The newest stage `after` one, up to the `last`, whose model has new weights and no features; None if there is none."""
    extracted = run.stages("features")
    for stage in reversed([stage for stage in run.stages("model") if after < stage <= last and stage not in extracted]):
        if model_manifest(run.require("model", stage)).summary.n_steps:
            return stage
    return None


def tell_of_another_model(run: RunDirectory, features: Artifact, reporter: Reporter) -> None:
    """Warn if `features` come from another model than the one that commands take of their stage."""
    parent, stage = parent_of(features, "model"), features_manifest(features).summary.stage
    model = run.find("model", stage)
    if parent is not None and model is not None and model.manifest.id != parent.id:
        reporter.warn(
            f"the features of stage {stage_label(stage)} (v{features.version}) come from another model than v{model.version} "
            f"of that stage; dbc extract --stage {stage_label(stage)} makes those of this one"
        )


def share_dataset(source: RunDirectory, target: RunDirectory) -> RunDirectory:
    """`target`, which now holds the dataset of `source` after those that pictures were added to, and has it chosen."""
    for dataset in reversed([*dataset_chain(source, source.require("dataset"))]):
        target = target.choose(share(dataset, target.directory("dataset", 0)), 0)
    return target


def require_same_dataset(clusters: Artifact, dataset: Artifact) -> None:
    """Raise DbcError where clusters are those of another dataset."""
    parent = parent_of(clusters, "dataset")
    if parent is None or parent.id != dataset.manifest.id:
        found = "none" if parent is None else parent.id[:12]
        raise DbcError(
            f"{clusters.path}: made from dataset {found}, wanted {dataset.manifest.id[:12]}; merge again from stage 1, "
            f"or take a new --run for new data"
        )


def features_and_dataset(
    run: RunDirectory, stage: int, clusters: Artifact | None, reporter: Reporter
) -> tuple[Artifact, Artifact]:
    """The `newest_features` of `stage` and their dataset; DbcError where `clusters`, if any, are those of another.

    A warning, if they or the clusters follow from other models or clusters than the run has now.
    """
    features = newest_features(run, stage, reporter)
    dataset = dataset_of(run, features)
    if clusters is not None:
        require_same_dataset(clusters, dataset)
    if not broken_chain(run, features, clusters) and (told := older_chain(run, features, clusters)):
        reporter.warn(told)
    return features, dataset


def tell_of_chain(run: RunDirectory, features: Artifact, clusters: Artifact | None, reporter: Reporter) -> None:
    """Warn if `features` and `clusters` are a `broken_chain`, or one of them is of an `older_chain`."""
    broken = broken_chain(run, features, clusters)
    told = broken[0] if broken else older_chain(run, features, clusters)
    if told is not None:
        reporter.warn(told)


def broken_chain(run: RunDirectory, features: Artifact, clusters: Artifact | None) -> tuple[str, ...]:
    """A line where `features` come from a model that was trained on other clusters of that stage than `clusters`."""
    model = None if clusters is None else made_from(run, features, "model")
    if clusters is None or model is None:
        return ()
    trained_on, stage = parent_of(model, "clusters"), clusters_manifest(clusters).summary.stage
    if model_manifest(model).summary.stage != stage or trained_on is None or trained_on.id == clusters.manifest.id:
        return ()
    return (
        f"the features of stage {features_manifest(features).summary.stage} (v{features.version}) come from a model "
        f"trained on other clusters than v{clusters.version} of stage {stage}",
    )


def with_clusters(run: RunDirectory, tell: Callable[[str], None] | None = None) -> RunDirectory:
    """The run with the dataset that its newest clusters are of: the newest, or that which pictures were added to.

    If it is not the newest, `tell` is told. `run` itself if no such dataset has clusters.
    """
    newest = run.find("dataset")
    for dataset in dataset_chain(run, newest):
        # what was chosen may be made from another dataset
        grown = RunDirectory(run.root, run.pinned).choose(dataset, INIT_STAGE)
        if grown.stages("clusters"):
            if dataset is newest:
                return run
            if tell is not None and (told := told_unclustered(run, dataset)):
                tell(told)
            return grown
    return run


def newest_assignments(run: RunDirectory) -> Artifact | None:
    """The assignments of the run's newest samples that were made last, of any stage; None if there are none."""
    found = [run.require("assignments", stage) for stage in run.stages("assignments")]
    return max(found, key=lambda each: each.manifest.created, default=None)


def are_assigned(run: RunDirectory) -> bool:
    """Whether the run's newest samples were last assigned to the clusters that commands take of that stage now."""
    assigned = newest_assignments(run)
    to = None if assigned is None else parent_of(assigned, "clusters")
    if assigned is None or to is None:
        return False
    clusters = with_clusters(run).find("clusters", assignments_manifest(assigned).summary.stage)
    return clusters is not None and clusters.manifest.id == to.id


def told_unclustered(run: RunDirectory, dataset: Artifact) -> str | None:
    """A line about train samples of the run's dataset that are not in `dataset`, which clusters are of; None for none."""
    newest = run.require("dataset")
    n_added = dataset_manifest(newest).summary.n_train - dataset_manifest(dataset).summary.n_train
    if n_added <= 0:
        return None
    what = f"{samples_are(newest)} that were added after these clusters were made are left out here: {n_added}"
    if not are_assigned(run):
        return f"{what}; dbc assign gives them a cluster, dbc run or dbc merge --n-clusters auto takes them in"
    return f"{what}; dbc export clusters lists them as assigned, dbc run or dbc merge --n-clusters auto takes them in"
