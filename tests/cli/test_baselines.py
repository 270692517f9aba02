"""Baselines through the commands: a bag of words, online instance matching, and k-means with reliable samples."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from dbc_cli.command import Given
from dbc_cli.commands.run import plan_of_method
from stages.runs.run_directory import RunDirectory, features_manifest, model_manifest
from stages.samples import TRAIN
from tests.cli.conftest import NETWORK, Dbc, made

PEOPLE = ["--identities", "8", "--cameras", "2", "--images-per-camera", "2", "--height", "64", "--width", "32"]


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is made from a bag of words alone. Not to be changed."""
    # of 5,600 words to whiten by, most of the time would be taken
    schedule = ["--merge-percent", "0.2", "--stages", "1", "--whiten", "0", "--camera", "ignored"]
    return made(
        tmp_path_factory.mktemp("words"), ["ingest", *PEOPLE, "--workers", "0"], ["run", "--backbone", "bow", *schedule]
    )


def test_a_bag_of_words_needs_no_weights_and_makes_features_that_merge(words: Path) -> None:
    run = RunDirectory(words)
    model, features = run.require("model", -1), run.require("features", -1)
    initial = model_manifest(model).initial
    assert (initial.backbone, initial.weights, initial.height, initial.width) == ("bow", "none", 128, 64)
    assert [parent.kind for parent in model.manifest.parents] == ["dataset"]
    assert {"backbone/codebook", "backbone/idf", "backbone/mean"} <= set(model.names())
    pooled = features.read("pooled")
    assert pooled.shape == (32, 5600)
    np.testing.assert_allclose(np.linalg.norm(pooled, axis=1), 1, rtol=1e-5)
    assert len(np.unique(pooled.round(4), axis=0)) == 32


def test_a_run_with_a_bag_of_words_merges_and_trains_nothing(words: Path) -> None:
    run = RunDirectory(words)
    labels = run.require("clusters", 1).read("labels")
    assert len(np.unique(labels)) == 13
    assert model_manifest(run.require("model", 1)).summary.epochs == 0
    assert np.array_equal(run.require("features", 1).read("pooled"), run.require("features", -1).read("pooled"))


def test_the_words_are_found_again_and_those_of_another_dataset_are_not(dbc: Dbc, run: Path) -> None:
    first = dbc("extract", "--backbone", "bow", "--run", run, "--json").json
    assert first["status"] == "created"
    assert dbc("extract", "--run", run, "--json").json["status"] == "up to date"
    assert dbc("extract", "--run", run, "--seed", 0, "--json").json["status"] == "up to date"
    assert dbc("extract", "--run", run, "--seed", 3, "--json").json["status"] == "created"
    assert dbc("ingest", *PEOPLE, "--seed", 1, "--workers", 0, "--new-dataset", "--run", run).status == 0
    again = dbc("extract", "--run", run, "--json").json
    assert again["status"] == "created"
    assert RunDirectory(run).versions("model", -1) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["extract", "--backbone", "bow", "--weights", "imagenet"],
            "--weights must be left out for --backbone bow",
        ),
        (
            ["extract", "--backbone", "bow", "--height", "32"],
            "at least 64 and 4 pixels for --backbone bow, got 32",
        ),
        (
            ["train", "--stage", "0", "--backbone", "bow", "--epochs", "2"],
            "--epochs must be 0 for --backbone bow, which has no weights to train, got 2",
        ),
        (["baseline"], "METHOD is missing: give one of pul, eug, race, stepwise, dgm, dal, umdl, spgan, tj-aidl"),
        (["baseline", "eug"], "--labels is missing: eug needs one labelled sample of each identity"),
        (["baseline", "umdl"], "--source is missing: umdl needs a run of another set, with identities"),
        (
            ["ablate", "--methods", "dbc-source"],
            "--source is missing: DBC from the other set needs a run of another set",
        ),
        (["baseline", "spgan", "--source", "nowhere"], "--source must be a run, got nowhere, which is no folder"),
        (["baseline", "race", "--labels", "nowhere.csv"], "--labels must be a table of path,identity, got nowhere.csv"),
        (
            ["ablate", "--methods", "pca"],
            "auto, paper, pul, eug, race, stepwise, dgm, dal, initial, bow, oim, buc, dbc, dbc-source, eug-exclusive, umdl",
        ),
        (["train", "--stage", "1", "--supervised", *NETWORK], "--supervised trains stage 0, got stage 1"),
        (["baseline", "pul"], "--n-clusters is missing: give"),
        (["baseline", "pul", "--n-clusters", "0"], "--n-clusters must be at least 1, got 0"),
        (
            ["baseline", "pul", "--n-clusters", "99", *NETWORK],
            "--n-clusters must be at most 16, the",
        ),
        (
            ["baseline", "pul", "--n-clusters", "3", "--min-cosine", "2"],
            "--min-cosine must be at most 1, got 2.0",
        ),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(dbc: Dbc, run: Path, arguments: list[str], told: str) -> None:
    ran = dbc(*arguments, "--run", run)
    assert ran.status == 2
    assert told in ran.line


def test_instance_matching_is_another_model_of_the_same_stage(dbc: Dbc, run: Path) -> None:
    usual = ["train", "--stage", "0", "--epochs", "1", "--batch-size", "8", "--run", run, "--json"]
    plain, matched = dbc(*usual).json, dbc(*usual, "--loss", "oim", "--queue-size", "50").json
    assert (plain["version"], matched["version"]) == (1, 2)
    assert matched["parameters"]["loss"] == "oim"
    assert matched["loss_first"] != plain["loss_first"]


def test_other_methods_stand_in_one_table_with_what_each_was_told(dbc: Dbc, run: Path, tmp_path: Path) -> None:
    dataset = RunDirectory(run).require("dataset")
    is_train = dataset.read("split") == TRAIN
    identity = dict(zip(dataset.read("pid")[is_train], dataset.read("path")[is_train], strict=True))
    labels = tmp_path / "labels.csv"
    labels.write_text("path,identity\n" + "".join(f"{path},{pid}\n" for pid, path in identity.items()))
    usual = ["--labels", labels, *NETWORK, "--epochs", 1, "--batch-size", 4, "--merge-percent", 0.4, "--stages", 1]
    told = dbc("ablate", "--methods", "tuned,eug,dal", *usual, "--run", run, "--json").json
    assert {cell["setting"]["method"].split()[0]: cell["setting"]["knows"] for cell in told["runs"]} == {
        "DBC": "cameras, labels",
        "EUG": "one labelled sample of each identity",
        "DAL": "cameras and tracklets",
    }
    assert [len(cell["stages"]) for cell in told["runs"]] == [3, 3, 2]
    shown = dbc("baseline", "eug", "--exclusive", *usual, "--run", run, "--dry-run", "--json").json
    assert shown["would_run"] == [(run / "baseline/eug-exclusive-seed0").as_posix()]
    eug = RunDirectory(run / "baseline/eug-seed0")
    selected = eug.require("clusters", 1).read("selected")
    # one sample of each of four identities, and 0.4 of the twelve others
    assert selected.sum() == 4 + 4
    model = model_manifest(eug.require("model", 1))
    assert (model.summary.n_clusters, model.parameters.loss, model.parameters.restart) == (4, "softmax", True)
    # rates for few images, unless the published ones are asked for
    assert (model.parameters.learning_rate, model.parameters.norm_statistics) == (0.003, "stored")
    published = plan_of_method(Given(run, {"recipe": "paper", "labels": labels}), "eug").train
    assert not {"learning_rate", "epochs"} & published.keys()


def test_identities_train_a_model_only_if_that_is_asked_for(dbc: Dbc, run: Path) -> None:
    usual = ["train", "--stage", 0, "--epochs", 1, "--batch-size", 8, "--run", run, "--json"]
    supervised = dbc(*usual, "--supervised", "--loss", "softmax", "--triplet", 0.5).json
    assert (supervised["n_clusters"], supervised["parameters"]["supervised"]) == (4, True)
    assert dbc(*usual).json["n_clusters"] == 16


def test_methods_that_learn_from_another_set_measure_this_one(dbc: Dbc, run: Path, tmp_path: Path) -> None:
    small = ["--identities", 6, "--cameras", 2, "--images-per-camera", 2, "--height", 32, "--width", 16, "--seed", 7]
    source = tmp_path / "source"
    table = tmp_path / "attributes.csv"
    assert dbc("ingest", *small, "--workers", 0, "--attributes", table, "--run", source).status == 0
    itself = dbc("baseline", "umdl", "--source", run, *NETWORK, "--run", run)
    assert itself.status == 2
    assert "--source must be a run of another set, got" in itself.line
    usual = ["--source", source, *NETWORK, "--epochs", 1, "--batch-size", 4, "--run", run, "--json"]
    methods = ["initial,pul,umdl,tj-aidl", "--n-clusters", 4, "--merge-percent", 0.4, "--stages", 1]
    shown = dbc("ablate", "--methods", *methods, "--attributes", table, *usual).json
    assert {line["method"].split()[0]: (line["knows"], line["at"], line["stage"]) for line in shown["lines"]} == {
        "initial": ("nothing", "last", "init"),
        "PUL": ("how many individuals, a labelled other set", "last", 1),
        "UMDL": ("a labelled other set", "last", 0),
        "TJ-AIDL": ("a labelled other set and its attributes", "last", 0),
    }
    begun, learned = (
        RunDirectory(run / "baseline/pul-seed0").require("model", -1),
        RunDirectory(source).require("model", 0),
    )
    assert np.array_equal(begun.read("backbone/0.weight"), learned.read("backbone/0.weight"))
    assert model_manifest(learned).parameters.supervised
    pul = RunDirectory(run / "baseline/pul-seed0")
    model, reliable = model_manifest(pul.require("model", 1)), pul.require("clusters", 1).read("selected")
    assert (model.summary.n_clusters, model.parameters.restart, model.parameters.loss) == (4, True, "softmax")
    assert 4 <= reliable.sum() <= 16
    assert model.summary.n_left_out == len(reliable) - reliable.sum()
    # the last step is left out if it is of one sample
    n_whole, n_last = divmod(int(reliable.sum()), model.parameters.batch_size)
    assert model.summary.n_steps == n_whole + (n_last > 1)
    initial, _, codes, both = (cell["stages"] for cell in shown["runs"])
    assert initial[0]["mAP"] == codes[0]["mAP"]
    assert codes[0]["mAP"] != codes[1]["mAP"]
    own = RunDirectory(run / "baseline/umdl-seed0")
    assert features_manifest(own.require("features", 0)).parameters.method == "umdl, 20 steps, seed 0"
    measured = dbc("eval", "--run", own.root, "--whiten", 0, "--json").json
    assert (measured["status"], measured["mAP"]) == ("up to date", codes[1]["mAP"])
    paths = RunDirectory(source).require("dataset").read("path")
    read = {row["path"]: row for row in csv.DictReader(table.read_text().splitlines())}
    assert read.keys() == {*paths}
    # a person has one kind of hair in every picture
    hair = {
        (Path(path).name[:4], *(name for name in row if name[:4] == "hair" and row[name] == "1"))
        for path, row in read.items()
    }
    assert (len(hair), {len(each) for each in hair}) == (6, {2})
    assert both[0]["mAP"] == pytest.approx(codes[0]["mAP"])
    branches = RunDirectory(run / "baseline/tj-aidl-seed0").require("model", 0)
    assert model_manifest(branches).parameters.method.startswith("tj-aidl, 1 epochs of adaptation, attributes ")
    assert {"source/dataset/v1.zarr", "dataset/v1.zarr"} < {each.location for each in branches.manifest.parents}
    table.write_text("path,bag\n" + "".join(f"{path},perhaps\n" for path in paths))
    assert "line 2: bag must be 0 or 1, got 'perhaps'" in dbc("baseline", "tj-aidl", "--attributes", table, *usual).line
