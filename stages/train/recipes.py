"""Recipes: the training parameters of a stage, from published or measured rates and what the user gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.parameters import TrainParameters


def resolve(
    stage: int,
    *,
    recipe: str = "auto",
    random_weights: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> TrainParameters:
    """The complete parameters of `stage`; `overrides` (field name to value) go before the recipe's.

    `random_weights` says that the backbone started from no weights. 'paper' is the published schedule.
    """
    rates = _paper(stage) if recipe == "paper" else _auto(stage, random_weights=random_weights)
    return TrainParameters.model_validate({"stage": stage, "recipe": recipe, **rates, **(overrides or {})})


def _paper(stage: int) -> dict[str, Any]:
    """20 epochs at 0.1, a tenth after 16, with an empty table; then 2 epochs at 0.01 from centroids."""
    if stage == 0:
        return {"epochs": 20, "learning_rate": 0.1, "decay_after": 16, "memory_init": "zeros"}
    return {"epochs": 2, "learning_rate": 0.01, "memory_init": "centroids"}


def _auto(stage: int, *, random_weights: bool) -> dict[str, Any]:
    """Placeholder rates until measured."""
    if random_weights:
        return _paper(stage) | {"backbone_rate": 1.0}
    return _paper(stage) | {"epochs": 1, "learning_rate": 0.01, "decay_after": None}
