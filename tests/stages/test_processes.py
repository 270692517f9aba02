"""Which device a process has among others: one of its own, or a refusal before anything is made."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from schemas.parameters import ExtractParameters
from stages import processes
from stages.errors import DbcError, UsageError
from stages.extract.stage import extract
from stages.processes import own_device
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory
from stages.train.stage import train


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Three of five processes on a machine with two GPUs; this is the second of them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, value in {"WORLD_SIZE": 5, "LOCAL_WORLD_SIZE": 3, "RANK": 4, "LOCAL_RANK": 1}.items():
        monkeypatch.setenv(name, str(value))
    return monkeypatch


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_more_processes_than_gpus_are_refused_in_one_line(machine: pytest.MonkeyPatch, device: str) -> None:
    line = (
        "torchrun started 3 processes on this machine with 2 GPUs, expected a GPU for each; give it --nproc-per-node 2"
    )
    with pytest.raises(UsageError, match=f"^{re.escape(line)}, or `device='cpu'`$"):
        own_device(device)


def test_one_gpu_named_for_all_processes_is_refused(machine: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="`device='cuda:1'` is one device for 3 processes on this machine"):
        own_device("cuda:1")


def test_processes_may_be_as_many_as_gpus_and_each_has_its_own(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("LOCAL_WORLD_SIZE", "2")
    found = []
    for place in range(2):
        machine.setenv("LOCAL_RANK", str(place))
        found += [own_device("auto"), own_device("cuda")]
    assert found == ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]


class Slurm:
    """Processes that told each other which GPU they see first."""

    def __init__(self, uuids: list[str]) -> None:
        self._seen = [np.array(list(uuid.encode()), dtype=np.float64)[None, :] for uuid in uuids]

    def all_gather(self, values: np.ndarray) -> list[np.ndarray]:
        assert any(np.array_equal(values, seen) for seen in self._seen)
        return self._seen


@pytest.mark.parametrize(
    ("uuids", "refused"), [("abcde", False), ("abcda", True)], ids=["each its own", "two the same"]
)
def test_one_visible_gpu_for_each_process_is_fine_if_no_two_are_the_same(
    machine: pytest.MonkeyPatch, uuids: str, refused: bool
) -> None:
    machine.setattr(torch.cuda, "device_count", lambda: 1)
    machine.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=uuids[4]))
    machine.setattr(processes, "all_processes", lambda: Slurm(list(uuids)))
    processes._each_has_its_own.cache_clear()
    if refused:
        with pytest.raises(UsageError, match="3 processes on this machine with 1 GPU,"):
            own_device("auto")
    else:
        assert [own_device(device) for device in ("auto", "cuda", "cuda:0")] == ["cuda:0"] * 3
    processes._each_has_its_own.cache_clear()


def test_the_cpu_is_for_any_number_of_processes_and_one_alone_has_what_it_asks_for(machine: pytest.MonkeyPatch) -> None:
    assert own_device("cpu") == "cpu"
    machine.setattr(torch.cuda, "is_available", lambda: False)
    assert own_device("auto") == "auto"
    machine.setattr(torch.cuda, "is_available", lambda: True)
    machine.setenv("LOCAL_WORLD_SIZE", "1")
    assert own_device("cuda:1") == "cuda:1"
    machine.setenv("WORLD_SIZE", "1")
    assert own_device("auto") == "auto"


def test_stages_refuse_before_anything_is_made(machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with pytest.raises(UsageError, match="3 processes on this machine with 2 GPUs"):
        extract(run, stage=None, parameters=ExtractParameters(), initial={}, context=Context(device="auto"))
    with pytest.raises(UsageError, match="3 processes on this machine with 2 GPUs"):
        train(run, stage=0, overrides={}, initial={}, context=Context(device="cuda"))
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(("rank", "port"), [("0", "29871"), ("1", "29872"), ("0", "port"), ("0", "99999999")])
def test_others_that_never_start_are_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, rank: str, port: str
) -> None:
    monkeypatch.setattr(processes, "JOINING", timedelta(seconds=1))
    place = {"WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    # another test may have asked as the only process
    processes.all_processes.cache_clear()
    with pytest.raises(DbcError, match=f"process {rank} of 2 did not meet the others at 127.0.0.1:{port} within"):
        processes.all_processes()
