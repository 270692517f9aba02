"""What is frozen keeps weights and statistics; what comes after it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from schemas.parameters import InitParameters
from stages.errors import UsageError
from stages.nn.model.network import ReidModel, build_model, model_arrays
from stages.train.freeze import _half, freeze_through, set_training_mode
from stages.train.recipes import FINEST, published_freeze
from tests.tiny_training import tiny_model, trained


def frozen_names(model: ReidModel) -> set[str]:
    return {name.split(".")[0] for name, parameter in model.backbone.named_parameters() if not parameter.requires_grad}


def test_a_resnet_is_frozen_through_its_second_layer_with_the_batch_norms_in_it() -> None:
    model = build_model(InitParameters(backbone="resnet10", embedding_dim=4))
    freeze_through(model, published_freeze("resnet10"))
    set_training_mode(model, stored_statistics=False)
    assert frozen_names(model) == {"conv1", "bn1", "layer1", "layer2"}
    modes = {
        name.split(".")[0]: module.training
        for name, module in model.backbone.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    }
    assert modes == {"bn1": False, "layer1": False, "layer2": False, "layer3": True, "layer4": True}
    assert model.head.norm.training
    assert all(parameter.requires_grad for parameter in model.head.parameters())


def test_stored_statistics_hold_everywhere_in_the_backbone() -> None:
    model = build_model(InitParameters(backbone="resnet10", embedding_dim=4))
    set_training_mode(model, stored_statistics=True)
    assert not any(module.training for module in model.backbone.modules() if isinstance(module, nn.BatchNorm2d))
    assert model.head.norm.training


@pytest.mark.parametrize(
    ("backbone", "part"), [("mobilenet_v2", "features.9"), ("convnext_tiny", "features.3"), ("resnet50", "layer2")]
)
def test_the_published_part_of_each_network(backbone: str, part: str) -> None:
    with torch.device("meta"):
        model = build_model(InitParameters(backbone=backbone, embedding_dim=4))
    named = published_freeze(backbone)
    assert (_half(model.backbone) if named == "half" else named) == part


def test_the_finest_map_that_features_see_is_the_first_that_learns_no_more() -> None:
    asked = InitParameters(backbone="mobilenet_v3_small", embedding_dim=4)
    for pooling, block in (("parts", 1), ("layers", 3)):
        model = build_model(asked.model_copy(update={"pooling": pooling}))
        freeze_through(model, FINEST)
        learns = {int(name.split(".")[1]): p.requires_grad for name, p in model.backbone.named_parameters()}
        assert all(does == (number > block) for number, does in learns.items())
    with pytest.raises(UsageError, match=r"`freeze_through='finest'` needs features of several layers"):
        freeze_through(build_model(asked), FINEST)


def test_half_of_a_network_is_half_of_its_largest_row_of_parts() -> None:
    small = nn.Sequential(*(nn.Linear(1, 1) for _ in range(9)))
    backbone = nn.Module()
    backbone.stem = small
    backbone.body = nn.Sequential(nn.Linear(9, 9), nn.Linear(9, 9), nn.Linear(9, 9), nn.Linear(9, 9))
    assert _half(backbone) == "body.1"


def test_frozen_parts_keep_every_bit_and_the_rest_learns() -> None:
    before = model_arrays(tiny_model())
    model = tiny_model()
    trained(model, np.arange(16), freeze_through="1")
    after = model_arrays(model)
    kept = {name for name, array in after.items() if np.array_equal(array, before[name])}
    assert kept == {name for name in after if name.startswith("backbone/")}


def test_nothing_is_lost_where_only_the_first_part_is_frozen() -> None:
    model = tiny_model()
    trained(model, np.arange(16), freeze_through="0")
    before, after = model_arrays(tiny_model()), model_arrays(model)
    assert np.array_equal(after["backbone/0.weight"], before["backbone/0.weight"])
    assert not np.array_equal(after["backbone/1.weight"], before["backbone/1.weight"])
    assert not np.array_equal(after["backbone/1.running_mean"], before["backbone/1.running_mean"])


def test_a_part_that_is_not_there_is_one_line_that_names_those_that_are() -> None:
    model = build_model(InitParameters(backbone="resnet10", embedding_dim=4))
    with pytest.raises(UsageError, match=r"`freeze_through` must be .*layer1, layer2.*got 'layer9'") as caught:
        freeze_through(model, "layer9")
    assert "\n" not in str(caught.value)
