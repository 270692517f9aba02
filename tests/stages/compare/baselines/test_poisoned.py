"""What a method says it was not told cannot reach it: other labels, identities and attributes leave what it makes as it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dbc_cli.command import Given
from dbc_cli.commands.run import cells_of_methods, plan_of_method
from schemas.parameters import ExtractParameters, IngestParameters
from schemas.recipes import METHOD_SETTINGS, RECIPES
from schemas.stage_names import INIT_STAGE
from stages.compare.ablation import method_cells
from stages.compare.baselines.another_set import METHODS, Options, OtherSet, agreeing
from stages.compare.other_sets import begun_on, told_of
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.merge.stage import merge
from stages.nn.initial_agreement import AUTO
from stages.nn.initial_model import initial_model
from stages.runs.context import Context
from stages.runs.lineage import parent_of, share_dataset
from stages.runs.making import Made
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact
from stages.train.stage import train
from tests.tiny_network import provide_tiny_networks

NAMES = (*RECIPES, *METHOD_SETTINGS, *METHODS)
"""All that `dbc ablate --methods` takes: a new method is tested by being there."""
QUIET = Context(workers=0)
INITIAL = {"backbone": "tiny", "weights": "none", "embedding_dim": 16, "seed": 0}
SMALL = {"merge_percent": 0.25, "n_clusters": 4, "epochs": 1, "batch_size": 4}
OPTIONS = Options(steps=1, width=4, epochs=1, train={"epochs": 1, "batch_size": 8}, initial=INITIAL)
N_PEOPLE, N_SHOTS = 6, 4
TRUE = [person for person in range(1, N_PEOPLE + 1) for _ in range(N_SHOTS)]
POISONED = [*TRUE[7:], *TRUE[:7]]


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    provide_tiny_networks(monkeypatch)


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


@dataclass(frozen=True)
class Told:
    """All that a method could read: a set, labels of it, another set and attributes of that."""

    target: RunDirectory
    labels: Path
    source: RunDirectory
    attributes: Path


@dataclass
class Learned:
    """What a method `knows` by its own word, the ids of the artifacts that it made, and the digests of their arrays."""

    knows: str
    ids: list[str] = field(default_factory=list)
    arrays: list[dict[str, str]] = field(default_factory=list)

    def add(self, made: Artifact | Made) -> Artifact:
        artifact = made.artifact if isinstance(made, Made) else made
        assert artifact is not None
        self.ids.append(artifact.manifest.id)
        self.arrays.append({name: record.sha256 for name, record in artifact.manifest.arrays.items()})
        return artifact


@pytest.fixture(scope="module")
def told(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Told, Told]:
    """The truth, and all of it poisoned; pictures are the same, and the other set has the same as this one."""
    folder = tmp_path_factory.mktemp("told")
    found = []
    for name, pids, one_each, bag in (("true", TRUE, [1, 2, 3, 4], 2), ("poisoned", POISONED, [1, 2, 1, 2], 3)):
        rows = []
        for number, pid in enumerate(pids):
            person, shot = divmod(number, N_SHOTS)
            split = "train" if person < 4 else "query" if shot == 0 else "gallery"
            rows.append(f"{person}-{shot}.png,{pid},{shot % 2 + 1},{split}")
        table, labels, attributes = (folder / f"{name}-{what}.csv" for what in ("samples", "labels", "attributes"))
        table.write_text("\n".join(["path,pid,camid,split", *rows]) + "\n")
        labels.write_text("path,identity\n" + "".join(f"{person}-0.png,{one_each[person]}\n" for person in range(4)))
        attributes.write_text("path,bag\n" + "".join(f"{row[:7]},{int(int(row[0]) % bag == 0)}\n" for row in rows))
        target, source = (RunDirectory(folder / name / part) for part in ("target", "source"))
        for run in (target, source):
            asked = IngestParameters(format="csv", height=32, width=16)
            ingest(run, source=table, root=pictures, parameters=asked, context=QUIET)
        found.append(Told(target, labels, source, attributes))
    images, pids = (
        [made.target.require("dataset").manifest.arrays[name] for made in found] for name in ("images", "pid")
    )
    assert images[0] == images[1]
    assert pids[0] != pids[1]
    return found[0], found[1]


def learned(name: str, told: Told) -> Learned:
    """What the method `name` makes of what it is handed, whether it knows it or not: of its first stage, or its only one."""
    if name in METHODS:
        found = Learned(told_of(name))
        measured = METHODS[name](told.target, OtherSet(told.source, told.attributes), OPTIONS, context=QUIET)[-1]
        found.add(measured.run.require("features", measured.stage))
        return found
    handed = {"labels": str(told.labels), "source_run": told.source.root, "attributes": told.attributes}
    given = Given(told.target.root, {**SMALL, **INITIAL, **handed})
    plans = {name: plan_of_method(given, name)}
    (cell,) = cells_of_methods(given, plans)
    plan = begun_on(OtherSet(told.source), cell, OPTIONS, context=QUIET).plan
    found, own = Learned(cell.setting["knows"]), RunDirectory(told.target.root / "own" / name)
    own = share_dataset(told.target, own)
    asked = {"parameters": ExtractParameters(), "initial": plan.initial}
    features = found.add(extract(own, stage=INIT_STAGE, context=QUIET, **asked))
    # what was made of other things that it was handed lies beside
    for artifact in (features, own.resolve(parent_of(features, "model"))):
        own = own.choose(artifact, INIT_STAGE)
    stage = min(1, plan.last_stage)
    if stage:
        asked = {"parameters": plan.merge, "constraints": plan.constraints}
        own = own.choose(found.add(merge(own, stage=stage, context=QUIET, **asked)), stage)
    if not plan.merge_only:
        asked = {"initial": plan.initial, "constraints": plan.constraints}
        found.add(train(own, stage=stage, overrides=plan.train, context=QUIET, **asked))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_method_reads_what_it_says_it_knows_and_nothing_else(told: tuple[Told, Told], name: str) -> None:
    true, poisoned = told
    found = learned(name, true)
    # identities of the set itself are for evaluation: all ids follow from those of the data set, but no array does
    assert learned(name, replace(true, target=poisoned.target)).arrays == found.arrays
    reads = {
        "labels": "labels" in found.knows or "labelled sample" in found.knows,
        "source": "a labelled other set" in found.knows,
        "attributes": "attributes" in found.knows,
    }
    for what, is_read in reads.items():
        again = learned(name, replace(true, **{what: getattr(poisoned, what)}))
        assert (again.ids != found.ids) == is_read, what
        assert (again.arrays != found.arrays) == is_read, what
    # what was made before is found again
    assert learned(name, true).ids == found.ids


def test_spgan_learns_to_restyle_from_pictures_alone_and_does_so_once(told: tuple[Told, Told]) -> None:
    true, poisoned = told
    folder = true.target.root / "baseline/spgan-seed0/pictures"
    seen = []
    for source in (true.source, poisoned.source, poisoned.source):
        learned("spgan", replace(true, source=source))
        rows = (folder / "samples.csv").read_text()
        pictures = [picture.read_bytes() for picture in sorted(folder.glob("*.png"))]
        seen.append((rows, pictures, (folder / "restyled.json").stat().st_mtime_ns))
    assert len(seen[0][1]) == 4 * N_SHOTS
    assert seen[0][0] != seen[1][0]
    assert seen[0][1] == seen[1][1]
    assert seen[0][2] != seen[1][2]
    assert seen[1] == seen[2]


@pytest.mark.parametrize(
    ("name", "source_has_a_model", "dim"),
    [("umdl", False, 20), ("spgan", True, 20), ("tj-aidl", False, 16), ("dbc-source", False, 20)],
)
def test_both_sets_have_the_pooling_of_the_first_model(
    told: tuple[Told, Told], tmp_path: Path, name: str, *, source_has_a_model: bool, dim: int
) -> None:
    target, source = (
        share_dataset(run, RunDirectory(tmp_path / part))
        for part, run in (("target", told[0].target), ("source", told[0].source))
    )
    network = {**INITIAL, "backbone": "maps"}
    for run in (target, source) if source_has_a_model else (target,):
        initial_model(run, {**network, "pooling": "layers"}, context=QUIET)
    # whoever gives weights leaves the pooling to what is there
    options = replace(OPTIONS, initial={**network, "pooling": AUTO})
    both = OtherSet(source, told[0].attributes)
    if name in METHODS:
        # dictionaries make codes of the features of the initial stage
        measured = METHODS[name](target, both, options, context=QUIET)[0 if name == "umdl" else -1]
        assert measured.run.require("features", measured.stage).rows("pooled").shape[1] == dim
        return
    given = Given(target.root, {**SMALL, **network, "source_run": source.root})
    (cell,) = method_cells({name: plan_of_method(given, name)}, seeds=[0], on_source=[name])
    plan = begun_on(both, cell, agreeing(target, both, options), context=QUIET).plan
    own = share_dataset(target, RunDirectory(tmp_path / "own"))
    made = extract(own, stage=INIT_STAGE, parameters=ExtractParameters(), initial=plan.initial, context=QUIET).artifact
    assert made is not None
    assert made.rows("pooled").shape[1] == dim
