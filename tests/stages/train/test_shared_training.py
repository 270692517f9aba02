"""Training that processes share ends where that of one does, up to rounding, with the same table on all."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from stages.nn.model.head import EmbeddingHead
from stages.nn.model.network import ReidModel, model_arrays
from stages.nn.parallel import gradient_sums
from stages.processes import Processes, all_processes
from stages.train.images.frames import TrainSamples
from stages.train.images.sources import HostFrames
from stages.train.state import Arrays
from tests.conftest import REPOSITORY
from tests.tiny_training import CPU, blotches, trained

LABELS = np.arange(21) % 7
"""Twice eight and five: the slices of three processes differ in length."""
N_PROCESSES = 3
CASES: dict[str, dict[str, Any]] = {
    "statistics of the batch": {"norm_statistics": "batch"},
    "stored statistics": {"norm_statistics": "stored"},
    "every option": {"clip_norm": 0.5, "random_erasing": 0.5, "color_jitter": 0.3, "loss": "oim", "queue_size": 12},
    "frames": {"frames": 3},
    "one too many": {"batch_size": 20, "epochs": 5},
    "too few": {"batch_size": 19},
}
"""The last batch of `one too many` would have one sample, and is left out; that of `too few` has two for three processes."""
TAKEN_UP = "every option"
"""The case that has weights of samples and goes on, after `TAKEN_UP_AT` steps of six, in another number of processes."""
TAKEN_UP_AT = 2


def network() -> ReidModel:
    """A network of norms after convolutions, one of which draws at random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=2, padding=2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            StochasticDepth(0.3, "row"),
            nn.Conv2d(8, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.Dropout(0.1),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
    return ReidModel(backbone, EmbeddingHead(32, 16, dropout=0.5))


BUCKETS = {"one bucket": 1 << 30, "many buckets": 256}
"""Bytes of gradients sent together: all in the end, or a layer's at a time while backward goes on."""


class Kept:
    """Keeps the state after `TAKEN_UP_AT` steps."""

    newest: int | None = None

    def __init__(self, path: Path) -> None:
        self._path = path

    def due(self, step: int) -> bool:
        return step == TAKEN_UP_AT

    def save(self, _step: int, arrays: Arrays) -> None:
        np.savez(self._path, **arrays)


def train_case(name: str, processes: Processes | None, **more: Any) -> dict[str, np.ndarray]:
    """Weights, table and losses after the case `name`; `more` goes to `train`."""
    source = HostFrames(blotches(63), CPU)
    weights = np.linspace(0, 1, 21, dtype=np.float32) if name == TAKEN_UP else None
    samples = TrainSamples(np.arange(0, 63, 3), np.full(21, 3 if name == "frames" else 1), LABELS, weights)
    model = network()
    options = {"learning_rate": 0.01, **CASES[name]}
    result = trained(model, LABELS, source=source, samples=samples, options={"processes": processes, **more}, **options)
    return {**model_arrays(model), "memory": result.lookup_table, "loss": result.loss, "accuracy": result.accuracy}


def by_two(processes: Processes, folder: Path) -> None:
    """Leave what two processes train with gradients in one bucket and in many."""
    for name, n_bytes in BUCKETS.items():
        gradient_sums.BUCKET_BYTES = n_bytes
        np.savez(folder / f"{name} {processes.rank}.npz", **train_case("every option", processes))


def by_several(processes: Processes, folder: Path) -> None:
    """Leave what several processes train of every case, and of one that another began."""
    gradient_sums.BUCKET_BYTES = BUCKETS["many buckets"]
    for name in CASES:
        kept = {"checkpoints": Kept(folder / "of several.npz")} if name == TAKEN_UP and processes.rank == 0 else {}
        np.savez(folder / f"{name} {processes.rank}.npz", **train_case(name, processes, **kept))
    begun = dict(np.load(folder / "of one.npz"))
    np.savez(folder / f"taken up {processes.rank}.npz", **train_case(TAKEN_UP, processes, resumed=begun))


def as_one_of(work: Callable[[Processes, Path], None], folder: Path, variables: dict[str, str]) -> None:
    """Do `work` as the process that these variables, which torchrun sets, tell of."""
    os.environ.update(variables)
    torch.set_num_threads(1)
    processes = all_processes()
    work(processes, folder)
    processes.meet()
    torch.distributed.destroy_process_group()


def main(folder: Path) -> None:
    """Start the processes by forking: torch is imported once, and not by each of five."""
    context = multiprocessing.get_context("fork")
    for size, work in ((2, by_two), (N_PROCESSES, by_several)):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(listening.getsockname()[1])}
        told = [{**meeting, "WORLD_SIZE": str(size), "RANK": str(rank)} for rank in range(size)]
        children = [context.Process(target=as_one_of, args=(work, folder, variables)) for variables in told]
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0] * size


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where processes left what they trained, and one process, and they, a state to go on from."""
    folder = tmp_path_factory.mktemp("shared")
    train_case(TAKEN_UP, None, checkpoints=Kept(folder / "of one.npz"))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, __file__, str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert told.returncode == 0, told.stderr
    return folder


def test_gradients_summed_while_backward_goes_on_are_those_summed_after_it(shared: Path) -> None:
    expected, *others = (dict(np.load(shared / f"{name} {rank}.npz")) for name in BUCKETS for rank in range(2))
    for other in others:
        for array, value in expected.items():
            np.testing.assert_array_equal(other[array], value, err_msg=array)


@pytest.mark.parametrize("name", CASES)
def test_several_processes_train_as_one_does(shared: Path, name: str) -> None:
    are_as_one(shared, name, train_case(name, None))


def test_training_of_one_process_goes_on_in_several(shared: Path) -> None:
    are_as_one(shared, "taken up", train_case(TAKEN_UP, None))


def test_training_of_several_processes_goes_on_in_one(shared: Path) -> None:
    begun = dict(np.load(shared / "of several.npz"))
    assert begun["record"].shape == (TAKEN_UP_AT, 2)
    are_as_one(shared, TAKEN_UP, train_case(TAKEN_UP, None, resumed=begun))


def are_as_one(shared: Path, name: str, alone: dict[str, np.ndarray]) -> None:
    """What processes left under `name` is alike on all, and `alone` up to rounding."""
    first, *others = (dict(np.load(shared / f"{name} {rank}.npz")) for rank in range(N_PROCESSES))
    assert first.keys() == alone.keys()
    for array, value in alone.items():
        for other in others:
            np.testing.assert_array_equal(first[array], other[array], err_msg=array)
        np.testing.assert_allclose(first[array], value, atol=1e-4, rtol=1e-4, err_msg=array)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
