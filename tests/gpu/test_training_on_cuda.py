"""Training on a CUDA device: the draws of the CPU, images from anywhere, losses read late, states taken up."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest

from schemas.parameters import InitParameters
from stages.nn.camera_norm import by_camera
from stages.nn.images import InputForm
from stages.nn.model.network import build_model
from stages.train.backbone_graphs import RecordedNetwork, recorded
from stages.train.images.augment import augmented_input, draw_augmentation
from tests.tiny_training import Kept, blotches, image_samples, three_cameras, tiny_model, trained, trained_by_camera

pytestmark = pytest.mark.gpu

LABELS = np.arange(40) % 7


@pytest.fixture
def cuda():  # type: ignore[no-untyped-def]
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device that torch sees")
    return torch.device("cuda:0")


@pytest.fixture
def in_float32(cuda, monkeypatch):  # type: ignore[no-untyped-def]
    """Convolutions as exact as the CPU's: in TensorFloat-32 losses drifted by up to 6 % in 70 steps, in float32 by 1e-5."""
    import torch

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return cuda


@pytest.mark.parametrize("size", [(64, 32), (48, 24)], ids=str)
def test_images_are_augmented_as_on_the_cpu(cuda, size) -> None:  # type: ignore[no-untyped-def]
    import torch

    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (16, 64, 32, 3), dtype=torch.uint8, generator=generator)
    drawn = draw_augmentation(16, color_jitter=0.3, random_erasing=0.5, generator=generator)
    on_cpu, on_cuda = (
        augmented_input(images.to(device), drawn, form=InputForm(size[0], size[1])).cpu() for device in ("cpu", cuda)
    )
    torch.testing.assert_close(on_cuda, on_cpu, rtol=0, atol=1e-3)


def test_the_losses_are_those_of_the_cpu_up_to_rounding(in_float32) -> None:  # type: ignore[no-untyped-def]
    on_cpu = trained(tiny_model(dropout=0.5), LABELS, learning_rate=0.001)
    on_gpu = trained(tiny_model(dropout=0.5), LABELS, learning_rate=0.001, device=in_float32)
    np.testing.assert_allclose(on_gpu.loss, on_cpu.loss, rtol=1e-3)
    np.testing.assert_allclose(on_gpu.lookup_table, on_cpu.lookup_table, atol=1e-3)


def test_every_cache_gives_the_same_losses(cuda) -> None:  # type: ignore[no-untyped-def]
    from stages.train.images.sources import cached

    losses = []
    for cache in ("device", "host", "none", "auto"):
        source, samples, chosen = cached(blotches(40), image_samples(LABELS), cache=cache, device=cuda)
        assert chosen == ("device" if cache == "auto" else cache)
        result = trained(tiny_model(dropout=0.5), LABELS, source=source, samples=samples, device=cuda)
        losses.append(result.loss)
    for found in losses[1:]:
        np.testing.assert_allclose(found, losses[0], rtol=1e-3)


@pytest.mark.parametrize("fields", [{}, {"optimizer": "adam", "learning_rate": 0.001}], ids=["published", "adam"])
def test_training_goes_on_from_a_state_and_every_step_is_told_in_order(cuda, fields) -> None:  # type: ignore[no-untyped-def]
    kept, steps = Kept(), []
    options = {"checkpoints": kept, "on_step": steps.append}
    undisturbed = trained(tiny_model(dropout=0.5), LABELS, device=cuda, options=options, **fields)
    assert [step.step for step in steps] == list(range(1, 11))
    assert sorted(kept.states) == list(range(1, 10))
    for arrays in kept.states.values():
        result = trained(tiny_model(dropout=0.5), LABELS, device=cuda, options={"resumed": arrays}, **fields)
        np.testing.assert_allclose(result.loss, undisturbed.loss, rtol=1e-3)


@pytest.mark.parametrize("pooling", ["avg", "layers", "parts"])
@pytest.mark.parametrize("amp", [False, True], ids=["float32", "bfloat16"])
def test_a_recorded_backbone_gives_the_features_and_gradients_of_the_plain_one(cuda, amp, pooling) -> None:  # type: ignore[no-untyped-def]
    import torch

    model = (
        build_model(InitParameters(backbone="resnet18", pooling=pooling))
        .to(cuda, memory_format=torch.channels_last)
        .train()
    )
    twin, shape = copy.deepcopy(model), (8, 3, 64, 32)
    plain = functools.partial(twin.pool, amp=amp)
    network = recorded(model, functools.partial(model.pool, amp=amp), shape=shape, n_steps=1000, device=cuda)
    assert isinstance(network, RecordedNetwork)
    for n_images in (8, 8, 3):
        images = torch.randn(n_images, *shape[1:], device=cuda).contiguous(memory_format=torch.channels_last)
        found, expected = network(images), plain(images)
        torch.testing.assert_close(found, expected)
        if n_images == 8:
            for features, one in ((found, model), (expected, twin)):
                one.zero_grad()
                features.square().sum().backward()
            for (name, own), other in zip(model.backbone.named_parameters(), twin.backbone.parameters(), strict=True):
                torch.testing.assert_close(own.grad, other.grad, rtol=1e-3, atol=1e-4, msg=name)
            for own, other in zip(model.backbone.buffers(), twin.backbone.buffers(), strict=True):
                torch.testing.assert_close(own, other)


def test_a_loss_that_is_not_finite_is_told_with_its_own_step_though_it_is_read_late(cuda) -> None:  # type: ignore[no-untyped-def]
    from stages.errors import DbcError

    steps = []
    with pytest.raises(DbcError, match=r"train: loss must be finite, got (nan|inf) at step") as caught:
        trained(tiny_model(), LABELS, epochs=9, learning_rate=1e6, device=cuda, options={"on_step": steps.append})
    assert f"at step {steps[-1].step + 1} of" in str(caught.value)
    assert all(np.isfinite(step.loss) for step in steps)


def test_a_recording_reads_the_cameras_of_every_step(cuda) -> None:  # type: ignore[no-untyped-def]
    import torch

    model = build_model(InitParameters(backbone="resnet18")).to(cuda, memory_format=torch.channels_last).train()
    twin, shape = copy.deepcopy(model), (8, 3, 64, 32)
    statistics = three_cameras(64)
    generator = np.random.default_rng(0)
    with by_camera(model, statistics) as norm, by_camera(twin, statistics) as plain_norm:
        assert norm is not None
        assert plain_norm is not None
        norm.at(np.full(8, norm.n_cameras))
        plain = functools.partial(model.pool, amp=False)
        network = recorded(model, plain, shape=shape, n_steps=1000, device=cuda)
        assert isinstance(network, RecordedNetwork)
        for n_images in (8, 8, 3, 8):
            places = generator.integers(0, 4, n_images)
            norm.at(places)
            plain_norm.at(places)
            images = torch.randn(n_images, *shape[1:], device=cuda).contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(network(images), twin.pool(images))


# torch's compiler imports what torch itself deprecates
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("compiled", [False, True], ids=["recorded", "compiled"])
def test_training_by_camera_is_that_of_the_cpu_up_to_rounding(in_float32, compiled) -> None:  # type: ignore[no-untyped-def]
    # the last batch of an epoch is short, so that it goes beside the recording
    options, labels = {"learning_rate": 0.001, "epochs": 12}, np.arange(44) % 7
    on_cpu = trained_by_camera(labels, **options)
    on_gpu = trained_by_camera(labels, device=in_float32, options={"compiled": compiled}, **options)
    np.testing.assert_allclose(on_gpu.loss, on_cpu.loss, rtol=1e-3)
    ignored = trained(tiny_model(), labels, **options)
    assert np.abs(ignored.loss - on_cpu.loss).max() > 5 * np.abs(on_gpu.loss - on_cpu.loss).max()
