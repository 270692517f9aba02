"""A data set without queries is measured by leaving one out, and says so; without identities it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import EvaluateParameters, ExtractParameters, IngestParameters
from stages.evaluate.stage import evaluate
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, metrics_manifest

pytestmark = pytest.mark.usefixtures("tiny_networks")


def test_train_samples_are_asked_for_among_the_others_once_identities_are_known(tmp_path: Path) -> None:
    generator, source = np.random.default_rng(0), tmp_path / "pictures"
    source.mkdir()
    for number in range(12):
        Image.fromarray(generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(source / f"{number:02}.png")
    run = RunDirectory(tmp_path / "run")
    ingest(
        run,
        source=source,
        parameters=IngestParameters(format="folder", height=16, width=16),
        context=Context(workers=0),
    )
    initial = {"backbone": "tiny", "weights": "none", "embedding_dim": 8}
    extract(run, stage=-1, parameters=ExtractParameters(), initial=initial, context=Context(device="cpu"))
    made = evaluate(run, stage=-1, parameters=EvaluateParameters())
    assert any("no queries" in note for note in made.artifact.manifest.notes)
    assert made.artifact.manifest.summary.mAP is None

    table = tmp_path / "ids.csv"
    table.write_text("path,identity\n" + "".join(f"{number:02}.png,{'abc'[number % 3]}\n" for number in range(9)))
    made = evaluate(run, stage=-1, parameters=EvaluateParameters(), ids=table)
    summary = metrics_manifest(run.require("metrics", -1)).summary
    assert summary.leave_one_out
    assert (summary.n_queries, summary.n_queries_left_out, summary.n_gallery) == (9, 0, 9)
    assert 0 < summary.mAP <= 1
    assert np.count_nonzero(made.artifact.read("first_hit") == -1) == 3
    told = "\n".join(made.artifact.manifest.notes)
    assert "leaving one out: each of the train samples" in told
    assert "all the others whose identity is known\n" in told
    assert "3 of 12 gallery samples have no known identity and are left out, so CMC, mAP and mINP look better" in told

    def told_with(n_labels: int) -> str:
        labels = tmp_path / "labels.csv"
        labels.write_text(
            "path,identity\n" + "".join(f"{number:02}.png,{'abc'[number % 3]}\n" for number in range(n_labels))
        )
        made = evaluate(run, stage=-1, parameters=EvaluateParameters(), ids=table, labels=labels)
        return made.artifact.manifest.notes[0]

    assert "train samples with identities that the merge was not told is asked for" in told_with(6)
    assert "no CMC, mAP and mINP: there are no queries, and labels told the merge all identities" in told_with(9)

    table.write_text("path,identity\n" + "".join(f"{number:02}.png,{number}\n" for number in range(9)))
    made = evaluate(run, stage=-1, parameters=EvaluateParameters(), ids=table)
    assert made.artifact.manifest.summary.mAP is None
    assert any("no identity has two train samples" in note for note in made.artifact.manifest.notes)

    table.write_text("path,identity\n" + "".join(f"{number:02}.png,a\n" for number in range(9)))
    made = evaluate(run, stage=-1, parameters=EvaluateParameters(), ids=table)
    summary = made.artifact.manifest.summary
    assert (summary.mAP, summary.rank1, summary.ari, summary.purity, summary.pairwise_recall) == (*[None] * 4, 0)
    assert any("one identity alone is known, so no match could" in note for note in made.artifact.manifest.notes)
