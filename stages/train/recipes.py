"""The training parameters of a stage: its recipe (`schemas.recipes`), overridden by the user's values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.choices import BAG_OF_WORDS, Pooling, RecipeName, words_of
from schemas.parameters import TrainParameters
from schemas.recipes import DEFAULT_RECIPE, FEW_IMAGES, RECIPES, VIDEO_FRAMES, Recipe
from stages.errors import UsageError

ADAM_SHARE = 3.5e-3
"""Learning rate of Adam over that of gradient descent: 3.5e-4, usual in the field, for the published 0.1."""
NOTHING = "none"
"""The `freeze_through` that freezes nothing, even if the recipe would."""
HALF = "half"
"""The `freeze_through` that freezes the first half of the network's largest `nn.Sequential`."""

FINEST = "finest"
"""The `freeze_through` that freezes the network up to the finest map which its features see."""

# Where the first blocks learnt, too, faces of cats lost 0.09 of mAP, two pictures a vehicle 0.03. Without them three times the
# rate does no harm: people in two cameras gained 0.03 at a rate of 0.01, 0.05 at 0.02, 0.12 at 0.04 (benchmarks/RESULTS.md)
_OF_PARTS: Mapping[str, Any] = {"freeze_through": FINEST, "learning_rate": 0.03}


def published_freeze(backbone: str) -> str:
    """The part up to which the video schedule freezes: `layer2` if the network has one, else the first half."""
    return "layer2" if backbone.startswith(("resnet", "resnext", "wide_resnet")) else HALF


def recipe_parameters(
    stage: int,
    *,
    n_samples: int,
    n_clusters: int,
    recipe: RecipeName = DEFAULT_RECIPE,
    random_weights: bool = False,
    backbone: str = "resnet50",
    pooling: Pooling = "avg",
    is_video: bool = False,
    views_known: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> TrainParameters:
    """The complete training parameters of `stage`, whose `n_samples` are in `n_clusters`.

    Parameters
    ----------
    recipe
        A name of `schemas.recipes.RECIPES`.
    random_weights
        Whether the `backbone` started from random weights.
    pooling
        What the features of the network are of.
    is_video
        Whether samples are tracklets.
    views_known
        Whether it is known which side of an individual pictures show.
    overrides
        Fields of `TrainParameters` that replace the recipe's; `freeze_through` 'none' freezes nothing.

    Raises
    ------
    UsageError
        If the recipe is unknown, if `overrides` name another stage or recipe, if `frames` are given but samples are images,
        or if `bow` is to be trained.

    Examples
    --------
    >>> parameters = recipe_parameters(1, n_samples=100, n_clusters=50, recipe="paper", overrides={"epochs": 3})
    >>> parameters.epochs, parameters.recipe
    (3, 'paper')
    """
    given = _agreeing(overrides or {}, stage=stage, recipe=recipe)
    if recipe not in RECIPES:
        raise UsageError(f"`recipe` must be one of {', '.join(words_of(RecipeName))}, got {recipe!r}")
    if given.get("frames") is not None and not is_video:
        raise UsageError(
            f"`frames={given['frames']}` needs a dataset of tracklets, and every sample here is one image; leave it out"
        )
    if backbone == BAG_OF_WORDS:
        rates = _nothing_to_train(given)
    else:
        said = RECIPES[recipe]
        schedule = said.from_random if random_weights else said.training
        rates = schedule.fields(stage, mean_size=n_samples / n_clusters)
        if not random_weights:
            rates |= _for_weights(recipe, pooling=pooling, given=given)
        if is_video:
            rates |= _for_video(said, stage, backbone=backbone)
    if stage == 0:
        # no clusters yet, so no features of clusters to whiten by
        given["whiten"] = 0.0
        if not given.get("supervised"):
            # every sample has a class, so none is left out
            given["exclusive"] = False
    if is_video:
        rates["frames"] = VIDEO_FRAMES
    if views_known and RECIPES[recipe].flip == "auto":
        rates["mirror"] = False
    fitted = _fitted(rates, given)
    return TrainParameters.model_validate({"stage": stage, "recipe": recipe, **fitted, **given})


def _agreeing(overrides: Mapping[str, Any], **own: Any) -> dict[str, Any]:
    """`overrides`, anew; UsageError if they name another value of what is an argument of its `own`."""
    for name, value in own.items():
        if overrides.get(name, value) != value:
            raise UsageError(
                f"`overrides` must not name another `{name}` than {value!r}, got {overrides[name]!r}; leave it out"
            )
    return dict(overrides)


def _for_weights(recipe: RecipeName, *, pooling: Pooling, given: Mapping[str, Any]) -> dict[str, Any]:
    """What else a recipe does to weights that were learnt from pictures, where the user has `given` these fields."""
    if given.get("supervised"):
        # identities are known: there are no clusters to wait for
        return {} if recipe == "paper" else dict(FEW_IMAGES)
    is_tuned = pooling == "parts" and RECIPES[recipe].pooling == "auto"
    # the rate was found with the first blocks frozen
    return dict(_OF_PARTS) if is_tuned and given.get("freeze_through", FINEST) == FINEST else {}


def _for_video(recipe: Recipe, stage: int, *, backbone: str) -> dict[str, Any]:
    frozen = {"freeze_through": published_freeze(backbone)} if recipe.freezes_video else {}
    return {**(recipe.video if stage else {}), **frozen}


def _nothing_to_train(given: Mapping[str, Any]) -> dict[str, Any]:
    """The rates of a backbone without weights: no epochs. UsageError if some are `given`."""
    if given.get("epochs"):
        raise UsageError(
            f"`epochs` must be 0 for `backbone={BAG_OF_WORDS!r}`, which has no weights to train, got {given['epochs']}"
        )
    return {"epochs": 0, "learning_rate": 0.0}


def _fitted(rates: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The recipe's rates for the optimizer and schedule that are `given`, in which 'none' becomes None."""
    if given.get("optimizer") == "adam":
        rates["learning_rate"] *= ADAM_SHARE
    if given.get("lr_schedule") == "cosine":
        rates.pop("decay_after", None)
    if given.get("freeze_through") == NOTHING:
        given["freeze_through"] = None
    return rates
