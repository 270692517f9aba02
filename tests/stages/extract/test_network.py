"""The network that extraction runs gives the model's own features: folded to rounding, in bfloat16 within 1e-2."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from schemas.choices import Pooling
from schemas.parameters import InitParameters
from stages.extract.folding import folded
from stages.extract.network import RecordedForward, inference_network
from stages.nn.images import as_pixels, normalize
from stages.nn.model.network import ReidModel, build_model, model_arrays
from tests.played_again import Again

CPU = torch.device("cpu")
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)


def trained_like(backbone: str, pooling: Pooling = "avg") -> ReidModel:
    """A model whose batch norms hold statistics and weights of their own."""
    model = build_model(InitParameters(backbone=backbone, pooling=pooling, embedding_dim=8, seed=1))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        model.train()(torch.rand(8, 3, 32, 32, generator=generator))
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.uniform_(-0.5, 0.5, generator=generator)
    return model.eval()


def features(model: ReidModel, **options: bool) -> np.ndarray:
    network = inference_network(
        model, amp=options.get("amp", False), compiled=options.get("compiled", False), device=CPU
    )
    found = network(normalize(as_pixels(torch.from_numpy(IMAGES))))
    assert found.dtype == torch.float32
    return functional.normalize(found, dim=1).numpy()


def own(model: ReidModel) -> np.ndarray:
    with torch.inference_mode():
        return model(normalize(as_pixels(torch.from_numpy(IMAGES))))[0].numpy()


@pytest.mark.parametrize(
    ("backbone", "pooling"),
    [
        ("resnet10", "avg"),
        ("resnet10", "layers"),
        ("mobilenet_v2", "avg"),
        ("mobilenet_v2", "parts"),
        ("convnext_tiny", "avg"),
    ],
)
def test_features_are_the_models_own_without_a_batch_norm_left(backbone: str, pooling: Pooling) -> None:
    model = trained_like(backbone, pooling)
    before = model_arrays(model)
    np.testing.assert_allclose(features(model), own(model), atol=1e-5)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded(model.backbone).modules())
    assert all(np.array_equal(value, before[name]) for name, value in model_arrays(model).items())


@pytest.mark.parametrize("backbone", ["resnet10", "mobilenet_v2", "convnext_tiny"])
def test_half_precision_features_are_within_a_hundredth(backbone: str) -> None:
    model = trained_like(backbone)
    error = np.abs(features(model, amp=True) - own(model)).max()
    assert 0 < error < 1e-2


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("amp", [False, True])
def test_compiled_features_are_within_a_hundredth(amp: bool) -> None:
    model = trained_like("resnet10")
    np.testing.assert_allclose(features(model, amp=amp, compiled=True), own(model), atol=1e-2 if amp else 1e-5)


class Shared(nn.Module):
    """A convolution that two norms read, a norm that two convolutions use, and one after no convolution at all."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(4))

    def forward(self, pixels: Tensor) -> Tensor:
        both = self.first(pixels)
        both = self.norms[0](both) + self.norms[1](both)
        twice = self.norms[2](self.second(both)) + self.norms[2](self.second(pixels))
        return self.norms[3](twice)


class Branching(nn.Module):
    """A network whose path depends on its data."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.norm(self.convolution(pixels)) if pixels.sum() > 0 else pixels


class Computed(nn.Sequential):
    """Convolutions whose weights are computed at every call, and a norm that stores no statistics."""

    def __init__(self) -> None:
        with_hook = nn.utils.spectral_norm(nn.Conv2d(3, 3, 1))
        with_property = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 1))
        without = nn.BatchNorm2d(3, track_running_stats=False)
        super().__init__(with_hook, nn.BatchNorm2d(3), with_property, nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), without)


class Read(nn.Module):
    """A convolution whose weights a function reads besides."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.norm(self.convolution(pixels)) + functional.conv2d(pixels, self.convolution.weight)


class Listed(nn.Module):
    """A norm that is called from a list, and whose weights are read."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.norms = [self.norm]

    def forward(self, pixels: Tensor) -> Tensor:
        return self.norms[0](self.convolution(pixels)) * self.norm.weight.view(-1, 1, 1)


def test_what_else_refers_to_a_folded_norm_finds_it() -> None:
    pixels, network = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)), Listed()
    with torch.no_grad():
        network.train()(pixels)
        network.norm.weight.fill_(2)
        torch.testing.assert_close(folded(network)(pixels), network.eval()(pixels))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded(network).modules())


class Hooked(nn.Sequential):
    """Convolutions and norms whose outputs hooks read, or change, and one pair that none does."""

    def __init__(self) -> None:
        pairs = [(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)) for _ in range(4)]
        super().__init__(*(module for pair in pairs for module in pair))
        pairs[0][0].register_forward_hook(lambda _module, _given, found: found + 1)
        pairs[1][1].register_forward_hook(lambda _module, _given, found: found + 1)
        pairs[2][1].register_forward_pre_hook(lambda _module, given: (given[0] + 1,))


def test_what_hooks_read_is_kept_and_what_none_reads_is_folded() -> None:
    pixels, network = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)), Hooked()
    with torch.no_grad():
        network.train()(pixels)
        torch.testing.assert_close(folded(network)(pixels), network.eval()(pixels))
    assert [isinstance(module, nn.BatchNorm2d) for module in [*folded(network).children()][1::2]] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("network", [Shared(), Branching(), Computed(), Read()])
def test_norms_that_cannot_be_folded_stay(network: nn.Module) -> None:
    pixels = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.train()(pixels)
        expected = network.eval()(pixels)
        torch.testing.assert_close(folded(network)(pixels), expected)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in folded(network).modules()) == sum(
        isinstance(m, nn.BatchNorm2d) for m in network.modules()
    )


def test_threads_that_extract_at_once_have_the_features_of_one() -> None:
    called = nn.Module.__call__
    models = [trained_like("mobilenet_v2"), trained_like("resnet10")] * 4
    expected = [features(model) for model in models[:2]] * 4
    with ThreadPoolExecutor(4) as threads:
        for found, one in zip(threads.map(features, models), expected, strict=True):
            np.testing.assert_array_equal(found, one)
    assert nn.Module.__call__ is called


def test_a_recorded_network_gives_the_features_of_each_batch_and_input_of_another_shape_goes_beside_it() -> None:
    model, recorder = trained_like("resnet10"), Again()
    plain = inference_network(model, amp=False, compiled=False, device=CPU)
    network = RecordedForward(plain, lambda: recorder)
    for images in (IMAGES, IMAGES[::-1].copy(), IMAGES[:3], IMAGES):
        given = normalize(as_pixels(torch.from_numpy(images)))
        torch.testing.assert_close(network(given), plain(given), rtol=0, atol=0)
    assert recorder.n_replays == 3


def test_a_network_that_cannot_be_recorded_is_used_as_it_is() -> None:
    class Unable(Again):
        def record(self, work):  # type: ignore[no-untyped-def]
            raise RuntimeError("operation not permitted when stream is capturing")

    plain = inference_network(trained_like("resnet10"), amp=False, compiled=False, device=CPU)
    given = normalize(as_pixels(torch.from_numpy(IMAGES)))
    network = RecordedForward(plain, Unable)
    for _ in range(2):
        torch.testing.assert_close(network(given), plain(given), rtol=0, atol=0)
