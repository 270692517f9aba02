"""The model before any training, as an artifact of stage `init`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from schemas.choices import IMAGENET, SEVERAL_LAYERS
from schemas.manifest import Execution, ModelManifest
from schemas.parameters import InitParameters
from schemas.stage_names import INIT_STAGE
from schemas.summaries import ModelSummary
from stages.errors import UsageError
from stages.nn.backbones.provider import Provider
from stages.nn.backbones.register import pooling_of_auto, provider_of
from stages.nn.backbones.weights import WeightsFile, backbone_of, first_three
from stages.nn.backbones.weights_content import pooling_of
from stages.nn.execution import own_modes
from stages.nn.initial_agreement import AUTO, WEIGHTS, describes, found_initial
from stages.nn.model.network import ReidModel, build_model, load_model_arrays, model_arrays
from stages.nn.seeded import Undrawn
from stages.reporting import Reporter
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.making import Computed, Made, Request, make_artifact
from stages.runs.run_directory import RunDirectory, dataset_manifest, model_manifest
from stages.runs.store import Artifact, Writer
from stages.samples import TRAIN

_SEEN = {"layers": "layers", "parts": "layers and parts of the picture"}
"""What features of these poolings are of, to tell."""


def initial_model(run: RunDirectory, overrides: Mapping[str, Any], *, context: Context = DEFAULT_CONTEXT) -> Made:
    """The newest initial model if it agrees with `overrides`, else a new one with these fields replaced.

    `overrides` holds fields of `InitParameters`; `weights` may be the path of a file, recorded by name and digest. Another
    `seed` alone draws a head for the weights that the newest has, so no file of weights is read or downloaded again. A
    backbone that learns from images depends on the run's dataset. Raises UsageError for values that do not fit the backbone,
    DbcError if weights cannot be loaded.
    """
    found = found_initial(run, overrides)
    if found is not None:
        return found
    whose = backbone_of(overrides.get("weights", IMAGENET))
    overrides = overrides if whose is None else {"backbone": whose, **overrides}
    existing = run.find("model", INIT_STAGE)
    same = _same_but_for_seed(existing, overrides)
    weights, told = None, ""
    if same is not None:
        parameters = model_manifest(same).initial.model_copy(update={"seed": overrides["seed"]})
        provider = provider_of(parameters.backbone)
    else:
        parameters = _with_overrides(existing, overrides)
        provider = provider_of(parameters.backbone)
        parameters = provider.completed(parameters, given=overrides)
        if context.dry_run and existing is None and provider.downloads(parameters.weights):
            # a dry run downloads nothing
            return Made("would create", "model", INIT_STAGE, None, None, parameters.model_dump(mode="json"))
        weights = provider.find_weights(parameters.weights, backbone=parameters.backbone, reporter=context.reporter)
        parameters = provider.with_weights(parameters, weights)
        parameters, told = _with_pooling(parameters, weights, existing)
    request = Request(
        kind="model",
        stage=INIT_STAGE,
        manifest=ModelManifest,
        parameters=parameters,
        parents=(run.require("dataset"),) if provider.learns_from_images else (),
        seeds={"initial": parameters.seed},
        extra={"initial": parameters},
    )
    outcome = make_artifact(
        run,
        request,
        lambda writer: _compute(writer, provider, run, parameters, weights or same, context.reporter),
        context=context,
    )
    if outcome.status == "created" and not provider.learns_from_images:
        size = f", images of {parameters.height}×{parameters.width}" if parameters.height and parameters.width else ""
        of = "" if whose is None else f" of {overrides['weights']}"
        context.reporter.note(f"initial model: {parameters.backbone}, weights {parameters.weights}{of}{size}{told}")
    return outcome


def _same_but_for_seed(existing: Artifact | None, overrides: Mapping[str, Any]) -> Artifact | None:
    """The `existing` model if it has weights from a file, and `overrides` ask for nothing else than another seed."""
    if existing is None or "seed" not in overrides:
        return None
    initial = model_manifest(existing).initial
    # a file of that name may hold other weights now
    is_named = "weights" in overrides and initial.weights != IMAGENET
    if not initial.weights_digest or is_named or not describes({**overrides, "seed": initial.seed}, initial):
        return None
    return existing


def _with_pooling(
    parameters: InitParameters, weights: WeightsFile | None, existing: Artifact | None
) -> tuple[InitParameters, str]:
    """`parameters` with `AUTO` decided, and what to tell of it.

    It stays as it is in the `existing` model if that is of the same network and weights; else it is decided by these, and
    several layers that our own `weights` were trained with stay.
    """
    if parameters.pooling != AUTO:
        return parameters, ""
    before = None if existing is None else model_manifest(existing).initial
    source = ("backbone", "weights_digest") if parameters.weights_digest else ("backbone", "weights")
    if before is not None and all(getattr(before, name) == getattr(parameters, name) for name in source):
        return parameters.model_copy(update={"pooling": before.pooling}), ""
    trained_with = None if weights is None else pooling_of(weights.path)
    if trained_with in SEVERAL_LAYERS:
        told = f", features of several {_SEEN[trained_with]}, as these weights were trained with"
        return parameters.model_copy(update={"pooling": trained_with}), told
    pooling = pooling_of_auto(parameters)
    if pooling == "avg":
        return parameters.model_copy(update={"pooling": "avg"}), ""
    return parameters.model_copy(update={"pooling": pooling}), f", features of several {_SEEN[pooling]}"


def _with_overrides(existing: Artifact | None, overrides: Mapping[str, Any]) -> InitParameters:
    """The existing initial model's parameters or, for another backbone, the defaults, with `overrides`."""
    before = InitParameters() if existing is None else model_manifest(existing).initial
    if existing is None or overrides.get("backbone", before.backbone) != before.backbone:
        return InitParameters(**overrides)
    if before.weights_digest and before.weights != IMAGENET and "weights" not in overrides:
        raise UsageError(f"`weights` is missing; give the file {before.weights} again with the other values")
    return InitParameters(**{**before.model_dump(), "weights_digest": "", **overrides})


@own_modes()
def open_model(artifact: Artifact, *, dropout: float = 0.0) -> ReidModel:
    """The network of a model artifact with its weights, on the CPU."""
    initial = model_manifest(artifact).initial
    with Undrawn():
        model = build_model(initial, dropout=dropout)
    load_model_arrays(model, {name: artifact.read(name) for name in artifact.names() if name.startswith(WEIGHTS)})
    return model


def _input_size(run: RunDirectory, parameters: InitParameters) -> tuple[int, int] | None:
    """(height, width) of the network's input; None if neither parameters nor a dataset give it."""
    dataset = run.find("dataset")
    if dataset is None:
        return (parameters.height, parameters.width) if parameters.height and parameters.width else None
    stored = dataset_manifest(dataset).summary
    return parameters.height or stored.height, parameters.width or stored.width


@own_modes()
def _compute(
    writer: Writer,
    provider: Provider,
    run: RunDirectory,
    parameters: InitParameters,
    weights: WeightsFile | Artifact | None,
    reporter: Reporter,
) -> Computed:
    model = build_model(parameters)
    left_out: tuple[str, ...] = ()
    if isinstance(weights, Artifact):
        backbone = {name: weights.read(name) for name in weights.names() if name.startswith("backbone/")}
        load_model_arrays(model, {**model_arrays(model), **backbone})
    elif weights is not None:
        left_out = provider.load(model.backbone, weights, backbone=parameters.backbone, reporter=reporter)
    if left_out:
        reporter.note(f"weights {parameters.weights}: {len(left_out)} arrays are not used ({first_three(left_out)})")
    arrays = model_arrays(model)
    execution = Execution(backend="torch", device="cpu")
    size = _input_size(run, parameters)
    if provider.learns_from_images:
        dataset = run.require("dataset")
        frames = np.flatnonzero(np.repeat(dataset.read("split") == TRAIN, np.diff(dataset.read("frame_start"))))
        learned = provider.learned(dataset.rows("images"), frames, parameters, reporter)
        arrays |= {f"backbone/{name}": array for name, array in learned.items()}
        execution = Execution(backend=f"torch {torch.__version__}", device="cpu", threads=torch.get_num_threads())
    elif size is not None:
        provider.require_size(model.backbone, name=parameters.backbone, height=size[0], width=size[1])
    for name, array in arrays.items():
        writer.array(name, array)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    summary = ModelSummary(stage=INIT_STAGE, backbone=parameters.backbone, n_parameters=n_parameters)
    return Computed(summary, execution)
