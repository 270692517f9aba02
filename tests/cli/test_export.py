"""`dbc export`: what was found, read back by other means."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from scipy.spatial.distance import cdist

from schemas.parameters import InitParameters
from stages.errors import DbcError, UsageError
from stages.features.whitening import fit_whitening, whitened
from stages.nn.backbones.register import build_backbone
from stages.nn.backbones.weights import load_weights, weights_file
from stages.nn.initial_model import open_model
from stages.runs.run_directory import RunDirectory
from tests.cli.conftest import LEVELS, Dbc


def test_clusters_as_csv_json_and_folders_are_those_of_the_artifact(dbc: Dbc, crops: Path, tmp_path: Path) -> None:
    out, folders = tmp_path / "clusters.csv", tmp_path / "by cluster"
    told = dbc(
        "export", "clusters", "--run", crops, "--out", out, "--folders", folders, "--root", tmp_path / "crops", "--json"
    ).json
    with out.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    run = RunDirectory(crops)
    paths, labels = run.require("dataset").read("path"), run.require("clusters", 1).read("labels")
    assert {row["path"]: int(row["cluster"]) for row in rows} == dict(zip(paths, labels.tolist(), strict=True))
    assert (told["n_samples"], told["n_clusters"], told["stage"]) == (len(LEVELS), len(set(labels.tolist())), 1)
    as_text = [{name: "" if value is None else str(value) for name, value in row.items()} for row in told["clusters"]]
    assert [{**row, "distance": f"{float(row['distance'])}"} for row in rows] == as_text
    links = {link.resolve().name: link.parent.name for link in folders.rglob("*.png")}
    assert links == {row["path"]: f"individual-{row['individual']}" for row in rows}
    assert all(int(row["individual"]) == int(row["cluster"]) + 1 for row in rows)
    printed = dbc("export", "clusters", "--run", crops).out
    assert list(csv.DictReader(io.StringIO(printed))) == rows


def test_features_read_back_without_pickle_and_for_the_projector(dbc: Dbc, crops: Path, tmp_path: Path) -> None:
    ran = dbc("export", "features", "--run", crops, "--out", "f.npz", "--projector", "map", "--stage", "1")
    assert ran.status == 0, ran.err
    artifact = RunDirectory(crops).require("features", -1)
    with np.load("f.npz", allow_pickle=False) as found:
        np.testing.assert_array_equal(found["features"], artifact.read("pooled"))
        assert found["path"].tolist() == RunDirectory(crops).require("dataset").read("path").tolist()
        # the features are those of before training, and the clusters those that were asked for
        np.testing.assert_array_equal(found["cluster"], RunDirectory(crops).require("clusters", 1).read("labels"))
    told = dbc("export", "features", "--run", crops, "--distances", "d.npz", "--stage", "1", "--json").json
    with np.load("d.npz", allow_pickle=False) as found:
        assert found["distances"].shape == (told["n_rows"], told["n_columns"]) == (len(LEVELS),) * 2
        assert found["gallery"].tolist() == RunDirectory(crops).require("dataset").read("path").tolist()
    vectors = np.loadtxt("map/vectors.tsv", delimiter="\t")
    np.testing.assert_allclose(vectors, artifact.read("pooled"), rtol=1e-6)
    with Path("map/metadata.tsv").open(newline="") as opened:
        assert len(list(csv.DictReader(opened, delimiter="\t"))) == len(LEVELS)
    with Image.open("map/sprite.png") as sprite:
        assert sprite.size == (192, 192)
    assert "single_image_dim: 64" in Path("map/projector_config.pbtxt").read_text()


def test_distances_are_those_of_queries_to_the_gallery(dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = dbc("export", "features", "--run", run, "--distances", "d.npz")
    assert ran.status == 0, ran.err
    dataset = RunDirectory(run).require("dataset")
    split, features = dataset.read("split"), RunDirectory(run).require("features", -1).read("pooled")
    with np.load("d.npz", allow_pickle=False) as found:
        np.testing.assert_allclose(
            found["distances"], cdist(features[split == 1], features[split == 2], "cosine"), atol=1e-6
        )
        np.testing.assert_array_equal(found["query_pid"], dataset.read("pid")[split == 1])
        np.testing.assert_array_equal(found["gallery"], dataset.read("path")[split == 2])
    monkeypatch.setattr("stages.export.features.limit_of", lambda *_: 1)
    refused = dbc("export", "features", "--run", run, "--distances", "large.npz")
    assert (refused.status, " distances takes " in refused.line, Path("large.npz").exists()) == (1, True, False)


def test_what_is_warned_of_is_in_json(dbc: Dbc, crops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.runs.lineage.older_chain", lambda *_: "of an older chain, see `stage`")
    commands = (["report"], ["export", "clusters", "--out", "c.csv"], ["export", "features", "--out", "f.npz"])
    for command in commands:
        told = dbc(*command, "--stage", "1", "--run", crops, "--json")
        assert told.json["notes"] == ["of an older chain, see --stage"]
        assert "warning: of an older chain" in told.err


def test_a_model_whose_card_cannot_be_written_leaves_no_file(
    dbc: Dbc, crops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise DbcError("metrics cannot be read")

    monkeypatch.setattr("stages.export.model.RunDirectory.find", fails)
    assert dbc("export", "model", "--run", crops, "--out", "model.safetensors").line.endswith("metrics cannot be read")
    assert not list(Path().glob("model*"))


def test_a_model_reads_back_and_is_taken_as_weights(dbc: Dbc, crops: Path) -> None:
    ran = dbc("export", "model", "--run", crops, "--out", "model.safetensors")
    assert ran.status == 0, ran.err
    network = open_model(RunDirectory(crops).require("model", -1)).backbone
    wanted = network.state_dict()
    found = load_file("model.safetensors")
    assert found.keys() == wanted.keys()
    other, _ = build_backbone(InitParameters(backbone="tiny", seed=7))
    load_weights(other, weights_file("model.safetensors"), backbone="tiny")
    assert all(torch.equal(value, wanted[name]) for name, value in other.state_dict().items())
    for source in (
        crops,
        crops / "stage-init",
        crops / "stage-init" / "model",
        crops / "stage-init" / "model" / "v1.zarr",
    ):
        other, _ = build_backbone(InitParameters(backbone="tiny", seed=8))
        file = weights_file(str(source))
        load_weights(other, file, backbone="tiny")
        assert all(torch.equal(value, wanted[name]) for name, value in other.state_dict().items())
        assert file.name == "stage-init/model"
    with pytest.raises(UsageError, match="got the dataset"):
        weights_file(str(crops / "dataset"))
    with pytest.raises(UsageError, match="got the features"):
        weights_file(str(crops / "stage-init" / "features"))
    with safe_open("model.safetensors", "pt") as opened:
        assert opened.metadata()["backbone"] == "tiny"
        assert (opened.metadata()["height"], opened.metadata()["width"]) == ("32", "16")
    card = Path("model.md").read_text()
    for told in ("tiny", "32×16", "| n_images | 5 |", "## Limits", "Not trained: these are its first weights"):
        assert told in card
    assert str(crops) not in card
    refused = dbc("export", "model", "--run", crops, "--out", "model.onnx")
    assert "the card of the model, which is written beside it, must be a new file, got model.md" in refused.line


def test_clusters_of_features_are_those_of_the_same_pictures_or_none(dbc: Dbc, crops: Path) -> None:
    other = crops.parent / "others"
    other.mkdir()
    for level in (20, 90, 160, 230):
        Image.new("RGB", (16, 32), (level, 255 - level, 60)).save(other / f"n{level}.png")
    before = RunDirectory(crops).require("clusters", 1).read("labels")
    assert dbc("ingest", other, "--add", "--run", crops, "--no-identities").status == 0
    for words in (["--features", "v1"], []):
        ran = dbc("export", "features", "--run", crops, "--out", "f.npz", "--overwrite", *words)
        assert ran.status == 0, ran.err
        with np.load("f.npz") as found:
            np.testing.assert_array_equal(found["cluster"], before)
    assert dbc("extract", "--run", crops).status == 0
    ran = dbc("export", "features", "--run", crops, "--out", "f.npz", "--overwrite")
    assert ran.status == 0, ran.err
    with np.load("f.npz") as found:
        own = dict(zip(found["path"].tolist(), found["cluster"].tolist(), strict=True))
    assert sorted(own.values()) == [-1] * 4 + sorted(before.tolist())
    assert dbc("ingest", other, "--new-dataset", "--run", crops, "--no-identities").status == 0
    assert dbc("extract", "--stage", "init", "--run", crops).status == 0
    assert dbc("merge", "--stage", "1", "--merge-percent", "0.5", "--run", crops).status == 0
    refused = dbc("export", "features", "--run", crops, "--out", "g.npz", "--clusters", "v1", "--stage", "1")
    assert refused.status == 1
    assert "made from dataset" in refused.line


def test_the_card_says_how_its_figures_were_measured_and_whitens_alike(dbc: Dbc, run: Path) -> None:
    assert dbc("eval", "--run", run, "--stage", "init", "--whiten", "2").status == 0
    assert dbc("export", "model", "--run", run, "--stage", "init", "--out", "measured.safetensors").status == 0
    card = Path("measured.md").read_text()
    assert "bilinear interpolation with antialiasing" in card
    assert "whitened by those of the train pictures (`--whiten 2`)" in card
    train = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    found = {"train": train.astype(np.float64), "features": train[:9].astype(np.float64)}
    exec(card.split("```python\n")[-1].split("```")[0], found)
    expected = whitened(train[:9], fit_whitening(train, ridge=2.0))
    np.testing.assert_allclose(found["features"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "WHAT is missing"),
        (["clusters", "--out", "c.xlsx"], "--out must end in .csv or .parquet, got 'c.xlsx'"),
        (["clusters", "--projector", "p"], "--projector has no use with dbc export clusters"),
        (["clusters", "--copy"], "--copy needs --folders"),
        (["clusters", "--stage", "0"], "--stage must be at least 1"),
        (["features"], "nothing to write"),
        (["features", "--out", "f.csv"], "--out must end in .npz or .parquet"),
        (["features", "--stage", "99", "--out", "f.npz"], "no stage 99 found, the last is 1; name another --stage"),
        (["model"], "--out is missing"),
        (["model", "--out", "m.pth"], "--out must end in .safetensors or .onnx"),
    ],
)
def test_misuse_is_one_line_and_writes_nothing(dbc: Dbc, crops: Path, words: list[str], line: str) -> None:
    before = sorted(Path().iterdir())
    ran = dbc("export", *words, "--run", crops)
    assert ran.status == 2
    assert line in ran.line
    assert sorted(Path().iterdir()) == before


def test_a_run_without_clusters_says_how_to_make_them(dbc: Dbc, begun: Path) -> None:
    ran = dbc("export", "clusters", "--run", begun)
    assert (ran.status, "no clusters found; make them with: dbc run" in ran.line) == (1, True)


def test_identities_given_afterwards_are_measured_against_and_stay_out_of_the_data(
    dbc: Dbc, crops: Path, tmp_path: Path
) -> None:
    plain = dbc("eval", "--run", crops)
    assert "–" not in plain.out
    assert "rank1" not in plain.out
    assert "ari" not in plain.out
    assert "need" not in plain.out
    listed = dbc("export", "clusters", "--run", crops, "--json").json["clusters"]
    rows = "".join(f"{row['path']},animal {row['cluster']}\n" for row in listed)
    (tmp_path / "ids.csv").write_text(f"path,identity\n{rows}")
    told = dbc("eval", "--run", crops, "--ids", tmp_path / "ids.csv", "--json").json
    assert (told["ari"], told["bcubed_f"], told["status"]) == (1.0, 1.0, "created")
    assert told["n_identities"] == told["n_clusters"]
    # another file that says the same finds the same figures, and is told of itself
    (tmp_path / "more.csv").write_text(f"path,identity\n{rows}none.png,x\n")
    again = dbc("eval", "--run", crops, "--ids", tmp_path / "more.csv", "--json")
    assert (again.json["id"], again.json["status"]) == (told["id"], "up to date")
    assert "identities by more.csv" in again.err
    assert "rows that name no picture of the data set: 1" in again.err.replace("\n", " ")
    assert "ids.csv" not in again.out + again.err
    assert "identity -1" not in again.err
    (tmp_path / "noise.csv").write_text(f"path,identity\n{rows.replace('animal 0', '-1')}")
    noise = dbc("eval", "--run", crops, "--ids", tmp_path / "noise.csv")
    assert noise.err.count("warning: --ids: identity -1 is one individual like any other; if it stands for") == 1
    assert dbc("eval", "--run", crops, "--json").json["ari"] is None
