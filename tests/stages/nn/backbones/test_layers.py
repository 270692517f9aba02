"""Features of several layers, against the maps that a plain loop over the network's parts gives."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from schemas.parameters import InitParameters
from stages.errors import UsageError
from stages.extract.folding import folded
from stages.nn.initial_model import initial_model
from stages.nn.model.network import ReidModel, build_model
from stages.runs.run_directory import RunDirectory, model_manifest
from stages.samples import UNKNOWN, in_encounters

DIM, MAPS = 576, ((3, 24), (8, 48))
"""MobileNetV3 small: the numbers of its last map, and the last blocks of strides 8 and 16 with their channels."""
WIDTH = DIM + 2 * sum(channels for _, channels in MAPS)


@functools.cache
def network(pooling: str) -> ReidModel:
    model = build_model(InitParameters.model_validate({"backbone": "mobilenet_v3_small", "pooling": pooling}))
    return model.eval()


def images(n: int = 2) -> Tensor:
    return torch.rand(n, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def by_loop(x: Tensor) -> Tensor:
    plain = network("avg").backbone
    parts = [plain(x)]
    for number, block in enumerate(plain.features):  # type: ignore[arg-type]
        x = block(x)
        if number in dict(MAPS):
            parts += [x.mean((2, 3)), (x.var((2, 3), correction=0) + 1e-6).sqrt()]
    return torch.cat([functional.normalize(part, dim=1) for part in parts], dim=1)


@torch.inference_mode()
def test_features_are_those_of_a_loop_over_the_blocks_also_if_copied_or_folded() -> None:
    model = network("layers")
    assert model.head.linear.in_features == WIDTH
    expected = by_loop(images())
    assert expected.shape == (2, WIDTH)
    for backbone in (model.backbone, copy.deepcopy(model.backbone), folded(model.backbone)):
        for _ in range(2):
            torch.testing.assert_close(backbone(images()), expected, rtol=1e-4, atol=1e-5)


def test_parts_have_the_names_of_the_plain_network() -> None:
    plain, layers = (network(pooling).backbone.state_dict() for pooling in ("avg", "layers"))
    assert list(plain) == list(layers)
    assert all(torch.equal(plain[name], layers[name]) for name in plain)


def test_gradients_reach_the_first_layer_from_every_part() -> None:
    model = copy.deepcopy(network("layers"))
    first = next(model.backbone.parameters())
    start = 0
    for width in (DIM, *(channels for _, channels in MAPS for _ in range(2))):
        features = model.pool(images())
        (gradient,) = torch.autograd.grad(features[:, start : start + width].square().cumsum(1).sum(), first)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() > 0
        start += width
    assert start == WIDTH


def test_a_pass_that_was_broken_off_leaves_nothing_behind() -> None:
    model = network("layers")
    with torch.inference_mode(), pytest.raises(RuntimeError):
        model.backbone(torch.rand(2, 4, 64, 96))
    with torch.inference_mode():
        torch.testing.assert_close(model.backbone(images()), by_loop(images()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", ["squeezenet1_1", "vit_b_32", "two:resnet10"])
def test_a_network_without_maps_of_several_sizes_is_refused(backbone: str) -> None:
    with pytest.raises(UsageError, match=r"`pooling` must be 'avg' for .*, which has no maps of several sizes"):
        build_model(InitParameters(backbone=backbone, pooling="layers"))


@pytest.mark.parametrize(
    ("backbone", "weights", "expected"),
    [
        ("mobilenet_v3_small", True, "layers"),
        ("mobilenet_v3_small", False, "avg"),
        ("squeezenet1_1", True, "avg"),
    ],
)
def test_auto_takes_several_layers_of_a_network_that_has_them_and_learnt_from_pictures(
    tmp_path, monkeypatch, backbone: str, weights: bool, expected: str
) -> None:  # type: ignore[no-untyped-def]
    run, asked = RunDirectory(tmp_path), {"backbone": backbone, "pooling": "auto"}
    if weights:
        from safetensors.torch import save_file

        plain = build_model(InitParameters(backbone=backbone))
        save_file(plain.backbone.state_dict(), tmp_path / "weights.safetensors")
    made = initial_model(run, asked | {"weights": str(tmp_path / "weights.safetensors") if weights else "none"})
    assert made.artifact is not None
    assert model_manifest(made.artifact).initial.pooling == expected
    # what is there fits
    assert initial_model(run, asked).status == "up to date"


@pytest.mark.parametrize(
    ("camid", "encounter", "expected"),
    [
        (np.arange(40) % 2, [], False),
        (np.arange(40) // 2, [], True),
        (np.arange(40) // 2, [UNKNOWN] * 40, True),
        (np.zeros(40), [], False),
        (np.full(40, UNKNOWN), [], False),
        (np.arange(40) % 2, [3] * 20 + [UNKNOWN] * 20, True),
        (np.arange(40) % 2, [3] * 19 + [UNKNOWN] * 21, False),
    ],
)
def test_pictures_come_in_encounters_if_they_are_named_or_cameras_took_few(camid, encounter, expected) -> None:  # type: ignore[no-untyped-def]
    assert in_encounters(camid.astype(np.int32), np.array(encounter, dtype=np.int32)) is expected
