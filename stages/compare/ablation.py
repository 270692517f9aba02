"""The ablation of the paper's table: both criteria, each with and without its penalty, and DBC ranked after every merge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from schemas.choices import PUBLISHED_LAMBDA
from schemas.rules import MERGE_RULES, broken_rule
from stages.compare.cells import Cell
from stages.errors import UsageError
from stages.loop.run_stages import Plan

VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "buc-": ("BUC⁻", {"criterion": "buc", "lambda_": 0.0}),
    "buc": ("BUC", {"criterion": "buc"}),
    "dbc-": ("DBC⁻", {"criterion": "dbc", "lambda_": 0.0}),
    "dbc": ("DBC", {"criterion": "dbc"}),
    "dbc-exact": ("DBC exact", {"criterion": "dbc", "update": "exact"}),
}
"""By name on the command line, the name in tables and what it changes of a merge; λ is given apart."""


def ablation_cells(
    plan: Plan,
    *,
    variants: Sequence[str],
    seeds: Sequence[int],
    dbc_lambda: float | None,
    buc_lambda: float | None,
) -> list[Cell]:
    """A cell for every variant and seed: they differ in criterion, λ and update, and agree in everything else of `plan`.

    λ is by default the published one of its criterion. UsageError for an unknown variant, or one whose
    options do not go together with the others.
    """
    lambdas = {
        "dbc": PUBLISHED_LAMBDA["dbc"] if dbc_lambda is None else dbc_lambda,
        "buc": PUBLISHED_LAMBDA["buc"] if buc_lambda is None else buc_lambda,
    }
    cells = []
    for variant in variants:
        if variant not in VARIANTS:
            raise UsageError(f"`variants` must be some of {','.join(VARIANTS)}, got {variant!r}")
        title, changes = VARIANTS[variant]
        broken = broken_rule(MERGE_RULES, **{**dict(plan.merge), **changes})
        if broken is not None:
            raise UsageError(f"variant {variant} of `variants`: {broken}")
        merge = plan.merge.model_copy(update={"lambda_": lambdas[changes["criterion"]], **changes})
        for seed in seeds:
            seeded = with_seed(replace(plan, merge=merge), seed)
            folder = "ablate-merge-only" if plan.merge_only else "ablate"
            name = f"{folder}/{variant.replace('-', '-no-penalty') if variant.endswith('-') else variant}-seed{seed}"
            cells.append(Cell(name, seeded, {"variant": title, "seed": seed}))
    return cells


def with_seed(plan: Plan, seed: int) -> Plan:
    """`plan` with another seed of training and of the initial head."""
    return replace(plan, train={**plan.train, "seed": seed}, initial={**plan.initial, "seed": seed})
