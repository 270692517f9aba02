"""Recipes: the published schedule to the letter, and flags before everything."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from stages.train.recipes import resolve


def test_paper_is_the_published_schedule() -> None:
    first, later = resolve(0, recipe="paper"), resolve(7, recipe="paper")
    assert (first.epochs, first.learning_rate, first.decay_after) == (20, 0.1, 16)
    assert (later.epochs, later.learning_rate, later.decay_after) == (2, 0.01, None)
    assert (first.memory_init, later.memory_init) == ("zeros", "centroids")
    for parameters in (first, later):
        assert (parameters.batch_size, parameters.momentum, parameters.weight_decay) == (16, 0.9, 5e-4)
        assert (parameters.temperature, parameters.dropout, parameters.backbone_rate) == (0.1, 0.5, 0.1)


@pytest.mark.parametrize("recipe", ["paper", "auto"])
@pytest.mark.parametrize("stage", [0, 3])
def test_what_the_user_gives_goes_before_the_recipe(recipe: str, stage: int) -> None:
    plain = resolve(stage, recipe=recipe)
    given = resolve(stage, recipe=recipe, overrides={"epochs": 99, "temperature": 0.2})
    assert (given.epochs, given.temperature) == (99, 0.2)
    assert given.model_copy(update={"epochs": plain.epochs, "temperature": plain.temperature}) == plain


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="epoch_count"):
        resolve(0, overrides={"epoch_count": 3})
