"""The model: what its two outputs are, and that arrays carry it whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from schemas.parameters import InitParameters
from stages.errors import DbcError
from stages.nn.host_memory import keep_large_blocks
from stages.nn.model.head import EmbeddingHead
from stages.nn.model.network import ReidModel, build_model, load_model_arrays, model_arrays


@pytest.fixture
def model() -> ReidModel:
    return build_model(InitParameters(backbone="resnet18", embedding_dim=24, seed=5))


def test_outputs_are_unit_pooled_features_and_unit_embeddings(model: ReidModel) -> None:
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        pooled, embedding = model.eval()(images)
        raw = model.backbone(images)
    torch.testing.assert_close(pooled, functional.normalize(raw, dim=1))
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3))
    assert embedding.shape == (3, 24)


def test_head_is_linear_batch_norm_norm_then_dropout() -> None:
    head = EmbeddingHead(6, 4, dropout=0.5, seed=1).train()
    pooled = torch.randn(8, 6, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        projected = pooled @ head.linear.weight.T + head.linear.bias
        centred = (projected - projected.mean(0)) / (projected.var(0, unbiased=False) + head.norm.eps).sqrt()
        expected = functional.normalize(centred, dim=1)
        dropped = head(pooled)
    kept = dropped != 0
    assert 0 < int(kept.sum()) < kept.numel()
    torch.testing.assert_close(dropped[kept], 2 * expected[kept])


def test_head_starts_he_normal_over_its_outputs() -> None:
    head = EmbeddingHead(300, 500, seed=1)
    assert head.linear.weight.std().item() == pytest.approx((2 / 500) ** 0.5, rel=0.02)
    assert not head.linear.bias.any()


def test_embedding_dimension_defaults_to_the_backbones() -> None:
    assert build_model(InitParameters(backbone="resnet18")).head.linear.out_features == 512


def test_arrays_carry_a_model_whole_under_torchvisions_names(model: ReidModel) -> None:
    arrays = model_arrays(model)
    assert {"backbone/layer1.0.conv1.weight", "head/linear.weight", "head/norm.running_var"} <= set(arrays)
    other = build_model(InitParameters(backbone="resnet18", embedding_dim=24, seed=6))
    assert not np.array_equal(model_arrays(other)["backbone/conv1.weight"], arrays["backbone/conv1.weight"])
    load_model_arrays(other, arrays)
    assert all(np.array_equal(value, arrays[name]) for name, value in model_arrays(other).items())


@pytest.mark.parametrize("options", [{"backbone": "mnasnet0_5"}, {"backbone": "resnet10", "pooling": "gem"}])
def test_arrays_carry_other_networks_too(options: dict[str, str]) -> None:
    arrays = model_arrays(build_model(InitParameters(**options, embedding_dim=8, seed=5)))  # type: ignore[arg-type]
    assert ("backbone/avgpool.p" in arrays) == ("pooling" in options)
    other = build_model(InitParameters(**options, embedding_dim=8, seed=6))  # type: ignore[arg-type]
    load_model_arrays(other, arrays)
    assert all(np.array_equal(value, arrays[name]) for name, value in model_arrays(other).items())


def test_exported_arrays_do_not_follow_the_model(model: ReidModel) -> None:
    arrays = model_arrays(model)
    with torch.no_grad():
        model.head.linear.bias.add_(1)
    assert not arrays["head/linear.bias"].any()


@pytest.mark.parametrize("name", ["head/linear.bias", "head/linear.extra"])
def test_arrays_that_do_not_fit_are_refused(model: ReidModel, name: str) -> None:
    arrays = model_arrays(model) | {name: np.zeros(3, dtype=np.float32)}
    with pytest.raises(DbcError, match=name):
        load_model_arrays(model, arrays)


def test_half_precision_features_stay_near_float32(model: ReidModel) -> None:
    # as training and extraction have it, channels-last and of usual size: with maps of two pixels or batches of two,
    # torch's bfloat16 convolution on a CPU with AMX gave NaN or zeros now and then
    layout = torch.channels_last
    images = torch.rand(8, 3, 128, 128, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    model.to(memory_format=layout)
    with torch.inference_mode():
        exact, low = (functional.normalize(model.eval().pool(images, amp=amp), dim=1) for amp in (False, True))
    assert low.dtype == torch.float32
    assert not torch.equal(exact, low)
    assert float((exact * low).sum(dim=1).min()) > 0.98


def test_keeping_large_blocks_changes_no_result(model: ReidModel) -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = model.eval().pool(images)
        answers = {keep_large_blocks(), keep_large_blocks()}
        assert torch.equal(model.pool(images), before)
    assert len(answers) == 1
