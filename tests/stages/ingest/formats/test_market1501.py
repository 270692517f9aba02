"""The layout of Market-1501 on miniatures of it."""

from __future__ import annotations

import random

import pytest

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats import read_samples
from stages.ingest.formats.format import Findings
from stages.samples import GALLERY, QUERY, TRAIN, UNKNOWN

FILES = [
    "bounding_box_train/0002_c1s1_000451_03.jpg",
    "bounding_box_train/0007_c3s3_077419_03.PNG",
    "bounding_box_train/-1_c2s1_000151_01.jpg",
    "query/0001_c1s1_001051_00.jpg",
    "bounding_box_test/0001_c2s1_001976_01.webp",
    "bounding_box_test/0000_c4s2_000151_01.bmp",
    "bounding_box_test/-1_c6s1_000401_03.jpeg",
]
OTHER_FILES = ["bounding_box_test/Thumbs.db", "query/.0001_c1s1_001051_00.jpg", "readme.txt", "gt_bbox/x.jpg"]


def write(root, files):
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def read(root):
    return read_samples(root, parameters=IngestParameters(format="market1501"))


def refusal(root):
    with pytest.raises(UsageError) as caught:
        read(root)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_names_and_folders_give_pid_camera_and_split(tmp_path):
    write(tmp_path, FILES + OTHER_FILES)
    samples = read(tmp_path)
    found = list(zip(samples.path, samples.pid.tolist(), samples.camid.tolist(), samples.split.tolist(), strict=True))
    assert found == [
        ("bounding_box_test/-1_c6s1_000401_03.jpeg", -1, 6, GALLERY),
        ("bounding_box_test/0000_c4s2_000151_01.bmp", 0, 4, GALLERY),
        ("bounding_box_test/0001_c2s1_001976_01.webp", 1, 2, GALLERY),
        ("bounding_box_train/0002_c1s1_000451_03.jpg", 2, 1, TRAIN),
        ("bounding_box_train/0007_c3s3_077419_03.PNG", 7, 3, TRAIN),
        ("query/0001_c1s1_001051_00.jpg", 1, 1, QUERY),
    ]
    assert set(samples.tracklet.tolist()) == {UNKNOWN}
    assert samples.frame_start.tolist() == list(range(7))


def test_the_order_in_which_files_were_written_does_not_matter(tmp_path):
    names = [f"bounding_box_train/{pid:04}_c1s1_{pid:06}_00.jpg" for pid in range(1, 60)]
    shuffled = random.Random(0).sample(names, len(names))
    write(tmp_path / "a", FILES + names)
    write(tmp_path / "b", FILES + shuffled)
    a, b = read(tmp_path / "a"), read(tmp_path / "b")
    assert a.path == b.path == tuple(sorted(a.path))
    assert a.pid.tolist() == b.pid.tolist()


def test_symbolic_links_are_followed(tmp_path):
    write(tmp_path, FILES)
    (tmp_path / "query/0009_c1s1_000001_00.jpg").symlink_to(tmp_path / FILES[0])
    samples = read(tmp_path)
    assert len(samples) == 7
    assert samples.pid[samples.path.index("query/0009_c1s1_000001_00.jpg")] == 9


def test_names_without_a_sequence_are_read(tmp_path):
    write(tmp_path, [*FILES, "query/0005_c2_f0046985.jpg"])
    samples = read(tmp_path)
    i = samples.path.index("query/0005_c2_f0046985.jpg")
    assert (samples.pid[i], samples.camid[i]) == (5, 2)


@pytest.mark.parametrize("name", ["holiday.jpg", "0002c1s1_1.jpg", "-2_c1s1_1.jpg", "x0002_c1s1_1.jpg", "2_cx_1.jpg"])
def test_a_name_that_does_not_parse_is_named(tmp_path, name):
    write(tmp_path, [*FILES, f"query/{name}"])
    text = refusal(tmp_path)
    assert f"query/{name}" in text
    assert "0002_c1s1_000451_03.jpg" in text


def told(root):
    findings = Findings()
    read_samples(root, parameters=IngestParameters(format="market1501"), findings=findings)
    return findings


def test_images_that_are_nobody_s_and_missing_queries_are_told(tmp_path):
    write(tmp_path, FILES)
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
    write(tmp_path, [*FILES, "bounding_box_train/0000_c1s1_000001_00.jpg"])
    (warning,) = told(tmp_path).warnings
    assert "because 'bounding_box_train/0000_c1s1_000001_00.jpg' has it" in warning
    assert "1 images of the gallery with pid 0 are of it and no distractors" in warning
    write(tmp_path, ["query/0000_c1s1_000001_00.jpg"])
    findings = told(tmp_path)
    assert not findings.warnings
    assert any("pid 0 is an identity like any other" in note for note in findings.notes)


def test_a_missing_folder_is_named_with_what_was_found(tmp_path):
    write(tmp_path, [FILES[0], "queries/x.jpg"])
    text = refusal(tmp_path)
    assert "lacks query, bounding_box_test" in text
    assert "found bounding_box_train, queries" in text


def test_a_train_folder_without_images_is_refused(tmp_path):
    write(tmp_path, ["bounding_box_train/Thumbs.db", *FILES[2:]])
    assert "bounding_box_train' holds no image files" in refusal(tmp_path)


def test_a_source_that_is_no_folder_is_refused(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"")
    assert "is not a folder" in refusal(tmp_path / "file")


def test_an_option_that_the_format_would_ignore_is_refused(tmp_path):
    write(tmp_path, FILES)
    with pytest.raises(UsageError, match=r"`camera_pattern` 'c\(\.\)' has no effect with `format='market1501'`"):
        read_samples(tmp_path, parameters=IngestParameters(format="market1501", camera_pattern="c(.)"))


def test_a_format_that_reads_no_files_is_refused(tmp_path):
    with pytest.raises(UsageError, match="`format='synthetic'` reads no files"):
        read_samples(tmp_path, parameters=IngestParameters(format="synthetic"))
