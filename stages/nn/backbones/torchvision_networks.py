"""torchvision's classification networks, stopped at their pooled features."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torchvision
from torch import nn
from torchvision.models import MaxVit, VisionTransformer

from schemas.choices import NO_WEIGHTS
from schemas.parameters import InitParameters
from stages.errors import UsageError
from stages.nn.backbones.downloads import cached_download
from stages.nn.backbones.headless import remove_classifier
from stages.nn.backbones.provider import Provider
from stages.nn.backbones.resnets import set_resnet_options
from stages.reporting import Reporter

FIXED_SIZE = 224
"""Height and width of the images for networks with fixed position embeddings."""


class TorchvisionNetworks(Provider):
    """Networks and weights of torchvision, with its names in their state."""

    suggestion = "resnet50, mobilenet_v2"

    @property
    def description(self) -> str:  # type: ignore[override]
        """As `Provider.description`, with the number of networks."""
        return f"one of torchvision's {len(self.names())} classification networks, such as resnet50"

    @functools.cache  # noqa: B019
    def names(self) -> tuple[str, ...]:
        """torchvision's classification networks."""
        return tuple(torchvision.models.list_models(module=torchvision.models))

    def build(self, parameters: InitParameters) -> tuple[nn.Module, int]:
        """The network under torchvision's own random initialisation, with the ResNet options of `parameters`."""
        options: dict[str, Any] = {}
        if parameters.backbone in ("googlenet", "inception_v3"):
            # the published weights need transformed inputs; without weights any scale will do
            options = {"aux_logits": False, "init_weights": True, "transform_input": True}
        network: nn.Module = torchvision.models.get_model(parameters.backbone, weights=None, **options)
        dim = remove_classifier(network)
        set_resnet_options(network, parameters)
        return network, dim

    def pools_layers(self, parameters: InitParameters) -> bool:
        """As `Provider`'s: those that were learnt from pictures."""
        return parameters.weights != NO_WEIGHTS

    def download(self, backbone: str, *, reporter: Reporter) -> Path:
        """torchvision's IMAGENET1K_V1 weights, those of the published results, in torch's own cache."""
        published = torchvision.models.get_model_weights(backbone).__members__
        if "IMAGENET1K_V1" not in published:
            raise UsageError(
                f"`weights='imagenet'` are IMAGENET1K_V1, but torchvision has only {', '.join(published)} for {backbone}; "
                f"download one and give its file, or use `weights='none'`"
            )
        return cached_download(published["IMAGENET1K_V1"].url, reporter=reporter)

    def require_size(self, network: nn.Module, *, name: str, height: int, width: int) -> None:
        """As `Provider`'s; vision transformers take one size only."""
        if isinstance(network, (VisionTransformer, MaxVit)) and (height, width) != (FIXED_SIZE, FIXED_SIZE):
            raise UsageError(
                f"images must be {FIXED_SIZE}×{FIXED_SIZE} for {name}, got {height}×{width}; "
                f"use `height={FIXED_SIZE}` and `width={FIXED_SIZE}`"
            )
        super().require_size(network, name=name, height=height, width=width)


PROVIDER = TorchvisionNetworks()
