"""The model before any training, as an artifact of stage `init`: everything trained later descends from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.manifest import Execution, ModelManifest
from schemas.parameters import InitParameters
from schemas.stage_names import INIT_STAGE
from schemas.summaries import ModelSummary
from stages.errors import UsageError
from stages.nn.bag_of_words.descriptor import BAG_OF_WORDS
from stages.nn.initial_bag_of_words import bag_of_words_model, parameters_of
from stages.nn.model.backbones import require_backbone, require_size
from stages.nn.model.network import ReidModel, build_model, load_model_arrays, model_arrays
from stages.nn.model.weights import IMAGENET, WeightsFile, find_weights
from stages.reporting import Reporter
from stages.runs.lineage import parent_of
from stages.runs.making import How, Outcome, Produced, Request, produce
from stages.runs.run_directory import RunDirectory, dataset_manifest, model_manifest
from stages.runs.store import Artifact, Writer


def initial_model(run: RunDirectory, wanted: Mapping[str, Any], *, how: How, reporter: Reporter) -> Outcome:
    """The newest initial model where it is what is `wanted`, else one with the fields of `wanted` over its own.

    `wanted` holds fields of `InitParameters`; `weights` may be the path of a file, which is recorded by name and digest.
    A `seed` alone asks for no new model where there is one. A bag of words is that of the run's dataset. Raises
    UsageError and DbcError as `find_weights` does.
    """
    existing = run.find("model", INIT_STAGE)
    if existing is not None and _describes(wanted, model_manifest(existing).initial) and _of_dataset(run, existing):
        return Outcome("up to date", "model", INIT_STAGE, existing, existing.version, {})
    asked = _asked(existing, wanted)
    if asked.backbone == BAG_OF_WORDS:
        return bag_of_words_model(run, parameters_of(asked, given=wanted), how=how, reporter=reporter)
    require_backbone(asked.backbone)
    weights = find_weights(asked.weights, backbone=asked.backbone, progress=False)
    parameters = asked if weights is None else _named(asked, weights)
    request = Request(
        kind="model",
        stage=INIT_STAGE,
        manifest=ModelManifest,
        parameters=parameters,
        seeds={"initial": parameters.seed},
        extra={"initial": parameters},
    )
    size = _input_size(run, parameters)
    outcome = produce(run, request, lambda writer: _compute(writer, parameters, weights, size=size), how=how)
    if outcome.status == "created":
        reporter.note(f"initial model: {parameters.backbone}, weights {parameters.weights}")
    return outcome


def _describes(wanted: Mapping[str, Any], initial: InitParameters) -> bool:
    return all(name == "seed" or getattr(initial, name) == value for name, value in wanted.items())


def _of_dataset(run: RunDirectory, existing: Artifact) -> bool:
    """Whether a model was made from the run's dataset, or from none."""
    parent = parent_of(existing, "dataset")
    return parent is None or parent.id == run.require("dataset").manifest.id


def _asked(existing: Artifact | None, wanted: Mapping[str, Any]) -> InitParameters:
    """`wanted` over the initial model there is or, for another backbone, over the defaults."""
    begun = InitParameters() if existing is None else model_manifest(existing).initial
    if existing is None or wanted.get("backbone", begun.backbone) != begun.backbone:
        return InitParameters(**wanted)
    if begun.weights_digest and begun.weights != IMAGENET and "weights" not in wanted:
        raise UsageError(f"--weights: none found, wanted the file {begun.weights} again beside the other flags")
    return InitParameters(**{**begun.model_dump(), "weights_digest": "", **wanted})


def require_agreement(artifact: Artifact, wanted: Mapping[str, Any]) -> None:
    """Raise UsageError where `wanted` asks for other initial weights than the model of `artifact` descends from."""
    initial = model_manifest(artifact).initial
    for name, value in wanted.items():
        found = getattr(initial, name)
        agrees = value == found
        if name == "weights" and not agrees:
            file = find_weights(str(value), backbone=initial.backbone)
            agrees = file is not None and file.digest == initial.weights_digest
        if name != "seed" and not agrees:
            raise UsageError(
                f"--{name.replace('_', '-')}: found {value!r}, but this run began with {found!r} and is trained; "
                f"leave it out, or take a new --run"
            )


def open_model(artifact: Artifact, *, dropout: float = 0.0) -> ReidModel:
    """The network of a model artifact, on the CPU, with the weights it holds."""
    initial = model_manifest(artifact).initial
    model = _model(initial, dropout=dropout)
    load_model_arrays(model, {name: artifact.read(name) for name in artifact.names() if _is_weight(name)})
    return model


def _is_weight(name: str) -> bool:
    return name.startswith(("backbone/", "head/"))


def _named(asked: InitParameters, weights: WeightsFile) -> InitParameters:
    return asked.model_copy(update={"weights": weights.name, "weights_digest": weights.digest})


def _input_size(run: RunDirectory, parameters: InitParameters) -> tuple[int, int] | None:
    """(height, width) of the images that the network will see; None where no images say."""
    dataset = run.find("dataset")
    if dataset is None:
        return (parameters.height, parameters.width) if parameters.height and parameters.width else None
    stored = dataset_manifest(dataset).summary
    return parameters.height or stored.height, parameters.width or stored.width


def _model(parameters: InitParameters, *, dropout: float = 0.5, weights: WeightsFile | None = None) -> ReidModel:
    return build_model(
        parameters.backbone,
        embedding_dim=parameters.embedding_dim,
        dropout=dropout,
        seed=parameters.seed,
        weights=weights,
        last_stride=parameters.last_stride,
        pooling=parameters.pooling,
    )


def _compute(
    writer: Writer, parameters: InitParameters, weights: WeightsFile | None, *, size: tuple[int, int] | None
) -> Produced:
    model = _model(parameters, weights=weights)
    if size is not None:
        require_size(model.backbone, name=parameters.backbone, height=size[0], width=size[1])
    for name, array in model_arrays(model).items():
        writer.array(name, array)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    summary = ModelSummary(stage=INIT_STAGE, backbone=parameters.backbone, n_parameters=n_parameters)
    return Produced(summary, Execution(backend="torch", device="cpu"))
