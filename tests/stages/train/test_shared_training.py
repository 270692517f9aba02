"""Training that two processes share ends where one process does, up to rounding, with the same table on both."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from stages.nn.head import EmbeddingHead
from stages.nn.model import ReidModel, model_arrays
from stages.torch_exchange import Processes, together
from stages.train.samples import Samples
from stages.train.sources import HostFrames
from tests.conftest import REPOSITORY
from tests.tiny_training import CPU, blotches, trained

LABELS = np.arange(21) % 7
"""Twice eight and five: the slices of two processes differ in length."""
CASES: dict[str, dict[str, Any]] = {
    "statistics of the batch": {"norm_statistics": "batch"},
    "stored statistics": {"norm_statistics": "stored"},
    "every option": {"clip_norm": 0.5, "random_erasing": 0.5, "color_jitter": 0.3, "loss": "oim", "queue_size": 12},
    "frames": {"frames": 3},
    "short": {"batch_size": 20, "epochs": 5},
}
"""In `short` the last batch would have one sample, and is left out."""


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


def train_case(name: str, processes: Processes | None) -> dict[str, np.ndarray]:
    """Weights, table and losses after the case `name`."""
    source = HostFrames(blotches(63), CPU)
    samples = Samples(np.arange(0, 63, 3), np.full(21, 3 if name == "frames" else 1), LABELS)
    model = network()
    options = {"learning_rate": 0.01, **CASES[name]}
    result = trained(model, LABELS, source=source, samples=samples, options={"processes": processes}, **options)
    return {**model_arrays(model), "memory": result.memory, "loss": result.loss, "accuracy": result.accuracy}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    processes = together()
    for name in CASES:
        np.savez(folder / f"{name} {processes.rank}.npz", **train_case(name, processes))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes left what they trained."""
    folder = tmp_path_factory.mktemp("shared")
    told = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", __file__, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)},
    )
    assert told.returncode == 0, told.stderr
    return folder


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_as_one_does(shared: Path, name: str) -> None:
    first, second = (dict(np.load(shared / f"{name} {rank}.npz")) for rank in range(2))
    alone = train_case(name, None)
    assert first.keys() == alone.keys()
    for array, value in alone.items():
        np.testing.assert_array_equal(first[array], second[array], err_msg=array)
        np.testing.assert_allclose(first[array], value, atol=1e-4, rtol=1e-4, err_msg=array)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
