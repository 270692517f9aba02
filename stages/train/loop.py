"""The training loop: epochs of steps of stochastic gradient descent on the repelled loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from schemas.parameters import TrainParameters
from stages.errors import DbcError, UsageError
from stages.nn.images import ImageSource, input_size, normalize, resize, to_pixels
from stages.nn.memory import repelled_loss, update_memory
from stages.nn.model import ReidModel
from stages.train.augment import apply_crops, draw_crops
from stages.train.health import Health
from stages.train.schedule import epoch_batches, learning_rate, n_batches
from stages.typing import Float32Array, Int64Array


@dataclass(frozen=True)
class Step:
    """How far training is: `step` of `n_steps` is done, both counted over all epochs, as are the `n_images` seen."""

    epoch: int
    step: int
    n_steps: int
    n_images: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class TrainResult:
    """The table (K, e) after training, loss and accuracy (n_steps) float32 of every step, and signs of collapse."""

    memory: Float32Array
    loss: Float32Array
    accuracy: Float32Array
    health: Health


@dataclass(frozen=True)
class _Task:
    """What is trained on: samples, their clusters, the input size in pixels, and the parameters."""

    images: ImageSource
    image_index: Int64Array
    labels: Int64Array
    size: tuple[int, int]
    parameters: TrainParameters


@dataclass
class _State:
    """Everything that a step changes."""

    model: ReidModel
    memory: Tensor
    optimizer: torch.optim.Optimizer
    generator: torch.Generator


def train(
    model: ReidModel,
    memory: Float32Array,
    images: ImageSource,
    image_index: Int64Array,
    labels: Int64Array,
    *,
    parameters: TrainParameters,
    height: int = 0,
    width: int = 0,
    device: torch.device,
    on_step: Callable[[Step], None] | None = None,
) -> TrainResult:
    """The result of training `model`, in place, so that samples fall to their clusters' rows of `memory` (K, e).

    Sample i is the image `image_index[i]` of `images` and belongs to cluster `labels[i]`, in [0, K). `height` or
    `width` 0 is the stored size. The same parameters give the same weights to the last bit on one CPU with the same
    number of threads. Raises UsageError where batch norm would see one sample, DbcError where the loss is not finite.
    """
    _check_batches(len(labels), parameters.batch_size)
    seed = int(np.random.SeedSequence([parameters.seed, parameters.stage]).generate_state(1)[0])
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    _set_mode(model, parameters)
    state = _State(
        model,
        torch.from_numpy(memory.copy()).to(device),
        _optimizer(model, parameters),
        torch.Generator().manual_seed(seed),
    )
    task = _Task(images, image_index, labels, input_size(images, height=height, width=width), parameters)
    record: list[tuple[float, float]] = []
    mean_feature = None
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for epoch in range(parameters.epochs):
            mean_feature = _train_epoch(state, task, epoch, record, on_step)
    losses, accuracies = np.array(record, dtype=np.float32).reshape(-1, 2).T
    per_epoch = n_batches(len(labels), parameters.batch_size)
    return TrainResult(
        state.memory.cpu().numpy(),
        losses.copy(),
        accuracies.copy(),
        Health(
            n_clusters=len(memory),
            last_loss=float(losses[-per_epoch:].mean()) if record else None,
            feature_spread=None if mean_feature is None else 1 - float(mean_feature.square().sum()),
        ),
    )


def _check_batches(n_samples: int, batch_size: int) -> None:
    if n_samples < 2:
        raise UsageError(f"train: found {n_samples} samples in the train split, want 2 or more; ingest more images")
    if batch_size < 2:
        raise UsageError(f"train: batch size {batch_size}, want 2 or more for batch norm; give --batch-size 16")


def _set_mode(model: ReidModel, parameters: TrainParameters) -> None:
    """Training mode; the backbone's batch norms stay in eval mode where their stored statistics are to be kept."""
    model.train()
    if parameters.norm_statistics == "stored":
        for module in model.backbone.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def _optimizer(model: ReidModel, parameters: TrainParameters) -> torch.optim.Optimizer:
    """Nesterov's gradient descent over two groups, head and backbone; each knows its share of the rate."""
    return torch.optim.SGD(
        [
            {"params": list(model.head.parameters()), "share": 1.0},
            {"params": list(model.backbone.parameters()), "share": parameters.backbone_rate},
        ],
        lr=parameters.learning_rate,
        momentum=parameters.momentum,
        weight_decay=parameters.weight_decay,
        nesterov=parameters.momentum > 0,
    )


def _train_epoch(
    state: _State,
    task: _Task,
    epoch: int,
    record: list[tuple[float, float]],
    on_step: Callable[[Step], None] | None,
) -> Tensor:
    """The mean L2-normalised pooled feature (d) of the epoch; appends (loss, accuracy) of each step to `record`."""
    parameters = task.parameters
    rate = learning_rate(epoch, base=parameters.learning_rate, decay_after=parameters.decay_after)
    for group in state.optimizer.param_groups:
        group["lr"] = rate * group["share"]
    batches = epoch_batches(len(task.labels), parameters.batch_size, generator=state.generator)
    n_steps = parameters.epochs * len(batches)
    feature_sum = torch.zeros(())
    n_images = epoch * sum(map(len, batches))
    for batch in batches:
        chosen = batch.numpy()
        target = torch.from_numpy(task.labels[chosen]).to(state.memory.device)
        pixels = _batch_pixels(state, task, task.image_index[chosen])
        loss, accuracy, features = _train_step(state, pixels, target, parameters)
        feature_sum = feature_sum + functional.normalize(features, dim=1).sum(dim=0).cpu()
        n_images += len(chosen)
        record.append((loss, accuracy))
        _check_finite(loss, step=len(record), n_steps=n_steps, rate=parameters.learning_rate)
        if on_step is not None:
            on_step(Step(epoch, len(record), n_steps, n_images, loss, accuracy))
    return feature_sum / sum(map(len, batches))


def _check_finite(loss: float, *, step: int, n_steps: int, rate: float) -> None:
    if not math.isfinite(loss):
        raise DbcError(
            f"train: loss is {loss} at step {step} of {n_steps}, want a finite number; lower --learning-rate (now "
            f"{rate:g}) or try --recipe auto"
        )


def _batch_pixels(state: _State, task: _Task, index: Int64Array) -> Tensor:
    """The augmented, normalised images `index` on the device."""
    height, width = task.size
    pixels = resize(to_pixels(task.images[index], state.memory.device), height=height, width=width)
    return normalize(apply_crops(pixels, draw_crops(len(index), generator=state.generator)))


def _train_step(
    state: _State, pixels: Tensor, target: Tensor, parameters: TrainParameters
) -> tuple[float, float, Tensor]:
    """Loss, accuracy and pooled features (B, d) of one batch, after the weights and then the table have moved."""
    features = state.model.pool(pixels, amp=parameters.amp)
    embedding = state.model.head(features)
    loss, accuracy = repelled_loss(embedding, state.memory, target, temperature=parameters.temperature)
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    update_memory(state.memory, embedding.detach(), target)
    loss_value, accuracy_value = torch.stack([loss.detach(), accuracy]).tolist()
    return loss_value, accuracy_value, features.detach()
