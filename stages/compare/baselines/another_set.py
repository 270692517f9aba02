"""Methods that learn from another, labelled set: dictionaries, restyled pictures, and attributes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from schemas.parameters import EvaluateParameters, ExtractParameters, IngestParameters
from schemas.stage_names import INIT_STAGE
from stages.arrays.backend import resolve_torch_device
from stages.compare.baselines import dictionaries
from stages.compare.baselines.attributes_file import read_attributes
from stages.compare.baselines.joint_attributes import JointAttributes, LabelledImages, described, learn
from stages.compare.baselines.joint_attributes import Settings as AttributeSettings
from stages.compare.baselines.spgan.restyling import Settings as StyleSettings
from stages.compare.baselines.spgan.restyling import learn_restyling, restyled_pictures
from stages.errors import DbcError, UsageError
from stages.evaluate.retrieval.by_split import retrieval_by_split
from stages.evaluate.stage import evaluate
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.nn.initial_model import initial_model, open_model
from stages.nn.model.network import ReidModel
from stages.output_files import write_text
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, metrics_manifest
from stages.runs.store import Artifact, share
from stages.samples import TRAIN
from stages.train.stage import train
from stages.typing import Float32Array, Int64Array, UInt8Array

DICTIONARY_STEPS = 20


@dataclass(frozen=True)
class Source:
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
class Row:
    """The figures of one set of features: what they are, and rank-k and mAP, None if the data has no identities."""

    features: str
    rank1: float | None
    rank5: float | None
    rank10: float | None
    mAP: float | None


def umdl(run: RunDirectory, source: Source, options: Options, *, context: Context) -> list[Row]:
    """The initial features of `run` as they are, and as codes in dictionaries that the labelled features of `source` share.

    Peng et al., CVPR 2016 (see `dictionaries`). Both runs have initial features of one network; nothing is kept.
    """
    made = initial_model(run, {"seed": options.seed, **options.initial}, context=context)
    features = extract(run, stage=INIT_STAGE, parameters=ExtractParameters(), initial=options.initial, context=context)
    own = _array(features.artifact, "pooled")
    other = extract(
        source.run, stage=INIT_STAGE, parameters=ExtractParameters(), initial=options.initial, context=context
    )
    theirs = _array(other.artifact, "pooled")
    if made.artifact is None or own.shape[1] != theirs.shape[1]:
        raise UsageError(
            f"`source` must have features of {own.shape[1]} values as this run, got {theirs.shape[1]}; "
            "give both one `backbone`"
        )
    index, labels = _labelled(source.run.require("dataset"))
    dataset = run.require("dataset")
    is_train = dataset.read("split") == TRAIN
    learned = dictionaries.begin(
        [(theirs[index], labels)], own[is_train], sizes=dictionaries.Sizes(), seed=options.seed
    )
    with context.reporter.task("dictionaries", total=DICTIONARY_STEPS, unit="steps") as advance:
        for _ in range(DICTIONARY_STEPS):
            learned.step()
            advance(1, f"objective {learned.objective():.1f}")
    return [_row("initial features", own, dataset), _row("UMDL", learned.codes(own), dataset)]


def tj_aidl(run: RunDirectory, source: Source, options: Options, *, context: Context) -> list[Row]:
    """The initial features of `run`, and those of two branches that learn identities and attributes of `source`.

    Wang et al., CVPR 2018 (see `joint_attributes`). Nothing is kept. UsageError without a table of attributes.
    """
    if source.attributes is None:
        raise UsageError("`attributes` is missing: give a table with path and a column of 0 and 1 for each attribute")
    made = initial_model(run, {"seed": options.seed, **options.initial}, context=context)
    if made.artifact is None:
        raise DbcError(f"{run.root}: no initial model found; make it with: dbc extract --stage init")
    features = extract(run, stage=INIT_STAGE, parameters=ExtractParameters(), initial=options.initial, context=context)
    dataset, theirs = run.require("dataset"), source.run.require("dataset")
    index, labels = _labelled(theirs)
    attributes = read_attributes(source.attributes, theirs)[index]
    identity, attribute = open_model(made.artifact), open_model(made.artifact)
    settings = AttributeSettings(seed=options.seed)
    if options.epochs is not None:
        settings = AttributeSettings(epochs=options.epochs, adaptation_epochs=options.epochs, seed=options.seed)
    device = torch.device(resolve_torch_device(context.own_device))
    model = _joint(identity, attribute, n_identities=int(labels.max()) + 1, attributes=attributes, settings=settings)
    images = _first_images(dataset)
    with context.reporter.task("attributes and identities", total=1, unit="training") as advance:
        learn(
            model,
            LabelledImages(_first_images(theirs)[index], labels, attributes),
            images[dataset.read("split") == TRAIN],
            settings,
            form=identity.input_form,
            device=device,
        )
        advance(1, "")
    after = described(model, images, form=identity.input_form, device=device)
    return [_row("initial features", _array(features.artifact, "pooled"), dataset), _row("TJ-AIDL", after, dataset)]


def spgan(run: RunDirectory, source: Source, options: Options, *, context: Context) -> list[Row]:
    """Features of `run` by a network trained on `source`, and by one trained on `source` restyled as `run`.

    Deng et al., CVPR 2018 (see `spgan`). The restyled pictures are a data set of their own, in RUN/baseline/spgan-seedS, with
    the artifacts of any run, and so is what is measured. Pictures restyled with the same options are not made again.
    """
    folder = run.root / "baseline" / f"spgan-seed{options.seed}"
    restyled = RunDirectory(folder / "source")
    _restyle(run, source, options, folder=folder, context=context)
    rows = []
    for name, trained_on, place in (
        ("trained on the source", source.run, "plain"),
        ("SPGAN: trained on the source, restyled", restyled, "restyled"),
    ):
        model = train(
            trained_on,
            stage=0,
            overrides={"seed": options.seed, "loss": "softmax", **options.train, "supervised": True},
            initial=options.initial,
            context=context,
        )
        if model.artifact is None:
            raise DbcError(f"{trained_on.root}: no model was made")
        target = RunDirectory(folder / place)
        target = target.choose(share(run.require("dataset"), target.directory("dataset", 0)), INIT_STAGE)
        initial = {**options.initial, "weights": str(model.artifact.path)}
        initial_model(target, initial, context=context)
        extract(target, stage=INIT_STAGE, parameters=ExtractParameters(), initial=initial, context=context)
        measured = evaluate(target, stage=INIT_STAGE, parameters=EvaluateParameters(whiten=0), context=context)
        if measured.artifact is not None:
            summary = metrics_manifest(measured.artifact).summary
            rows.append(Row(name, summary.rank1, summary.rank5, summary.rank10, summary.mAP))
    return rows


METHODS: Mapping[str, Callable[..., list[Row]]] = {"umdl": umdl, "spgan": spgan, "tj-aidl": tj_aidl}
"""By name on the command line."""


def _restyle(run: RunDirectory, source: Source, options: Options, *, folder: Path, context: Context) -> None:
    """Put the pictures of `source` in the style of those of `run`, as a data set, into `folder`."""
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
    ingest(
        RunDirectory(folder / "source"),
        source=pictures / "samples.csv",
        parameters=parameters,
        new_dataset=True,
        context=context,
    )


def _labelled(dataset: Artifact) -> tuple[Int64Array, Int64Array]:
    """(train samples whose identity is known, their labels 0..K−1); UsageError for fewer than two identities."""
    pid = dataset.read("pid").astype(np.int64)
    index = np.flatnonzero((dataset.read("split") == TRAIN) & (pid > 0))
    labels = np.unique(pid[index], return_inverse=True)[1].astype(np.int64)
    if len(np.unique(labels)) < 2:
        raise UsageError(
            f"`source` must have two identities or more to train on, got {len(np.unique(labels))}; name another"
        )
    return index, labels


def _first_images(dataset: Artifact) -> UInt8Array:
    """The first image of every sample, (n_samples, H, W, 3)."""
    images: UInt8Array = dataset.rows("images")[dataset.read("frame_start")[:-1]]
    return images


def _array(artifact: Artifact | None, name: str) -> Float32Array:
    if artifact is None:
        raise DbcError(f"{name} were not made; leave out `dry_run`")
    found: Float32Array = artifact.read(name)
    return found


def _joint(
    identity: ReidModel,
    attribute: ReidModel,
    *,
    n_identities: int,
    attributes: Float32Array,
    settings: AttributeSettings,
) -> JointAttributes:
    torch.manual_seed(settings.seed)
    return JointAttributes(
        identity.backbone,
        attribute.backbone,
        dim=identity.head.linear.in_features,
        n_identities=n_identities,
        n_attributes=attributes.shape[1],
        hidden=settings.hidden,
    )


def _row(name: str, features: Float32Array, dataset: Artifact) -> Row:
    split, pid, camid = (dataset.read(column) for column in ("split", "pid", "camid"))
    found = retrieval_by_split(features, split=split, pid=pid, camid=camid)
    values = (found.rank(1), found.rank(5), found.rank(10), found.mAP)
    return Row(name, *(None if math.isnan(value) else value for value in values))
