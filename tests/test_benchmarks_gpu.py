"""The prepared command for a GPU: its small steps run on the CPU, and a step that fails or hangs stops no other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import gpu, gpu_steps
from benchmarks.gpu import Step, steps_of

PYTHON = (sys.executable, "-c")


@pytest.mark.parametrize(
    "step", [gpu_steps.versions, gpu_steps.merge, gpu_steps.evaluation, gpu_steps.syncs, gpu_steps.short]
)
def test_a_small_step_prints_results(step, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    step(small=True)
    printed = capsys.readouterr().out.splitlines()
    assert printed
    assert all(line.startswith(("|", "- ")) for line in printed)
    if step in (gpu_steps.merge, gpu_steps.evaluation):
        assert [line.split(" | ")[-1] for line in printed[2:]] == ["yes |"] * len(printed[2:])


def test_a_step_that_fails_or_hangs_is_told_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [
        Step("fails", 20, (), (*PYTHON, "print('| half |'); raise SystemExit('no room')")),
        Step("hangs", 1.5, (), (*PYTHON, "import time; print('waiting', flush=True); time.sleep(60)")),
        Step(
            "works", 20, (), (*PYTHON, "import os; print('| ' + os.environ['CUPY_CACHE_DIR'] + ' |'); print('noise')")
        ),
    ]
    monkeypatch.setattr(gpu, "steps_of", lambda out, images: steps)
    monkeypatch.setattr(gpu, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(sys, "argv", ["gpu", "--small", "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    assert ended.value.code == 1
    results = (tmp_path / "out" / "results.md").read_text()
    assert "## fails: failed with status 1" in results
    assert "no room" in results
    assert "## hangs: stopped at its limit of 2 s" in results
    assert "waiting" in results
    assert f"| {tmp_path / 'cache' / 'cupy'} |" in results
    assert "noise" not in results
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["log.txt", "results.md"]


def test_no_step_begins_when_the_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path / "out"), "--seconds", "0"])
    with pytest.raises(SystemExit):
        gpu.main()
    assert (tmp_path / "out" / "results.md").read_text().count("not begun") == len(steps_of(tmp_path, None))


def test_all_steps_together_stay_within_eight_minutes(tmp_path: Path) -> None:
    assert len({step.name for step in steps_of(tmp_path, None)}) == 12
    assert max(step.seconds for step in steps_of(tmp_path, None)) < 470 < 8 * 60
