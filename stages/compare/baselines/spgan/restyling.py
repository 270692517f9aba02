"""Learning to restyle: both generators, both discriminators and the Siamese network in turn; then the restyled pictures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from stages.compare.baselines.spgan import losses
from stages.compare.baselines.spgan.networks import Siamese, discriminator, generator, initialised
from stages.errors import DbcError, UsageError
from stages.nn.execution import own_modes
from stages.typing import UInt8Array

RESTYLED_AT_ONCE = 32
LEAST_PIXELS = 256


@dataclass(frozen=True)
class Settings:
    """Options of the learning: one picture of each set a step, Adam, and how large the networks are."""

    steps: int = 10_000
    width: int = 64
    n_blocks: int = 9
    learning_rate: float = 2e-4
    seed: int = 0


@dataclass(frozen=True)
class Losses:
    """The losses of a step, before it: of the generators together, of the discriminators, and of the Siamese network."""

    generators: float
    discriminators: float
    similarity: float


class Restyling:
    """The networks while they learn; `there` gives source pictures the style of the target, `back` the other way."""

    def __init__(self, settings: Settings, *, device: torch.device) -> None:
        width, seed = settings.width, settings.seed
        make = itertools.count(seed * 5)

        def network(built: nn.Module) -> nn.Module:
            return initialised(built, seed=next(make)).to(device)

        self.there, self.back = (network(generator(width, settings.n_blocks)) for _ in range(2))
        self.judge_target, self.judge_source = (network(discriminator(width)) for _ in range(2))
        self.siamese = network(Siamese(width))
        self._generators, self._judges, self._similarity = (
            torch.optim.Adam(
                [parameter for each in together for parameter in each.parameters()],
                lr=settings.learning_rate,
                betas=(0.5, 0.999),
            )
            for together in ((self.there, self.back), (self.judge_target, self.judge_source), (self.siamese,))
        )

    def step(self, source: Tensor, target: Tensor) -> Losses:
        """Learn from pictures of both sets, (B, 3, H, W) in [−1, 1] each."""
        restyled, target_restyled = self.there(source), self.back(target)
        total, alike = self._generation(source, target, restyled, target_restyled)
        self._generators.zero_grad()
        self._similarity.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self._generators.step()
        # the Siamese network learns from the same loss, without the weight it has for the generators
        for parameter in self.siamese.parameters():
            if parameter.grad is not None:
                parameter.grad /= losses.SIMILARITY
        self._similarity.step()
        self._judges.zero_grad()
        judged = losses.discrimination(self.judge_target(target), self.judge_target(restyled.detach()))
        judged = judged + losses.discrimination(self.judge_source(source), self.judge_source(target_restyled.detach()))
        judged.backward()  # type: ignore[no-untyped-call]
        self._judges.step()
        return Losses(total.item(), judged.item(), alike.item())

    def _generation(
        self, source: Tensor, target: Tensor, restyled: Tensor, target_restyled: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(everything that the generators lower, the contrastive loss in it)."""
        fooled = losses.judged_real(self.judge_target(restyled)) + losses.judged_real(
            self.judge_source(target_restyled)
        )
        returned = losses.cycle(source, self.back(restyled), target, self.there(target_restyled))
        unchanged = losses.cycle(target, self.there(target), source, self.back(source))
        alike = losses.similarity(*(self.siamese(images) for images in (source, restyled, target, target_restyled)))
        return fooled + losses.CYCLE * returned + losses.SAME_STYLE * unchanged + losses.SIMILARITY * alike, alike


@own_modes()
def learn_restyling(
    source: UInt8Array,
    target: UInt8Array,
    settings: Settings,
    *,
    device: torch.device,
    on_step: Callable[[int, Losses], None] | None = None,
) -> Restyling:
    """The networks after learning from pictures (n, H, W, 3) of both sets, which have one size; sides are multiples of 4.

    Raises UsageError for other sizes, DbcError if a loss is not finite.
    """
    height, width = source.shape[1:3]
    if source.shape[1:] != target.shape[1:] or height % 4 or width % 4 or height * width < LEAST_PIXELS:
        raise UsageError(
            f"pictures of both sets must have one size, 16 × 16 or more, with sides that are multiples of 4, got "
            f"{height} × {width} and {target.shape[1]} × {target.shape[2]}; ingest both with the same `height` and `width`"
        )
    restyling = Restyling(settings, device=device)
    drawn = zip(
        _endless(source, seed=settings.seed, device=device),
        _endless(target, seed=settings.seed + 1, device=device),
        strict=False,
    )
    for step, pair in enumerate(itertools.islice(drawn, settings.steps)):
        told = restyling.step(*pair)
        if not np.isfinite([told.generators, told.discriminators]).all():
            raise DbcError(
                f"the loss of restyling must be finite, got {told.generators} at step {step}; try another seed"
            )
        if on_step is not None:
            on_step(step + 1, told)
    return restyling


@torch.no_grad()
def restyled_pictures(restyling: Restyling, source: UInt8Array, *, device: torch.device) -> UInt8Array:
    """The pictures (n, H, W, 3) in the style of the target."""
    parts = [
        _pictures(restyling.there(_tensor(source[start : start + RESTYLED_AT_ONCE], device)))
        for start in range(0, len(source), RESTYLED_AT_ONCE)
    ]
    return np.concatenate(parts)


def _endless(images: UInt8Array, *, seed: int, device: torch.device) -> Iterator[Tensor]:
    """One picture after the other in random order, flipped at random, epoch after epoch."""
    chance = np.random.default_rng(seed)
    while True:
        for place in chance.permutation(len(images)):
            image = images[place : place + 1]
            yield _tensor(image[:, :, ::-1] if chance.random() < 0.5 else image, device)


def _tensor(images: UInt8Array, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def _pictures(images: Tensor) -> UInt8Array:
    scaled: UInt8Array = ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    return scaled
