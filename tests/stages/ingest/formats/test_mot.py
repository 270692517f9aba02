"""MOTChallenge, as its makers, CVAT and trackers write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from box_sources import SEQINFO, mot, pictures, read, read_as, refusal, text

from stages.errors import UsageError
from stages.ingest.formats import recognise_source
from stages.ingest.formats.boxes_file import read_track_rows
from stages.ingest.formats.mot import why_mot
from stages.samples import UNKNOWN

TRUTH = ["1,1,11,6,10,20,1,1,1.0", "2,1,12,6,10,20,1,1,0.9", "2,2,3,4,5,6,1,1,1", "3,2,3.5,4,5,6,0,1,1"]


def test_ground_truth_gives_one_sample_a_track_and_leaves_out_what_is_ignored(tmp_path: Path) -> None:
    source = mot(tmp_path / "S1", TRUTH)
    text(source / "seqinfo.ini", SEQINFO)
    samples, findings = read(source, "mot")
    assert samples.path == ("img1/000001.jpg", "img1/000002.jpg", "img1/000002.jpg")
    assert samples.frame_start.tolist() == [0, 2, 3]
    assert samples.frame_number.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(samples.box, [[10, 5, 10, 20], [11, 5, 10, 20], [2, 3, 5, 6]])
    assert not samples.is_relative.any()
    assert samples.camera == ("S1", "S1")
    assert (samples.pid == UNKNOWN).all()
    assert len(set(samples.tracklet.tolist())) == 2
    assert any("boxes with confidence 0 that are left out: 1" in note for note in findings.notes)


def test_detections_have_scores_and_no_tracklets(tmp_path: Path) -> None:
    rows = ["1,-1,11,6,10,20,0.9", "1,-1,1,1,5,5,0.1,-1,-1,-1", "3 -1 2 2 5 5 0.5"]
    source = mot(tmp_path / "S", rows, boxes="det/det.txt")
    samples, _ = read(source, "mot")
    assert len(samples) == 3
    assert (samples.tracklet == UNKNOWN).all()
    np.testing.assert_allclose(sorted(samples.score.tolist()), [0.1, 0.5, 0.9], rtol=1e-6)
    fewer, findings = read(source, "mot", min_confidence=0.3)
    assert len(fewer) == 2
    assert findings.boxes == {"below confidence 0.3": 1}


def test_sequences_are_cameras_and_their_tracks_are_not_the_same(tmp_path: Path) -> None:
    for name in ("B", "A"):
        mot(tmp_path / "all" / name, ["1,1,1,1,9,9,1,1,1"])
    samples, findings = read(tmp_path / "all", "mot")
    assert samples.path == ("A/img1/000001.jpg", "B/img1/000001.jpg")
    assert samples.camera == ("A", "B")
    assert len(set(samples.tracklet.tolist())) == 2
    assert "sequences, each a camera: 2; boxes from gt.txt" in findings.notes


def test_results_of_a_tracker_lie_beside_the_frames(tmp_path: Path) -> None:
    pictures(tmp_path, "left/frame_10.png", "left/frame_11.png", "right/img1/0.png", "right/img1/1.png")
    text(tmp_path / "left.txt", "2,7.0,1.5,1,9,9,-1,-1,-1,-1\n")
    text(tmp_path / "right.txt", "\n1,3,1,1,9,9,0.75,-1,-1,-1\n")
    samples, _ = read(tmp_path, "mot")
    assert samples.path == ("left/frame_11.png", "right/img1/0.png")
    assert samples.camera == ("left", "right")
    np.testing.assert_array_equal(samples.score, np.array([np.nan, 0.75], dtype=np.float32))
    alone, _ = read(tmp_path / "left.txt", "mot")
    assert alone.path == samples.path[:1]
    assert recognise_source(tmp_path / "left.txt").format == "mot"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["1,1,1,1,9"], "gt.txt' line 1 has 5 fields, expected at least 6"),
        (["1,1,1,1,9,9", "1,one,1,1,9,9"], "line 2: '1,one,1,1,9,9' are not numbers"),
        (["-1,1,1,1,9,9,1"], "line 1: frame -1 is out of range; frames count from 1, or from 0"),
        (["0,1,1,1,9,9,1", "3,1,1,1,9,9,1"], "has 3 frames (from 0, as there is a frame 0), none of this number"),
        (["frame,id,x,y,w,h", "1,1,1,1,9,9"], "are not numbers; leave the header out"),
        (["1.5,1,1,1,9,9,1"], "frame and id must be whole, got 1.5 and 1"),
        (["1,-1,1,1,9,9,1", "1,-1,1,1,9,9,1"], "line 1 are the same box of "),
        (["1,1,0.1,0.1,0.2,0.2,1"], "line 1: box [-0.9, -0.9, 0.2, 0.2] lies outside"),
        (["1,1,1.1,1.1,0.2,0.2,1"], "should be in pixels, and seems to be in shares of the picture, as all 1 are"),
        (["1,1,1,1,9,9,0"], "all 1 have confidence 0"),
        ([], "has no boxes: it is empty"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, rows: list[str], told: str) -> None:
    assert told in refusal(mot(tmp_path / "S", rows), "mot")


def test_frames_that_are_not_there_and_a_broken_seqinfo_are_refused(tmp_path: Path) -> None:
    assert "has no sequence: give a folder with img1" in refusal(pictures(tmp_path / "none", "a.jpg"), "mot")
    text(tmp_path / "S/gt/gt.txt", "1,1,1,1,9,9\n")
    assert recognise_source(tmp_path / "S").format == "mot"
    assert "found no img1 and 0 videos" in refusal(tmp_path / "S", "mot")
    source = mot(tmp_path / "T", TRUTH)
    text(source / "seqinfo.ini", "imDir=img1\n")
    assert "is not a seqinfo.ini with [Sequence]" in refusal(source, "mot")


def test_a_box_outside_its_picture_is_counted_if_bad_images_are_skipped(tmp_path: Path) -> None:
    source = mot(tmp_path / "S", ["1,1,-20,1,9,9,1", "2,1,1,1,9,9,1"])
    samples, findings = read(source, "mot", on_bad_image="skip")
    assert samples.path == ("img1/000002.jpg",)
    assert findings.boxes == {"outside their picture": 1}


def test_frames_count_from_0_in_all_files_if_one_has_a_frame_0(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{name}/{number:06}.png" for name in ("left", "right") for number in (1, 2, 3)))
    text(tmp_path / "left.txt", "0,1,1,1,9,9\n1,1,1,1,9,9\n")
    text(tmp_path / "right.txt", "2,1,1,1,9,9\n")
    samples, findings = read(tmp_path, "mot")
    assert samples.path == ("left/000001.png", "left/000002.png", "right/000003.png")
    assert samples.frame_number.tolist() == [0, 1, 2]
    (told,) = findings.warnings
    assert "frames count from 0 in " in told
    assert "left.txt', which has a frame 0, and so do all 2 files of boxes" in told


def test_the_same_box_twice_is_left_out_and_counted_if_bad_images_are_skipped(tmp_path: Path) -> None:
    source = mot(tmp_path / "S", ["1,-1,1,1,9,9,0.9", "1,-1,1,1,9,9,0.9", "2,-1,1,1,9,9,0.8"], boxes="det/det.txt")
    assert "keep one, or leave copies out with `on_bad_image='skip'`" in refusal(source, "mot")
    samples, findings = read(source, "mot", on_bad_image="skip")
    assert len(samples) == 2
    assert findings.boxes == {"that are there before": 1}


def test_of_several_files_of_boxes_an_empty_one_is_left_out_and_named(tmp_path: Path) -> None:
    pictures(tmp_path, "left/1.png", "right/1.png")
    text(tmp_path / "left.txt", "1,1,1,1,9,9\n")
    text(tmp_path / "right.txt", "")
    samples, findings = read(tmp_path, "mot")
    assert samples.path == ("left/1.png",)
    (told,) = findings.warnings
    assert told.startswith("files of boxes that are empty, left out with their frames: 1 (")


def test_frames_that_no_boxes_belong_to_are_named(tmp_path: Path) -> None:
    mot(tmp_path / "A", ["1,1,1,1,9,9,1,1,1"])
    pictures(tmp_path, "B/img1/000001.jpg", "C/1.jpg")
    text(tmp_path / "film.mp4", "never opened")
    _, findings = read(tmp_path, "mot")
    assert findings.warnings == [
        "videos without boxes, left out: 1 ('film.mp4')",
        "folders of pictures without boxes, left out: 2 ('B', 'C')",
    ]
    assert not read(tmp_path / "A", "mot")[1].warnings


def test_lines_keep_their_numbers_over_empty_ones(tmp_path: Path) -> None:
    file = text(tmp_path / "gt.txt", "1,1,1,1,9,9,1\r\n\r\n2,1,1,1,9,9,0\r\n3,1,1,1,9,9,1,\r\n")
    rows, n_ignored = read_track_rows(file, is_truth=True)
    assert [row.line for row in rows] == [1, 4]
    assert n_ignored == 1


def test_names_that_are_no_numbers_are_taken_in_the_order_of_the_numbers_in_them(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"S/img1/f_{number}.png" for number in (1, 2, 10)))
    text(tmp_path / "S/det/det.txt", "3,1,1,1,2,2,1\n")
    samples, findings = read(tmp_path, "mot")
    assert samples.path == ("S/img1/f_10.png",)
    assert any("frame 1 is 'f_1.png', frame 3 is 'f_10.png'" in note for note in findings.notes)


@pytest.mark.parametrize("lines", ["", "1;1;1;1;2;2;1\n", "-1,1,1,1,2,2,1\n"])
def test_a_faulty_file_of_boxes_is_no_folder_of_identities(tmp_path: Path, lines: str) -> None:
    text(tmp_path / "det/det.txt", lines)
    assert why_mot(tmp_path) == "det/det.txt is where MOTChallenge keeps boxes"


def test_boxes_of_frames_that_were_shrunk_are_scaled(tmp_path: Path) -> None:
    source = mot(tmp_path / "S1", ["1,1,41,31,200,100,1,1,1"])
    text(source / "seqinfo.ini", SEQINFO.replace("40", "400").replace("Height=30", "Height=300"))
    samples, _ = read(source, "mot")
    np.testing.assert_allclose(samples.box, [[0.1, 0.1, 0.5, 1 / 3]])


def test_sequences_two_folders_down_are_no_pictures_of_individuals(tmp_path: Path) -> None:
    mot(tmp_path / "day1" / "camA", TRUTH)
    with pytest.raises(
        UsageError, match=r"such as 'day1/camA'; give one folder of sequences, such as '.*day1', with `for"
    ):
        recognise_source(tmp_path)
    assert recognise_source(tmp_path / "day1").format == "mot"


def test_results_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    pictures(tmp_path / "frames", "left/1.png", "left/2.png", "right/img1/1.png")
    for name in ("left", "right"):
        text(tmp_path / "results" / f"{name}.txt", "1,7,1.5,1,9,9,-1,-1,-1,-1\n")
    results, frames = tmp_path / "results", tmp_path / "frames"
    samples, _ = read(results, "mot", root=frames)
    assert (samples.path, samples.camera) == (("left/1.png", "right/img1/1.png"), ("left", "right"))
    assert read(results / "left.txt", "mot", root=frames)[0].path == ("left/1.png",)
    assert "or with the folder of these as `root`" in refusal(results, "mot")
    with pytest.raises(
        UsageError, match=r"of frames in '.*/frames'; give '.*/results' as the source and '.*/frames' as"
    ):
        recognise_source(tmp_path)
    # or beside the frames, or in a folder beside videos
    for name, kind in (("clip.mp4", "video"), ("clip/1.png", "folder")):
        place = tmp_path / kind
        pictures(place, name) if kind == "folder" else place.mkdir()
        (place / name).touch()
        text(place / "tracks" / "clip.txt", "1,7,1.5,1,9,9,-1,-1,-1,-1\n")
        with pytest.raises(
            UsageError, match=rf"give '.*/tracks' as the source and '.*/{kind}' as .* say `format='{kind}'"
        ):
            recognise_source(place)
    text(results / "none.txt", "1,7,1.5,1,9,9,-1,-1,-1,-1\n")
    assert (
        f"files of boxes without frames, left out: 1 ('{results}/none.txt')"
        in read(results, "mot", root=frames)[1].warnings
    )
    mot(tmp_path / "truth" / "S1", TRUTH)
    (tmp_path / "truth" / "S1" / "img1").rename(tmp_path / "img1")
    assert read(tmp_path / "truth" / "S1", "mot", root=tmp_path)[0].path[0] == "img1/000001.jpg"
    assert "should have its frames in img1" in refusal(tmp_path / "truth", "mot")


def test_a_folder_is_looked_through_once_not_once_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
        (tmp_path / f"{number}.jpg").touch()
    looked_at: list[str] = []
    monkeypatch.setattr("stages.ingest.formats.mot.is_video", lambda name: bool(looked_at.append(name)))
    assert why_mot(tmp_path) is None
    assert len(looked_at) == 60


def test_lines_of_another_number_of_fields_are_told(tmp_path: Path) -> None:
    # the id of the last is missing
    source = mot(tmp_path / "S", ["1,1,11,6,10,20,1,1,1", "2,1,11,6,10,20,1,1,1", "3,3,6,10,20,1,1,1"])
    told = (
        f"lines with another number of fields than most in their file: 1, the first '{source}/gt/gt.txt' line 3; if it"
    )
    assert read(source, "mot")[1].warnings[0].startswith(told)


def test_boxes_that_begin_with_a_camera_are_not_taken_for_frames(tmp_path: Path) -> None:
    rows = [f"{c} {i} {f} 5 6 12 14 1.5 2.5" for c in (8, 9) for i in (1, 2) for f in range(3)]
    file = text(tmp_path / "truth.txt", "\n".join(rows) + "\n")
    assert why_mot(file) is None
    pictures(tmp_path, *(f"{folder}/{number}.jpg" for folder in ("c008", "truth") for number in (1, 2, 3)))
    for source, on_bad_image in ((tmp_path, "fail"), (tmp_path, "skip"), (file, "fail")):
        told = refusal(source, "mot", on_bad_image=on_bad_image)
        assert told.endswith("begins each line with a camera, as the AI City Challenge does; say `format='ai-city'`")
    (tmp_path / "truth.txt").rename(tmp_path / "other.txt")
    assert "'other.txt' is not read: `format='ai-city'` reads it" in read_as(tmp_path, "folder")[1].warnings


def test_a_track_twice_in_a_frame_is_left_out_and_counted_if_bad_images_are_skipped(tmp_path: Path) -> None:
    source = mot(tmp_path / "S", ["1,7,1,1,9,9,0.9", "1,7,2,1,9,9,0.8", "2,7,1,1,9,9,0.8"], boxes="det/det.txt")
    assert "line 2 has a box of track 7 in frame 1, as line 1; keep one, or leave all but" in refusal(source, "mot")
    samples, findings = read(source, "mot", on_bad_image="skip")
    np.testing.assert_allclose(samples.score, [0.9, 0.8], rtol=1e-6)
    assert findings.boxes == {"whose track has another in that frame": 1}


def test_classes_and_boxes_to_ignore_are_told(tmp_path: Path) -> None:
    rows = ["1,1,1,1,9,9,1,4", "1,2,9,9,9,9,1,1", "2,0,1,1,20,20,0,0", "2,1,1,1,9,9,1,4"]
    first, second = read(mot(tmp_path / "S", rows, boxes="det/det.txt"), "mot")[1].warnings
    assert first.startswith(
        "boxes with confidence 0 where all others have 1, as ground truth marks what to ignore: 1; "
    )
    assert "seems to be a class: 2 of class 4, 1 of class 0, 1 of class 1; all are compared" in second
    assert "2 of class 4, 1 of class 1;" in read(mot(tmp_path / "T", rows), "mot")[1].warnings[0]
    plain = [f"{number},1,1,1,9,9,0.{number},-1,-1,-1" for number in (1, 2)]
    assert not read(mot(tmp_path / "U", plain, boxes="det/det.txt"), "mot")[1].warnings
