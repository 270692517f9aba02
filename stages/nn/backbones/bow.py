"""The bag of words as a backbone: no weights, and a vocabulary learned from the train images of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from schemas.choices import BAG_OF_WORDS, NO_WEIGHTS
from schemas.parameters import InitParameters
from stages.errors import DbcError, UsageError
from stages.nn.backbones.provider import Provider
from stages.nn.backbones.resnets import set_resnet_options
from stages.nn.bag_of_words.descriptor import DIM, LEAST_HEIGHT, PATCH, BagOfWords
from stages.nn.bag_of_words.vocabulary import MOST_IMAGES, fit_vocabulary
from stages.nn.images import StoredImages
from stages.reporting import SILENT, Reporter
from stages.typing import Int64Array

HEIGHT, WIDTH = 128, 64
"""The published input size in pixels."""
EMBEDDING_DIM = 128
"""Size of the embedding; a head of the descriptor's size would hold 31 million random numbers."""


class WordsProvider(Provider):
    """`bow`: colour words counted in stripes."""

    description = f"{BAG_OF_WORDS}, the bag of colour words"
    suggestion = BAG_OF_WORDS
    learns_from_images = True

    def names(self) -> tuple[str, ...]:
        """`bow`."""
        return (BAG_OF_WORDS,)

    def build(self, parameters: InitParameters) -> tuple[nn.Module, int]:
        """The descriptor without its vocabulary."""
        network = BagOfWords()
        set_resnet_options(network, parameters)
        return network, DIM

    def completed(self, parameters: InitParameters, *, given: Mapping[str, Any]) -> InitParameters:
        """`parameters` without weights, of the published size and with a small head.

        Raises UsageError for weights, or a size with too few rows of patches.
        """
        if given.get("weights", NO_WEIGHTS) != NO_WEIGHTS:
            raise UsageError(
                f"`weights` must be left out for `backbone='{BAG_OF_WORDS}'`, which has none, got {given['weights']!r}"
            )
        height, width = parameters.height or HEIGHT, parameters.width or WIDTH
        if height < LEAST_HEIGHT or width < PATCH:
            raise UsageError(
                f"`height` and `width` must be at least {LEAST_HEIGHT} and {PATCH} pixels for "
                f"`backbone='{BAG_OF_WORDS}'`, got {height} and {width}; leave them out for {HEIGHT} and {WIDTH}"
            )
        fields = {"weights": NO_WEIGHTS, "weights_digest": "", "height": height, "width": width}
        return parameters.model_copy(update={**fields, "embedding_dim": parameters.embedding_dim or EMBEDDING_DIM})

    def learned(
        self, images: StoredImages, frames: Int64Array, parameters: InitParameters, reporter: Reporter = SILENT
    ) -> dict[str, NDArray[Any]]:
        """The vocabulary. DbcError without train images."""
        if not len(frames):
            raise DbcError("`backbone='bow'` needs train images to learn words from, got none; ingest a train split")
        with reporter.task("learn colour words", total=2 * min(len(frames), MOST_IMAGES), unit="images") as advance:
            return fit_vocabulary(
                images,
                frames,
                height=parameters.height,
                width=parameters.width,
                generator=np.random.default_rng(parameters.seed),
                on_images=lambda n_images: advance(n_images, ""),
            )


PROVIDER = WordsProvider()
