"""One step: network input to loss, gradient, weights and look-up table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from schemas.parameters import TrainParameters
from stages.nn.association import association_loss, move_anchors
from stages.nn.classifier import with_exclusive
from stages.nn.cross_entropy import softmax_loss
from stages.nn.hard_triplets import batch_hard_triplet_loss
from stages.nn.lookup_table import repelled_loss, update_table
from stages.nn.oim import oim_loss
from stages.nn.parallel.shared_batch import SharedBatch
from stages.train.images.draws import Draw
from stages.train.optimizers import clip_gradients
from stages.train.state import State

ASSOCIATED_AFTER = 1
"""Epochs of association learning before anchors of different cameras are joined."""

Network = Callable[[Tensor], Tensor]
"""From network input (B·T, 3, H, W) to pooled features (B·T, d) in float32."""


@dataclass(frozen=True)
class Stepped:
    """(loss of the clusters alone, accuracy) of a step, one tensor on the device, and the L2-normalised pooled features."""

    reading: Tensor
    features: Tensor


def train_step(
    state: State, draw: Draw, images: Tensor, *, network: Network, parameters: TrainParameters, shared: SharedBatch
) -> Stepped:
    """Update weights, then look-up table and queue, of `state` by one batch: augmented `images` (B·T, 3, H, W) of `draw`.

    If processes share the batch, `images` are those of this one's samples; updates and result are the same on all. Nothing
    here waits for the device.
    """
    n_samples = len(draw.targets)
    shared.begin(n_samples, n_frames=parameters.frames or 1)
    own = shared.own(n_samples)
    own_features = sample_features(network(images), n_samples=own.stop - own.start)
    features = shared.gathered(own_features)
    targets = draw.targets.to(state.lookup_table.device, non_blocking=True)
    # samples without a class are as many as the others, and behind them
    n_classified = int((draw.targets >= 0).sum())
    embedding = (state.model.head if state.classifier is None else state.model.head.unnormalised)(
        features[:n_classified]
    )
    apart = state.model.head(features[n_classified:]) if n_classified < n_samples else None
    weights = None if draw.weights is None else draw.weights.to(targets.device, non_blocking=True)[:n_classified]
    temperature = parameters.temperature
    loss, accuracy = _loss(state, embedding, targets[:n_classified], temperature=temperature, weights=weights)
    # what else is learned is not compared with guessing clusters
    reading = torch.stack([loss.detach(), accuracy])
    if apart is not None:
        loss = with_exclusive(loss, apart, state.lookup_table, _rows(targets[n_classified:]), temperature=temperature)
    if parameters.triplet:
        loss = loss + parameters.triplet * batch_hard_triplet_loss(features, targets, weights=weights)
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    shared.sum_gradients()
    clip_gradients(state.optimizer, parameters.clip_norm)
    state.optimizer.step()
    if state.classifier is None:
        _remember(state, draw, shared.leaders(embedding.detach()), targets, momentum=parameters.memory_momentum)
    elif apart is not None:
        seen, rows = shared.leaders(apart.detach()), _rows(draw.targets[n_classified:])
        update_table(state.lookup_table, seen, rows, momentum=parameters.memory_momentum)
    return Stepped(reading, functional.normalize(features.detach(), dim=1))


def _remember(state: State, draw: Draw, seen: Tensor, targets: Tensor, *, momentum: float) -> None:
    """Update look-up table, or anchors, and queue by the embeddings `seen` (B, e)."""
    if state.cameras is not None:
        move_anchors(state.lookup_table, seen, draw.targets)
        return
    update_table(state.lookup_table, seen, draw.targets, momentum=momentum)
    if state.queue is not None:
        state.queue.push(seen, targets)


def _rows(targets: Tensor) -> Tensor:
    """The row in the look-up table of each sample without a class: 0, 1, … for the targets −1, −2, …"""
    return -1 - targets


def _loss(
    state: State,
    embedding: Tensor,
    targets: Tensor,
    *,
    temperature: float,
    weights: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Loss and accuracy of a batch: by a classifier, association or instance matching if `state` has what it needs, else
    the repelled loss. Association has no `weights`, as it knows no clusters.
    """
    if state.classifier is not None:
        return softmax_loss(state.classifier(embedding), targets, weights)
    if state.cameras is not None:
        across = state.epoch >= ASSOCIATED_AFTER
        return association_loss(embedding, state.lookup_table, targets, state.cameras, across=across)
    if state.queue is None:
        return repelled_loss(embedding, state.lookup_table, targets, temperature=temperature, weights=weights)
    queue, owners = state.queue.taken()
    table = state.lookup_table
    return oim_loss(embedding, table, queue, targets, owners, temperature=temperature, weights=weights)


def sample_features(frame_features: Tensor, *, n_samples: int) -> Tensor:
    """The mean over each sample's frames, (B, d), of features (B·T, d); the same tensor if T is 1."""
    if len(frame_features) == n_samples:
        return frame_features
    return frame_features.view(n_samples, -1, frame_features.shape[1]).mean(dim=1)
