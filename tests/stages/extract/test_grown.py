"""Features of a dataset that pictures were added to: as if all were extracted, by a network that sees only the new ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import ExtractParameters, IngestParameters
from stages.extract import stage as extract_stage
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, features_manifest

INITIAL = {"backbone": "resnet10", "weights": "none", "embedding_dim": 8}


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
    real = extract_stage.extract_pieces

    def counted(model, images, frame_start, **given):
        seen.append(len(frame_start) - 1)
        return real(model, images, frame_start, **given)

    monkeypatch.setattr(extract_stage, "extract_pieces", counted)
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
    assert "features of 7 samples are those from before 5 were added" in added.manifest.notes
    # other parameters are another request, of all samples
    extract(run, stage=-1, parameters=ExtractParameters(batch_size=3), initial=INITIAL)
    assert seen[2:] == [12]
