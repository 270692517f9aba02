"""Pictures that the user leaves out are left out, counted, and leave no trace in the dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats import read_samples
from stages.ingest.formats.format import Findings
from stages.ingest.stage import ingest
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, dataset_manifest

PATHS = ["a/IMG_1.jpg", "a/IMG_2.jpg", "ab/IMG_1.jpg", "b/blurred 3.jpg"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for path in PATHS:
        (tmp_path / "pictures" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (12, 8, 3), dtype=np.uint8)).save(tmp_path / "pictures" / path)
    return tmp_path / "pictures"


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ("", [0, 1, 2, 3]),
        ("a", [2, 3]),
        ("a/", [2, 3]),
        ("a/IMG_1.jpg", [1, 2, 3]),
        ("*IMG_1*", [1, 3]),
        ("*IMG_[2-9].jpg, b/blurred 3.jpg,", [0, 2]),
    ],
)
def test_paths_folders_and_patterns_are_left_out_and_counted(folder: Path, exclude: str, left: list[int]) -> None:
    findings = Findings()
    parameters = IngestParameters(format="folder", folder_identities=False, exclude=exclude)
    samples = read_samples(folder, parameters=parameters, findings=findings)
    assert sorted(samples.path) == [PATHS[i] for i in left]
    told = f"left out by `exclude`: {4 - len(left)} of 4 images"
    assert (told in findings.notes) == bool(exclude)
    assert not findings.left_out


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        ("IMG_1.jpg", "`exclude` names 'IMG_1.jpg', which no picture of SOURCE matches; the first is"),
        ("a/,A/", "`exclude` names 'A/', which no picture"),
        ("*", "leaves out all 4 pictures"),
    ],
)
def test_what_matches_nothing_or_everything_is_refused(folder: Path, exclude: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("*", r"\*")):
        read_samples(folder, parameters=IngestParameters(format="folder", exclude=exclude))


def test_the_dataset_is_that_of_a_folder_without_them_even_if_one_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    (folder / PATHS[3]).write_bytes(b"no picture")
    excluding = IngestParameters(format="folder", folder_identities=False, height=16, width=8, exclude=PATHS[3])
    found = ingest(RunDirectory(tmp_path / "r"), source=folder, parameters=excluding, context=Context(workers=0))
    (folder / PATHS[3]).unlink()
    plain = excluding.model_copy(update={"exclude": ""})
    expected = ingest(RunDirectory(tmp_path / "s"), source=folder, parameters=plain, context=Context(workers=0))
    assert found.artifact is not None
    assert expected.artifact is not None
    assert found.artifact.manifest.id == expected.artifact.manifest.id
    assert "blurred" not in dataset_manifest(found.artifact).parameters.model_dump_json()
