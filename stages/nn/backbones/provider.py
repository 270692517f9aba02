"""What a provider of backbones says: which names it takes, the network of a name, its input and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from schemas.parameters import InitParameters
from stages.errors import UsageError
from stages.nn.backbones.weights import IMAGENET, NO_WEIGHTS, WeightsFile, load_weights, weights_file
from stages.nn.images import StoredImages
from stages.reporting import Reporter, Silent
from stages.typing import Int64Array


class Provider:
    """Backbones of one kind. A subclass gives `description`, `names` and `build`; the rest suits most networks."""

    description: str
    """The names in words, for example "one of torchvision's classification networks"."""
    suggestion: str
    """A name to propose if nothing is near to the one that was asked for."""
    learns_from_images = False
    """Whether `learned` needs the train images of the run: the initial model then belongs to its dataset."""

    def names(self) -> tuple[str, ...]:
        """The names it takes, as far as they can be listed."""
        raise NotImplementedError

    def takes(self, name: str) -> bool:
        """Whether `name` is a backbone of this kind."""
        return name in self.names()

    def build(self, parameters: InitParameters) -> tuple[nn.Module, int]:
        """The network of `parameters.backbone` and the dimension d of its output, pooled features (B, d).

        It reads normalised images (B, 3, H, W); random weights come from torch's generator, which the caller has seeded.
        Raises UsageError for options that the network does not have.
        """
        raise NotImplementedError

    def completed(self, parameters: InitParameters, *, given: Mapping[str, Any]) -> InitParameters:  # noqa: ARG002
        """`parameters` with what this kind needs; `given` holds the fields that the user named. Raises UsageError."""
        return parameters

    def find_weights(self, weights: str, *, backbone: str, reporter: Reporter) -> WeightsFile | None:
        """The file that `weights` stands for, downloaded first if need be; None for 'none'.

        `weights` is 'imagenet', 'none', or the path of a .safetensors or .pth file. Raises UsageError for another text
        and DbcError if a download fails.
        """
        if weights == NO_WEIGHTS:
            return None
        if weights == IMAGENET:
            return WeightsFile.of(self.download(backbone, reporter=reporter), name=IMAGENET)
        return weights_file(weights)

    def download(self, backbone: str, *, reporter: Reporter) -> Path:  # noqa: ARG002
        """The file of the published ImageNet weights of `backbone`, downloaded if it is not there."""
        raise UsageError(f"`weights='imagenet'` are not published for {backbone}; use `weights='none'`")

    def with_weights(self, parameters: InitParameters, weights: WeightsFile | None) -> InitParameters:
        """`parameters` with the name and digest of the `weights` that were found, and what these say of their input."""
        if weights is None:
            return parameters
        return parameters.model_copy(update={"weights": weights.name, "weights_digest": weights.digest})

    def load(self, network: nn.Module, weights: WeightsFile, *, backbone: str) -> tuple[str, ...]:
        """Copy `weights` into `network`; the names in the file that it has no place for, beside a classifier's."""
        load_weights(network, weights, backbone=backbone)
        return ()

    def require_size(self, network: nn.Module, *, name: str, height: int, width: int) -> None:
        """Raise UsageError unless `network`, called `name`, takes images of this size: it is given one, of zeros."""
        was_training = network.training
        try:
            with torch.inference_mode():
                network.eval()(torch.zeros(1, 3, height, width))
        except (RuntimeError, AssertionError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UsageError(
                f"`backbone`: {name} does not take images of {height}×{width}, which are too small or of a shape it does "
                f"not have ({reason}); set `height` and `width`, or use another network"
            ) from error
        finally:
            network.train(was_training)

    def learned(
        self,
        images: StoredImages,  # noqa: ARG002
        frames: Int64Array,  # noqa: ARG002
        parameters: InitParameters,  # noqa: ARG002
        reporter: Reporter = Silent(),  # noqa: ARG002, B008
    ) -> dict[str, NDArray[Any]]:
        """Arrays of the network's state, by name, that are learned from the train images `images[frames]`; often none."""
        return {}
