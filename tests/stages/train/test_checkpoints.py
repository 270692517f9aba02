"""Training that goes on from a checkpoint records how all of its steps ran, not how the last ones did."""

from __future__ import annotations

from pathlib import Path

import torch

from schemas.manifest import Execution
from stages.reporting import Keeping, Silent
from stages.train.checkpoints import StageCheckpoints

CPU = torch.device("cpu")


def in_processes(directory: Path, n_processes: int, *, threads: int = 1) -> StageCheckpoints:
    execution = Execution(backend="torch", device="cpu", threads=threads, processes=n_processes)
    return StageCheckpoints(directory, "a" * 64, every=1, device=CPU, execution=execution)


def test_steps_that_ran_in_another_number_of_processes_are_recorded_and_told(tmp_path: Path) -> None:
    arrays = {"weights": torch.zeros(2).numpy()}
    in_processes(tmp_path, 2).save(80, arrays)
    told = Keeping(Silent())
    second = in_processes(tmp_path, 1)
    assert second.resumable(told) is not None
    expected = "it ran to step 80 with processes 2 (now 1)"
    assert [expected in line for line in (*told.warned, *second.notes)] == [True, True]
    second.save(90, arrays)
    # whatever goes on without a change still tells of it
    third, told = in_processes(tmp_path, 1), Keeping(Silent())
    third.resumable(told)
    assert expected in told.warned[0]
    assert [(part.until_step, part.processes) for part in third.execution.earlier] == [(80, 2)]
    fourth = in_processes(tmp_path, 1, threads=3)
    fourth.resumable(Silent())
    assert [part.until_step for part in fourth.execution.earlier] == [80, 90]
    assert fourth.execution.threads == 3


def test_steps_that_ran_alike_are_no_parts(tmp_path: Path) -> None:
    in_processes(tmp_path, 1).save(80, {"weights": torch.zeros(2).numpy()})
    second, told = in_processes(tmp_path, 1), Keeping(Silent())
    second.resumable(told)
    assert (second.execution.earlier, told.told) == ((), [])
    assert second.notes == ("training went on from the checkpoint of step 80",)
