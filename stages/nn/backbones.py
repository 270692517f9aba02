"""Backbones: torchvision's classification networks, stopped at their pooled features."""

from __future__ import annotations

from typing import Final

import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from stages.errors import UsageError

CLASSIFIERS: Final = {
    "resnet10": "fc",
    "resnet18": "fc",
    "resnet34": "fc",
    "resnet50": "fc",
    "resnet101": "fc",
    "mobilenet_v2": "classifier",
    "convnext_tiny": "classifier.2",
}
"""Each backbone and the submodule that turns its pooled features into class scores."""


def build_backbone(name: str, *, seed: int = 0) -> tuple[nn.Module, int]:
    """The network `name` and the dimension d of its output, pooled features (B, d) in float32.

    State-dict names are torchvision's, without the classifier's; weights are torchvision's own random
    initialisation, drawn from `seed` without touching the process's generator. The dropout in front of MobileNet's
    classifier goes with it, being part of the classifier. Raises UsageError for an unknown name.
    """
    if name not in CLASSIFIERS:
        raise UsageError(f"backbone: found {name!r}, want one of {', '.join(CLASSIFIERS)}; choose one of these")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(name)
    classifier = network.get_submodule(CLASSIFIERS[name])
    dim = _input_dim(classifier)
    parent, _, leaf = CLASSIFIERS[name].rpartition(".")
    setattr(network.get_submodule(parent), leaf, nn.Identity())
    return network, dim


def _network(name: str) -> nn.Module:
    """The network with its classifier. `resnet10` has one basic block a layer: for small images and no weights."""
    known = {"resnet10": lambda: ResNet(BasicBlock, [1, 1, 1, 1])}
    network: nn.Module = known[name]() if name in known else torchvision.models.get_model(name, weights=None)
    return network


def _input_dim(classifier: nn.Module) -> int:
    """The number of features the first linear layer of a classifier reads."""
    return next(layer.in_features for layer in classifier.modules() if isinstance(layer, nn.Linear))
