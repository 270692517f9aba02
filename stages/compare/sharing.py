"""The start that compared runs share, made once: data set, initial model and features, and stage 0."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from schemas.choices import IMAGENET, NO_WEIGHTS, ArtifactKind
from schemas.parameters import InitParameters
from schemas.stage_names import INIT_STAGE
from stages.loop.plan import Plan
from stages.loop.run_stages import StageRow, run_stages
from stages.nn.initial_agreement import AUTO
from stages.runs.context import Context
from stages.runs.lineage import share_dataset
from stages.runs.run_directory import RunDirectory, model_manifest
from stages.runs.store import share
from stages.runs.store.digests import json_digest
from stages.runs.unreferenced import remove_whitenings

_SHARED: tuple[ArtifactKind, ...] = ("model", "features", "metrics")


def common_start(parent: RunDirectory, plan: Plan, *, context: Context) -> tuple[RunDirectory, Plan]:
    """A run under `parent` that is brought through stage 0 of `plan`, and the plan with its complete initial model.

    It is the same run for all plans that agree on everything before the first merge, and it begins with what `parent`
    has, which stays as it is. In the run that is returned exactly the artifacts of this start are found.
    """
    plan = replace(plan, initial=_initial_in_full(parent, plan))
    start = RunDirectory(parent.root / "shared" / f"start-{_digest(plan)}")
    start = share_dataset(parent, start)
    if _begins_alike(parent, plan):
        share_stages(parent, start, stages=_stages_before_merging(plan))
    rows: list[StageRow] = []
    beginning = replace(plan, stages=0, n_clusters=None)
    run_stages(start, beginning, context=context, on_row=rows.append)
    remove_whitenings(start.root)
    return (rows[-1].run if rows else start), plan


def share_stages(source: RunDirectory, target: RunDirectory, *, stages: tuple[int, ...]) -> RunDirectory:
    """`target`, which now holds the model, features and metrics that `source` has at these stages, and has them chosen."""
    for stage in stages:
        for kind in _SHARED:
            found = source.find(kind, stage)
            if found is not None:
                target = target.choose(share(found, target.directory(kind, stage)), stage)
    return target


def share_start(start: RunDirectory, target: RunDirectory, plan: Plan) -> RunDirectory:
    """`target`, which now holds the data set, initial stage and, unless `plan` only merges, stage 0 of `start`."""
    return share_stages(start, share_dataset(start, target), stages=_stages_before_merging(plan))


def _stages_before_merging(plan: Plan) -> tuple[int, ...]:
    # merging alone would take the features of a stage 0 that the run has trained for those of the initial model
    return (INIT_STAGE,) if plan.merge_only else (INIT_STAGE, 0)


def _initial_in_full(parent: RunDirectory, plan: Plan) -> dict[str, Any]:
    """The initial model that `plan` asks for; what it leaves open is as in `parent`, if that can be made again."""
    initial = dict(plan.initial)
    existing = _initial_of(parent)
    if existing is None or initial.get("backbone", existing.backbone) != existing.backbone:
        return initial
    if initial.get("pooling") == AUTO:
        del initial["pooling"]
    if existing.weights in (NO_WEIGHTS, IMAGENET):
        return {**existing.model_dump(exclude={"weights_digest", "seed"}), **initial}
    return {**existing.model_dump(include={"pooling", "last_stride", "embedding_dim"}), **initial}


def _begins_alike(parent: RunDirectory, plan: Plan) -> bool:
    """Whether the run `parent` has the initial model of `plan`: the same seed, or ImageNet weights, which fit any seed."""
    existing = _initial_of(parent)
    if existing is None:
        return False
    return existing.seed == plan.initial.get("seed", 0) or plan.initial.get("weights") in (None, IMAGENET)


def _initial_of(parent: RunDirectory) -> InitParameters | None:
    model = parent.find("model", INIT_STAGE)
    return None if model is None else model_manifest(model).initial


def _digest(plan: Plan) -> str:
    """Eight letters for everything that decides what comes before the first merge."""
    before = {
        "initial": dict(plan.initial),
        "train": {} if plan.merge_only else dict(plan.train),
        "stage0_epochs": None if plan.merge_only else plan.stage0_epochs,
        "merge_only": plan.merge_only,
        "extract": plan.extract.model_dump(mode="json"),
        "evaluate": plan.evaluate.model_dump(mode="json"),
    }
    return json_digest(before)[:8]
