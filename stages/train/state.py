"""Everything that a step changes, and its conversion to and from the arrays of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.nn.model.network import ReidModel, load_model_arrays, model_arrays
from stages.nn.oim import CircularQueue
from stages.train.optimizers import trained_parameters

Arrays = Mapping[str, NDArray[Any]]


@dataclass
class State:
    """Model, look-up table (K, e), optimizer, generators, and progress.

    `queue` is None but for instance matching, `classifier` None but for the softmax loss, `cameras` (K), those of the
    classes, None but for association learning.

    `batch` is the next one of the epoch `epoch`, whose samples come in `order`. `generator` may be ahead of it; `drawn` is
    its state after the last draw that was trained on. `record` holds loss and accuracy of every step, `feature_sum` (d)
    the sum of this epoch's L2-normalised pooled features.
    """

    model: ReidModel
    lookup_table: Tensor
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    drawn: Tensor
    queue: CircularQueue | None = None
    classifier: nn.Linear | None = None
    cameras: Tensor | None = None
    epoch: int = 0
    batch: int = 0
    order: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    feature_sum: Tensor = field(default_factory=lambda: torch.zeros(()))
    record: list[tuple[float, float]] = field(default_factory=list)


def state_arrays(state: State) -> dict[str, NDArray[Any]]:
    """Exact copies of everything in `state`, and the states of torch's own generators."""
    arrays: dict[str, NDArray[Any]] = {f"model/{name}": array for name, array in model_arrays(state.model).items()}
    for index, parameter in enumerate(trained_parameters(state.optimizer)):
        for name, value in state.optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                arrays[f"optimizer/{index}/{name}"] = _copied(value)
    device = state.lookup_table.device
    arrays |= {
        "memory": _copied(state.lookup_table),
        "generator/loop": _copied(state.drawn),
        "generator/cpu": _copied(torch.get_rng_state()),
        "position": np.array([state.epoch, state.batch], dtype=np.int64),
        "order": _copied(state.order),
        "feature_sum": _copied(state.feature_sum),
        "record": np.array(state.record, dtype=np.float32).reshape(-1, 2),
    }
    if state.queue is not None:
        arrays |= {
            "queue/features": _copied(state.queue.features),
            "queue/owners": _copied(state.queue.owners),
            "queue/n_pushed": np.array(state.queue.n_pushed, dtype=np.int64),
        }
    if state.classifier is not None:
        arrays |= {f"classifier/{name}": _copied(value) for name, value in state.classifier.state_dict().items()}
    if device.type == "cuda":
        arrays["generator/cuda"] = _copied(torch.cuda.get_rng_state(device))
    return arrays


def restore_state(state: State, arrays: Arrays) -> None:
    """Put `arrays`, as `state_arrays` gave them, into a `state` of the same model, optimizer and samples."""
    prefix = "model/"
    load_model_arrays(
        state.model, {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    )
    device = state.lookup_table.device
    _restore_optimizer(state.optimizer, arrays)
    state.lookup_table.copy_(torch.from_numpy(arrays["memory"]))
    if state.queue is not None:
        state.queue.features.copy_(torch.from_numpy(arrays["queue/features"]))
        state.queue.owners.copy_(torch.from_numpy(arrays["queue/owners"]))
        state.queue.n_pushed = int(arrays["queue/n_pushed"])
    if state.classifier is not None:
        with torch.no_grad():
            for name, value in state.classifier.state_dict().items():
                value.copy_(torch.from_numpy(arrays[f"classifier/{name}"]))
    state.drawn = torch.from_numpy(arrays["generator/loop"].copy())
    state.generator.set_state(state.drawn)
    torch.set_rng_state(torch.from_numpy(arrays["generator/cpu"].copy()))
    if device.type == "cuda" and "generator/cuda" in arrays:
        torch.cuda.set_rng_state(torch.from_numpy(arrays["generator/cuda"].copy()), device)
    state.epoch, state.batch = arrays["position"].tolist()
    state.order = torch.from_numpy(arrays["order"].copy())
    state.feature_sum = torch.from_numpy(arrays["feature_sum"].copy()).to(device)
    state.record = [(loss, accuracy) for loss, accuracy in arrays["record"].tolist()]


def is_finite(state: State) -> bool:
    """Whether weights, stored statistics and look-up table are all finite."""
    classes = () if state.classifier is None else state.classifier.parameters()
    tensors = [*state.model.parameters(), *state.model.buffers(), state.lookup_table, *classes]
    return bool(torch.stack([tensor.detach().isfinite().all() for tensor in tensors]).all())


def _restore_optimizer(optimizer: torch.optim.Optimizer, arrays: Arrays) -> None:
    for name, array in arrays.items():
        kind, _, rest = name.partition("/")
        if kind != "optimizer":
            continue
        index, _, quantity = rest.partition("/")
        parameter = trained_parameters(optimizer)[int(index)]
        value = torch.from_numpy(array.copy())
        if value.shape == parameter.shape:
            # the memory layout of the parameter, as in a run that was not interrupted
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        elif optimizer.defaults.get("fused"):
            # the fused kernel reads step counts on the device of the weights
            value = value.to(parameter.device)
        optimizer.state[parameter][quantity] = value


def _copied(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().cpu().contiguous().numpy().copy()
    return array
