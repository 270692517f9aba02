"""A line for each artifact that was made, whatever happened to the lines before."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from test_run_directory import features

from schemas.stage_names import INIT_STAGE
from stages.reporting import Keeping, Silent
from stages.runs.context import Context
from stages.runs.events import EVENTS, scalars
from stages.runs.run_directory import RunDirectory


def whole_lines(root: Path) -> list[Any]:
    found = []
    for line in (root / EVENTS).read_bytes().splitlines():
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def test_every_new_artifact_has_a_line_and_one_that_is_there_has_no_second(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    made = [features(run, INIT_STAGE, 0.0), features(run, 3, 1.0), features(run, INIT_STAGE, 0.0)]
    told = [json.loads(line) for line in (tmp_path / EVENTS).read_text().splitlines()]
    assert [event["artifact"] for event in told] == ["stage-init/features/v1.zarr", "stage-03/features/v1.zarr"]
    assert [event["id"] for event in told] == [made[0].manifest.id, made[1].manifest.id]
    assert [(event["stage"], event["summary"]["stage"]) for event in told] == [("init", "init"), (3, 3)]
    assert told[0]["summary"]["n_samples"] == 3


@pytest.mark.parametrize("torn", ['{"kind": "mod', "\x00\x00", '["a list"]', "{}\n\n"])
def test_a_line_that_was_cut_off_costs_no_other(tmp_path: Path, torn: str) -> None:
    (tmp_path / EVENTS).write_text(torn)
    made = features(RunDirectory(tmp_path), 0, 0.0)
    events = [event for event in whole_lines(tmp_path) if isinstance(event, dict) and event]
    assert [event["id"] for event in events] == [made.manifest.id]


def test_an_artifact_is_committed_even_if_its_line_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / EVENTS).mkdir()
    reporter = Keeping(Silent())
    monkeypatch.setattr("test_run_directory.Context", lambda **given: Context(**given, reporter=reporter))
    features(RunDirectory(tmp_path), 0, 0.0)
    assert RunDirectory(tmp_path).find("features", 0) is not None
    assert reporter.warned[0].startswith("events.jsonl has no line about")
    assert "nothing else is lost" in reporter.warned[0]


def test_scalars_are_the_numbers_of_a_summary() -> None:
    summary: dict[str, Any] = {"stage": 3, "mAP": 0.5, "n_clusters": 7, "ari": None, "cluster_sizes": {"1": 2}}
    assert scalars("metrics", summary | {"by_camera": True}) == {"metrics/mAP": 0.5, "metrics/n_clusters": 7.0}
