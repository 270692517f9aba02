"""Two networks of one kind beside each other, as methods with two branches have them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from schemas.parameters import InitParameters
from stages.nn.backbones import register
from stages.nn.backbones.provider import Provider
from stages.nn.backbones.weights import WeightsFile
from stages.reporting import SILENT, Reporter

PREFIX = "two:"


class TwoNetworks(nn.Module):
    """The features of `first` and `second`, of length 1 each, beside each other: images (B, 3, H, W) to (B, 2d)."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, images: Tensor) -> Tensor:
        """The features of both."""
        return torch.cat([functional.normalize(each(images), dim=1) for each in (self.first, self.second)], dim=1)


class TwoNetworksProvider(Provider):
    """`two:NAME`: two networks called NAME, which start from the same weights."""

    description = f"{PREFIX}NAME, two of one kind"
    suggestion = f"{PREFIX}resnet50"
    prefix = PREFIX

    def build(self, parameters: InitParameters) -> tuple[nn.Module, int]:
        """Both networks, with the options of `parameters`."""
        one = parameters.model_copy(update={"backbone": parameters.backbone.removeprefix(PREFIX)})
        (first, dim), (second, _) = (register.provider_of(one.backbone).build(one) for _ in range(2))
        return TwoNetworks(first, second), 2 * dim

    def download(self, backbone: str, *, reporter: Reporter) -> Path:
        """The file of the weights of one."""
        name = backbone.removeprefix(PREFIX)
        return register.provider_of(name).download(name, reporter=reporter)

    def load(
        self, network: nn.Module, weights: WeightsFile, *, backbone: str, reporter: Reporter = SILENT
    ) -> tuple[str, ...]:
        """Copy `weights` into both networks; see `Provider.load`."""
        name = backbone.removeprefix(PREFIX)
        provider = register.provider_of(name)
        for branch in ("first", "second"):
            left_out = provider.load(network.get_submodule(branch), weights, backbone=name, reporter=reporter)
        return left_out


PROVIDER = TwoNetworksProvider()
