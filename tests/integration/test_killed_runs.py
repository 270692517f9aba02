"""A run killed at any moment leaves nothing behind and ends, restarted, as if it had never been killed."""

from __future__ import annotations

import json
import subprocess
import sys
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
