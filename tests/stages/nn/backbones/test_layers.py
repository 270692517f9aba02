"""Features of several layers, against the maps that a plain loop over the network's parts gives."""

from __future__ import annotations

import copy
import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from schemas.parameters import InitParameters
from stages.errors import UsageError
from stages.extract.folding import folded
from stages.nn.backbones.register import pools_layers
from stages.nn.initial_model import initial_model, why_one_scene
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
    model = copy.deepcopy(network("layers"))
    last = model.backbone.features[-1]  # type: ignore[index]

    def stop(*_: object) -> None:
        raise MemoryError

    hook = last.register_forward_pre_hook(stop)
    with pytest.raises(MemoryError):
        model.backbone(images())
    hook.remove()
    for backbone in (copy.deepcopy(model.backbone), model.backbone):
        with torch.inference_mode():
            torch.testing.assert_close(backbone(images()), by_loop(images()), rtol=1e-4, atol=1e-5)


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
    file = tmp_path / "weights.safetensors"
    if weights:
        save_file(build_model(InitParameters(backbone=backbone)).backbone.state_dict(), file)
    asked["weights"] = str(file) if weights else "none"
    made = initial_model(run, asked)
    assert made.artifact is not None
    assert model_manifest(made.artifact).initial.pooling == expected
    # what is there fits, whether its file is named or not
    for again in (asked, {"backbone": backbone, "pooling": "auto"}):
        assert initial_model(run, again).status == "up to date"


def test_a_run_of_before_keeps_its_pooling_until_it_has_other_weights(tmp_path: Path) -> None:
    run, files = RunDirectory(tmp_path / "run"), [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for seed, file in enumerate(files):
        save_file(build_model(InitParameters(backbone="mobilenet_v3_small", seed=seed)).backbone.state_dict(), file)
    before = initial_model(run, {"backbone": "mobilenet_v3_small", "weights": str(files[0])})
    asked = {"backbone": "mobilenet_v3_small", "pooling": "auto"}
    same, other = (initial_model(run, {**asked, "weights": str(file)}) for file in files)
    assert (same.status, same.artifact) == ("up to date", before.artifact)
    assert other.artifact is not None
    assert model_manifest(other.artifact).initial.pooling == "layers"


def test_auto_leaves_networks_alone_whose_features_would_be_very_wide() -> None:
    few, many = (InitParameters(backbone=name, weights="imagenet") for name in ("resnet18", "resnet50"))
    state = torch.random.get_rng_state()
    assert pools_layers(few)
    assert not pools_layers(many)
    assert torch.equal(torch.random.get_rng_state(), state)


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


def test_cameras_that_took_few_are_not_called_encounters_as_a_fact() -> None:
    camid, known, none = np.arange(40, dtype=np.int32) // 2, np.full(40, 3, dtype=np.int32), np.empty(0, np.int32)
    assert "cameras that took fewer than 16, which may be encounters" in str(why_one_scene(camid, none))
    assert why_one_scene(camid, known) == why_one_scene(camid % 2, known) == "pictures come in encounters"
    assert why_one_scene(camid % 2, none) is None
