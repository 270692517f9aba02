"""The extract stage: features of every sample of every split under the model of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.manifest import SCHEMA_VERSIONS, FeaturesManifest
from schemas.parameters import ExtractParameters
from schemas.stage_names import INIT_STAGE, stage_label
from stages.arrays.backend import resolve_torch_device
from stages.arrays.device_memory import stage_memory
from stages.features.extracted_alike import warn_of_unlike_before
from stages.features.mirror_images import mirrored
from stages.nn.host_memory import keep_large_blocks
from stages.nn.initial_agreement import WEIGHTS, found_initial, new_initial, require_agreement, tell_of_another_seed
from stages.reporting import Keeping
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.descent import older_chain
from stages.runs.lineage import made_from, parent_of
from stages.runs.making import Computed, Made, Request, make_artifact
from stages.runs.next_stage import newest_trained, require_call
from stages.runs.run_directory import RunDirectory, features_manifest, model_manifest
from stages.runs.store import Artifact, Writer


def extract(
    run: RunDirectory,
    *,
    stage: int | None = None,
    parameters: ExtractParameters,
    initial: Mapping[str, Any],
    context: Context = DEFAULT_CONTEXT,
) -> Made:
    """Make the features of `stage` (default: the newest with a model, `init` before any), or find them up to date.

    `initial` holds fields of `InitParameters` for a run without a model. With `flip` 'auto' a feature is averaged with that
    of the mirror image unless views are known. Processes started by torchrun share the samples.
    Raises UsageError if `initial` disagrees with a trained model, DbcError if dataset or model is missing.
    """
    require_call(run, stage, parameters, ExtractParameters, context)
    keep_large_blocks()
    device = context.own_device
    if device != "auto":
        # one that is not there is refused, whatever is up to date
        resolve_torch_device(device)
    dataset, warned = run.require("dataset"), Keeping(context.reporter)
    stage = newest_trained(run) if stage is None else stage
    if stage == INIT_STAGE:
        made = found_initial(run, initial) or new_initial(run, initial, context)
        if made.artifact is None:
            return made
        model = made.artifact if "model" not in run.pinned else run.require("model", stage)
    else:
        model = run.require("model", stage)
        require_agreement(model, initial)
        if told := older_chain(run, model):
            warned.warn(told)
    tell_of_another_seed(model, initial.get("seed", model_manifest(model).initial.seed), context.reporter)
    is_flipped = mirrored(parameters.flip, dataset)
    if parameters.flip == "auto" and not is_flipped and stage == INIT_STAGE:
        context.reporter.note(
            "the views of pictures are known, and mirror images show another one, so they have no part in features or training"
        )
    parameters = parameters.model_copy(update={"flip": is_flipped})
    request = Request(
        kind="features",
        stage=stage,
        manifest=FeaturesManifest,
        parameters=parameters,
        parents=(dataset, model),
        notes=tuple(warned.warned),
    )

    @stage_memory("lower `batch_size`, or give `amp=True`")
    def compute(writer: Writer) -> Computed:
        same = None if context.force else _same_weights(run, request)
        if same is not None:
            return _copy(writer, same, stage=stage)
        # torch takes a second to import, and most commands find all there
        import torch

        from stages.extract.compute import StageExtraction, compute_added, compute_all

        own = torch.device(resolve_torch_device(device))
        work = StageExtraction(dataset, model, stage, parameters, own, context.compiled)
        before = None if context.force else _before_adding(run, request)
        if before is not None and writer.processes.size == 1:
            return compute_added(writer, work, *before, reporter=context.reporter)
        return compute_all(writer, work, None if before is None else before[1], reporter=context.reporter)

    outcome = make_artifact(run, request, compute, context=context, shared=True)
    if outcome.artifact is not None:
        warn_of_unlike_before(run, outcome.artifact, context.reporter)
    return outcome


def _same_weights(run: RunDirectory, request: Request) -> Artifact | None:
    """Features of an earlier stage from the same dataset, parameters and weights; None if there are none.

    A stage without training steps keeps its weights, so its features are those of the stage before.
    """
    dataset, model = request.parents
    for stage in run.stages("features"):
        found = run.find("features", stage) if stage < request.stage else None
        parents = {} if found is None else {parent.kind: parent for parent in found.manifest.parents}
        if found is None or parents["dataset"].id != dataset.manifest.id:
            continue
        if _is_as_asked(found, request) and _weights(run.resolve(parents["model"])) == _weights(model):
            return found
    return None


def _before_adding(run: RunDirectory, request: Request) -> tuple[Artifact, Artifact] | None:
    """The dataset that pictures were added to, and its features by the same model and parameters; None if there are none."""
    dataset, model = request.parents
    before = made_from(run, dataset, "dataset")
    if before is None:
        return None
    found = RunDirectory(run.root).choose(before, request.stage).find("features", request.stage)
    if found is None or not _is_as_asked(found, request):
        return None
    by = parent_of(found, "model")
    return (before, found) if by is not None and by.id == model.manifest.id else None


def _is_as_asked(found: Artifact, request: Request) -> bool:
    """Whether the features `found` are by the parameters asked for, and have the arrays of this release."""
    manifest = features_manifest(found)
    return manifest.parameters == request.parameters and manifest.schema_version == SCHEMA_VERSIONS["features"]


def _weights(model: Artifact) -> dict[str, str]:
    arrays = model.manifest.arrays
    return {name: record.sha256 for name, record in arrays.items() if name.startswith(WEIGHTS)}


def _copy(writer: Writer, same: Artifact, *, stage: int) -> Computed:
    writer.take(same, same.names())
    manifest = features_manifest(same)
    note = f"the weights are those of stage {stage_label(manifest.summary.stage)}; its features are used"
    summary = manifest.summary.model_copy(update={"stage": stage})
    return Computed(summary, manifest.execution, notes=(note,))
