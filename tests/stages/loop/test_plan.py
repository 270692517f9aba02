"""What is asked for wrongly of a run of all stages is told before anything is made, and the merge that ends it is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.parameters import (
    EvaluateParameters,
    ExtractParameters,
    IngestParameters,
    MergeParameters,
    SyntheticParameters,
)
from stages.errors import UsageError
from stages.ingest.stage import ingest
from stages.loop.last_clusters import LastMerge
from stages.loop.plan import AS_FEATURES_ASK, Plan
from stages.loop.run_stages import StageRow, run_stages
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, clusters_manifest

PLAN = Plan(
    merge=MergeParameters(merge_percent=0.25),
    extract=ExtractParameters(),
    evaluate=EvaluateParameters(),
    initial={"backbone": "resnet10", "weights": "none", "embedding_dim": 8},
    stages=1,
    merge_only=True,
)
"""Small and quick: nothing is trained."""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    run = RunDirectory(tmp_path_factory.mktemp("plan"))
    drawn = SyntheticParameters(identities=8, cameras=2, images_per_camera=2)
    parameters = IngestParameters(format="synthetic", synthetic=drawn, height=32, width=16)
    ingest(run, source=None, parameters=parameters, context=Context(workers=0))
    return run


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"n_clusters": "schedule"}, "`n_clusters` must be a whole number, got 'schedule'"),
    ({"n_clusters": 0}, "`n_clusters` must be at least 1, got 0"),
    ({"stage0_epochs": -1}, "`stage0_epochs` must be at least 0, got -1"),
    ({"stages": 1.5}, "`stages` must be a whole number, got 1.5"),
    ({"train": {"stage": 1}}, "`train` must not name `stage`"),
    ({"train": None}, "`train` must be fields by name, got None"),
    ({"initial": {"bakbone": "x"}}, "unknown `initial` field 'bakbone'"),
    ({"extract": ExtractParameters}, "`extract` must be an ExtractParameters, got the class ExtractParameters"),
    ({"constraints": None}, "`constraints` must be an AskedConstraints, got None"),
    ({"merge": MergeParameters(n_clusters=3)}, "`merge` must not name `n_clusters`"),
    (
        {"merge": MergeParameters(clusterer="dbscan", merge_percent=0.25), "n_clusters": 3},
        "which `clusterer='dbscan'` does not make",
    ),
]


@pytest.mark.parametrize(("changes", "told"), WRONG, ids=[told for _, told in WRONG])
def test_a_wrong_plan_is_refused_before_anything_is_made(
    people: RunDirectory, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError) as raised:
        run_stages(people, replace(PLAN, **changes), on_row=lambda _: pytest.fail("made a stage"))
    assert told in str(raised.value)


def ended_with(run: RunDirectory, n_clusters: int | None, **options: Any) -> int | None:
    """The number of clusters that the run ends with; None if no merge ends it."""
    rows: list[StageRow] = []
    run_stages(run, replace(PLAN, n_clusters=n_clusters), on_row=rows.append, **options)
    if not rows[-1].ends_run:
        return None
    return clusters_manifest(rows[-1].run.require("clusters", rows[-1].stage)).summary.n_clusters


def test_a_run_ends_with_the_merge_that_is_asked_for(people: RunDirectory) -> None:
    asked: list[int | None] = []

    def ending(n_clusters: int | None) -> LastMerge:
        asked.append(n_clusters)
        return LastMerge(1, 3)

    assert ended_with(people, None) is None
    assert ended_with(people, None, ending=lambda _: None) is None
    assert ended_with(people, 5) == 5
    assert ended_with(people, AS_FEATURES_ASK) is not None
    assert ended_with(people, None, ending=ending) == 3
    assert asked == [None]
