"""The initial model as an artifact: its options are kept, its key is what it was, its input size is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from schemas.parameters import IngestParameters, InitParameters, SyntheticParameters
from schemas.stage_names import INIT_STAGE
from stages.errors import DbcError, UsageError
from stages.export.model import export_model
from stages.ingest.stage import ingest
from stages.nn.initial_agreement import tell_of_another_seed
from stages.nn.initial_model import initial_model, open_model
from stages.reporting import Silent
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, model_manifest
from stages.runs.store import Artifact
from tests.tiny_network import provide_tiny_networks

NETWORK = "maps"
SMALL = {"backbone": NETWORK, "weights": "none", "embedding_dim": 8}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    provide_tiny_networks(monkeypatch)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    people = SyntheticParameters(identities=2, cameras=2, images_per_camera=1)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=32, width=16)
    run = RunDirectory(tmp_path / "run")
    ingest(run, source=None, parameters=parameters, context=Context(workers=0))
    return run


def made(run: RunDirectory, **wanted: Any) -> InitParameters:
    outcome = initial_model(run, {**SMALL, **wanted})
    assert outcome.artifact is not None
    return model_manifest(outcome.artifact).initial


def test_options_that_came_later_leave_the_keys_of_earlier_models_alone() -> None:
    assert set(InitParameters().request()) == {
        "backbone",
        "weights",
        "weights_digest",
        "height",
        "width",
        "embedding_dim",
        "seed",
    }
    assert InitParameters(pooling="gem").request()["pooling"] == "gem"
    assert "last_stride" not in InitParameters(pooling="gem").request()


def test_a_resnets_options_are_recorded_and_come_back_with_the_model(run: RunDirectory) -> None:
    assert made(run, backbone="resnet10").pooling == "avg"
    said = made(run, backbone="resnet10", last_stride=1, pooling="gem")
    assert (said.last_stride, said.pooling) == (1, "gem")
    artifact = run.require("model", INIT_STAGE)
    assert artifact.version == 2
    assert artifact.read("backbone/avgpool.p").tolist() == [3]
    model = open_model(artifact)
    assert model.backbone.get_submodule("layer4.0.conv1").stride == (1, 1)
    with torch.inference_mode():
        assert model.eval()(torch.zeros(1, 3, 16, 8))[0].shape == (1, 512)
    assert made(run, backbone="resnet10", last_stride=1).pooling == "gem"
    assert run.versions("model", INIT_STAGE) == [1, 2]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"backbone": "resnet19"}, "`backbone` must be bow"),
        ({"backbone": "resnet19", "weights": "imagenet"}, "try resnet1"),
        ({"backbone": "squeezenet1_1", "height": 16, "width": 8}, "squeezenet1_1 does not take images of 16×8"),
        ({"backbone": "mobilenet_v2", "pooling": "gem"}, "`pooling` must be 'avg' for mobilenet_v2, got 'gem'"),
    ],
)
def test_a_network_that_cannot_be_had_leaves_no_model(run: RunDirectory, wanted: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        made(run, **wanted)
    assert told in str(caught.value)
    assert run.versions("model", INIT_STAGE) == []


def test_the_size_that_the_network_sees_is_the_one_asked_for(run: RunDirectory) -> None:
    assert made(run, backbone="squeezenet1_1", height=32, width=32).height == 32


@pytest.mark.parametrize("from_run", [False, True])
def test_weights_that_were_trained_with_several_layers_keep_them(
    run: RunDirectory, tmp_path: Path, from_run: bool
) -> None:
    assert made(run, pooling="layers").pooling == "layers"
    exported = tmp_path / "exported.safetensors"
    if not from_run:
        export_model(run, INIT_STAGE, exported)
    other = RunDirectory(tmp_path / "other")
    # nothing is known of its pictures, and the network by itself has the last layer
    assert made(other, pooling="auto").pooling == "avg"
    found = made(other, pooling="auto", weights=str(run.root if from_run else exported))
    assert found.pooling == "layers"
    assert made(other, pooling="avg", weights=str(run.root if from_run else exported)).pooling == "avg"


def test_other_weights_are_told_by_name_and_without_their_digest(run: RunDirectory, tmp_path: Path) -> None:
    made(run)
    exported, notes = tmp_path / "w.safetensors", Notes()
    export_model(run, INIT_STAGE, exported)
    asked = {"backbone": NETWORK, "weights": str(exported), "embedding_dim": 8}
    initial_model(run, asked, context=Context(reporter=notes, tells_anew=True))
    (line,) = (line for line in notes.lines if "made anew" in line)
    assert "`weights='w.safetensors'`" in line
    assert "digest" not in line


def test_weights_of_a_run_bring_the_name_of_their_network(run: RunDirectory, tmp_path: Path) -> None:
    made(run)
    other, notes = RunDirectory(tmp_path / "other"), Notes()
    asked = {"weights": str(run.root)}
    assert initial_model(other, asked, context=Context(reporter=notes)).status == "created"
    assert model_manifest(other.require("model", INIT_STAGE)).initial.backbone == NETWORK
    assert any(f"{NETWORK}, weights stage-init/model of {run.root}" in line for line in notes.lines)
    assert initial_model(other, asked).status == "up to date"
    with pytest.raises(DbcError, match="set `backbone`"):
        initial_model(other, {**asked, "backbone": "resnet18"})


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)


def test_another_seed_makes_another_model_with_the_same_weights(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(run: RunDirectory, asked: dict[str, Any]) -> Artifact:
        initial_model(run, asked)
        return run.require("model", INIT_STAGE)

    first, notes = of(run, {**SMALL, "seed": 0}), Notes()
    second = of(run, {**SMALL, "seed": 1})
    assert (second.version, model_manifest(second).initial.seed) == (2, 1)
    assert (first.read("head/linear.weight") != second.read("head/linear.weight")).any()
    assert made(run).seed == 1, "without a seed the newest stays"
    again = of(run, {**SMALL, "seed": 0})
    assert again.manifest.id == first.manifest.id
    tell_of_another_seed(again, 0, notes)
    assert not notes.lines
    tell_of_another_seed(again, 1, notes)
    assert notes.lines == [
        "the initial model stays as it was made, with `seed=0`; dbc extract --stage init --seed 1 makes that of `seed=1`"
    ]
    file = tmp_path / "exported.safetensors"
    export_model(run, INIT_STAGE, file)
    by_file = {**SMALL, "weights": str(file)}
    wanted = of(RunDirectory(tmp_path / "wanted"), {**by_file, "seed": 1})
    of(RunDirectory(tmp_path / "other"), by_file)
    published = RunDirectory(tmp_path / "published")
    monkeypatch.setattr("stages.nn.backbones.provider.Provider.download", lambda *_, **__: file)
    of(published, {**SMALL, "weights": "imagenet"})
    file.unlink()
    assert made(published, weights="imagenet", seed=1).seed == 1
    drawn = of(RunDirectory(tmp_path / "other"), {"seed": 1})
    assert (drawn.version, drawn.manifest.id) == (2, wanted.manifest.id)
    for name in wanted.names():
        np.testing.assert_array_equal(drawn.read(name), wanted.read(name))


def test_a_dry_run_downloads_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.nn.backbones.torchvision_networks.cached_download", None)
    fresh = RunDirectory(tmp_path)
    outcome = initial_model(fresh, {"backbone": "mobilenet_v2"}, context=Context(dry_run=True))
    assert (outcome.status, outcome.artifact) == ("would create", None)


def test_other_weights_under_the_name_of_those_before_make_another_model(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    by_name, other, versions = {**SMALL, "weights": "w.safetensors"}, RunDirectory(tmp_path / "other"), []
    for seed in (0, 1):
        initial_model(run, {**SMALL, "seed": seed})
        export_model(run, INIT_STAGE, tmp_path / f"{seed}.safetensors")
    for seed in (0, 0, 1):
        Path("w.safetensors").write_bytes(Path(f"{seed}.safetensors").read_bytes())
        initial_model(other, by_name)
        versions.append(other.require("model", INIT_STAGE).version)
    assert versions == [1, 1, 2]
    # the name alone, where the file is not at hand, is that of the model
    Path("w.safetensors").unlink()
    initial_model(other, by_name)
    assert other.require("model", INIT_STAGE).version == 2
