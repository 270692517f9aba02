"""Methods that learn from another, labelled set: dictionaries, restyled pictures, and attributes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from schemas.choices import SEVERAL_LAYERS
from schemas.manifest import Execution, FeaturesManifest, ModelManifest
from schemas.parameters import EvaluateParameters, ExtractParameters, IngestParameters, InitParameters, TrainParameters
from schemas.stage_names import INIT_STAGE
from schemas.summaries import MetricsSummary
from stages.arrays.backend import resolve_torch_device
from stages.compare.baselines import dictionaries
from stages.compare.baselines.attributes_file import read_attributes
from stages.compare.baselines.joint_attributes import JointAttributes, LabelledImages, learn
from stages.compare.baselines.joint_attributes import Settings as AttributeSettings
from stages.compare.baselines.spgan.restyling import Settings as StyleSettings
from stages.compare.baselines.spgan.restyling import learn_restyling, restyled_pictures
from stages.errors import DbcError, UsageError
from stages.evaluate.stage import evaluate
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.nn.backbones.two_networks import PREFIX, TwoNetworks
from stages.nn.execution import torch_execution
from stages.nn.initial_agreement import AUTO, tell_of_another_seed
from stages.nn.initial_model import initial_model, open_model
from stages.nn.model.network import model_arrays
from stages.nn.seeded import seeded
from stages.output_files import write_text
from stages.runs.context import Context
from stages.runs.lineage import share_dataset
from stages.runs.making import Computed, Made, Request, make_artifact
from stages.runs.run_directory import RunDirectory, features_manifest, metrics_manifest, model_manifest
from stages.runs.store import Artifact, Writer, share
from stages.samples import TRAIN
from stages.train.stage import train
from stages.typing import Float32Array, Int64Array, UInt8Array

DICTIONARY_STEPS = 20
INITIAL = "initial features"


@dataclass(frozen=True)
class OtherSet:
    """Another set: its run, which has identities, and a table of attributes for the method that reads them."""

    run: RunDirectory
    attributes: Path | None = None


@dataclass(frozen=True)
class Options:
    """Options of the methods; `initial` holds fields of `InitParameters`, `train` of `TrainParameters`."""

    seed: int = 0
    steps: int = 10_000
    width: int = 64
    epochs: int | None = None
    train: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What features of a stage gave: their name in words, the run and stage that they are of, and their figures."""

    features: str
    run: RunDirectory
    stage: int
    figures: MetricsSummary


def umdl(run: RunDirectory, source: OtherSet, options: Options, *, context: Context) -> list[Measured]:
    """The initial features of `run` as they are, and as codes in dictionaries that the labelled features of `source` share.

    Peng et al., CVPR 2016 (see `dictionaries`). The codes are the features of stage 0.
    """
    own_run = _own_run(run, "umdl", options, context)
    own = _made(extract(own_run, stage=INIT_STAGE, parameters=ExtractParameters(), initial={}, context=context))
    asked = _of_any_seed(source.run, agreeing(own_run, source, options).initial)
    there = extract(source.run, stage=INIT_STAGE, parameters=ExtractParameters(), initial=asked, context=context)
    theirs = share(_made(there), RunDirectory(own_run.root / "source").directory("features", INIT_STAGE))
    rows, other = own.read("pooled"), theirs.read("pooled")
    if rows.shape[1] != other.shape[1]:
        raise UsageError(
            f"`source_run` must have features of {rows.shape[1]} values as this run, got {other.shape[1]}; "
            "give both one `backbone` and one `pooling`"
        )
    index, labels = _labelled(source.run.require("dataset"))
    dataset = own_run.require("dataset")

    def compute(writer: Writer) -> Computed:
        learned = dictionaries.begin(
            [(other[index], labels)],
            rows[dataset.read("split") == TRAIN],
            sizes=dictionaries.Sizes(),
            seed=options.seed,
        )
        with context.reporter.task("dictionaries", total=DICTIONARY_STEPS, unit="steps") as advance:
            for _ in range(DICTIONARY_STEPS):
                learned.step()
                advance(1, f"objective {learned.objective():.1f}")
        codes = learned.codes(rows)
        for name in ("pooled", "embedding"):
            writer.array(name, codes)
        changed = {"stage": 0, "dim": codes.shape[1], "embedding_dim": codes.shape[1]}
        return Computed(
            features_manifest(own).summary.model_copy(update=changed), Execution(backend="scipy", device="cpu")
        )

    request = Request(
        kind="features",
        stage=0,
        manifest=FeaturesManifest,
        parameters=ExtractParameters(method=f"umdl, {DICTIONARY_STEPS} steps, seed {options.seed}"),
        parents=(dataset, own, theirs),
        seeds={"dictionaries": options.seed},
    )
    codes = _made(make_artifact(own_run, request, compute, context=context))
    return [
        _measured(INITIAL, own_run, INIT_STAGE, context),
        _measured("UMDL (Peng et al., CVPR 2016)", own_run.choose(codes, 0), 0, context),
    ]


def tj_aidl(run: RunDirectory, source: OtherSet, options: Options, *, context: Context) -> list[Measured]:
    """The initial features of `run`, and those of two branches that learn identities and attributes of `source`.

    Wang et al., CVPR 2018 (see `joint_attributes`). Both branches are the model of stage 0, with features of the last layer.
    UsageError without a table of attributes.
    """
    if source.attributes is None:
        raise UsageError("`attributes` is missing: give a table with path and a column of 0 and 1 for each attribute")
    own_run = _own_run(run, "tj-aidl", options, context, prefix=PREFIX)
    extract(own_run, stage=INIT_STAGE, parameters=ExtractParameters(), initial={}, context=context)
    dataset = own_run.require("dataset")
    theirs = share(source.run.require("dataset"), own_run.root / "source" / "dataset")
    index, labels = _labelled(theirs)
    attributes = read_attributes(source.attributes, theirs)[index]
    settings = AttributeSettings(
        **{name: value for name, value in options.train.items() if name in ("batch_size", "learning_rate")},
        seed=options.seed,
    )
    if options.epochs is not None:
        settings = replace(settings, epochs=options.epochs, adaptation_epochs=options.epochs)
    before = own_run.require("model", INIT_STAGE)
    digest = hashlib.sha256(attributes.tobytes()).hexdigest()[:16]
    parameters = TrainParameters(
        stage=0,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        backbone_rate=1,
        optimizer="adam",
        loss="softmax",
        dropout=0,
        weight_decay=0,
        seed=settings.seed,
        method=f"tj-aidl, {settings.adaptation_epochs} epochs of adaptation, attributes {digest}",
    )

    def compute(writer: Writer) -> Computed:
        device = torch.device(resolve_torch_device(context.own_device))
        model = open_model(before)
        images = _first_images(dataset)[dataset.read("split") == TRAIN]
        learning = context.reporter.task("attributes and identities", total=1, unit="training")
        with learning as advance, seeded(settings.seed, device):
            both = _joint(before, labels, attributes, settings)
            told = learn(
                both,
                LabelledImages(_first_images(theirs)[index], labels, attributes),
                images,
                settings,
                form=model.input_form,
                device=device,
            )
            advance(1, "")
        model.backbone = TwoNetworks(both.identity, both.attribute).cpu()
        for name, array in model_arrays(model).items():
            writer.array(name, array)
        losses = [supervised for supervised, _ in told if not math.isnan(supervised)]
        summary = model_manifest(before).summary.model_copy(
            update={
                "stage": 0,
                "n_clusters": int(labels.max()) + 1,
                "epochs": settings.epochs,
                "loss_first": losses[0] if losses else None,
                "loss_last": losses[-1] if losses else None,
            }
        )
        return Computed(summary, torch_execution(device, amp=False))

    request = Request(
        kind="model",
        stage=0,
        manifest=ModelManifest,
        parameters=parameters,
        parents=(dataset, before, theirs),
        seeds={"training": settings.seed},
        extra={"initial": model_manifest(before).initial},
    )
    own_run = own_run.choose(_made(make_artifact(own_run, request, compute, context=context)), 0)
    features = _made(extract(own_run, stage=0, parameters=ExtractParameters(), initial={}, context=context))
    own_run = own_run.choose(features, 0)
    return [
        _measured(INITIAL, own_run, INIT_STAGE, context),
        _measured("TJ-AIDL (Wang et al., CVPR 2018)", own_run, 0, context),
    ]


def spgan(run: RunDirectory, source: OtherSet, options: Options, *, context: Context) -> list[Measured]:
    """Features of `run` by a network trained on `source`, and by one trained on `source` restyled as `run`.

    Deng et al., CVPR 2018 (see `spgan`). The restyled pictures are a data set of their own, in RUN/baseline/spgan-seedS, with
    the artifacts of any run, and so is what is measured. Pictures restyled with the same options are not made again.
    """
    folder, options = run.root / "baseline" / f"spgan-seed{options.seed}", agreeing(run, source, options)
    restyled = _restyle(run, source, options, folder=folder, context=context)
    found = []
    for name, learned_from, place in (
        ("trained on the source", source, "plain"),
        ("SPGAN (Deng et al., CVPR 2018)", OtherSet(restyled), "restyled"),
    ):
        model = trained_on(learned_from, options, context=context)
        # both are trained and measured as one network
        options = replace(options, initial={**options.initial, **_network_of(model, "pooling", "last_stride")})
        target = share_dataset(run, RunDirectory(folder / place))
        initial = {**options.initial, **start_from(model)}
        made = extract(target, stage=INIT_STAGE, parameters=ExtractParameters(), initial=initial, context=context)
        found.append(_measured(name, target.choose(_made(made), INIT_STAGE), INIT_STAGE, context))
    return found


def trained_on(source: OtherSet, options: Options, *, context: Context) -> Artifact:
    """The model of stage 0 of `source`, trained on its identities by a classifier."""
    asked = {"seed": options.seed, "loss": "softmax", **options.train, "supervised": True}
    return _made(train(source.run, stage=0, overrides=asked, initial=options.initial, context=context))


def start_from(model: Artifact) -> dict[str, Any]:
    """The fields of `InitParameters` for the network of `model`, with its weights and its pooling."""
    return {"weights": str(model.path), **_network_of(model, "backbone", "pooling", "last_stride")}


def agreeing(run: RunDirectory, source: OtherSet, options: Options) -> Options:
    """`options` by which a `source` without an initial model gets the pooling of that of `run`, unless another is given."""
    model = run.find("model", INIT_STAGE)
    if model is None or source.run.find("model", INIT_STAGE) is not None:
        return options
    given = {name: value for name, value in options.initial.items() if value != AUTO}
    if InitParameters(**given).backbone != model_manifest(model).initial.backbone:
        return options
    return replace(options, initial={**_network_of(model, "pooling", "last_stride"), **given})


METHODS: Mapping[str, Callable[..., list[Measured]]] = {"umdl": umdl, "spgan": spgan, "tj-aidl": tj_aidl}
"""By name on the command line."""


def _restyle(run: RunDirectory, source: OtherSet, options: Options, *, folder: Path, context: Context) -> RunDirectory:
    """A run in `folder` whose data set are the pictures of `source` in the style of those of `run`."""
    theirs, dataset = source.run.require("dataset"), run.require("dataset")
    index, _ = _labelled(theirs)
    settings = StyleSettings(steps=options.steps, width=options.width, seed=options.seed)
    asked = {"source": theirs.manifest.id, "target": dataset.manifest.id, **asdict(settings)}
    pictures, told = folder / "pictures", folder / "pictures" / "restyled.json"
    if not told.is_file() or json.loads(told.read_text()) != asked:
        device = torch.device(resolve_torch_device(context.own_device))
        images, target = _first_images(theirs)[index], _first_images(dataset)[dataset.read("split") == TRAIN]
        with context.reporter.task("restyle", total=settings.steps, unit="steps") as advance:
            learned = learn_restyling(
                images,
                target,
                settings,
                device=device,
                on_step=lambda _, losses: advance(1, f"loss {losses.generators:.2f}"),
            )
        pictures.mkdir(parents=True, exist_ok=True)
        rows = ["path,pid,camid,split"]
        pid, camid = theirs.read("pid")[index].tolist(), theirs.read("camid")[index].tolist()
        for number, picture in enumerate(restyled_pictures(learned, images, device=device)):
            Image.fromarray(picture).save(pictures / f"{number:06d}.png")
            camera = "" if camid[number] < 0 else camid[number]
            rows.append(f"{number:06d}.png,{pid[number]},{camera},train")
        write_text("\n".join(rows) + "\n", pictures / "samples.csv", argument="out", overwrite=True)
        write_text(json.dumps(asked), told, argument="out", overwrite=True)
    height, width = (int(side) for side in theirs.rows("images").shape[1:3])
    parameters = IngestParameters(format="csv", height=height, width=width)
    restyled = RunDirectory(folder / "source")
    made = ingest(restyled, source=pictures / "samples.csv", parameters=parameters, new_dataset=True, context=context)
    return restyled.choose(_made(made), 0)


def _labelled(dataset: Artifact) -> tuple[Int64Array, Int64Array]:
    """(train samples whose identity is known, their labels 0..K−1); UsageError for fewer than two identities."""
    pid = dataset.read("pid").astype(np.int64)
    index = np.flatnonzero((dataset.read("split") == TRAIN) & (pid > 0))
    labels = np.unique(pid[index], return_inverse=True)[1].astype(np.int64)
    if len(np.unique(labels)) < 2:
        raise UsageError(
            f"`source_run` must have two identities or more to train on, got {len(np.unique(labels))}; name another"
        )
    return index, labels


def _first_images(dataset: Artifact) -> UInt8Array:
    """The first image of every sample, (n_samples, H, W, 3)."""
    images: UInt8Array = dataset.rows("images")[dataset.read("frame_start")[:-1]]
    return images


def _network_of(model: Artifact, *names: str) -> dict[str, Any]:
    return model_manifest(model).initial.model_dump(include={*names})


def _made(outcome: Made) -> Artifact:
    if outcome.artifact is None:
        raise DbcError(f"{outcome.kind} were not made; leave out `dry_run`")
    return outcome.artifact


def _of_any_seed(run: RunDirectory, initial: Mapping[str, Any]) -> dict[str, Any]:
    """`initial` without its seed if `run` has an initial model, which a method that is compared leaves as it is."""
    return {name: value for name, value in initial.items() if name != "seed" or run.find("model", INIT_STAGE) is None}


def _own_run(run: RunDirectory, method: str, options: Options, context: Context, *, prefix: str = "") -> RunDirectory:
    """RUN/baseline/METHOD-seedS with the data set and initial model of `run`.

    With `prefix` the model has two networks, which both start as that of `run`, but without features of several layers.
    """
    own = share_dataset(run, RunDirectory(run.root / "baseline" / f"{method}-seed{options.seed}"))
    asked = _of_any_seed(run, {"seed": options.seed, **options.initial})
    made = _made(initial_model(run, asked, context=context))
    tell_of_another_seed(made, options.seed, context.reporter)
    if not prefix:
        return own.choose(share(made, own.directory("model", INIT_STAGE)), INIT_STAGE)
    known = model_manifest(made).initial.model_dump(exclude={"weights_digest", "embedding_dim"})
    if known["pooling"] in SEVERAL_LAYERS:
        known["pooling"] = "avg"
        context.reporter.note(f"{method} measures features of the last layer; those of this run are of several layers")
    initial = {**known, "backbone": prefix + known["backbone"], "weights": str(made.path)}
    _made(initial_model(own, initial, context=context))
    return own


def _joint(
    before: Artifact, labels: Int64Array, attributes: Float32Array, settings: AttributeSettings
) -> JointAttributes:
    both = open_model(before)
    return JointAttributes(
        both.backbone.get_submodule("first"),
        both.backbone.get_submodule("second"),
        dim=both.head.linear.in_features // 2,
        n_identities=int(labels.max()) + 1,
        n_attributes=attributes.shape[1],
        hidden=settings.hidden,
    )


def _measured(name: str, run: RunDirectory, stage: int, context: Context) -> Measured:
    """The figures of `stage` as published, without whitening."""
    metrics = _made(evaluate(run, stage=stage, parameters=EvaluateParameters(whiten=0), context=context))
    return Measured(name, run, stage, metrics_manifest(metrics).summary)
