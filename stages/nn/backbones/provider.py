"""The base class of providers of backbones: their names, and the network, input and weights of a name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from schemas.choices import IMAGENET, NO_WEIGHTS
from schemas.parameters import InitParameters
from stages.errors import UsageError
from stages.nn.backbones.weights import WeightsFile, load_weights, weights_file
from stages.nn.images import StoredImages
from stages.reporting import SILENT, Reporter
from stages.typing import Int64Array
from stages.wording import first_line


class Provider:
    """Backbones of one kind. A subclass gives `description`, `names` and `build`; the rest suits most networks."""

    description: str
    """The names in words, for example "one of torchvision's classification networks"."""
    suggestion: str
    """The name to propose if none is similar to an unknown one."""
    prefix = ""
    """What names begin with that cannot be listed; empty if all are listed."""
    learns_from_images = False
    """Whether `learned` needs the train images of the run: the initial model then belongs to its dataset."""

    def names(self) -> tuple[str, ...]:
        """The names that can be listed."""
        return ()

    def takes(self, name: str) -> bool:
        """Whether `name` is a backbone of this kind."""
        return name.startswith(self.prefix) if self.prefix else name in self.names()

    def build(self, parameters: InitParameters) -> tuple[nn.Module, int]:
        """The network of `parameters.backbone` and the dimension d of its output, pooled features (B, d).

        It reads normalised images (B, 3, H, W); random weights come from torch's generator, which the caller has seeded.
        Raises UsageError for options that the network does not have.
        """
        raise NotImplementedError

    def completed(self, parameters: InitParameters, *, given: Mapping[str, Any]) -> InitParameters:  # noqa: ARG002
        """`parameters` completed for this kind; `given` holds the fields that the user set. Raises UsageError."""
        return parameters

    def pools_layers(self, parameters: InitParameters) -> bool:  # noqa: ARG002
        """Whether `pooling` 'auto' may take features of several layers with the weights of `parameters`."""
        return False

    def downloads(self, weights: str) -> bool:
        """Whether `weights` are from the network, unless they were loaded before."""
        return weights == IMAGENET

    def find_weights(self, weights: str, *, backbone: str, reporter: Reporter) -> WeightsFile | None:
        """The file for `weights`, downloaded if it is missing; None for 'none'.

        `weights` is 'imagenet', 'none', or the path of a .safetensors or .pth file. Raises UsageError for anything else
        and DbcError if a download fails.
        """
        if weights == NO_WEIGHTS:
            return None
        if weights == IMAGENET:
            return WeightsFile.of(self.download(backbone, reporter=reporter), name=IMAGENET)
        return weights_file(weights)

    def download(self, backbone: str, *, reporter: Reporter) -> Path:  # noqa: ARG002
        """The file of the published ImageNet weights of `backbone`, downloaded if it is missing."""
        raise UsageError(f"`weights='imagenet'` are not published for {backbone}; use `weights='none'`")

    def with_weights(self, parameters: InitParameters, weights: WeightsFile | None) -> InitParameters:
        """`parameters` with the name and digest of `weights`, and the input that these need."""
        if weights is None:
            return parameters
        return parameters.model_copy(update={"weights": weights.name, "weights_digest": weights.digest})

    def load(
        self, network: nn.Module, weights: WeightsFile, *, backbone: str, reporter: Reporter = SILENT
    ) -> tuple[str, ...]:
        """Copy `weights` into `network`; returns the names in the file that are not used, except a classifier's."""
        left_out = load_weights(network, weights, backbone=backbone, reporter=reporter)
        return () if weights.name == IMAGENET else left_out

    def require_size(self, network: nn.Module, *, name: str, height: int, width: int) -> None:
        """Raise UsageError if `network`, called `name`, does not take images of this size; an image of zeros is tried."""
        was_training = network.training
        try:
            with torch.inference_mode():
                network.eval()(torch.zeros(1, 3, height, width))
        except (RuntimeError, AssertionError, ValueError) as error:
            reason = first_line(error)
            raise UsageError(
                f"`backbone`: {name} does not take images of {height}×{width} ({reason}); set `height` and `width`, or use "
                f"another network"
            ) from error
        finally:
            network.train(was_training)

    def learned(
        self,
        images: StoredImages,  # noqa: ARG002
        frames: Int64Array,  # noqa: ARG002
        parameters: InitParameters,  # noqa: ARG002
        reporter: Reporter = SILENT,  # noqa: ARG002
    ) -> dict[str, NDArray[Any]]:
        """Arrays of the network's state, by name, learned from the train images `images[frames]`; usually none."""
        return {}
