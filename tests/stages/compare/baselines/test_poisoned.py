"""What a method says it was not told cannot reach it: other labels and identities leave its arrays as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dbc_cli.command import Given
from dbc_cli.commands.run import plan_of_method
from schemas.parameters import ExtractParameters, IngestParameters
from schemas.recipes import METHOD_SETTINGS, OTHER_METHODS
from schemas.stage_names import INIT_STAGE
from stages.compare.baselines.another_set import METHODS, Options, Source
from stages.compare.sharing import share_stages
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.loop.plan import Plan
from stages.merge.stage import merge
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, share
from stages.train.stage import train

QUIET = Context(workers=0)
INITIAL = {"backbone": "resnet10", "weights": "none", "embedding_dim": 16, "seed": 0}
N_PEOPLE, N_SHOTS = 6, 4
TRUE = [person for person in range(1, N_PEOPLE + 1) for _ in range(N_SHOTS)]
POISONED = [*TRUE[7:], *TRUE[:7]]
Digests = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of six people by two cameras, four of whom are to train on."""
    folder = tmp_path_factory.mktemp("pictures")
    chance = np.random.default_rng(0)
    for person in range(N_PEOPLE):
        look = chance.integers(0, 256, (4, 2, 3))
        for shot in range(N_SHOTS):
            noisy = np.clip(look.repeat(8, 0).repeat(8, 1) + chance.normal(0, 40, (32, 16, 3)), 0, 255)
            Image.fromarray(noisy.astype(np.uint8)).save(folder / f"{person}-{shot}.png")
    return folder


def ingested(pictures: Path, into: Path, identities: list[int]) -> RunDirectory:
    """A run of `pictures` whose people are called as `identities` say, those for query and gallery too."""
    rows = []
    for number, pid in enumerate(identities):
        person, shot = divmod(number, N_SHOTS)
        split = "train" if person < 4 else "query" if shot == 0 else "gallery"
        rows.append(f"{person}-{shot}.png,{pid},{shot % 2 + 1},{split}")
    table = into.with_suffix(".csv")
    table.write_text("\n".join(["path,pid,camid,split", *rows]) + "\n")
    run = RunDirectory(into)
    asked = IngestParameters(format="csv", height=32, width=16)
    ingest(run, source=table, root=pictures, parameters=asked, context=QUIET)
    return run


@pytest.fixture(scope="module")
def runs(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, RunDirectory]:
    """The same pictures with true and with poisoned identities."""
    folder = tmp_path_factory.mktemp("poisoned")
    true, poisoned = ingested(pictures, folder / "true", TRUE), ingested(pictures, folder / "poisoned", POISONED)
    assert digests(true.require("dataset"), {"pid"}) != digests(poisoned.require("dataset"), {"pid"})
    assert digests(true.require("dataset"), {"images"}) == digests(poisoned.require("dataset"), {"images"})
    return true, poisoned


def labels(folder: Path, identities: list[int]) -> Path:
    """A table that labels one train picture of each of four people, so called."""
    file = folder / f"labels-{identities[2]}.csv"
    rows = [f"{person}-0.png,{identities[person]}" for person in range(4)]
    file.write_text("\n".join(["path,identity", *rows]) + "\n")
    return file


def digests(artifact: Artifact, names: set[str] | None = None) -> dict[str, str]:
    """The digest of each array."""
    return {name: record.sha256 for name, record in artifact.manifest.arrays.items() if names is None or name in names}


def plan_for(name: str, run: RunDirectory, told: Path) -> Plan:
    """The plan of a method that is handed `told`, whether it knows labels or not."""
    small = {"merge_percent": 0.25, "n_clusters": 4, "epochs": 1, "batch_size": 4, "labels": str(told)}
    return plan_of_method(Given(run.root, {**small, **INITIAL}), name)


def learned(run: RunDirectory, plan: Plan, name: str) -> Digests:
    """Clusters of stage 1 and the model that trains on them; the model of stage 0 of a method that has no clusters."""
    extract(run, stage=INIT_STAGE, parameters=ExtractParameters(), initial=INITIAL, context=QUIET)
    own = RunDirectory(run.root / "own" / name)
    own = own.choose(share(run.require("dataset"), own.directory("dataset", 0)), 0)
    own = share_stages(run, own, stages=(INIT_STAGE,))
    asked: dict[str, Any] = {"constraints": plan.constraints, "context": QUIET}
    found: Digests = {}
    if plan.stages != 0:
        clusters = merge(own, stage=1, parameters=plan.merge, **asked).artifact
        assert clusters is not None
        own, found["clusters"] = own.choose(clusters, 1), digests(clusters)
    model = train(own, stage=len(found), overrides=plan.train, initial={}, **asked).artifact
    assert model is not None
    return {**found, "model": digests(model)}


@pytest.mark.parametrize("name", ["tuned", *OTHER_METHODS, "eug-exclusive", "dbc", "oim"])
def test_labels_reach_whom_they_are_for_and_identities_nobody(
    runs: tuple[RunDirectory, RunDirectory], tmp_path: Path, name: str
) -> None:
    true, poisoned = runs
    one_each, mixed_up = labels(tmp_path, [1, 2, 3, 4]), labels(tmp_path, [1, 2, 1, 2])
    found = learned(true, plan_for(name, true, one_each), name)
    assert learned(poisoned, plan_for(name, poisoned, one_each), name) == found
    other = OTHER_METHODS.get(name) or METHOD_SETTINGS.get(name)  # type: ignore[call-overload]
    knows_labels = other is None or "labelled" in (other.knows or "")
    changed = learned(true, plan_for(name, true, mixed_up), name)
    assert (changed["model"] != found["model"]) == knows_labels
    assert (changed != found) == knows_labels


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "spgan" else name for name in METHODS]
)
def test_methods_with_another_set_read_its_identities_and_none_of_this_one(
    runs: tuple[RunDirectory, RunDirectory], tmp_path: Path, name: str
) -> None:
    true, poisoned = runs
    table = tmp_path / "attributes.csv"
    paths = true.require("dataset").read("path")
    table.write_text("path,bag\n" + "".join(f"{path},{int(path[0]) % 2}\n" for path in paths))
    options = Options(steps=1, width=4, epochs=1, train={"epochs": 1, "batch_size": 8}, initial=INITIAL)

    def features(target: RunDirectory, source: RunDirectory) -> dict[str, str]:
        measured = METHODS[name](target, Source(source, table), options, context=QUIET)[-1]
        return digests(measured.run.require("features", measured.stage), {"pooled"})

    found = features(true, true)
    assert features(poisoned, true) == found
    assert features(true, poisoned) != found
    # what was made before is found again, and measured, not what came after it
    assert features(true, true) == found
    if name == "spgan":
        told = true.root / "baseline/spgan-seed0/pictures/restyled.json"
        written = told.stat().st_mtime_ns
        assert features(true, true) == found
        assert told.stat().st_mtime_ns == written
        assert len(list(told.parent.glob("*.png"))) == 4 * N_SHOTS
