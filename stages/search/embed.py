"""Features of pictures from outside a run, as a stage of the run extracts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from stages.arrays.backend import resolve_torch_device
from stages.errors import DbcError, UsageError
from stages.extract.forward import compute_features
from stages.ingest.decode.crops import BadImageError
from stages.ingest.decode.image_file import decode_image, image_suffixes, without_warnings
from stages.ingest.decode.pixels import is_video
from stages.nn.camera_norm import by_camera, kept_statistics
from stages.nn.execution import own_modes
from stages.nn.initial_model import open_model
from stages.runs.context import Context
from stages.runs.lineage import made_from
from stages.runs.run_directory import RunDirectory, dataset_manifest, features_manifest
from stages.runs.store import Artifact
from stages.typing import Float32Array, Int32Array, UInt8Array


def read_pictures(files: Sequence[Path], dataset: Artifact) -> UInt8Array:
    """The pictures (n, H, W, 3), decoded and resized as those of `dataset`; DbcError names the first that cannot be read.

    UsageError for folders and videos.
    """
    stored = dataset_manifest(dataset).summary
    shape = stored.height, stored.width, 3
    pictures = np.empty((len(files), *shape), dtype=np.uint8)
    for place, file in enumerate(files):
        try:
            with without_warnings():
                content = decode_image(file, height=stored.height, width=stored.width)
        except BadImageError as error:
            raise refusal(file, error) from error
        pictures[place] = np.frombuffer(content, dtype=np.uint8).reshape(shape)
    return pictures


def refusal(file: Path, reason: BadImageError) -> DbcError:
    """The error about `file`, which cannot be decoded for that `reason`: folders and videos are told what to give instead."""
    if file.is_dir():
        return UsageError(f"{file} is a folder; give pictures, one or more, such as {_pictures_in(file)}")
    if file.is_file() and is_video(file.name):
        return UsageError(f"{file} is a video; save a frame of it as a picture, and give that")
    return DbcError(f"{file} {reason}; give a picture that can be opened")


def _pictures_in(folder: Path) -> Path:
    """What a shell calls the pictures in `folder` that have the commonest suffix there."""
    suffixes: Counter[str] = Counter()
    with suppress(OSError):
        suffixes.update(file.suffix for file in folder.iterdir() if file.suffix.lower() in image_suffixes())
    return folder / f"*{max(sorted(suffixes), key=suffixes.__getitem__, default='.jpg')}"


@own_modes()
def embed(
    run: RunDirectory, features: Artifact, pictures: UInt8Array, *, camid: Int32Array, context: Context
) -> Float32Array:
    """Pooled features (n, d) of `pictures` (n, H, W, 3) by the model that `features` were extracted with.

    If the first batch norm had statistics for the cameras `camid` (n,), it has them here, too; pictures of others are taken as
    they are.
    """
    made_by = made_from(run, features, "model")
    if made_by is None:
        raise DbcError(f"{features.path}: no model among its parents; make it again with: dbc extract --force")
    parameters, model = features_manifest(features).parameters, open_model(made_by)
    statistics = kept_statistics(features)
    places = None if statistics is None else statistics.places(camid)
    with by_camera(model, statistics):
        pieces = compute_features(
            model,
            pictures,
            np.arange(len(pictures) + 1, dtype=np.int64),
            batch_size=min(parameters.batch_size, len(pictures)),
            amp=parameters.amp,
            compiled=context.compiled,
            flip=parameters.flip is True,
            places=places,
            device=torch.device(resolve_torch_device(context.own_device)),
        )
        return np.concatenate([pooled for _, pooled, _ in pieces])
