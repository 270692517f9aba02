"""Recipes: the training parameters of a stage, from published or measured rates and what the user gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.parameters import DEFAULT_RECIPE, TUNED_RIDGE, TrainParameters
from stages.errors import UsageError
from stages.nn.bag_of_words.descriptor import BAG_OF_WORDS
from stages.train.freeze import published_freeze

LEAST_MEAN_SIZE = 4
"""Samples a cluster has on average before `auto` trains strong weights on the clusters."""
TUNED_MOMENTUM = 0.1
"""Share of a centroid that a step of 'tuned' keeps after stage 0: 0.1 to 0.2 gave 3 points of mAP over ½ on eth80-market."""
VIDEO_FRAMES = 16
"""Random frames of a tracklet in a step, as published."""
ADAM_SHARE = 3.5e-3
"""Rate of Adam over that of gradient descent: 3.5e-4, the custom of the field, for the published 0.1."""
NOTHING = "none"
"""What `freeze_through` is given as to freeze nothing where the recipe would."""


def resolve(
    stage: int,
    *,
    n_samples: int,
    n_clusters: int,
    recipe: str = DEFAULT_RECIPE,
    random_weights: bool = False,
    backbone: str = "resnet50",
    is_video: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> TrainParameters:
    """The complete parameters of `stage`, of `n_samples` in `n_clusters`; `overrides` go before the recipe's.

    `random_weights` says that the `backbone` started from no weights, `is_video` that samples are tracklets. 'paper' is
    the published schedule; 'auto' is what was measured to work on small sets (benchmarks/RESULTS.md), and 'tuned' that on
    whitened features, with centroids that move faster. UsageError where frames of a tracklet are asked for and there are
    none, or epochs for a bag of words.
    """
    given = dict(overrides or {})
    if given.get("frames") is not None and not is_video:
        raise UsageError(
            f"--frames: found {given['frames']} for samples of one image each, wanted a dataset of tracklets; leave it out"
        )
    if backbone == BAG_OF_WORDS:
        rates = _nothing_to_train(given)
    elif recipe == "paper":
        rates = _paper(stage, backbone=backbone, is_video=is_video)
    else:
        strong = _auto_from_strong_weights(stage, mean_size=n_samples / n_clusters)
        rates = _auto_from_random_weights(stage) if random_weights else strong
        if recipe == "tuned" and stage > 0:
            rates |= {"whiten": TUNED_RIDGE, "memory_momentum": TUNED_MOMENTUM}
    if stage == 0:
        # there are no clusters, and so no features that they were made from, to whiten by
        given["whiten"] = 0.0
    if is_video:
        rates["frames"] = VIDEO_FRAMES
    fitted = _fitted(rates, given)
    return TrainParameters.model_validate({"stage": stage, "recipe": recipe, **fitted, **given})


def _nothing_to_train(given: Mapping[str, Any]) -> dict[str, Any]:
    """No epochs; UsageError where some are `given`."""
    if given.get("epochs"):
        raise UsageError(
            f"--epochs: found {given['epochs']} for --backbone {BAG_OF_WORDS}, wanted 0: it has no weights"
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


def _paper(stage: int, *, backbone: str, is_video: bool) -> dict[str, Any]:
    """20 epochs at 0.1, a tenth after 16, with an empty table; then 2 epochs (video: 5) at 0.01 from centroids.

    For video the first layers are frozen.
    """
    video = {"freeze_through": published_freeze(backbone)} if is_video else {}
    if stage == 0:
        return {"epochs": 20, "learning_rate": 0.1, "decay_after": 16, "memory_init": "zeros", **video}
    return {"epochs": 5 if is_video else 2, "learning_rate": 0.01, "memory_init": "centroids", **video}


def _auto_from_random_weights(stage: int) -> dict[str, Any]:
    """The published idea with a backbone that learns as fast as the head: it has everything to learn.

    Drawn people, ResNet-10 at 64×32, 360 train images, one seed: mAP 0.25 untrained, 0.37 after stage 0, 0.44 five
    stages later.
    """
    if stage == 0:
        return {
            "epochs": 12,
            "learning_rate": 0.1,
            "backbone_rate": 1.0,
            "decay_after": 10,
            "memory_init": "zeros",
        }
    return {"epochs": 3, "learning_rate": 0.02, "backbone_rate": 1.0, "memory_init": "centroids"}


def _auto_from_strong_weights(stage: int, *, mean_size: float) -> dict[str, Any]:
    """Two gentle epochs a stage, once clusters average four samples; none before, so that the features merge as they are.

    Published rates destroy ImageNet features on small sets. Measured on eth80-market with MobileNetV2 (64×64 unless
    said; mAP of the initial features 0.26): batch statistics alone, at rate 0, take mAP to 0.19, so stored ones are
    kept; τ = 0.1 pushes views of one object apart while most of them are still clusters of their own (0.16 after
    eight merges), τ = 1 does not; training before clusters average a few samples gains nothing. At 128×128 with
    merges of 5 %, one seed: mAP 0.37 and rank-1 0.87 before, 0.51 and 0.91 after stage 19 (0.47 with one epoch).
    """
    return {
        "epochs": 2 if mean_size >= LEAST_MEAN_SIZE else 0,
        "learning_rate": 0.01,
        "backbone_rate": 0.1,
        "norm_statistics": "stored",
        "temperature": 1.0,
        "memory_init": "centroids" if stage else "zeros",
    }
