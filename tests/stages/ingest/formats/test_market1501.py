"""The layout of Market-1501 on miniatures of it."""

from __future__ import annotations

import pytest
from box_sources import read_as, refusal, touch

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats import read_samples

FILES = [
    "bounding_box_train/0002_c1s1_000451_03.jpg",
    "bounding_box_train/0007_c3s3_077419_03.PNG",
    "bounding_box_train/-1_c2s1_000151_01.jpg",
    "query/0001_c1s1_001051_00.jpg",
    "bounding_box_test/0001_c2s1_001976_01.webp",
    "bounding_box_test/0000_c4s2_000151_01.bmp",
    "bounding_box_test/-1_c6s1_000401_03.jpeg",
]


@pytest.mark.parametrize("name", ["holiday.jpg", "0002c1s1_1.jpg", "-2_c1s1_1.jpg", "x0002_c1s1_1.jpg", "2_cx_1.jpg"])
def test_a_name_that_does_not_parse_is_named(tmp_path, name):
    touch(tmp_path, [*FILES, f"query/{name}"])
    text = refusal(tmp_path, "market1501")
    assert f"query/{name}" in text
    assert "0002_c1s1_000451_03.jpg" in text


def told(root):
    _, findings = read_as(root, "market1501")
    return findings


def test_images_that_are_nobody_s_and_missing_queries_are_told(tmp_path):
    touch(tmp_path, FILES)
    findings = told(tmp_path)
    junk = "junk that evaluation ignores (pid -1): 1, distractors (pid 0): 1"
    assert findings.notes == [
        f"images of the gallery that are nobody's: {junk}",
        "junk (pid -1) in train, left out: 1",
    ]
    assert not findings.left_out
    assert not findings.warnings
    (tmp_path / "query/0001_c1s1_001051_00.jpg").unlink()
    assert told(tmp_path).warnings == ["there are no queries, so nothing can be searched for in the gallery"]


def test_a_pid_0_in_train_that_makes_distractors_an_identity_is_warned_of(tmp_path):
    touch(tmp_path, [*FILES, "bounding_box_train/0000_c1s1_000001_00.jpg"])
    (warning,) = told(tmp_path).warnings
    assert "because 'bounding_box_train/0000_c1s1_000001_00.jpg' has it" in warning
    assert "images of the gallery with pid 0 are of it and no distractors, too: 1;" in warning
    touch(tmp_path, ["query/0000_c1s1_000001_00.jpg"])
    findings = told(tmp_path)
    assert not findings.warnings
    assert any("pid 0 is an identity like any other" in note for note in findings.notes)


def test_a_format_that_reads_no_files_is_refused(tmp_path):
    with pytest.raises(UsageError, match="`format='synthetic'` reads no files"):
        read_samples(tmp_path, parameters=IngestParameters(format="synthetic"))
