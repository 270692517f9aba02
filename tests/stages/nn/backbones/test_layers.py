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
from stages.nn.backbones.layers import _in_groups, _numbers_of_parts, _of_parts
from stages.nn.backbones.register import pooling_of_auto
from stages.nn.initial_model import initial_model
from stages.nn.model.network import ReidModel, build_model
from stages.nn.seeded import Undrawn
from stages.runs.run_directory import RunDirectory, model_manifest

DIM, LAST_BLOCKS = 576, {"layers": {3: 24, 8: 48}, "parts": {1: 16, 3: 24, 8: 48}}
"""MobileNetV3 small: the numbers of its last map, and the last blocks of strides 4, 8 and 16 with their channels."""
EACH = {"layers": (1, 1), "parts": (1, 1, 4)}
"""Numbers for a channel, of each statistic."""
SEVERAL = pytest.mark.parametrize("pooling", ["layers", "parts"])


def widths(pooling: str) -> list[int]:
    return [DIM, *(channels * n for channels in LAST_BLOCKS[pooling].values() for n in EACH[pooling])]


@functools.cache
def network(pooling: str) -> ReidModel:
    model = build_model(InitParameters.model_validate({"backbone": "mobilenet_v3_small", "pooling": pooling}))
    return model.eval()


def images(n: int = 2) -> Tensor:
    return torch.rand(n, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def of_all(x: Tensor) -> list[Tensor]:
    return [x.mean((2, 3)), (x.var((2, 3), correction=0) + 1e-6).sqrt()]


def of_parts(x: Tensor) -> list[Tensor]:
    """From copies of the map: 4 times as many rows can be parted into stripes, whatever their number was."""
    down, across = (np.hanning(2 * size + 1)[1::2] for size in x.shape[2:])
    pixels = x.double().flatten(2)
    weights = torch.from_numpy(np.outer(down, across).ravel() / (down.sum() * across.sum()))
    mean = torch.tensor(np.average(pixels, axis=2, weights=weights))
    variance = torch.tensor(np.average((pixels - mean[:, :, None]).square(), axis=2, weights=weights))
    rows = x.double().repeat_interleave(4, dim=2)
    stripes = [np.average(stripe.mean(2), axis=2, weights=across) for stripe in rows.chunk(4, dim=2)]
    return [mean.float(), (variance + 1e-6).sqrt().float(), torch.tensor(np.stack(stripes, axis=2)).flatten(1).float()]


def by_loop(x: Tensor, pooling: str) -> Tensor:
    plain = network("avg").backbone
    parts = [plain(x)]
    for number, block in enumerate(plain.features):  # type: ignore[arg-type]
        x = block(x)
        if number in LAST_BLOCKS[pooling]:
            parts += {"layers": of_all, "parts": of_parts}[pooling](x)
    return torch.cat([functional.normalize(part, dim=1) for part in parts], dim=1)


@SEVERAL
@torch.inference_mode()
def test_features_are_those_of_a_loop_over_the_blocks_also_if_copied_or_folded(pooling: str) -> None:
    model = network(pooling)
    assert model.head.linear.in_features == sum(widths(pooling))
    expected = by_loop(images(), pooling)
    assert expected.shape == (2, sum(widths(pooling)))
    for backbone in (model.backbone, copy.deepcopy(model.backbone), folded(model.backbone)):
        for _ in range(2):
            torch.testing.assert_close(backbone(images()), expected, rtol=1e-4, atol=1e-5)


@SEVERAL
def test_blocks_have_the_names_of_the_plain_network(pooling: str) -> None:
    plain, layers = (network(which).backbone.state_dict() for which in ("avg", pooling))
    assert list(plain) == list(layers)
    assert all(torch.equal(plain[name], layers[name]) for name in plain)


@SEVERAL
def test_gradients_reach_the_first_layer_from_every_part(pooling: str) -> None:
    model = copy.deepcopy(network(pooling))
    first = next(model.backbone.parameters())
    start = 0
    for width in widths(pooling):
        features = model.pool(images())
        (gradient,) = torch.autograd.grad(features[:, start : start + width].square().cumsum(1).sum(), first)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() > 0
        start += width
    assert start == features.shape[1]


@torch.inference_mode()
def test_parts_of_a_mirror_image_are_the_same_and_those_of_the_middle_count_most() -> None:
    model = network("parts")
    x = torch.zeros(1, 24, 8, 6)
    x[0, 0, :, 2:4], x[0, 1, :, [0, 5]], x[0, 2, 4:6] = 1, 1, 1
    middle, _, stripes = _of_parts(x)
    assert middle[0, 0] > 4 * middle[0, 1] > 0
    torch.testing.assert_close(stripes[0].reshape(24, 4)[2], torch.tensor([0.0, 0, 1, 0]))
    for found, mirrored in zip(_of_parts(x), _of_parts(x.flip(3)), strict=True):
        torch.testing.assert_close(found, mirrored)
    assert model.head.linear.in_features > DIM


@pytest.mark.parametrize(("channels", "size"), [(128, 1), (130, 3), (256, 4), (1000, 16), (1024, 16)])
def test_a_map_of_many_channels_is_looked_at_in_groups_of_neighbours(channels: int, size: int) -> None:
    maps = torch.rand(2, channels, 4, 3, generator=torch.Generator().manual_seed(1))
    found = _in_groups(maps)
    expected = [maps[:, first : first + size].sum(1) / size for first in range(0, channels, size)]
    torch.testing.assert_close(found, torch.stack(expected, dim=1))
    assert sum(part.shape[1] for part in _of_parts(maps)) == _numbers_of_parts(channels) == 6 * found.shape[1]


@torch.inference_mode()
def test_parts_are_in_float32_whatever_the_network_computes_in() -> None:
    plain, half = _of_parts(images().double().float()), None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = _of_parts(images())
    for found, expected in zip(half, plain, strict=True):
        assert torch.equal(found, expected)


def test_a_pass_that_was_broken_off_leaves_nothing_behind() -> None:
    model = copy.deepcopy(network("parts"))
    last = model.backbone.features[-1]  # type: ignore[index]

    def stop(*_: object) -> None:
        raise MemoryError

    hook = last.register_forward_pre_hook(stop)
    with pytest.raises(MemoryError):
        model.backbone(images())
    hook.remove()
    for backbone in (copy.deepcopy(model.backbone), model.backbone):
        with torch.inference_mode():
            torch.testing.assert_close(backbone(images()), by_loop(images(), "parts"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("backbone", "pooling"), [("squeezenet1_1", "parts"), ("vit_b_32", "layers"), ("two:resnet10", "parts")]
)
def test_a_network_without_maps_of_several_sizes_is_refused(backbone: str, pooling: str) -> None:
    expected = rf"`pooling` must be 'avg' for .*, which has no maps of several sizes, got '{pooling}'"
    with pytest.raises(UsageError, match=expected), Undrawn():
        build_model(InitParameters.model_validate({"backbone": backbone, "pooling": pooling}))


@pytest.mark.parametrize(
    ("backbone", "weights", "expected"),
    [
        ("mobilenet_v3_small", True, "parts"),
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
    assert model_manifest(other.artifact).initial.pooling == "parts"


def test_auto_leaves_networks_alone_whose_features_would_be_very_wide() -> None:
    names = ("mobilenet_v2", "resnet18", "resnet50", "inception_v3")
    state = torch.random.get_rng_state()
    found = [pooling_of_auto(InitParameters(backbone=name, weights="imagenet")) for name in names]
    assert found == ["parts", "parts", "parts", "avg"]
    assert torch.equal(torch.random.get_rng_state(), state)
