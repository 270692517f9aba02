"""Backbones: torchvision's classification networks, stopped at their pooled features."""

from __future__ import annotations

import difflib
from typing import Any

import torch
import torchvision
from torch import nn
from torchvision.models import MaxVit, VisionTransformer
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from stages.errors import UsageError
from stages.nn.bag_of_words.descriptor import BAG_OF_WORDS, DIM, BagOfWords
from stages.nn.model.headless import remove_classifier
from stages.nn.model.pooling import GeneralizedMean

OWN = "resnet10"
"""Not torchvision's: one basic block a layer, for small images and no weights."""

FIXED_SIZE = 224
"""Height and width of the images that the networks with position embeddings of one size take."""


def backbone_names() -> tuple[str, ...]:
    """Every backbone there is, sorted: torchvision's classification networks, `resnet10`, and the bag of words."""
    return tuple(sorted([OWN, BAG_OF_WORDS, *torchvision.models.list_models(module=torchvision.models)]))


def require_backbone(name: str) -> None:
    """Raise UsageError, with the names nearest to it, unless there is a network `name`."""
    names = backbone_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=4, cutoff=0.5) or ["resnet50", "mobilenet_v2", OWN]
        raise UsageError(
            f"--backbone: found {name!r}, wanted one of torchvision's {len(names) - 2} classification networks, "
            f"{OWN} or {BAG_OF_WORDS}; the nearest: {', '.join(near)}"
        )


def build_backbone(name: str, *, seed: int = 0, last_stride: int = 2, pooling: str = "avg") -> tuple[nn.Module, int]:
    """The network `name` and the dimension d of its output, pooled features (B, d).

    State-dict names are torchvision's, without the classifier's; weights are torchvision's own random initialisation,
    drawn from `seed` without touching the process's generator. The bag of words comes without its vocabulary. ResNets
    may keep stride 1 in their last layer (`last_stride`; a map of twice the height and width, as in Luo et al., CVPRW
    2019) and pool by a generalised mean (`pooling` 'gem', whose exponent is the parameter `avgpool.p`). Raises
    UsageError for an unknown name, and for either option with a network that is no ResNet.
    """
    require_backbone(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = BagOfWords() if name == BAG_OF_WORDS else _network(name)
    dim = DIM if isinstance(network, BagOfWords) else remove_classifier(network)
    for option, value, usual in (("last-stride", last_stride, 2), ("pooling", pooling, "avg")):
        if value != usual and not isinstance(network, ResNet):
            raise UsageError(f"--{option}: found {value} for {name}, wanted {usual}: only ResNets have the choice")
    if last_stride == 1:
        _keep_last_stride(network)
    if pooling == "gem":
        network.avgpool = GeneralizedMean()
    return network, dim


def require_size(network: nn.Module, *, name: str, height: int, width: int) -> None:
    """Raise UsageError unless `network`, called `name`, takes images of this size: it is given one, of zeros."""
    size = f"{height}×{width}"
    if isinstance(network, (VisionTransformer, MaxVit)) and (height, width) != (FIXED_SIZE, FIXED_SIZE):
        raise UsageError(
            f"--backbone: found {name} for images of {size}, wanted {FIXED_SIZE}×{FIXED_SIZE}, the one size it takes; "
            f"add --height {FIXED_SIZE} --width {FIXED_SIZE}"
        )
    was_training = network.training
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, height, width))
    except RuntimeError as error:
        raise UsageError(
            f"--backbone: found {name} for images of {size}, wanted larger ones ({str(error).splitlines()[0]}); "
            f"add --height and --width, or take another network"
        ) from error
    finally:
        network.train(was_training)


def _network(name: str) -> nn.Module:
    """The network with its classifier."""
    if name == OWN:
        own: nn.Module = ResNet(BasicBlock, [1, 1, 1, 1])
        return own
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        # the published weights want their inputs transformed; without weights that is as good as any scale
        options = {"aux_logits": False, "init_weights": True, "transform_input": True}
    network: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return network


def _keep_last_stride(network: nn.Module) -> None:
    block = network.get_submodule("layer4.0")
    strided = block.conv2 if isinstance(block, Bottleneck) else block.get_submodule("conv1")
    for layer in (strided, block.get_submodule("downsample.0")):
        layer.stride = (1, 1)
