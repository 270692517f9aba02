"""The training loop: epochs of steps of stochastic gradient descent on the repelled loss."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from schemas.parameters import TrainParameters
from stages.errors import DbcError, UsageError
from stages.nn.camera_norm import camera_norm_of
from stages.nn.classifier import new_classifier
from stages.nn.lookup_table import zero_table
from stages.nn.model.network import ReidModel
from stages.nn.oim import CircularQueue
from stages.nn.parallel.shared_batch import SharedBatch
from stages.nn.seeded import seeded
from stages.processes import Processes
from stages.train.backbone_graphs import recorded, without_search
from stages.train.checkpoints import StageCheckpoints
from stages.train.freeze import freeze_through, set_training_mode
from stages.train.health import Health, guessed_loss
from stages.train.images.augment import augmented_input
from stages.train.images.draws import draw_of_samples, draw_step
from stages.train.images.feed import ToInput, feed
from stages.train.images.frames import TrainSamples
from stages.train.images.sources import FrameSource
from stages.train.optimizers import build_optimizer, set_rate
from stages.train.readings import Readings
from stages.train.state import Arrays, State, is_finite, restore_state, state_arrays
from stages.train.step import Network, train_step
from stages.train.training_schedule import (
    balanced_order,
    epoch_order,
    in_batches,
    learning_rate,
    n_batches,
    paired_order,
)
from stages.typing import Float32Array, Int64Array

TRIPLET_IMAGES = 4
"""Images of a class that follow each other in a batch if triplets are trained on."""


@dataclass(frozen=True)
class StepDone:
    """Progress: `step` of `n_steps` is done, counted over all epochs, as are the `n_images` seen."""

    epoch: int
    step: int
    n_steps: int
    n_images: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class TrainResult:
    """The look-up table (K, e) after training, loss and accuracy (n_steps) float32, and signs of collapse.

    For the softmax loss the table holds the weights of the classifier.
    """

    lookup_table: Float32Array
    loss: Float32Array
    accuracy: Float32Array
    health: Health


@dataclass(frozen=True)
class TrainOptions:
    """How training is done and watched.

    `compiled`: whether torch compiles the backbone, which changes last bits. `on_step` hears of every step. `checkpoints`
    stores states on the way, and `resumed` are the arrays of one, to go on from. `processes` call this together; they share
    every batch and get the result of one process up to rounding.
    """

    compiled: bool = False
    on_step: Callable[[StepDone], None] | None = None
    checkpoints: StageCheckpoints | None = None
    resumed: Arrays | None = None
    processes: Processes | None = None


DEFAULT_OPTIONS = TrainOptions()


@dataclass(frozen=True)
class _Task:
    """Everything about a training that does not change."""

    source: FrameSource
    samples: TrainSamples
    parameters: TrainParameters
    network: Network
    to_input: ToInput
    device: torch.device
    options: TrainOptions
    shared: SharedBatch

    @property
    def batch_size(self) -> int:
        """Samples of a step: with others that have no class, as many of these beside."""
        return self.parameters.batch_size * (2 if self.samples.n_others else 1)

    @property
    def n_per_epoch(self) -> int:
        """Samples of an epoch; but for a last one that would be alone in its batch."""
        n_others = self.samples.n_others
        whole = 2 * (len(self.samples) - n_others) if n_others else len(self.samples)
        return min(whole, self.steps_per_epoch * self.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        return n_batches(len(self.samples) - self.samples.n_others, self.parameters.batch_size)

    @property
    def n_steps(self) -> int:
        return self.parameters.epochs * self.steps_per_epoch


def train(
    model: ReidModel,
    lookup_table: Float32Array,
    source: FrameSource,
    samples: TrainSamples,
    *,
    parameters: TrainParameters,
    device: torch.device,
    cameras: Int64Array | None = None,
    options: TrainOptions = DEFAULT_OPTIONS,
) -> TrainResult:
    """The result of training `model`, in place, to match `samples` to their clusters' rows of `lookup_table`.

    The same parameters give the same weights to the last bit on one CPU with the same number of threads, resumed or not.

    Parameters
    ----------
    lookup_table
        The first centroids, (K, e) float32; row k belongs to label k. It is copied.
    source
        The frames of `samples`, on `device` or copied there.
    samples
        With weights, the loss of a batch is the mean of each sample's loss times its weight. Dropout, batch norm and look-up
        table take all samples alike.
    cameras
        The camera of every label, (K); loss `dal` needs it, no other reads it.
    options
        How it is done and watched.

    Raises
    ------
    UsageError
        If batch norm would see one sample, or `freeze_through` names no part of the backbone.
    DbcError
        If the loss, a weight or the look-up table is not finite.
    """
    _check_batches(len(samples) - samples.n_others, parameters.batch_size)
    if parameters.freeze_through is not None:
        freeze_through(model, parameters.freeze_through)
    set_training_mode(model, stored_statistics=parameters.norm_statistics == "stored")
    shared = SharedBatch(options.processes)
    form = model.input_form.at(source)
    task = _Task(
        source,
        samples,
        parameters,
        functools.partial(model.pool, amp=parameters.amp),
        functools.partial(augmented_input, form=form),
        device,
        options,
        shared,
    )
    own = shared.own(task.batch_size)
    n_images = (own.stop - own.start) * (parameters.frames or 1)
    model.place(device, n_pixels=n_images * form.height * form.width)
    norm = camera_norm_of(model.backbone)
    if norm is not None:
        # as much memory as a step needs, which recordings read again
        norm.at(np.full(task.batch_size * (parameters.frames or 1), norm.n_cameras))
    if options.compiled:
        graphs = device.type == "cuda" and not shared.is_shared
        task = replace(task, network=_compiled(task.network, n_images=n_images, graphs=graphs))
    elif not shared.is_shared:
        shape = (n_images, 3, form.height, form.width)
        found = recorded(model, task.network, shape=shape, n_steps=task.n_steps, device=device)
        task = replace(task, network=found)
    seed = int(np.random.SeedSequence([parameters.seed, parameters.stage]).generate_state(1)[0])
    n_others = samples.n_others
    state = _beginning(model, lookup_table, parameters, seed=seed, device=device, cameras=cameras, n_others=n_others)
    with seeded(seed, device), task.shared.joined(model.backbone, model.head):
        if options.resumed is not None:
            restore_state(state, options.resumed)
        while state.epoch < parameters.epochs:
            _train_epoch(state, task)
    return _result(state, task, n_clusters=len(lookup_table))


def _check_batches(n_samples: int, batch_size: int) -> None:
    if n_samples < 2:
        raise UsageError(f"train: the train split must have at least 2 samples, got {n_samples}; ingest more images")
    if batch_size < 2:
        raise UsageError(f"`batch_size` must be at least 2 for batch norm, got {batch_size}; use `batch_size=16`")


def _compiled(plain: Network, *, n_images: int, graphs: bool) -> Network:
    """`plain`, compiled for batches of `n_images`; with `graphs` its launches are recorded, too, as a CUDA graph.

    A short last batch goes through `plain`: to compile it would take minutes, in each stage for another size.
    """
    # dynamic shapes would slow every batch
    compiled = cast(Network, torch.compile(plain, dynamic=False, mode="reduce-overhead" if graphs else None))

    def of_step(images: Tensor) -> Tensor:
        if len(images) != n_images:
            return plain(images)
        if graphs:
            # what the graph gave at the step before may be overwritten from here on
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return compiled(images)

    return of_step


def _beginning(
    model: ReidModel,
    lookup_table: Float32Array,
    parameters: TrainParameters,
    *,
    seed: int,
    device: torch.device,
    cameras: Int64Array | None,
    n_others: int,
) -> State:
    generator = torch.Generator().manual_seed(seed)
    n_clusters, dim = lookup_table.shape
    queue = CircularQueue.empty(parameters.queue_size, dim, device=device) if parameters.loss == "oim" else None
    classifier = new_classifier(dim, n_clusters, seed=seed, device=device) if parameters.loss == "softmax" else None
    table = zero_table(n_others, dim) if n_others else lookup_table.copy()
    return State(
        model,
        torch.from_numpy(table).to(device),
        build_optimizer(model, parameters, device=device, classifier=classifier),
        generator,
        generator.get_state(),
        queue,
        classifier,
        torch.from_numpy(cameras).to(device) if parameters.loss == "dal" and cameras is not None else None,
    )


def _train_epoch(state: State, task: _Task) -> None:
    """Train to the end of the epoch that `state` is in."""
    parameters, samples = task.parameters, task.samples
    if state.batch == 0:
        state.order = _order(samples, parameters, state.generator)
        state.drawn = state.generator.get_state()
        state.feature_sum = torch.zeros((), device=task.device)
    batches = in_batches(state.order, task.batch_size)[state.batch :]
    whole = (draw_step(batch, samples, parameters=parameters, generator=state.generator) for batch in batches)
    draws = (draw_of_samples(draw, task.shared.own(len(draw.samples))) for draw in whole)
    readings = Readings()
    norm = camera_norm_of(state.model.backbone)
    with closing(feed(draws, task.source, device=task.device, to_input=task.to_input)) as fed:
        for draw, images in fed:
            step = state.epoch * task.steps_per_epoch + state.batch
            rate = learning_rate(step, steps_per_epoch=task.steps_per_epoch, parameters=parameters)
            set_rate(state.optimizer, rate)
            if norm is not None and samples.places is not None:
                own = draw.samples[task.shared.own(len(draw.samples))]
                norm.at(np.repeat(samples.places[own], parameters.frames or 1))
            with without_search(task.device, is_short=len(draw.samples) < task.batch_size):
                done = train_step(state, draw, images, network=task.network, parameters=parameters, shared=task.shared)
            state.feature_sum = state.feature_sum + done.features.sum(dim=0)
            state.batch += 1
            state.drawn = draw.generator_state
            _take_in(state, task, readings.add(done.reading))
            _keep_if_due(state, task, readings)
    _take_in(state, task, readings.rest())
    state.epoch, state.batch = state.epoch + 1, 0


def _order(samples: TrainSamples, parameters: TrainParameters, generator: torch.Generator) -> torch.Tensor:
    if parameters.triplet:
        return balanced_order(samples.labels, per_class=TRIPLET_IMAGES, generator=generator)
    if n_others := samples.n_others:
        n_samples = len(samples) - n_others
        return paired_order(n_samples, n_others, batch_size=parameters.batch_size, generator=generator)
    return epoch_order(len(samples), generator=generator)


def _take_in(state: State, task: _Task, pairs: Iterable[tuple[float, float]]) -> None:
    """Record (loss, accuracy) of steps, in order; DbcError at the first loss that is not finite."""
    for loss, accuracy in pairs:
        state.record.append((loss, accuracy))
        step = len(state.record)
        if not math.isfinite(loss):
            raise DbcError(_not_finite("loss", str(loss), step, task))
        if task.options.on_step is not None:
            epoch = (step - 1) // task.steps_per_epoch
            task.options.on_step(StepDone(epoch, step, task.n_steps, _n_images(task, step), loss, accuracy))


def _not_finite(what: str, found: str, step: int, task: _Task) -> str:
    newest = None if task.options.checkpoints is None else task.options.checkpoints.newest
    kept = "" if newest is None else f"; the checkpoint of step {newest} is kept"
    return (
        f"train: {what} must be finite, got {found} at step {step} of {task.n_steps}; lower `learning_rate` "
        f"(now {task.parameters.learning_rate:g}) or try another `recipe`{kept}"
    )


def _n_images(task: _Task, step: int) -> int:
    """Images seen in `step` steps; the last step of an epoch may be short."""
    epochs, batches = divmod(step, task.steps_per_epoch)
    size = task.batch_size
    return (epochs * task.n_per_epoch + batches * size) * (task.parameters.frames or 1)


def _keep_if_due(state: State, task: _Task, readings: Readings) -> None:
    """Save the state if it is due, after reading all losses, and only if it is finite."""
    step, checkpoints = state.epoch * task.steps_per_epoch + state.batch, task.options.checkpoints
    if checkpoints is None or step == task.n_steps or not checkpoints.due(step):
        return
    _take_in(state, task, readings.rest())
    if is_finite(state):
        checkpoints.save(step, state_arrays(state))


def _result(state: State, task: _Task, *, n_clusters: int) -> TrainResult:
    if task.n_steps and not is_finite(state):
        raise DbcError(_not_finite("weights and look-up table", "NaN or infinity", task.n_steps, task))
    losses, accuracies = np.array(state.record, dtype=np.float32).reshape(-1, 2).T
    trained = len(losses) > 0
    mean_feature = state.feature_sum.cpu() / task.n_per_epoch
    table = state.lookup_table if state.classifier is None else state.classifier.weight.detach()
    return TrainResult(
        table.cpu().numpy(),
        losses.copy(),
        accuracies.copy(),
        Health(
            guessed=guessed_loss(task.parameters, n_clusters, n_steps=task.n_steps),
            last_loss=float(losses[-task.steps_per_epoch :].mean()) if trained else None,
            feature_spread=1 - float(mean_feature.square().sum()) if trained else None,
        ),
    )
