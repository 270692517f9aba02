"""Runs beside each other: the ablation of the paper's table, and clusterers in the same loop."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from schemas.choices import CLUSTERERS, PUBLISHED_LAMBDA
from schemas.recipes import ANOTHER_SET, METHOD_SETTINGS, OTHER_METHODS, VARIANTS, MethodSetting, OtherMethod
from schemas.rules import MERGE_RULES, broken_rule
from stages.compare.cells import Cell
from stages.errors import UsageError
from stages.loop.plan import Plan


def ablation_cells(
    plan: Plan, *, variants: Sequence[str], seeds: Sequence[int], lambda_: float | None, buc_lambda: float | None
) -> list[Cell]:
    """A cell for every variant and seed: they differ in criterion, λ and update, and agree in everything else of `plan`.

    λ is `buc_lambda` of buc and `lambda_` of others, by default the published one of the criterion. UsageError for an
    unknown variant, or one that the metric or the use of cameras does not allow.
    """
    cells = []
    for variant in variants:
        if variant not in VARIANTS:
            raise UsageError(f"`variants` must be some of {','.join(VARIANTS)}, got {variant!r}")
        title, changes = VARIANTS[variant]
        changed = {"lambda_": asked_lambda(changes["criterion"], lambda_, buc_lambda), **changes}
        problem = broken_rule(MERGE_RULES, **dict(plan.merge) | changed)
        if problem is not None:
            raise UsageError(f"{problem}, or leave {variant} out of `variants`")
        name = f"{variant}no-penalty" if variant.endswith("-") else variant
        merge = plan.merge.model_copy(update=changed)
        cells += _seeded(replace(plan, merge=merge), name, seeds, {"variant": title})
    return cells


def asked_lambda(criterion: str, lambda_: float | None, buc_lambda: float | None) -> float:
    """The λ of `criterion` in an ablation: `buc_lambda` of buc, `lambda_` of others; the published one if that is None."""
    asked = buc_lambda if criterion == "buc" else lambda_
    return PUBLISHED_LAMBDA[criterion] if asked is None else asked


def clusterer_cells(plan: Plan, *, clusterers: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    """A cell for every clusterer and seed, which agree in everything else of `plan`; UsageError for an unknown one."""
    cells = []
    for clusterer in clusterers:
        if clusterer not in CLUSTERERS:
            raise UsageError(f"`clusterers` must be some of {','.join(CLUSTERERS)}, got {clusterer!r}")
        problem = broken_rule(MERGE_RULES, **dict(plan.merge) | {"clusterer": clusterer})
        if problem is not None:
            raise UsageError(f"{problem}, or leave {clusterer} out of `clusterers`")
        merge = plan.merge.model_copy(update={"clusterer": clusterer})
        cells += _seeded(replace(plan, merge=merge), f"clusterer-{clusterer}", seeds, {"clusterer": clusterer})
    return cells


DBC_TITLES: Mapping[str, str] = {
    "tuned": "DBC (default recipe)",
    "auto": "DBC, features as they are",
    "paper": "DBC, published schedule",
}


def method_cells(
    plans: Mapping[str, Plan], *, seeds: Sequence[int], on_source: Collection[str] = (), has_cameras: bool = True
) -> list[Cell]:
    """A cell for every method, by name, and seed; the setting says what each was told beside pictures.

    Methods of `on_source` begin on another set. Of a data set without cameras none is told of them.
    """
    cells = []
    for name, plan in plans.items():
        title, knows = _title_and_knowledge(name, plan, has_cameras=has_cameras)
        weights = plan.initial.get("weights")
        if name in on_source:
            knows = _both(knows, ANOTHER_SET)
        elif weights is not None and Path(weights).is_dir() and name != "bow":
            knows = _both(knows, "weights of another run")
        for seed in seeds:
            setting = {"method": title, "knows": knows, "seed": seed}
            cells.append(
                Cell(f"baseline/{name}-seed{seed}", with_seed(plan, seed), setting, begins_on_source=name in on_source)
            )
    return cells


def _title_and_knowledge(name: str, plan: Plan, *, has_cameras: bool) -> tuple[str, str]:
    """How tables name a method, and what it is told beside pictures."""
    told: OtherMethod | MethodSetting | None = METHOD_SETTINGS.get(name) or OTHER_METHODS.get(name)  # type: ignore[call-overload]
    if told is None:
        return DBC_TITLES[name], known_of(plan, has_cameras=has_cameras)
    return told.title, known_of(plan, has_cameras=has_cameras) if told.knows is None else told.knows


def _both(knows: str, more: str) -> str:
    return more if knows == "nothing" else f"{knows}, {more}"


def known_of(plan: Plan, *, has_cameras: bool) -> str:
    """What a plan uses beside pictures, in words: cameras, labels, answers, or nothing."""
    cameras = ["cameras"] if has_cameras and plan.merge.camera != "ignored" else []
    labels = [] if plan.constraints.labels is None else ["labels"]
    answers = [] if plan.constraints.file is None else ["answers"]
    return ", ".join([*cameras, *labels, *answers]) or "nothing"


def _seeded(plan: Plan, name: str, seeds: Sequence[int], setting: Mapping[str, Any]) -> list[Cell]:
    folder = "ablate-merge-only" if plan.merge_only else "ablate"
    return [Cell(f"{folder}/{name}-seed{seed}", with_seed(plan, seed), {**setting, "seed": seed}) for seed in seeds]


def with_seed(plan: Plan, seed: int) -> Plan:
    """`plan` with another seed of training and of the initial head."""
    return replace(plan, train={**plan.train, "seed": seed}, initial={**plan.initial, "seed": seed})
