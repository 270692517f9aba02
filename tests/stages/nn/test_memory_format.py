"""How weights and images lie in memory: by device and network, and without a change of what comes out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from schemas.parameters import InitParameters
from stages.nn.memory_format import FEWEST_PIXELS, is_depthwise, place
from stages.nn.model.network import build_model


class OnGpu(nn.Module):
    """A network that notes what it was moved to, without a GPU."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(8, 8, 3, groups=groups)
        self.moved: list[torch.memory_format] = []

    def to(self, device: torch.device, memory_format: torch.memory_format) -> OnGpu:
        self.moved.append(memory_format)
        return self


@pytest.mark.parametrize(("groups", "is_so"), [(1, False), (2, False), (8, True)])
def test_channels_come_last_but_for_depthwise_convolutions_of_few_pixels_on_a_gpu(groups: int, is_so: bool) -> None:
    for device, n_pixels, expected in (("cpu", 1, False), ("cuda", 1, is_so), ("cuda", FEWEST_PIXELS, False)):
        network = OnGpu(groups)
        form = place(network, torch.device(device), n_pixels=n_pixels)
        assert network.moved == [form]
        assert form == (torch.contiguous_format if expected else torch.channels_last)
    assert is_depthwise(network.convolution) == is_so


def test_images_are_laid_out_as_the_model_was_placed() -> None:
    model = build_model(InitParameters(backbone="resnet10")).eval()
    images, seen = torch.rand(2, 3, 32, 16), []
    model.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    expected = model.pool(images)
    model.place(torch.device("cpu"), n_pixels=1024)
    found = model.pool(images)
    torch.testing.assert_close(found, expected)
    assert [each.is_contiguous(memory_format=torch.channels_last) for each in seen] == [False, True]
