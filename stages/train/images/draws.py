"""Everything random about a step, drawn on the CPU for the whole batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from schemas.parameters import TrainParameters
from stages.train.images.augment import Augmentation, draw_augmentation, of_images
from stages.train.images.frames import TrainSamples, draw_frames
from stages.typing import Int64Array


@dataclass(frozen=True)
class Draw:
    """A step's `samples` (B), their `frames` (B·T) in the source, the augmentation of each frame, the targets (B) and, if
    samples do not all count alike, their `weights` (B) float32.

    If several processes share the batch, frames and augmentation are those of one of them. `generator_state` is the state
    of the loop's generator after this draw.
    """

    samples: Int64Array
    frames: Int64Array
    targets: Tensor
    augmentation: Augmentation
    generator_state: Tensor
    weights: Tensor | None = None


def draw_step(batch: Tensor, samples: TrainSamples, *, parameters: TrainParameters, generator: torch.Generator) -> Draw:
    """The draw of the samples `batch` (B): frames first, then crops and flips, then the other augmentations."""
    chosen = batch.numpy()
    frames = samples.first[chosen]
    if parameters.frames is not None:
        count = torch.from_numpy(samples.count[chosen])
        offsets = draw_frames(count, n_frames=parameters.frames, generator=generator)
        frames = (frames[:, None] + offsets.numpy()).ravel()
    augmentation = draw_augmentation(
        len(frames),
        flips=parameters.mirror,
        color_jitter=parameters.color_jitter,
        random_erasing=parameters.random_erasing,
        generator=generator,
    )
    weights = None if samples.weights is None else torch.from_numpy(samples.weights[chosen])
    return Draw(chosen, frames, torch.from_numpy(samples.labels[chosen]), augmentation, generator.get_state(), weights)


def draw_of_samples(draw: Draw, own: slice) -> Draw:
    """The draw with only the frames of its samples `own`, and their augmentation."""
    n_frames = len(draw.frames) // len(draw.samples)
    frames = slice(own.start * n_frames, own.stop * n_frames)
    return replace(draw, frames=draw.frames[frames], augmentation=of_images(draw.augmentation, frames))
