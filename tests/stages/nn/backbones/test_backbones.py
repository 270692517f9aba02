"""Backbones: pooled features out, torchvision's names inside, whatever the network."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from schemas.parameters import InitParameters
from stages.errors import UsageError
from stages.nn import backbones
from stages.nn.backbones import register
from stages.nn.backbones.pooling import GeneralizedMean
from stages.nn.backbones.register import backbone_names, build_backbone, provider_of
from stages.nn.seeded import Undrawn

DIMENSIONS = {
    "resnet18": 512,
    "mobilenet_v2": 1280,
    "mobilenet_v3_small": 576,
    "shufflenet_v2_x0_5": 1024,
    "mnasnet0_5": 1280,
    "squeezenet1_1": 512,
    "densenet121": 1024,
    "efficientnet_b0": 1280,
    "regnet_y_400mf": 440,
    "convnext_tiny": 768,
    "googlenet": 1024,
    "alexnet": 256,
}
# what reads the pooled feature in torchvision's own network, by the start of its name
READERS = {
    "alexnet": "avgpool",
    "convnext": "classifier.2",
    "densenet": "classifier",
    "efficientnet": "classifier.1",
    "googlenet": "fc",
    "inception": "fc",
    "maxvit": "classifier.3",
    "mnasnet": "classifier.1",
    "mobilenet_v2": "classifier.1",
    "mobilenet_v3": "classifier.0",
    "regnet": "fc",
    "res": "fc",
    "shufflenet": "fc",
    "squeezenet": "classifier.1",
    "swin": "head",
    "vgg": "avgpool",
    "vit": "heads.head",
    "wide": "fc",
}


def torchvision_size(network: nn.Module, *, name: str, height: int, width: int) -> None:
    provider_of(name).require_size(network, name=name, height=height, width=width)


def torchvisions(name: str) -> nn.Module:
    """torchvision's own network, whose weights are loaded or not looked at."""
    options = {"init_weights": True, "transform_input": True} if name in ("googlenet", "inception_v3") else {}
    with Undrawn():
        network: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return network.eval()


def input_of(network: nn.Module, reader: str, images: Tensor) -> Tensor:
    """What the part `reader` of a network reads, averaged where it is a map."""
    seen: list[Tensor] = []
    network.get_submodule(reader).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(images)
    return seen[0].mean(dim=(2, 3)) if seen[0].ndim == 4 else seen[0]


def check(name: str) -> int:
    """The dimension of a backbone, shown to be torchvision's network up to its classifier."""
    network, dim = build_backbone(InitParameters(backbone=name))
    full = torchvisions(name)
    left_out = re.compile(r"(fc|heads?|classifier|aux\d|AuxLogits)\.")
    kept = {key for key in full.state_dict() if not left_out.match(key)}
    # norms in front of the last linear layer are part of the feature
    kept |= {key for key in full.state_dict() if re.match(r"classifier\.\d\.", key) and key in network.state_dict()}
    assert set(network.state_dict()) == kept
    reader = next(part for start, part in READERS.items() if name.startswith(start))
    assert not any(key.startswith(f"{reader}.") for key in kept)
    full.load_state_dict(network.state_dict(), strict=False)
    edge = 224 if name.startswith(("vit", "maxvit")) else 96
    images = torch.rand(2, 3, edge, edge, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = network.eval()(images)
        torch.testing.assert_close(features, input_of(full, reader, images))
    assert features.shape == (2, dim)
    assert features.std() > 0
    return dim


@pytest.mark.parametrize("name", sorted(set(DIMENSIONS)))
def test_features_are_what_torchvisions_classifier_would_read(name: str) -> None:
    assert check(name) == DIMENSIONS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(torchvision.models.list_models(module=torchvision.models))))
def test_features_of_every_network_are_what_its_classifier_would_read(name: str) -> None:
    assert check(name) > 0


def test_resnet10_is_an_18_layer_network_without_the_second_block_of_each_layer() -> None:
    network, dim = build_backbone(InitParameters(backbone="resnet10"))
    full = torchvisions("resnet18").state_dict()
    assert set(network.state_dict()) == {key for key in full if not re.match(r"layer\d\.1\.|fc\.", key)}
    with torch.inference_mode():
        assert network.eval()(torch.zeros(2, 3, 64, 32)).shape == (2, dim) == (2, 512)


@pytest.mark.parametrize(
    ("name", "stride", "size"), [("resnet10", 2, (4, 2)), ("resnet10", 1, (8, 4)), ("resnet50", 1, (8, 4))]
)
def test_the_last_stride_decides_the_size_of_the_last_map_and_no_weight(
    name: str, stride: int, size: tuple[int, int]
) -> None:
    network, _ = build_backbone(InitParameters(backbone=name, last_stride=stride))
    usual, _ = build_backbone(InitParameters(backbone=name))
    trunk = nn.Sequential(*list(network.children())[:-2])
    with torch.inference_mode():
        assert trunk.eval()(torch.zeros(1, 3, 128, 64)).shape[2:] == size
    assert all(torch.equal(value, usual.state_dict()[key]) for key, value in network.state_dict().items())


def test_gem_pooling_adds_its_exponent_to_a_resnet_and_changes_its_features() -> None:
    network, dim = build_backbone(InitParameters(backbone="resnet10", pooling="gem"))
    usual, _ = build_backbone(InitParameters(backbone="resnet10"))
    assert set(network.state_dict()) - set(usual.state_dict()) == {"avgpool.p"}
    assert network.get_parameter("avgpool.p").tolist() == [3]
    images = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    assert network.eval()(images).shape == (2, dim)
    # the generalised mean grows with its exponent
    assert bool((network(images) > usual.eval()(images)).all())
    network.train()(images).sum().backward()
    assert network.get_parameter("avgpool.p").grad.abs().item() > 0  # type: ignore[union-attr]


def test_the_generalised_mean_is_that_of_a_plain_loop_between_mean_and_maximum() -> None:
    maps = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    maps[0, 0] = 0
    for p in (1.0, 3.0, 7.5):
        pooled = GeneralizedMean(p)(maps.float())[:, :, 0, 0]
        for i in range(2):
            for channel in range(3):
                values = [float(value) for value in maps[i, channel].flatten()]
                expected = (sum(value**p for value in values) / 20) ** (1 / p)
                assert pooled[i, channel].item() == pytest.approx(expected, rel=1e-5, abs=2e-6)
    largest = GeneralizedMean(200)(maps.float())[1, :, 0, 0].double()
    torch.testing.assert_close(largest, maps[1].amax(dim=(1, 2)), rtol=0.02, atol=0)
    assert GeneralizedMean()(maps.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("options", [{"last_stride": 1}, {"pooling": "gem"}])
@pytest.mark.parametrize("name", ["mobilenet_v2", "bow"])
def test_options_of_resnets_are_refused_for_others(name: str, options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=rf"must be (2|'avg') for {name}, got .*; only ResNets"):
        build_backbone(InitParameters(backbone=name, **options))  # type: ignore[arg-type]


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    first, second, other = (
        build_backbone(InitParameters(backbone="resnet10", seed=seed))[0].state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_an_unknown_backbone_is_refused_with_the_nearest_named() -> None:
    with pytest.raises(UsageError, match=r"`backbone` must be .*got 'resnet5'; try resnet50, resnet"):
        build_backbone(InitParameters(backbone="resnet5"))
    with pytest.raises(
        UsageError, match=r"must be bow.*resnet10.*80 classification.*got 'zzz'; try .*resnet50, mobilenet_v2"
    ):
        build_backbone(InitParameters(backbone="zzz"))
    assert len(backbone_names()) >= 82


def test_a_new_file_with_a_provider_is_found_without_being_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
        from torch import nn

        from stages.nn.backbones.provider import Provider


        class Thumbnails(Provider):
            description, suggestion = "thumbnail, 8x8 pixels as they are", "thumbnail"

            def names(self):
                return ("thumbnail",)

            def build(self, parameters):
                return nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten()), 192


        PROVIDER = Thumbnails()
    """
    (tmp_path / "thumbnails.py").write_text(textwrap.dedent(source))
    monkeypatch.setattr(backbones, "__path__", [*backbones.__path__, str(tmp_path)])
    register.providers.cache_clear()
    try:
        assert "thumbnail" in backbone_names()
        network, dim = build_backbone(InitParameters(backbone="thumbnail"))
        assert network(torch.zeros(2, 3, 16, 16)).shape == (2, dim)
        with pytest.raises(UsageError, match=r"thumbnail, 8x8 pixels as they are"):
            build_backbone(InitParameters(backbone="zzz"))
    finally:
        register.providers.cache_clear()


def test_a_network_of_one_size_says_which() -> None:
    network = VisionTransformer(image_size=224, patch_size=32, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8)
    torchvision_size(network, name="vit_b_32", height=224, width=224)
    with pytest.raises(
        UsageError, match=r"images must be 224×224 for vit_b_32, got 256×128; use `height=224` and `width=224`"
    ):
        torchvision_size(network, name="vit_b_32", height=256, width=128)


def test_images_too_small_for_a_network_are_told_of_in_one_line() -> None:
    network, _ = build_backbone(InitParameters(backbone="squeezenet1_1"))
    torchvision_size(network.train(), name="squeezenet1_1", height=32, width=32)
    assert network.training
    with pytest.raises(UsageError, match=r"squeezenet1_1 does not take images of 8×8 \(") as caught:
        torchvision_size(network, name="squeezenet1_1", height=8, width=8)
    assert "\n" not in str(caught.value)
