"""The train stage: model S from the clusters of stage S and the weights of the stage before."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from schemas.choices import NO_WEIGHTS
from schemas.manifest import ModelManifest
from schemas.parameters import TrainParameters
from schemas.recipes import DEFAULT_RECIPE
from schemas.stage_names import INIT_STAGE, stage_label
from stages.arrays.backend import resolve_torch_device
from stages.arrays.device_memory import stage_memory
from stages.constraints.stage import AskedConstraints, asked_or_default, make_constraints
from stages.errors import DbcError, UsageError
from stages.features.mirror_images import views_known
from stages.nn.initial_agreement import (
    found_initial,
    new_initial,
    require_agreement,
    require_initial,
    tell_of_another_seed,
)
from stages.processes import is_leader
from stages.reporting import Keeping, Reporter
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.descent import older_chain
from stages.runs.lineage import made_from, parent_of, require_same_dataset, tell_of_another_model
from stages.runs.making import Computed, Made, Request, make_artifact, request_key
from stages.runs.next_stage import next_train, numbered, require_call
from stages.runs.run_directory import (
    RunDirectory,
    clusters_manifest,
    constraints_manifest,
    dataset_manifest,
    features_manifest,
    model_manifest,
)
from stages.runs.store import Artifact, Writer
from stages.runs.store.checkpoint import remove_checkpoints
from stages.train.hand_on import hand_on
from stages.train.parents import Parents
from stages.train.recipes import recipe_parameters


def train(
    run: RunDirectory,
    *,
    stage: int | None = None,
    overrides: Mapping[str, Any],
    initial: Mapping[str, Any],
    constraints: AskedConstraints | None = None,
    context: Context = DEFAULT_CONTEXT,
) -> Made:
    """Make the model of `stage` (default: the next), or find it up to date; a killed training resumes.

    `overrides` holds fields of `TrainParameters` that replace the recipe's; `initial` fields of `InitParameters`, for a run
    without a model. `constraints`, by default those of the run, say which samples are one class in stage 0; later ones have
    clusters. Raises UsageError or DbcError if a parent is missing or a value does not fit.
    """
    require_call(run, stage, overrides, Mapping, context)
    require_initial(initial)
    stage = numbered(next_train(run) if stage is None else stage, command="dbc train", first=0)
    if overrides.get("supervised") and stage > 0:
        raise UsageError(f"`supervised=True` trains stage 0, got stage {stage}; give `stage=0`")
    device = context.own_device
    if device != "auto":
        # one that is not there is refused, whatever is up to date
        resolve_torch_device(device)
    dataset = run.require("dataset")
    clusters, warned = run.require("clusters", stage) if stage > 0 else None, Keeping(context.reporter)
    if clusters is not None:
        require_same_dataset(clusters, dataset)
    told = make_constraints(run, dataset, asked_or_default(constraints), context=context) if stage == 0 else None
    if told is not None and told.artifact is None:
        return told
    known = None if told is None else told.artifact
    n_joined = 0 if known is None else constraints_manifest(known).summary.n_joined
    before = _weights_before(run, stage, initial, context)
    if before.artifact is None:
        return before
    parameters = _parameters(stage, overrides, dataset, clusters, before.artifact, n_joined)
    _try_freezing(before, parameters, context)
    _tell_of_older(run, clusters, before.artifact, warned)
    _tell_of_another_training(before.artifact, parameters, context.reporter)
    _tell_of_late(overrides, parameters, context.reporter)
    if before.stage == INIT_STAGE:
        tell_of_another_seed(before.artifact, parameters.seed, context.reporter)
    start = run.require("model", INIT_STAGE) if parameters.restart else before.artifact
    features = _features(run, clusters, parameters)
    if clusters is None:
        used = known if n_joined and not parameters.supervised else None
    else:
        used = made_from(run, clusters, "constraints") if parameters.silhouette_above > -1 else None
    parents = Parents(dataset, start, clusters, features, used)
    request = Request(
        kind="model",
        stage=stage,
        manifest=ModelManifest,
        parameters=parameters,
        parents=parents.all(),
        seeds={"training": parameters.seed},
        extra={"initial": model_manifest(before.artifact).initial},
        notes=tuple(warned.warned),
    )

    directory = run.directory("model", stage)
    compute = partial(
        _compute,
        parents=parents,
        parameters=parameters,
        key=request_key(request),
        directory=directory,
        context=context,
    )
    outcome = make_artifact(run, request, compute, context=context, shared=True)
    if outcome.artifact is not None and is_leader():
        remove_checkpoints(directory, [outcome.artifact.manifest.key])
    return outcome


@stage_memory("lower `batch_size`, or give `amp=True`")
def _compute(
    writer: Writer, *, parents: Parents, parameters: TrainParameters, key: str, directory: Path, context: Context
) -> Computed:
    """The model of `parameters`, written; checkpoints of the request `key` lie in `directory`."""
    if not parameters.epochs:
        return hand_on(writer, parents, stage=parameters.stage)

    # torch takes a second to import, and most commands find all there
    import torch

    from stages.nn.execution import torch_execution
    from stages.train.checkpoints import StageCheckpoints
    from stages.train.compute import compute_model

    device, amp = torch.device(resolve_torch_device(context.own_device)), parameters.amp
    n_processes = writer.processes.size
    checkpoints = StageCheckpoints(
        directory,
        key,
        every=context.checkpoint_every,
        device=device,
        execution=torch_execution(device, amp=amp, compiled=context.compiled, n_processes=n_processes),
    )
    return compute_model(writer, parents, parameters, device=device, checkpoints=checkpoints, context=context)


def _weights_before(run: RunDirectory, stage: int, initial: Mapping[str, Any], context: Context) -> Made:
    """The newest model before `stage`; the initial model is made if there is none."""
    model = run.newest_up_to("model", stage - 1)
    if model is None or model_manifest(model).summary.stage == INIT_STAGE:
        # the features that were merged are of the model there is, and the seed is that of training
        kept = initial if model is None else {name: value for name, value in initial.items() if name != "seed"}
        outcome = found_initial(run, kept) or new_initial(run, initial, context)
    else:
        require_agreement(model, initial)
        found = model_manifest(model).summary.stage
        outcome = Made("up to date", "model", found, model, model.version, {})
    if outcome.stage != stage - 1:
        context.reporter.note(
            f"stage {stage - 1} has no model: starting from that of stage {stage_label(outcome.stage)}"
        )
    return outcome


def _tell_of_older(run: RunDirectory, clusters: Artifact | None, before: Artifact, warned: Keeping) -> None:
    """Warn if clusters or the model `before` are of an older chain, unless the clusters are asked for."""
    parent = None if clusters is None or "clusters" in run.pinned else parent_of(clusters, "features")
    if parent is not None:
        tell_of_another_model(run, run.resolve(parent), warned)
    if not warned.warned and (told := older_chain(run, clusters, before)):
        warned.warn(told)


def _try_freezing(before: Made, parameters: TrainParameters, context: Context) -> None:
    """In a dry run, UsageError if training would freeze a part that the network lacks."""
    if context.dry_run and parameters.epochs and parameters.freeze_through:
        from stages.train.freeze import require_part  # with torch

        require_part(before, parameters.freeze_through)


def _tell_of_another_training(before: Artifact, parameters: TrainParameters, reporter: Reporter) -> None:
    """Notes if the model `before` was trained by another recipe, or with another seed."""
    earlier = model_manifest(before).parameters
    if not isinstance(earlier, TrainParameters):
        return
    if earlier.recipe != parameters.recipe:
        reporter.note(
            f"stage {earlier.stage} was trained with `recipe={earlier.recipe!r}`, this one with "
            f"`recipe={parameters.recipe!r}`; to keep the first, write recipe = '{earlier.recipe}' in the run's config.toml"
        )
    # without epochs nothing is drawn
    if earlier.epochs and parameters.epochs and earlier.seed != parameters.seed:
        reporter.note(
            f"stage {earlier.stage} was trained with `seed={earlier.seed}`, this one with `seed={parameters.seed}`; for "
            f"several seeds, give each a run of its own"
        )


def _tell_of_late(overrides: Mapping[str, Any], parameters: TrainParameters, reporter: Reporter) -> None:
    """What `overrides` put after the last epoch: a note on a decay, a warning if learning rates are still to rise."""
    epochs, decay, warmup = parameters.epochs, overrides.get("decay_after"), parameters.warmup_epochs
    if decay is not None and decay >= epochs > 0:
        reporter.note(f"`decay_after={decay}` has no effect on a stage of `epochs={epochs}`")
    if warmup > epochs > 0:
        reporter.warn(
            f"`warmup_epochs={warmup:g}` is more than `epochs={epochs}`: learning rates rise to {epochs / warmup:.0%} of "
            "what was asked for; give fewer"
        )


def _parameters(
    stage: int,
    overrides: Mapping[str, Any],
    dataset: Artifact,
    clusters: Artifact | None,
    before: Artifact,
    n_joined: int,
) -> TrainParameters:
    summary = dataset_manifest(dataset).summary
    n_samples = summary.n_train
    if not n_samples:
        raise DbcError(f"{dataset.path} has no train samples; ingest data with a train split of at least 2")
    return recipe_parameters(
        stage,
        n_samples=n_samples,
        n_clusters=n_samples - n_joined if clusters is None else clusters_manifest(clusters).summary.n_clusters,
        recipe=overrides.get("recipe", DEFAULT_RECIPE),
        random_weights=model_manifest(before).initial.weights == NO_WEIGHTS,
        backbone=model_manifest(before).initial.backbone,
        pooling=model_manifest(before).initial.pooling,
        is_video=summary.n_images > summary.n_samples,
        views_known=views_known(dataset),
        overrides={name: value for name, value in overrides.items() if name != "recipe"},
    )


def _features(run: RunDirectory, clusters: Artifact | None, parameters: TrainParameters) -> Artifact | None:
    """The features that training starts from, for the look-up table or to whiten: those of the clusters, or a pinned one."""
    parent = None if clusters is None else parent_of(clusters, "features")
    needless = parameters.memory_init == "zeros" and not parameters.whiten and parameters.silhouette_above == -1
    if parent is None or needless or parameters.epochs == 0:
        return None
    features = run.resolve(parent)
    if "features" in run.pinned:
        return run.require("features", features_manifest(features).summary.stage)
    return features
