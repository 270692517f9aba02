"""Restyling: losses by plain numbers, one step against a plain loop, and a style that is learned."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from stages.compare.baselines.spgan import losses
from stages.compare.baselines.spgan.networks import Siamese, discriminator, generator
from stages.compare.baselines.spgan.restyling import Restyling, Settings, learn_restyling, restyled_pictures
from stages.errors import UsageError

CPU = torch.device("cpu")
SMALL = Settings(steps=3, width=4, n_blocks=1)


def unit(seed: int) -> torch.Tensor:
    rows = torch.randn(5, 6, generator=torch.Generator().manual_seed(seed))
    return rows / rows.norm(dim=1, keepdim=True)


def test_losses_are_their_formulas() -> None:
    real, drawn = torch.tensor([0.5, 1.5]), torch.tensor([0.2, -0.2])
    assert losses.judged_real(real).item() == pytest.approx(0.25)
    assert losses.discrimination(real, drawn).item() == pytest.approx((0.25 + 0.04) / 2)
    first, second = unit(0), unit(1)
    far = (first - second).norm(dim=1)
    assert losses.contrastive(first, second, same=True).item() == pytest.approx((far**2).mean().item(), rel=1e-5)
    assert losses.contrastive(first, second, same=False).item() == pytest.approx(
        ((2 - far) ** 2).mean().item(), rel=1e-5
    )
    a, b, c, d = (unit(seed) for seed in range(4))
    by_hand = [(a - b), (c - d)], [(b - c), (d - a), (a - c)]
    value = sum((each.norm(dim=1) ** 2).mean() for each in by_hand[0])
    value += sum(((2 - each.norm(dim=1)) ** 2).mean() for each in by_hand[1])
    assert losses.similarity(a, b, c, d).item() == pytest.approx(value.item() / 5, rel=1e-5)


def test_networks_have_the_published_shapes() -> None:
    images = torch.zeros(2, 3, 32, 16)
    assert generator(8, 2)(images).shape == images.shape
    assert discriminator(8)(images).shape == (2, 1, 4, 2)
    assert Siamese(4)(images).norm(dim=1).tolist() == pytest.approx([1, 1])
    # 9 residual blocks at width 64: the generator of CycleGAN has 11.4 million weights
    assert sum(parameter.numel() for parameter in generator().parameters()) == pytest.approx(11.4e6, rel=0.01)


def test_a_step_is_that_of_a_plain_loop() -> None:
    source, target = (
        torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1 for seed in (0, 1)
    )
    restyling = Restyling(SMALL, device=CPU)
    plain = copy.deepcopy({name: getattr(restyling, name) for name in NETWORKS})
    told = restyling.step(source, target)
    optimizers = {
        names: torch.optim.Adam([p for name in names for p in plain[name].parameters()], lr=2e-4, betas=(0.5, 0.999))
        for names in (NETWORKS[:2], NETWORKS[2:4], NETWORKS[4:])
    }
    fake_target, fake_source = plain["there"](source), plain["back"](target)
    scores = plain["judge_target"](fake_target), plain["judge_source"](fake_source)
    adversarial = sum(((score - 1) ** 2).mean() for score in scores)
    cycled = (plain["back"](fake_target) - source).abs().mean() + (plain["there"](fake_source) - target).abs().mean()
    kept = (plain["there"](target) - target).abs().mean() + (plain["back"](source) - source).abs().mean()
    alike = losses.similarity(*(plain["siamese"](each) for each in (source, fake_target, target, fake_source)))
    total = adversarial + 10 * cycled + 5 * kept + 2 * alike
    assert told.generators == pytest.approx(total.item(), rel=1e-5)
    gradients = torch.autograd.grad(alike, list(plain["siamese"].parameters()), retain_graph=True)
    total.backward()
    for parameter, gradient in zip(plain["siamese"].parameters(), gradients, strict=True):
        parameter.grad = gradient
    optimizers[NETWORKS[:2]].step()
    optimizers[NETWORKS[4:]].step()
    optimizers[NETWORKS[2:4]].zero_grad()
    judged = sum(
        (((judge(real) - 1) ** 2).mean() + (judge(fake.detach()) ** 2).mean()) / 2
        for judge, real, fake in (
            (plain["judge_target"], target, fake_target),
            (plain["judge_source"], source, fake_source),
        )
    )
    judged.backward()
    optimizers[NETWORKS[2:4]].step()
    assert told.discriminators == pytest.approx(judged.item(), rel=1e-5)
    for name in NETWORKS:
        for found, wanted in zip(getattr(restyling, name).parameters(), plain[name].parameters(), strict=True):
            torch.testing.assert_close(found, wanted, atol=2e-6, rtol=1e-4)


NETWORKS = ("there", "back", "judge_target", "judge_source", "siamese")


def test_it_learns_the_style_of_the_target() -> None:
    chance = np.random.default_rng(0)
    source = chance.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    # the target is dark and has no red
    target = (chance.integers(0, 256, (12, 16, 16, 3)) * [0, 0.4, 0.4]).astype(np.uint8)
    settings = Settings(steps=50, width=8, n_blocks=1, learning_rate=2e-3)
    restyling = learn_restyling(source, target, settings, device=CPU)
    found = restyled_pictures(restyling, source, device=CPU)
    assert found.shape == source.shape
    before, after = (
        np.abs(images.mean(axis=(0, 1, 2)) - target.mean(axis=(0, 1, 2))).mean() for images in (source, found)
    )
    assert after < 0.5 * before


def test_the_seed_decides_everything() -> None:
    source, target = np.random.default_rng(0).integers(0, 256, (2, 4, 16, 16, 3), dtype=np.uint8)
    first, again = (
        restyled_pictures(learn_restyling(source, target, SMALL, device=CPU), source, device=CPU) for _ in range(2)
    )
    assert (first == again).all()


def test_pictures_of_other_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="multiples of 4"):
        learn_restyling(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 12, 3), np.uint8), SMALL, device=CPU)
    with pytest.raises(UsageError, match="multiples of 4"):
        learn_restyling(np.zeros((2, 10, 8, 3), np.uint8), np.zeros((2, 10, 8, 3), np.uint8), SMALL, device=CPU)
