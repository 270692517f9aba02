"""The real data sets, where they are: read, counted and decoded."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from schemas.parameters import IngestParameters
from stages.ingest.decode.pixels import Files
from stages.ingest.formats import image_root, read_samples
from stages.samples import GALLERY, QUERY, TRAIN

DATA = Path(os.environ.get("DBC_TEST_DATA", Path(__file__).parents[5] / "shared" / "data"))


def real(name):
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not there; set DBC_TEST_DATA")
    return DATA / name


@pytest.mark.parametrize(
    ("kind", "name", "counts", "n_identities"),
    [
        ("market1501", "eth80-market", [1640, 160, 1480], 80),
        ("csv", "vehicles", [1014, 60, 60], 567),
        ("csv", "vehicles/samples.csv", [1014, 60, 60], 567),
    ],
)
def test_a_real_data_set_has_the_counts_it_was_published_with(kind, name, counts, n_identities):
    source = real(name)
    samples = read_samples(source, parameters=IngestParameters(format=kind))
    assert [int(np.sum(samples.split == split)) for split in (TRAIN, QUERY, GALLERY)] == counts
    assert len(set(samples.pid.tolist())) == n_identities
    assert not set(samples.pid[samples.split == TRAIN]) & set(samples.pid[samples.split != TRAIN])
    chosen = samples.path[:: len(samples.path) // 40]
    images = Files(image_root(source))
    decoded = [np.frombuffer(images.pixels(path, height=64, width=64), np.uint8) for path in chosen]
    assert min(pixels.std() for pixels in decoded) > 1


def test_a_market_folder_read_by_a_camera_pattern_has_its_cameras():
    source = real("eth80-market")
    parameters = IngestParameters(format="folder", camera_pattern=r"_c(\d)s", folder_identities=False)
    market = read_samples(source, parameters=IngestParameters(format="market1501"))
    folder = read_samples(source, parameters=parameters)
    assert folder.path == market.path
    assert folder.camid.tolist() == market.camid.tolist()
