"""Models that a run has, compared with what is asked for; torch is not imported, for most commands find all there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.choices import IMAGENET
from schemas.parameters import InitParameters
from schemas.stage_names import INIT_STAGE
from stages.arguments import require_kind
from stages.errors import UsageError
from stages.reporting import Reporter, Silent
from stages.runs.context import Context
from stages.runs.lineage import parent_of
from stages.runs.making import Made
from stages.runs.run_directory import RunDirectory, model_manifest
from stages.runs.store import Artifact

WEIGHTS = "backbone/", "head/"
"""How the arrays of a model artifact begin that are the network's."""
AUTO = "auto"
"""A pooling that fits any model there is, and is decided when one is made."""


def found_initial(run: RunDirectory, overrides: Mapping[str, Any]) -> Made | None:
    """The newest initial model of `run` if it agrees with `overrides`, fields of `InitParameters`; None if not."""
    require_initial(overrides)
    existing = run.find("model", INIT_STAGE)
    if existing is None or not describes(overrides, model_manifest(existing).initial) or not _of_dataset(run, existing):
        return None
    return Made("up to date", "model", INIT_STAGE, existing, existing.version, {})


def new_initial(run: RunDirectory, initial: Mapping[str, Any], context: Context) -> Made:
    """`initial_model` by the fields `initial`, made although `force` asks for the features or the training that want it."""
    from stages.nn.initial_model import initial_model  # with torch

    return initial_model(run, initial, context=context.without_force())


def describes(overrides: Mapping[str, Any], initial: InitParameters) -> bool:
    """Whether `initial` agrees with `overrides`. A file of weights is compared by its digest, since it may have changed."""
    file = Path(initial.weights)
    if "weights" in overrides and initial.weights_digest and initial.weights != IMAGENET and file.is_file():
        with file.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != initial.weights_digest:
                return False
    return all(value in (AUTO, getattr(initial, name)) for name, value in overrides.items())


def tell_of_another_seed(model: Artifact, seed: int, reporter: Reporter) -> None:
    """A note if the initial `model` was made with another seed than `seed`, by which the rest goes."""
    initial = model_manifest(model).initial
    if initial.seed != seed:
        reporter.note(
            f"the initial model stays as it was made, with `seed={initial.seed}`; "
            f"dbc extract --stage init --seed {seed} makes that of `seed={seed}`"
        )


def _of_dataset(run: RunDirectory, existing: Artifact) -> bool:
    """Whether a model was made from the run's dataset, or from none."""
    parent = parent_of(existing, "dataset")
    return parent is None or parent.id == run.require("dataset").manifest.id


def require_initial(initial: Mapping[str, Any]) -> None:
    """Raise UsageError unless `initial` are fields of `InitParameters` by name."""
    require_kind("initial", initial, Mapping, give="such as {'backbone': 'resnet50'}")
    for name in sorted(initial.keys() - InitParameters.model_fields.keys()):
        raise UsageError(f"unknown `initial` field '{name}': choose among {', '.join(InitParameters.model_fields)}")


def require_agreement(artifact: Artifact, overrides: Mapping[str, Any]) -> None:
    """Raise UsageError if `overrides` does not agree with the initial weights of the model in `artifact`."""
    require_initial(overrides)
    initial = model_manifest(artifact).initial
    for name, value in overrides.items():
        found = getattr(initial, name)
        agrees = value == found
        if name == "weights" and not agrees:
            from stages.nn.backbones.register import provider_of  # with torch, which takes a second to import

            provider = provider_of(initial.backbone)
            file = provider.find_weights(str(value), backbone=initial.backbone, reporter=Silent())
            agrees = file is not None and file.digest == initial.weights_digest
        if name in ("height", "width") and not found and value:
            raise UsageError(
                f"`{name}` must be left out, as this run was trained at the size of its pictures, got {value}; or start "
                "another run with `run`"
            )
        if name != "seed" and value != AUTO and not agrees:
            raise UsageError(
                f"`{name}` must be {found!r}, from which this run was trained, got {value!r}; leave it out, or start "
                f"another run with `run`"
            )
