"""Recipes: the published schedule to the letter, and flags before everything."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from stages.errors import UsageError
from stages.train.recipes import recipe_parameters

SIZES = {"n_samples": 100, "n_clusters": 60}


def test_paper_is_the_published_schedule() -> None:
    first, later = (recipe_parameters(stage, recipe="paper", **SIZES) for stage in (0, 7))
    assert (first.epochs, first.learning_rate, first.decay_after) == (20, 0.1, 16)
    assert (later.epochs, later.learning_rate, later.decay_after) == (2, 0.01, None)
    assert (first.memory_init, later.memory_init) == ("zeros", "centroids")
    for parameters in (first, later):
        assert (parameters.batch_size, parameters.momentum, parameters.weight_decay) == (16, 0.9, 5e-4)
        assert (parameters.temperature, parameters.dropout, parameters.backbone_rate) == (0.1, 0.5, 0.1)


@pytest.mark.parametrize("recipe", ["paper", "auto"])
@pytest.mark.parametrize("stage", [0, 3])
def test_what_the_user_gives_goes_before_the_recipe(recipe: str, stage: int) -> None:
    plain = recipe_parameters(stage, recipe=recipe, **SIZES)
    given = recipe_parameters(stage, recipe=recipe, **SIZES, overrides={"epochs": 99, "temperature": 0.2})
    assert (given.epochs, given.temperature) == (99, 0.2)
    assert given.model_copy(update={"epochs": plain.epochs, "temperature": plain.temperature}) == plain


def test_paper_trains_video_longer_on_random_frames_with_its_first_layers_frozen() -> None:
    first, later = (recipe_parameters(stage, recipe="paper", is_video=True, **SIZES) for stage in (0, 7))
    assert (first.epochs, later.epochs) == (20, 5)
    for parameters in (first, later):
        assert (parameters.frames, parameters.freeze_through) == (16, "layer2")
    other = recipe_parameters(0, recipe="paper", is_video=True, backbone="mobilenet_v2", **SIZES)
    assert other.freeze_through == "half"
    free = recipe_parameters(
        0, recipe="paper", is_video=True, **SIZES, overrides={"freeze_through": "none", "frames": 4}
    )
    assert (free.frames, free.freeze_through) == (4, None)


def test_frames_of_single_images_are_refused() -> None:
    with pytest.raises(UsageError, match="`frames=16` needs a dataset of tracklets"):
        recipe_parameters(0, **SIZES, overrides={"frames": 16})


def test_adam_and_the_cosine_take_the_recipe_as_it_fits_them() -> None:
    fitted = recipe_parameters(0, recipe="paper", **SIZES, overrides={"optimizer": "adam", "lr_schedule": "cosine"})
    assert fitted.learning_rate == pytest.approx(3.5e-4)
    assert (fitted.decay_after, fitted.epochs) == (None, 20)
    assert recipe_parameters(0, **SIZES, overrides={"optimizer": "adam", "learning_rate": 0.01}).learning_rate == 0.01


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="epoch_count"):
        recipe_parameters(0, **SIZES, overrides={"epoch_count": 3})


@pytest.mark.parametrize(("recipe", "most"), [("tuned", 45), ("auto", 25)])
def test_strong_weights_are_left_alone_until_clusters_average_over_two_samples_or_four(recipe: str, most: int) -> None:
    early = recipe_parameters(3, n_samples=100, n_clusters=most + 1, recipe=recipe)
    late = recipe_parameters(3, n_samples=100, n_clusters=most, recipe=recipe)
    assert (early.epochs, late.epochs) == (0, 2)
    assert late.norm_statistics == "stored"
    assert late.temperature == 1.0


def test_auto_trains_random_weights_from_the_start_with_one_rate_for_all() -> None:
    first, later = (recipe_parameters(stage, random_weights=True, **SIZES) for stage in (0, 1))
    assert first.epochs > later.epochs > 0
    assert first.backbone_rate == later.backbone_rate == 1.0
    assert first.norm_statistics == "batch"


def test_what_parts_of_the_picture_show_is_kept_in_training_where_no_identities_are_known() -> None:
    def frozen(**changed: Any) -> str | None:
        return recipe_parameters(7, **{**SIZES, "pooling": "parts", **changed}).freeze_through

    assert frozen() == "finest"
    by_part = [
        {},
        {"freeze_through": "finest"},
        {"freeze_through": "none"},
        {"freeze_through": "half", "learning_rate": 0.1},
    ]
    rates = [recipe_parameters(7, **SIZES, pooling="parts", overrides=given).learning_rate for given in by_part]
    assert rates == [0.03, 0.03, 0.01, 0.1]
    assert frozen(pooling="layers") is None
    assert frozen(recipe="auto") is None
    assert frozen(random_weights=True) is None
    assert frozen(overrides={"supervised": True}) is None
    assert frozen(overrides={"freeze_through": "none"}) is None
    assert frozen(overrides={"freeze_through": "half"}) == "half"


def test_a_bag_of_words_has_nothing_to_train() -> None:
    for recipe in ("paper", "auto"):
        assert recipe_parameters(2, recipe=recipe, backbone="bow", random_weights=True, **SIZES).epochs == 0
    with pytest.raises(UsageError, match=r"`epochs` must be 0 for `backbone='bow'`.*got 3"):
        recipe_parameters(2, backbone="bow", **SIZES, overrides={"epochs": 3})


def test_known_identities_are_trained_on_at_once() -> None:
    first = {"n_samples": 100, "n_clusters": 100}
    assert recipe_parameters(0, **first).epochs == 0
    supervised = recipe_parameters(0, **first, overrides={"supervised": True})
    assert (supervised.epochs, supervised.learning_rate, supervised.norm_statistics) == (5, 0.003, "stored")
    assert recipe_parameters(0, **first, recipe="paper", overrides={"supervised": True}).epochs == 20


@pytest.mark.parametrize("stage", [0, 7])
def test_tuned_mirrors_nothing_where_views_are_known_unless_asked_to(stage: int) -> None:
    assert recipe_parameters(stage, **SIZES).mirror
    assert not recipe_parameters(stage, views_known=True, **SIZES).mirror
    assert recipe_parameters(stage, views_known=True, overrides={"mirror": True}, **SIZES).mirror
    assert recipe_parameters(stage, recipe="paper", views_known=True, **SIZES).mirror


@pytest.mark.parametrize("field", ["stage", "recipe"])
def test_overrides_that_name_what_is_an_argument_must_agree_with_it(field: str) -> None:
    found = recipe_parameters(1, **SIZES)
    assert recipe_parameters(1, **SIZES, overrides=dict(found)) == found
    with pytest.raises(UsageError, match=f"`overrides` must not name another `{field}` than"):
        recipe_parameters(2, **SIZES, recipe="paper", overrides={field: getattr(found, field)})
