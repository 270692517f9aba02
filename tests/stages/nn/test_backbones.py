"""Backbones: pooled features out, torchvision's names inside."""

from __future__ import annotations

import re

import pytest
import torch
import torchvision

from stages.errors import UsageError
from stages.nn.backbones import CLASSIFIERS, build_backbone

DIMENSIONS = {
    "resnet10": 512,
    "resnet18": 512,
    "resnet34": 512,
    "resnet50": 2048,
    "resnet101": 2048,
    "mobilenet_v2": 1280,
}
DIMENSIONS |= {"convnext_tiny": 768}


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_forward_gives_pooled_features_and_names_stay_torchvisions(name: str) -> None:
    network, dim = build_backbone(name)
    with torch.inference_mode():
        assert network.eval()(torch.zeros(2, 3, 64, 32)).shape == (2, dim)
    assert dim == DIMENSIONS[name]
    if name == "resnet10":
        # not torchvision's: an 18-layer network with the second block of each layer left out
        full = {key: 0 for key in torchvision.models.resnet18().state_dict() if not re.match(r"layer\d\.1\.", key)}
    else:
        full = torchvision.models.get_model(name, weights=None).state_dict()
    assert set(network.state_dict()) == {key for key in full if not key.startswith(CLASSIFIERS[name] + ".")}


def test_the_last_block_of_a_resnet_has_stride_two() -> None:
    network, _ = build_backbone("resnet18")
    trunk = torch.nn.Sequential(*list(network.children())[:-2])
    with torch.inference_mode():
        assert trunk.eval()(torch.zeros(1, 3, 256, 128)).shape[2:] == (8, 4)


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    first, second, other = (build_backbone("resnet18", seed=seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_an_unknown_backbone_is_refused_with_the_known_ones_named() -> None:
    with pytest.raises(UsageError, match=r"found 'vgg16'.*resnet50"):
        build_backbone("vgg16")
