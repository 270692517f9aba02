"""A run killed at any moment leaves nothing behind and ends, restarted, as if it had never been killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


@pytest.mark.slow
def test_a_run_killed_at_20_random_moments_ends_with_the_ids_of_an_undisturbed_one(tmp_path: Path) -> None:
    script = REPOSITORY / "tests" / "integration" / "killed_runs.py"
    told = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "20", "7"], capture_output=True, text=True, check=True
    )
    report = json.loads(told.stdout)
    assert report["n_killed"] >= 10
    assert len(report["undisturbed"]["ids"]) >= 18
    assert report["killed"]["ids"] == report["undisturbed"]["ids"]
    assert report["killed"]["leftovers"] == []
    assert report["killed"]["damaged"] == []


WORKERS = """
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import sleep
from stages.compare.cells import _share_cores

if __name__ == "__main__":
    with ProcessPoolExecutor(2, get_context("spawn"), _share_cores, (1,)) as executor:
        executor.submit(sleep, 3), executor.submit(os.getpid).result()
        print(*executor._processes, flush=True)
        executor.submit(sleep, 60).result()
"""


@pytest.mark.slow
def test_workers_of_a_sweep_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(WORKERS)
    with subprocess.Popen(
        [sys.executable, "parent.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        workers = parent.stdout.readline().split()
        parent.kill()
    waited = time.monotonic() + 10
    while at_work := [worker for worker in workers if _works(worker)]:
        assert time.monotonic() < waited, at_work
        time.sleep(0.1)
    assert len(workers) == 2


def _works(process: str) -> bool:
    """Whether it is there and has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
