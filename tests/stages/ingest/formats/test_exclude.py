"""Pictures that the user leaves out are left out, counted, and leave no trace in the dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats import read_samples
from stages.ingest.formats.excluded import without
from stages.ingest.formats.format import Findings
from stages.ingest.stage import ingest
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, dataset_manifest
from stages.samples import Samples

PATHS = ["a/IMG_1.jpg", "a/IMG_2.jpg", "ab/IMG_1.jpg", "b/blurred 3.jpg"]


def named(*paths: str) -> Samples:
    """Pictures of these paths."""
    n = len(paths)
    return Samples.of_images(list(paths), [1] * n, [1] * n, [0] * n)


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
def test_paths_folders_and_patterns_are_left_out_and_counted(exclude: str, left: list[int]) -> None:
    findings = Findings()
    samples = without(named(*PATHS), exclude, findings)
    assert samples.path == tuple(PATHS[i] for i in left)
    told = f"left out by `exclude`: {4 - len(left)} of 4 images"
    assert (told in findings.notes) == bool(exclude)


def test_what_is_a_path_or_a_folder_is_no_pattern() -> None:
    pictures = named("a1.jpg", "a[1].jpg", "x, y.jpg", "[ab]/1.jpg", "a/1.jpg")
    for i, path in enumerate(pictures.path[1:4], start=1):
        assert without(pictures, path, Findings()).path == (*pictures.path[:i], *pictures.path[i + 1 :])
    assert without(pictures, "[ab]", Findings()).path == (*pictures.path[:3], pictures.path[4])


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        ("IMG_1.jpg", "`exclude` names 'IMG_1.jpg', which no picture of SOURCE matches; the first is"),
        ("a/,A/", "`exclude` names 'A/', which no picture"),
        ("*", "leaves out all 4 pictures"),
    ],
)
def test_what_matches_nothing_or_everything_is_refused(exclude: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("*", r"\*")):
        without(named(*PATHS), exclude, Findings())
    # but what was excluded before need not be in what is added
    assert len(without(named(*PATHS), "gone", Findings(), before="x/,gone")) == 4


def test_patterns_need_not_find_anything_in_them_in_a_table_either(folder: Path) -> None:
    table = folder / "pictures.csv"
    table.write_text("path\n" + "\n".join(PATHS), encoding="utf-8")
    asked = IngestParameters(format="csv", camera_pattern=r"IMG_(\d)", exclude="b")
    assert read_samples(table, parameters=asked).camera == ("1", "2", "1", "")
    with pytest.raises(UsageError, match="does not match `camera_pattern`"):
        read_samples(table, parameters=asked.model_copy(update={"exclude": "a"}))


def test_they_are_not_read_and_stay_out_when_the_folder_grew(folder: Path, tmp_path: Path) -> None:
    (folder / PATHS[3]).write_bytes(b"no picture")
    asked = IngestParameters(format="folder", folder_identities=False, height=16, width=8, exclude="b/*")
    run = RunDirectory(tmp_path / "r")
    found = ingest(run, source=folder, parameters=asked, context=Context(workers=0)).artifact
    assert found is not None
    assert sorted(found.read("path")) == PATHS[:3]
    Image.new("RGB", (8, 12)).save(folder / "a" / "IMG_9.jpg")
    more = asked.model_copy(update={"exclude": ""})
    added = ingest(run, source=folder, parameters=more, add=True, context=Context(workers=0)).artifact
    assert added is not None
    assert sorted(added.read("path")) == [*PATHS[:2], "a/IMG_9.jpg", PATHS[2]]
    again = ingest(run, source=folder, parameters=more, add=True, context=Context(workers=0)).artifact
    assert again == added


def test_an_anonymized_dataset_does_not_name_them(folder: Path, tmp_path: Path) -> None:
    asked = IngestParameters(format="folder", height=16, width=8, exclude=PATHS[3], anonymize=True)
    found = ingest(RunDirectory(tmp_path / "r"), source=folder, parameters=asked, context=Context(workers=0)).artifact
    assert found is not None
    assert "blurred" not in dataset_manifest(found).model_dump_json()
