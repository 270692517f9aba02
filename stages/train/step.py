"""One step: network input to loss, gradient, weights and look-up table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from schemas.parameters import TrainParameters
from stages.nn.instance_matching import matching_loss
from stages.nn.lookup_table import repelled_loss, update_memory
from stages.nn.parallel.shared_batch import SharedBatch
from stages.train.images.draws import Draw
from stages.train.optimizers import clip_gradients
from stages.train.state import State

Pool = Callable[[Tensor], Tensor]
"""From network input (B·T, 3, H, W) to pooled features (B·T, d) in float32."""


@dataclass(frozen=True)
class Stepped:
    """What a step saw: (loss, accuracy) as one tensor on the device, and the pooled features (B, d)."""

    reading: Tensor
    features: Tensor


def train_step(
    state: State,
    draw: Draw,
    images: Tensor,
    *,
    pool: Pool,
    parameters: TrainParameters,
    shared: SharedBatch,
) -> Stepped:
    """Moves weights, then look-up table and queue, of `state` by one batch of `draw`: augmented images (B·T, 3, H, W).

    Where processes share the batch, images are those of this one's samples; what moves and what is seen is alike on all.
    Nothing here waits for the device.
    """
    n_samples = len(draw.targets)
    shared.begin(n_samples, n_frames=parameters.frames or 1)
    own = shared.own(n_samples)
    own_features = sample_features(pool(images), n_samples=own.stop - own.start)
    features = shared.gathered(own_features)
    embedding = state.model.head(features)
    targets = draw.targets.to(state.memory.device, non_blocking=True)
    loss, accuracy = _loss(state, embedding, targets, temperature=parameters.temperature)
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    shared.sum_gradients()
    clip_gradients(state.optimizer, parameters.clip_norm)
    state.optimizer.step()
    seen = shared.leaders(embedding.detach())
    update_memory(state.memory, seen, draw.targets, momentum=parameters.memory_momentum)
    if state.queue is not None:
        state.queue.push(seen, targets)
    return Stepped(torch.stack([loss.detach(), accuracy]), functional.normalize(features.detach(), dim=1))


def _loss(state: State, embedding: Tensor, targets: Tensor, *, temperature: float) -> tuple[Tensor, Tensor]:
    """The loss that `state` has the memory for, and the accuracy, of a batch."""
    if state.queue is None:
        return repelled_loss(embedding, state.memory, targets, temperature=temperature)
    queue, owners = state.queue.taken()
    return matching_loss(embedding, state.memory, queue, targets, owners, temperature=temperature)


def sample_features(frame_features: Tensor, *, n_samples: int) -> Tensor:
    """The mean over each sample's frames, (B, d), of features (B·T, d); the very same tensor where T is 1."""
    if len(frame_features) == n_samples:
        return frame_features
    return frame_features.view(n_samples, -1, frame_features.shape[1]).mean(dim=1)
