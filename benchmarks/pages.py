"""How long the pages of `dbc report` and `dbc review` take, how large they are, and how much memory they need.

    python -m benchmarks.pages --samples 1000,20000

Samples are drawn people with features around a centre for each, merged once; every size runs in a process of its own, so that
its peak of memory is its own. Nothing is left behind.
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.turns import Spent, header, memory_mib, row
from schemas.manifest import Execution, FeaturesManifest
from schemas.parameters import ExtractParameters, IngestParameters, MergeParameters, SyntheticParameters
from schemas.stage_names import INIT_STAGE
from schemas.summaries import FeaturesSummary
from stages.evaluate.report import report
from stages.ingest.stage import ingest
from stages.merge.stage import merge
from stages.pages.report import write_report
from stages.pages.review import open_review, static_page
from stages.reporting import SILENT
from stages.runs.context import Context
from stages.runs.making import Computed, Request, make_artifact
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, Writer

CAMERAS, IMAGES, DIMENSION = 4, 2, 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", default="1000,20000")
    columns = ("page", "seconds", "processor seconds", "MB", "pictures", "peak memory, MiB")
    print(header("samples", "clusters", *columns))
    for n_samples in map(int, parser.parse_args().samples.split(",")):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            for line in pool.submit(measured, n_samples).result():
                print(line, flush=True)


def measured(n_samples: int) -> list[str]:
    """Rows of the table about `n_samples` samples."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        n_clusters = make_run(run, n_samples)
        sizes, before = (f"{n_samples:,}", f"{n_clusters:,}"), memory_mib()
        started = Spent.now()
        reported = report(run, stage=1, reporter=SILENT)
        file = Path(folder) / "report.html"
        n_pictures = write_report(run, reported, file, reporter=SILENT)
        spent, peak = Spent.since(started), f"{memory_mib():.0f} ({before:.0f} before)"
        cells = (f"{spent.passed:.1f}", f"{spent.processor:.1f}", f"{file.stat().st_size / 1e6:.1f}")
        lines = [row(*sizes, "report", *cells, f"{n_pictures:,}", peak)]
        started = Spent.now()
        review = open_review(run, stage=1, file=Path(folder) / "answers.csv", reporter=SILENT)
        page = static_page(review, n_pairs=100)
        spent = Spent.since(started)
        cells = (f"{spent.passed:.1f}", f"{spent.processor:.1f}", f"{len(page) / 1e6:.1f}")
        return [*lines, row(*sizes, "review", *cells, "–", f"{memory_mib():.0f}")]


def make_run(run: RunDirectory, n_samples: int) -> int:
    """Make a run of drawn people with clusters at stage 1; the number of clusters."""
    people = SyntheticParameters(identities=n_samples // (CAMERAS * IMAGES), cameras=CAMERAS, images_per_camera=IMAGES)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=128, width=64, test_fraction=0)
    dataset = ingest(run, source=None, parameters=parameters, context=Context()).artifact
    assert dataset is not None
    features(run, dataset)
    clusters = merge(run, stage=1, parameters=MergeParameters(merge_percent=0.8, camera="ignored", whiten=0)).artifact
    assert clusters is not None
    return int(clusters.read("labels").max()) + 1


def features(run: RunDirectory, dataset: Artifact) -> None:
    """Features around a centre for each person, as extraction would store them."""
    pid = dataset.read("pid")
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(int(pid.max()) + 1, DIMENSION))
    rows = centres[pid] + 0.7 * generator.normal(size=(len(pid), DIMENSION))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def compute(writer: Writer) -> Computed:
        writer.array("pooled", rows)
        writer.array("embedding", rows[:, :0])
        n = len(rows)
        summary = FeaturesSummary(
            stage=INIT_STAGE, n_samples=n, n_images=n, dim=DIMENSION, embedding_dim=0, images_per_second=0
        )
        return Computed(summary, Execution(backend="numpy", device="cpu"))

    request = Request("features", INIT_STAGE, FeaturesManifest, ExtractParameters(), (dataset,))
    make_artifact(run, request, compute, context=Context())


if __name__ == "__main__":
    main()
