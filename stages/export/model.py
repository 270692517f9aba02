"""The trained backbone of a stage in a file of weights or as ONNX, with a card that says what it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from schemas.manifest import ModelManifest
from schemas.stage_names import stage_label
from stages.arguments import path_of
from stages.errors import DbcError, UsageError
from stages.export.model_card import Card, card_text, differences
from stages.nn.execution import own_modes
from stages.nn.images import InputForm
from stages.nn.initial_model import open_model
from stages.output_files import all_or_nothing, require_new, write_text, write_whole
from stages.runs.lineage import made_from, parent_of
from stages.runs.run_directory import (
    RunDirectory,
    dataset_manifest,
    features_manifest,
    metrics_manifest,
    model_manifest,
)
from stages.runs.store import Artifact

ENDINGS = (".safetensors", ".onnx")
ONNX_TOLERANCE = 1e-4
"""The largest difference that the features of the ONNX file may have from ours, which are of length 1."""


@dataclass(frozen=True)
class ExportedModel:
    """The files that were written, and whether ONNX was run to check it; None if there is none.

    `differences` says what features of the stage `are` or `were made with` that those of the file are not; empty if nothing.
    """

    file: Path
    card: Path
    stage: int
    is_checked: bool | None
    differences: str


class _Embedding(nn.Module):
    """Normalised images (B, 3, H, W) to features (B, d) of length 1."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        """The features."""
        return functional.normalize(self.backbone(images), dim=1)


@all_or_nothing()
@own_modes()
def export_model(run: RunDirectory, stage: int, file: Path | str, *, overwrite: bool = False) -> ExportedModel:
    """Write the backbone that was trained at `stage` to `file`, and its card beside it as .md.

    A .safetensors file has the names that the published weights of the backbone have, so that `weights` takes it. An .onnx
    file takes any number of images and is compared with the network, if onnxruntime is installed. UsageError for another
    ending, without onnx, or if one of the files is there, DbcError if the file cannot be written or gives other features.
    """
    file = path_of("file", file)
    if file.suffix not in ENDINGS:
        raise UsageError(f"`out` must end in {' or '.join(ENDINGS)}, got {str(file)!r}")
    artifact = run.require("model", stage)
    beside = file.with_suffix(".md")
    require_new([file], overwrite=overwrite)
    if beside.exists() and not overwrite:
        raise UsageError(
            f"the card of the model, which is written beside it, must be a new file, got {beside}, which is there; give "
            "another, or `overwrite=True`"
        )
    require_new([beside], overwrite=overwrite)
    manifest, dataset = model_manifest(artifact), made_from(run, artifact, "dataset") or run.find("dataset")
    network = open_model(artifact).eval()
    form = _input_form(network.input_form, dataset)
    features = _features_by(run, artifact, stage)
    # what may be refused comes before the first file
    metrics = run.find("metrics", stage)
    measured = None if metrics is None else parent_of(metrics, "features")
    if features is None or measured is None or measured.id != features.manifest.id:
        # those of the stage may be of features from before this model was trained
        metrics = None
    card = Card(
        name=file.name,
        model=manifest,
        dataset=None if dataset is None else dataset_manifest(dataset).summary,
        metrics=None if metrics is None else metrics_manifest(metrics),
        form=form,
        features=None if features is None else features_manifest(features),
        is_trained=_is_trained(run, artifact),
    )
    is_checked = None
    if file.suffix == ".onnx":
        embedding = _Embedding(network.backbone).eval()
        is_checked = _write_onnx(embedding, file, form, overwrite=overwrite)
    else:
        tensors = {name: value.detach().contiguous() for name, value in network.backbone.state_dict().items()}
        metadata = _metadata(manifest, form)
        content = safetensors.torch.save(tensors, metadata=metadata)
        write_whole(file, lambda part: part.write_bytes(content), overwrite=overwrite)
    write_text(card_text(card), beside, overwrite=overwrite)
    return ExportedModel(file, beside, stage, is_checked, differences(card.features))


def _features_by(run: RunDirectory, model: Artifact, stage: int) -> Artifact | None:
    """The features of the stage, if `model` made them."""
    found = run.find("features", stage)
    by = None if found is None else parent_of(found, "model")
    return found if by is not None and by.id == model.manifest.id else None


def _is_trained(run: RunDirectory, model: Artifact) -> bool:
    """Whether the model or one that it goes on from took any step: stages that are not trained hand theirs on."""
    found: Artifact | None = model
    while found is not None and not model_manifest(found).summary.n_steps:
        found = made_from(run, found, "model")
    return found is not None


def _input_form(form: InputForm, dataset: Artifact | None) -> InputForm:
    if form.height and form.width:
        return form
    if dataset is None:
        raise DbcError("the model takes images of the stored size, and the run has no dataset; ingest one first")
    stored = dataset_manifest(dataset).summary
    return InputForm(form.height or stored.height, form.width or stored.width, form.statistics)


def _metadata(manifest: ModelManifest, form: InputForm) -> dict[str, str]:
    """What a file of weights says of itself; it holds no place of a machine."""
    initial = manifest.initial
    return {
        "format": "pt",
        "backbone": initial.backbone,
        "pooling": initial.pooling,
        "last_stride": str(initial.last_stride),
        "height": str(form.height),
        "width": str(form.width),
        "mean": json.dumps(form.statistics.mean),
        "std": json.dumps(form.statistics.std),
        "stage": stage_label(manifest.summary.stage),
        "model": manifest.id,
    }


def _write_onnx(embedding: nn.Module, file: Path, form: InputForm, *, overwrite: bool) -> bool:
    """Write `embedding` as ONNX for any number of images; whether onnxruntime was there to check it."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            '`out` as .onnx needs onnx and onnxscript, which are not installed: pip install ".[onnx]", or give a '
            "name that ends in .safetensors"
        ) from error
    # one image would fix the number of images
    images = torch.rand(2, 3, form.height, form.width, generator=torch.Generator().manual_seed(0))
    program = torch.onnx.export(
        embedding,
        (images,),
        dynamo=True,
        input_names=["images"],
        output_names=["features"],
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
        verbose=False,
    )
    if program is None:
        raise DbcError("torch gave no ONNX program; give a name that ends in .safetensors")
    is_checked = False

    def write(part: Path) -> None:
        nonlocal is_checked
        program.save(part, external_data=False)
        is_checked = _is_checked(embedding, part, form)

    write_whole(file, write, overwrite=overwrite)
    return is_checked


def _is_checked(embedding: nn.Module, file: Path, form: InputForm) -> bool:
    try:
        import onnxruntime
    except ImportError:
        return False
    session: Any = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    images = torch.rand(3, 3, form.height, form.width, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = embedding(images).numpy()
    (found,) = session.run(None, {"images": images.numpy()})
    difference = float(np.abs(found - wanted).max()) if found.shape == wanted.shape else float("inf")
    if not difference <= ONNX_TOLERANCE:
        raise DbcError(
            f"`out` as .onnx must give the network's features to within {ONNX_TOLERANCE}, got a difference of "
            f"{difference:.2g}; give a name that ends in .safetensors"
        )
    return True
