"""The initial model of a bag of words: its vocabulary, learned from the train images of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from schemas.manifest import Execution, ModelManifest
from schemas.parameters import InitParameters
from schemas.stage_names import INIT_STAGE
from schemas.summaries import ModelSummary
from stages.errors import DbcError, UsageError
from stages.nn.bag_of_words.descriptor import BAG_OF_WORDS, LEAST_HEIGHT, PATCH
from stages.nn.bag_of_words.vocabulary import MOST_IMAGES, fit_vocabulary
from stages.nn.model.network import build_model, model_arrays
from stages.nn.model.weights import NO_WEIGHTS
from stages.reporting import Reporter
from stages.runs.making import How, Outcome, Produced, Request, produce
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, Writer
from stages.samples import TRAIN

HEIGHT, WIDTH = 128, 64
"""The published input size in pixels."""
EMBEDDING_DIM = 128
"""Size of the embedding; a head of the descriptor's own size would hold 31 million random numbers for nothing."""


def parameters_of(wanted: InitParameters, *, given: Mapping[str, Any]) -> InitParameters:
    """`wanted` with what a bag of words needs: no weights, the published size, a small head; `given` was asked for.

    Raises UsageError for weights, or a size with too few rows of patches.
    """
    if given.get("weights", NO_WEIGHTS) != NO_WEIGHTS:
        raise UsageError(f"--weights: found {given['weights']!r}, but --backbone {BAG_OF_WORDS} has none; leave it out")
    height, width = wanted.height or HEIGHT, wanted.width or WIDTH
    if height < LEAST_HEIGHT or width < PATCH:
        raise UsageError(
            f"--height {height} --width {width}: wanted at least {LEAST_HEIGHT} and {PATCH} pixels for --backbone "
            f"{BAG_OF_WORDS}; leave them out for {HEIGHT} and {WIDTH}"
        )
    fields = {"weights": NO_WEIGHTS, "weights_digest": "", "height": height, "width": width}
    return wanted.model_copy(update={**fields, "embedding_dim": wanted.embedding_dim or EMBEDDING_DIM})


def bag_of_words_model(run: RunDirectory, parameters: InitParameters, *, how: How, reporter: Reporter) -> Outcome:
    """The model of `parameters` for the run's dataset, made where it is not there. DbcError without train images."""
    dataset = run.require("dataset")
    request = Request(
        kind="model",
        stage=INIT_STAGE,
        manifest=ModelManifest,
        parameters=parameters,
        parents=(dataset,),
        seeds={"initial": parameters.seed},
        extra={"initial": parameters},
    )
    return produce(run, request, lambda writer: _compute(writer, dataset, parameters, reporter), how=how)


def _compute(writer: Writer, dataset: Artifact, parameters: InitParameters, reporter: Reporter) -> Produced:
    frames = np.flatnonzero(np.repeat(dataset.read("split") == TRAIN, np.diff(dataset.read("frame_start"))))
    if not len(frames):
        raise DbcError(f"{dataset.path}: no train images found, wanted some to learn words from; ingest a train split")
    model = build_model(BAG_OF_WORDS, embedding_dim=parameters.embedding_dim, seed=parameters.seed)
    with reporter.task("learn colour words", total=2 * min(len(frames), MOST_IMAGES), unit="images") as advance:
        vocabulary = fit_vocabulary(
            dataset.rows("images"),
            frames,
            height=parameters.height,
            width=parameters.width,
            generator=np.random.default_rng(parameters.seed),
            on_images=lambda n_images: advance(n_images, ""),
        )
    learned = {f"backbone/{name}": getattr(vocabulary, name) for name in ("codebook", "idf", "mean")}
    for name, array in (model_arrays(model) | learned).items():
        writer.array(name, array)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    summary = ModelSummary(stage=INIT_STAGE, backbone=BAG_OF_WORDS, n_parameters=n_parameters)
    return Produced(
        summary, Execution(backend=f"torch {torch.__version__}", device="cpu", threads=torch.get_num_threads())
    )
