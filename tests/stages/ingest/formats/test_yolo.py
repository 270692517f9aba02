"""YOLO's files of labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from box_sources import pictures, read, read_as, refusal, text, touch, video

from stages.errors import UsageError
from stages.ingest.formats import recognise_source
from stages.ingest.formats.format import Findings
from stages.ingest.formats.yolo import class_names, why_yolo
from stages.samples import UNKNOWN


def test_labels_lie_beside_pictures_or_beside_images(tmp_path: Path) -> None:
    pictures(tmp_path / "a", "x.jpg", "y.jpg", "z.jpg")
    text(tmp_path / "a" / "x.txt", "0 0.5 0.5 0.2 0.4\n3 0.25 0.25 0.1 0.1\n")
    text(tmp_path / "a" / "y.txt", "")
    samples, findings = read(tmp_path / "a", "yolo")
    assert samples.path == ("x.jpg", "x.jpg")
    np.testing.assert_allclose(samples.box, [[0.2, 0.2, 0.1, 0.1], [0.4, 0.3, 0.2, 0.4]])
    assert samples.is_relative.all()
    assert "pictures left out: 1 without labels, 1 without boxes; of 3" in findings.notes
    one, _ = read(tmp_path / "a", "yolo", category="3")
    assert len(one) == 1
    pictures(tmp_path / "b", "images/train/x.jpg", "images/val/x.jpg")
    for split in ("train", "val"):
        text(tmp_path / "b" / "labels" / split / "x.txt", "0 0.5 0.5 0.2 0.4\n")
    assert read(tmp_path / "b", "yolo")[0].path == ("images/train/x.jpg", "images/val/x.jpg")


def test_a_sixth_field_is_a_track_if_it_is_whole_everywhere(tmp_path: Path) -> None:
    pictures(tmp_path, "clip/1.jpg", "clip/2.jpg")
    for name in ("1", "2"):
        text(tmp_path / "clip" / f"{name}.txt", "0 0.5 0.5 0.2 0.4 7\n")
    samples, findings = read(tmp_path, "yolo")
    assert samples.frame_start.tolist() == [0, 2]
    assert "the sixth field of labels is taken as tracks: all are whole numbers" in findings.notes
    text(tmp_path / "clip" / "2.txt", "0 0.5 0.5 0.2 0.4 0.75\n")
    samples, findings = read(tmp_path, "yolo")
    assert (samples.tracklet == UNKNOWN).all()
    assert samples.score.tolist() == [7.0, 0.75]
    assert "the sixth field of labels is taken as confidences of the detector" in findings.notes


@pytest.mark.parametrize(
    ("fields", "n_samples"), [("11", 1), (("1.0", "1.0"), 2), (("1.0", "7.0"), 2), (("7.0", "7.0"), 1)]
)
def test_a_confidence_of_one_is_no_track_and_boxes_that_become_one_sample_are_told(
    tmp_path: Path, fields: tuple[str, str], n_samples: int
) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg")
    for name, field in zip("12", fields, strict=True):
        text(tmp_path / f"{name}.txt", f"0 0.5 0.5 0.2 0.4 {field}\n")
    samples, findings = read(tmp_path, "yolo")
    assert len(samples) == n_samples
    assert (samples.tracklet == UNKNOWN).all() == (fields == ("1.0", "1.0"))
    assert [warning.partition(":")[0] for warning in findings.warnings] == ["2 boxes are 1 sample"] * (n_samples == 1)
    told = "2 boxes of 2 pictures or frames" + (" in 1 sample" if n_samples == 1 else "")
    assert told in findings.notes


def test_confidence_and_track_stand_together(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg")
    for name, confidence in (("1", 0.5), ("2", 0.25)):
        text(tmp_path / f"{name}.txt", f"0 0.5 0.5 0.2 0.4 {confidence} 7\n")
    samples, _ = read(tmp_path, "yolo")
    assert samples.frame_start.tolist() == [0, 2]
    assert samples.score.tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 0.5 0.5 0.2", "1.txt' line 1: '0 0.5 0.5 0.2' is not class x y width height"),
        ("0 0.1 0.1 0.2 0.1 0.2 0.2", "line 1 has 7 fields, as outlines have"),
        ("0 0.5 0.5 0.2 wide", "is not class x y width height"),
        ("", "all 1 files of labels are empty"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, line: str, told: str) -> None:
    text(pictures(tmp_path, "1.jpg") / "1.txt", f"{line}\n")
    assert told in refusal(tmp_path, "yolo")


def test_pictures_without_labels_are_no_yolo(tmp_path: Path) -> None:
    assert "has no labels: give NAME.txt beside NAME.jpg" in refusal(pictures(tmp_path, "a/1.jpg"), "yolo")
    assert "holds no image files" in refusal(text(tmp_path / "e" / "1.txt", "zebra").parent, "yolo")
    alone = text(tmp_path / "f" / "labels" / "1.txt", "0 1 1 1 1").parent
    for source in (alone, alone.parent):
        assert recognise_source(source).format == "yolo"
        assert "has labels and no pictures or videos; give the folder of these as `root`" in refusal(source, "yolo")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("classes.txt", "zebra\nplains hare\n"),
        ("obj.names", "zebra\nplains hare\n"),
        ("data.yaml", "train: images\nnames: ['zebra', \"plains hare\"]\nnc: 2\n"),
        ("data.yaml", "path: .\nnames:\n  0: zebra\n  1: plains hare\nnc: 2\n"),
        ("data.yaml", "nc: 2\nnames:\n- zebra\n- plains hare\ntrain: x\n"),
        ("data.yaml", "names:\n  # by number, not by order\n  1: plains hare # 1\n  0: zebra\n"),
        ("data.yaml", "names: {0: zebra, 1: plains hare}\n"),
    ],
)
def test_classes_have_names_if_a_file_says_them(tmp_path: Path, file: str, content: str) -> None:
    text(tmp_path / file, content)
    assert class_names(tmp_path, Findings()) == {"0": "zebra", "1": "plains hare"}
    pictures(tmp_path, "images/1.jpg")
    text(tmp_path / "labels/1.txt", "1 0.5 0.5 0.5 0.5\n0 0.5 0.5 0.25 0.5\n")
    samples, findings = read(tmp_path, "yolo", category="plains hare")
    assert samples.box.tolist() == [[0.25, 0.25, 0.5, 0.5]]
    assert findings.boxes == {"of category zebra": 1}


def test_numbers_of_classes_are_those_that_the_file_says(tmp_path: Path) -> None:
    """Names were taken by their order, so that classes had each other's."""
    text(tmp_path / "data.yaml", "names: {0: 'zebra, plains', 3: no}")
    assert class_names(tmp_path, Findings()) == {"0": "zebra, plains", "3": "no"}
    text(tmp_path / "classes.txt", "zebra\n\nlion\n")
    assert class_names(tmp_path, Findings()) == {"0": "zebra", "2": "lion"}


@pytest.mark.parametrize("content", ["names: [a, b", "nc: 2", "names: 7", "- a"])
def test_names_that_cannot_be_read_are_told(tmp_path: Path, content: str) -> None:
    findings = Findings()
    assert class_names(text(tmp_path / "data.yaml", content).parent, findings) == {}
    assert "has no `names` that can be read" in findings.warnings[0]


OUTLINE = "0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2"


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (OUTLINE, "line 1 has 9 fields, as outlines have"),
        ("0,0.5,0.5,0.4,0.4", "line 1: '0,0.5,0.5,0.4,0.4' is not class x y width height"),
        ("0 nan 0.5 0.4 0.4", "line 1: '0 nan 0.5 0.4 0.4' is not class"),
        ("zebra 0.5 0.5 0.4", "line 1: 'zebra 0.5 0.5 0.4' is not class"),
    ],
)
def test_a_bad_line_in_any_file_does_not_make_whole_pictures_of_boxes(tmp_path: Path, bad: str, told: str) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg")
    text(tmp_path / "1.txt", f"{bad}\n")
    with pytest.raises(UsageError) as caught:
        recognise_source(tmp_path)
    assert told in str(caught.value)
    assert str(caught.value).endswith("or say `format='folder'` if it has no boxes of YOLO")
    for good, other in (("1", "2"), ("2", "1")):
        text(tmp_path / f"{good}.txt", "0 0.5 0.5 0.2 0.4\n")
        text(tmp_path / f"{other}.txt", f"{bad}\n")
        assert recognise_source(tmp_path).format == "yolo"
        assert told in refusal(tmp_path, "yolo")


def test_labels_are_found_among_empty_ones_and_words_beside_pictures_are_no_labels(tmp_path: Path) -> None:
    for number in range(60):
        text(tmp_path / "a" / f"{number}.txt", "0 0.5 0.5 0.2 0.4\n" if number == 7 else "")
    pictures(tmp_path / "a", "7.jpg")
    assert recognise_source(tmp_path / "a").format == "yolo"
    text(pictures(tmp_path / "b", "1.jpg") / "1.txt", "zebra 1\nseen 3 times at 4 in the morning\n0.5 0.5 1\n")
    assert recognise_source(tmp_path / "b").format == "folder"


def test_files_called_as_pictures_are_told_if_no_boxes_are_read(tmp_path: Path) -> None:
    pictures(tmp_path, "day/a/b/1.jpg", "day/a/b/2.jpg")
    for name in ("1.txt", "2.xml", "other.json"):
        text(tmp_path / "day" / "a" / "b" / name, "0 0.5 0.5 0.2 0.4\n")
    _, findings = read(tmp_path, "folder", folder_identities=False)
    assert findings.warnings == [
        "files called as pictures are, which are not read: 2, the first 'day/a/b/1.txt'; if they hold boxes, name "
        "their `format`, such as 'yolo' or 'voc', or save these as COCO"
    ]
    for name in "123":
        text(tmp_path / "voc" / "Annotations" / f"{name}.xml", "<annotation/>")
        pictures(tmp_path / "voc" / "JPEGImages", f"{name}.jpg")
    _, findings = read(tmp_path / "voc", "folder", folder_identities=False)
    assert findings.warnings[0].startswith(
        "files as many as pictures, which are not read: 3 .xml; if they hold boxes, "
    )


def test_labels_of_frames_of_videos_are_read_as_ultralytics_writes_them(tmp_path: Path) -> None:
    touch(tmp_path, ["a.mp4", "b_2.mp4"])
    text(tmp_path / "labels" / "a_12.txt", "0 0.5 0.5 0.2 0.4 0.9 7\n")
    text(tmp_path / "labels" / "a_13.txt", "0 0.5 0.5 0.2 0.4 0.8 7\n")
    text(tmp_path / "labels" / "b_2_1.txt", "0 0.5 0.5 0.2 0.4 0.7 7\n")
    samples, findings = read(tmp_path, "yolo")
    assert samples.path == ("a.mp4", "a.mp4", "b_2.mp4")
    assert samples.frame_number.tolist() == [11, 12, 0]
    assert samples.frame_start.tolist() == [0, 2, 3]
    assert samples.camera == ("a", "b_2")
    assert "labels of frames of videos, counted from 1: 3, of 2 videos" in findings.notes
    text(tmp_path / "labels" / "b_2_0.txt", "0 0.5 0.5 0.2 0.4 0.7 8\n")
    touch(tmp_path, ["c.mp4"])
    samples, findings = read(tmp_path, "yolo")
    assert samples.frame_number.tolist() == [12, 13, 0, 1]
    assert "videos without labels, left out: 1 ('c.mp4')" in findings.warnings
    touch(tmp_path, ["a.avi"])
    assert "labels/a_12.txt' may be of 'a.avi' or of 'a.mp4'; leave only one" in refusal(tmp_path, "yolo")


def test_labels_may_lie_apart_from_what_they_are_of(tmp_path: Path) -> None:
    pictures(tmp_path / "in", "p/1.jpg", "p/2.jpg", "q/1.jpg")
    touch(tmp_path / "in", ["a.mp4"])
    labels = tmp_path / "track" / "labels"
    for name in ("p/1", "2", "a_12"):
        text(labels / f"{name}.txt", "0 0.5 0.5 0.2 0.4 0.9 7\n")
    drawn = "looks like what Ultralytics saves"
    for source in (labels, tmp_path / "track"):
        samples, findings = read_as(source, "yolo", root=tmp_path / "in")
        assert samples.path == ("a.mp4", "p/1.jpg", "p/2.jpg")
        assert (samples.frame_number.max(), findings.left_out) == (11, {})
        assert not any(drawn in line for line in findings.warnings)
    touch(tmp_path, ["track/a.avi"])
    text(labels / "1.txt", "0 0.5 0.5 0.2 0.4 0.9 8\n")
    assert any(drawn in line for line in read_as(tmp_path / "track", "yolo", on_bad_image="skip")[1].warnings)
    (labels / "p/1.txt").unlink()
    with pytest.raises(UsageError, match=r"1.txt' may be of 'p/1.jpg' or of 'q/1.jpg'; leave only one of them"):
        read_as(labels, "yolo", root=tmp_path / "in")


def test_boxes_without_a_picture_are_counted(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    for name, n_boxes in (("1", 1), ("2", 3), ("3", 2), ("4", 0)):
        text(tmp_path / f"{name}.txt", "0 .5 .5 .2 .2\n" * n_boxes)
    assert "2.txt' line 1: the boxes of this file have no picture, nor have those of 1 other" in refusal(
        tmp_path, "yolo"
    )
    _, findings = read(tmp_path, "yolo", on_bad_image="skip")
    assert findings.boxes["in files without a picture"] == 5


def test_hidden_files_do_not_hide_that_a_folder_has_labels_alone(tmp_path: Path) -> None:
    text(tmp_path / "1.txt", "0 0.5 0.5 0.2 0.4\n")
    touch(tmp_path, [".DS_Store", ".dbc-run"])
    assert recognise_source(tmp_path).format == "yolo"


def test_labels_of_pictures_do_not_say_where_frames_count_from(tmp_path: Path) -> None:
    pictures(tmp_path, "a_0.jpg")
    touch(tmp_path, ["a.mp4"])
    for name in ("a_0", "a_7"):
        text(tmp_path / f"{name}.txt", "0 0.5 0.5 0.2 0.4\n")
    assert read(tmp_path, "yolo")[0].frame_number.tolist() == [6, -1]


def test_labels_of_frames_are_told_where_whole_frames_are_taken(tmp_path: Path) -> None:
    video(tmp_path / "a.mp4", [9, 90])
    text(tmp_path / "a_1.txt", "0 0.5 0.5 0.2 0.4 1 7\n")
    _, findings = read_as(tmp_path, "video")
    assert findings.warnings == [
        "files called like a video and a number, which are not read: 1, the first 'a_1.txt'; if they have boxes of YOLO, "
        "give the folder with `format='yolo'`"
    ]
    assert recognise_source(tmp_path).format == "yolo"
    # where Ultralytics writes them
    deep = tmp_path / "runs" / "track" / "labels"
    deep.mkdir(parents=True)
    (tmp_path / "a_1.txt").rename(deep / "a_1.txt")
    assert f"files in '{deep}' are called like a video" in read_as(tmp_path, "video")[1].warnings[0]
    text(tmp_path / "a_1.txt", "a list of five words\n")
    assert recognise_source(tmp_path).format == "video"


def test_lines_of_another_number_of_fields_are_told(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg", "2.jpg")
    text(tmp_path / "1.txt", "0 0.5 0.5 0.2 0.4 0.9\n0 0.3 0.3 0.2 0.4 0.8\n")
    text(tmp_path / "2.txt", "0 0.3 0.2 0.2 0.7\n")
    told = f"lines with another number of fields than most of the labels: 1, the first '{tmp_path}/2.txt' line 1; if"
    assert read(tmp_path, "yolo")[1].warnings[0].startswith(told)


def test_labels_in_a_folder_beside_pictures_are_theirs_and_drawn_boxes_are_told(tmp_path: Path) -> None:
    """As Ultralytics saves pictures: whole ones were taken, and their boxes counted as one file of text left out."""
    pictures(tmp_path, "1.jpg", "2.jpg")
    text(tmp_path / "labels" / "1.txt", "0 0.5 0.5 0.2 0.4\n")
    assert why_yolo(tmp_path) is not None
    samples, findings = read(tmp_path, "yolo")
    assert samples.path == ("1.jpg",)
    assert any("may have boxes and numbers drawn on them" in line for line in findings.warnings)


def test_copies_are_counted_if_bad_images_are_skipped_and_a_second_bom_is_no_class(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    (tmp_path / "1.txt").write_text("\ufeff\ufeff0 0.5 0.5 0.4 0.4\n0 0.5 0.5 0.4 0.4\n", encoding="utf-8")
    assert "keep one, or leave copies out with `on_bad_image='skip'`" in refusal(tmp_path, "yolo")
    samples, findings = read(tmp_path, "yolo", on_bad_image="skip")
    assert (len(samples), samples.category) == (1, ())
    assert findings.boxes == {"that are there before": 1}
