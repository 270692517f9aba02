"""The order of files, and so of samples, changes no partition but its labels."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import ExtractParameters, IngestParameters, MergeParameters, SyntheticParameters
from schemas.stage_names import INIT_STAGE
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.ingest.synthetic import draw_path, synthetic_samples
from stages.merge.stage import merge
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory

pytestmark = pytest.mark.usefixtures("tiny_networks")

PEOPLE = SyntheticParameters(identities=12, cameras=2, images_per_camera=3)
SIZE = {"height": 32, "width": 16}


def write_images(folder: Path, *, name_seed: int) -> dict[str, int]:
    """Draw the people into `folder` under names in an order of their own; which picture each name is."""
    paths = synthetic_samples(PEOPLE, seed=5, test_fraction=0.5).path
    names = [f"{number:04d}.png" for number in np.random.default_rng(name_seed).permutation(len(paths))]
    folder.mkdir()
    for name, path in zip(names, paths, strict=True):
        Image.fromarray(draw_path(PEOPLE, path, seed=5, **SIZE)).save(folder / name)
    return {name: picture for picture, name in enumerate(names)}


def extracted(root: Path, *, name_seed: int) -> dict[str, int]:
    """Which picture each name is, in the run `root` that extracts files named in the order of `name_seed`."""
    picture = write_images(root.with_suffix(".images"), name_seed=name_seed)
    run = RunDirectory(root)
    read = IngestParameters(format="folder", **SIZE)
    ingest(run, source=root.with_suffix(".images"), parameters=read, context=Context(workers=0))
    extract(
        run,
        stage=INIT_STAGE,
        parameters=ExtractParameters(),
        initial={"backbone": "tiny", "weights": "none", "embedding_dim": 8},
        context=Context(device="cpu"),
    )
    return picture


@pytest.fixture(scope="module")
def in_two_orders(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, dict[str, int]]:
    """Two runs of the same pictures under other names, and which picture each name is. Not to be changed."""
    folder = tmp_path_factory.mktemp("orders")
    return {folder / str(seed): extracted(folder / str(seed), name_seed=seed) for seed in (1, 2)}


def partition(root: Path, picture: dict[str, int], parameters: MergeParameters) -> set[frozenset[int]]:
    """The clusters after stages 1 to 3 of the run `root`, over pictures."""
    run = RunDirectory(root)
    for stage in (1, 2, 3):
        merge(run, stage=stage, parameters=parameters, context=Context(device="cpu"))
    labels = run.require("clusters", 3).read("labels")
    pictures = np.array([picture[path] for path in run.require("dataset").read("path")])
    return {frozenset(pictures[labels == label].tolist()) for label in np.unique(labels)}


@pytest.mark.parametrize("update", ["stale", "exact"])
@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
def test_files_in_another_order_give_the_same_partition(
    tmp_path: Path, in_two_orders: dict[Path, dict[str, int]], update: str, metric: str
) -> None:
    parameters = MergeParameters(lambda_=0.1, merge_percent=0.2, update=update, metric=metric)  # type: ignore[arg-type]
    first, second = (
        partition(Path(copytree(root, tmp_path / root.name)), picture, parameters)
        for root, picture in in_two_orders.items()
    )
    assert len(first) == 72 - 3 * 14
    assert first == second
