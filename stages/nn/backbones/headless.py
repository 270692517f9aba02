"""Classification networks without their classifiers: the output is the pooled feature."""

from __future__ import annotations

from math import prod

from torch import nn
from torchvision.models import VGG, AlexNet, GoogLeNet, Inception3, SqueezeNet

_HEADS = ("fc", "head", "heads", "classifier")


class Removed(nn.Identity):
    """The placeholder of a removed part, so that its weights in a file can be recognised by name."""


def remove_classifier(network: nn.Module) -> int:
    """The dimension of the pooled features that `network`, a torchvision classifier, outputs after this call.

    The class scores are removed, with the dropout before them: everything from the first linear layer or 1×1 convolution
    on. Layers before it stay (ConvNeXt's and MaxViT's norms). VGG and AlexNet, whose classifiers read a map of 7×7 or 6×6,
    and SqueezeNet, which pools class scores, get a mean over the map. State-dict names of the other parts do not change.
    """
    pooled_to = 1
    if isinstance(network, (VGG, AlexNet)):
        pooled_to = _map_size(network.avgpool)
        network.avgpool = nn.AdaptiveAvgPool2d(1)
    if isinstance(network, SqueezeNet):
        network.features.append(nn.AdaptiveAvgPool2d(1))
    if isinstance(network, (GoogLeNet, Inception3)):
        network.dropout = Removed()
    name = next(name for name in _HEADS if hasattr(network, name))
    head = getattr(network, name)
    scorer = next(part for part in head.modules() if isinstance(part, (nn.Linear, nn.Conv2d)))
    parts = list(head.children()) if isinstance(head, nn.Sequential) else []
    first = next((i for i, part in enumerate(parts) if part is scorer), 0)
    if all(isinstance(part, nn.Dropout) for part in parts[:first]):
        setattr(network, name, Removed())
    else:
        for i in range(first, len(parts)):
            head[i] = Removed()
    n_inputs = scorer.in_features if isinstance(scorer, nn.Linear) else scorer.in_channels
    return n_inputs // pooled_to


def removed_names(network: nn.Module) -> tuple[str, ...]:
    """The names of the parts that `remove_classifier` took out of `network`."""
    return tuple(name for name, part in network.named_modules() if isinstance(part, Removed))


def _map_size(pooling: nn.AdaptiveAvgPool2d) -> int:
    """The number of pixels in the output of an adaptive pooling."""
    size = pooling.output_size
    return prod(side or 1 for side in (size if isinstance(size, tuple) else (size, size)))
