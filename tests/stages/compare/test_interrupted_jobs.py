"""An interrupted comparison ends the jobs at work, and begins none of those that wait."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.compare import cells
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory


class OneJob(ThreadPoolExecutor):
    """Begins nothing but the first job, which is done at once."""

    def __init__(self, *_: object) -> None:
        super().__init__(1)
        self.waiting: list[Future[Any]] = []

    def submit(self, *_: Any) -> Future[Any]:  # type: ignore[override]
        self.waiting.append(Future())
        if len(self.waiting) == 1:
            self.waiting[0].set_result(SimpleNamespace(name="a"))
        return self.waiting[-1]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        for future in self.waiting if cancel_futures else ():
            future.cancel()
        assert all(future.done() for future in self.waiting)
        super().shutdown(wait)


def test_ctrl_c_cancels_what_waits_and_ends_what_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ended: list[int] = []
    for name in ("check_plan", "common_start"):
        monkeypatch.setattr(cells, name, lambda *_, **__: None)
    monkeypatch.setattr(cells, "ProcessPoolExecutor", OneJob)
    monkeypatch.setattr(cells, "active_children", lambda: [SimpleNamespace(terminate=lambda: ended.append(1))])

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    asked: list[Any] = [SimpleNamespace(name=name, plan=None) for name in "ab"]
    with pytest.raises(KeyboardInterrupt):
        cells.run_cells(RunDirectory(tmp_path), asked, context=Context(), n_jobs=2, on_done=interrupted)
    assert ended == [1]
