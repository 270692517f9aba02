"""Features of a dataset that pictures were added to: as if all were extracted, by a network that sees only the new ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from schemas.manifest import ARRAYS, SCHEMA_VERSIONS
from schemas.parameters import ExtractParameters, IngestParameters, InitParameters
from stages.extract import compute as extract_compute
from stages.extract.forward import compute_features as extract_pieces
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.nn.camera_norm import by_camera, kept_statistics
from stages.nn.initial_model import open_model
from stages.nn.model.network import build_model
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, features_manifest
from tests.tiny_network import provide_tiny_networks

INITIAL = {"backbone": "tiny", "weights": "none", "embedding_dim": 8}
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    provide_tiny_networks(monkeypatch)


def draw(folder: Path, n: int, *, seed: int) -> Path:
    generator = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(n):
        Image.fromarray(generator.integers(0, 256, (32, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def test_only_new_samples_go_through_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory(tmp_path / "run")
    parameters = IngestParameters(format="folder", height=32, width=16)
    ingest(run, source=draw(tmp_path / "photos", 7, seed=0), parameters=parameters)
    extract(run, stage=-1, parameters=ExtractParameters(batch_size=4), initial=INITIAL)
    ingest(run, source=draw(tmp_path / "more", 5, seed=1), parameters=IngestParameters(format="folder"), add=True)
    seen: list[int] = []
    real = extract_compute.extract_pieces

    def counted(model, images, frame_start, **given):
        seen.append(len(frame_start) - 1)
        return real(model, images, frame_start, **given)

    monkeypatch.setattr(extract_compute, "extract_pieces", counted)
    added = extract(run, stage=-1, parameters=ExtractParameters(batch_size=4), initial=INITIAL).artifact
    whole = extract(
        run, stage=-1, parameters=ExtractParameters(batch_size=4), initial=INITIAL, context=Context(force=True)
    ).artifact
    assert added is not None
    assert whole is not None
    assert seen == [5, 12]
    for name in ("pooled", "embedding"):
        np.testing.assert_allclose(added.read(name), whole.read(name), rtol=0, atol=1e-6)
    assert added.damaged() == ()
    assert features_manifest(added).summary.n_samples == features_manifest(whole).summary.n_samples == 12
    assert "features that are those from before samples were added: 7 of 12" in added.manifest.notes
    # other parameters are another request, of all samples
    extract(run, stage=-1, parameters=ExtractParameters(batch_size=3), initial=INITIAL)
    assert seen[2:] == [12]
    # and so is one of a release whose features have another array
    monkeypatch.setitem(SCHEMA_VERSIONS, "features", 2)
    extract(run, stage=-1, parameters=ExtractParameters(batch_size=4), initial=INITIAL)
    assert seen[3:] == [12]
    monkeypatch.setitem(ARRAYS, "features", frozenset({"pooled", "embedding", "n_frames"}))
    with pytest.raises(TypeError, match=r"features must have n_frames, as `schemas.manifest.ARRAYS` says"):
        extract(run, stage=-1, parameters=ExtractParameters(batch_size=2), initial=INITIAL)


def test_pictures_that_are_added_meet_the_statistics_of_cameras_that_those_before_had(tmp_path: Path) -> None:
    run, initial = RunDirectory(tmp_path / "run"), {**INITIAL, "weights": str(tmp_path / "weights.safetensors")}
    network = build_model(InitParameters(backbone="tiny", weights="none"))
    save_file(network.backbone.state_dict(), tmp_path / "weights.safetensors")
    csv = IngestParameters(format="csv", height=32, width=16)
    ingest(run, source=by_two_cameras(tmp_path / "photos", 36), parameters=csv)
    parameters = ExtractParameters(batch_size=16, flip=True, camera_norm="auto")
    first = extract(run, stage=-1, parameters=parameters, initial=initial).artifact
    assert first is not None
    before = kept_statistics(first)
    assert before is not None
    assert before.strength > 0
    for folder, n in (("more", 3), ("most", 5)):
        ingest(run, source=by_two_cameras(tmp_path / folder, n), parameters=IngestParameters(format="csv"), add=True)
        added = extract(run, stage=-1, parameters=parameters, initial=initial).artifact
        assert added is not None
        kept = kept_statistics(added)
        assert kept is not None
        np.testing.assert_array_equal(kept.mean, before.mean)
        np.testing.assert_array_equal(kept.variance, before.variance)
        dataset, model = run.require("dataset"), open_model(run.require("model", -1))
        places = before.places(dataset.read("camid"))
        with by_camera(model, before):
            pieces = extract_pieces(
                model, dataset.rows("images"), dataset.read("frame_start"), flip=True, places=places, device=CPU
            )
            expected = np.concatenate([pooled for _, pooled, _ in pieces])
        np.testing.assert_allclose(added.read("pooled"), expected, rtol=0, atol=1e-6)


def by_two_cameras(folder: Path, n: int) -> Path:
    """A table of `n` pictures of noise in `folder`, those of camera 1 darker; each folder has its own."""
    folder.mkdir()
    lines, generator = ["path,camid,split"], np.random.default_rng(n)
    for number in range(n):
        pixels = generator.integers(0, 256, (32, 16, 3)) // (1 + 3 * (number % 2))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{folder.name}-{number}.png")
        lines.append(f"{folder.name}-{number}.png,{number % 2},train")
    table = folder / "samples.csv"
    table.write_text("\n".join(lines))
    return table
