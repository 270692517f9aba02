"""Texts of boxes of the AI City Challenge and of KITTI, and what may be of two formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from box_sources import pictures, read, read_as, refusal, text, video
from miniatures import build

from stages.errors import UsageError
from stages.ingest.formats import recognise_source

BOXES = [f"{c} {i} {f} 5 6.5 12 14 1.5 2.5" for c in (8, 9) for i in (1, 2) for f in (1, 2, 3)]
CAR = "{frame} {track} {kind} 0 0 -1.57 {left} 6 {right} 20 1.5 1.6 3.7 1.8 1.5 8.4 0.01{score}"


def cameras(root: Path, *names: str) -> Path:
    return pictures(root, *(f"{name}/{number:06}.jpg" for name in names for number in (1, 2, 3)))


def kitti(file: Path, *rows: tuple[int, int, str], score: str = "") -> Path:
    """A text of KITTI with a box of each frame, track and type."""
    said = [CAR.format(frame=f, track=i, kind=kind, left=4, right=24, score=score) for f, i, kind in rows]
    return text(file, "\n".join(said) + "\n")


def test_cameras_of_ai_city_are_found_by_number_and_have_tracks_of_their_own(tmp_path: Path) -> None:
    text(cameras(tmp_path, "c008", "S02/c009") / "track1.txt", "\n".join(BOXES))
    samples, findings = read(tmp_path, "ai-city")
    assert samples.camera == ("c009", "c009", "c008", "c008")
    assert samples.path[0] == "S02/c009/000001.jpg"
    assert samples.frame_start.tolist() == [0, 3, 6, 9, 12]
    assert samples.frame_number.tolist() == [0, 1, 2] * 4
    assert len(set(samples.tracklet.tolist())) == 4
    np.testing.assert_array_equal(samples.box[0], [5, 6.5, 12, 14])
    assert "sequences, each a camera: 2; boxes from track1.txt" in findings.notes
    assert "frames are taken to count from 1, as there is no frame 0" in findings.notes
    assert not findings.warnings


@pytest.mark.parametrize("separator", [" ", ",", "\t"])
def test_frames_of_ai_city_count_from_0_if_there_is_one(tmp_path: Path, separator: str) -> None:
    rows = [f"540 {i} {f} 5 6 12 14 1.5 2.5".replace(" ", separator) for i in (1, 2) for f in (0, 1)]
    text(tmp_path / "scene" / "ground_truth.txt", "\n".join(rows))
    video(tmp_path / "scene" / "camera_0540" / "video.mp4", [10, 60, 110])
    pictures(tmp_path / "scene" / "camera_0540", "roi.jpg")
    samples, findings = read(tmp_path / "scene", "ai-city")
    assert samples.path == ("camera_0540/video.mp4",) * 4
    assert samples.frame_number.tolist() == [0, 1, 0, 1]
    assert "frames are taken to count from 0, as there is a frame 0" in findings.notes


def test_cameras_of_ai_city_that_are_not_there_are_named_or_counted(tmp_path: Path) -> None:
    file = text(tmp_path / "results" / "track1.txt", "\n".join(BOXES))
    cameras(tmp_path / "test", "c008", "c010/img1")
    assert "cameras without frames: 8, 9; " in refusal(file, "ai-city")
    with pytest.raises(UsageError, match=r"cameras without frames: 9; .* such as c009; give the folder of cameras"):
        read(file, "ai-city", root=tmp_path / "test")
    samples, findings = read(file, "ai-city", root=tmp_path / "test", on_bad_image="skip")
    assert samples.camera == ("c008", "c008")
    assert findings.boxes == {"of cameras that are not there": 6}
    cameras(tmp_path / "test", "old/c008")
    with pytest.raises(UsageError, match=r"camera 8 may be '.*/test/c008' or '.*/old/c008'; give a `root` with one"):
        read(file, "ai-city", root=tmp_path / "test", on_bad_image="skip")


def test_what_is_wrong_with_ai_city_is_named_with_its_line(tmp_path: Path) -> None:
    cameras(tmp_path, "c8")
    for rows, told in (
        (["8 1 1 5 6 12 14", "8 1 1 5 6 12 14"], "line 2 has a box of track 1 in frame 1, as line 1; keep one"),
        (
            ["8 1 1 5 6 12"],
            "line 1 has 6 fields, expected at least 7: camera, id, frame, left, top, width, height; write it",
        ),
        (["8 1.5 1 5 6 12 14"], "frame and id must be whole, got 1 and 1.5"),
        (["8 1 7 5 6 12 14"], "frame 7 is out of range"),
    ):
        assert told in refusal(text(tmp_path / "a.txt", "\n".join(rows)), "ai-city")
    text(tmp_path / "b.txt", "\n".join(BOXES))
    text(tmp_path / "a.txt", "\n".join(BOXES))
    assert "should hold one text whose lines begin with a camera, found 2" in refusal(tmp_path, "ai-city")


def test_a_text_that_may_be_of_two_formats_is_asked_about(tmp_path: Path) -> None:
    """Confidences in percent may be heights, and whole numbers of pixels frames."""
    file = text(tmp_path / "3.txt", "1,7,2,5,9,9,88\n2,7,3,5,9,9,91\n")
    for source in (file, tmp_path):
        with pytest.raises(UsageError, match=r"may be of MOTChallenge .*; say `format='mot'` or `format='ai-city'`"):
            recognise_source(source)
    cameras(tmp_path / "frames", "3", "c1", "c2")
    samples, _ = read_as(file, "mot", root=tmp_path / "frames")
    assert samples.path == ("3/000001.jpg", "3/000002.jpg")
    samples, _ = read_as(file, "ai-city", root=tmp_path / "frames")
    assert samples.path == ("c1/000002.jpg", "c2/000003.jpg")
    # beside the frames that it is called like there is no doubt, nor with a confidence of 1 at most
    file.rename(tmp_path / "frames" / "3.txt")
    assert recognise_source(tmp_path / "frames").format == "mot"
    assert recognise_source(text(tmp_path / "3.txt", "1,7,2,5,9,9,0.88\n2,7,3,5,9,9,0.91\n")).format == "mot"


def test_a_box_that_is_there_twice_makes_no_text_of_cameras(tmp_path: Path) -> None:
    cameras(tmp_path, "3")
    rows = [f"{frame},{track},{5 + track},5,9,9,90" for frame in (1, 2, 3) for track in (1, 2)]
    text(tmp_path / "3.txt", "\n".join([*rows, "3,2,8,5,9,9,80"]))
    assert recognise_source(tmp_path).format == "mot"
    assert "line 7 has a box of track 2 in frame 3, as line 6; keep one" in refusal(tmp_path, "mot")
    _, findings = read(tmp_path, "mot", on_bad_image="skip")
    assert findings.boxes == {"whose track has another in that frame": 1}


def test_sequences_of_mot_stay_such_beside_a_text_of_cameras(tmp_path: Path) -> None:
    build(tmp_path / "c001", "mot")
    text(tmp_path / "track1.txt", "\n".join(BOXES))
    assert recognise_source(tmp_path).format == "mot"


def test_kitti_is_read_with_its_types_and_without_what_it_does_not_care_for(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"image_02/0001/{number:06}.png" for number in (0, 1, 4)), "image_02/0002/000000.png")
    rows = [(0, 3, "Car"), (0, 4, "Pedestrian"), (0, -1, "DontCare"), (4, 3, "Car")]
    kitti(tmp_path / "label_02" / "0001.txt", *rows)
    samples, findings = read(tmp_path, "kitti")
    assert samples.path == ("image_02/0001/000000.png", "image_02/0001/000004.png", "image_02/0001/000000.png")
    assert (samples.camera, samples.category) == (("0001", "0001"), ("Car", "Car", "Pedestrian"))
    assert samples.frame_number.tolist() == [0, 4, 0]
    np.testing.assert_array_equal(samples.box[0], [4, 6, 20, 14])
    assert any("0001.txt': boxes of DontCare that are left out: 1" in note for note in findings.notes)
    assert findings.warnings[0] == "folders of pictures without boxes, left out: 1 ('0002')"
    assert "categories: 2 Car, 1 Pedestrian, all of which are taken" in findings.warnings[1]
    samples, findings = read(tmp_path, "kitti", category="Pedestrian")
    assert samples.path == ("image_02/0001/000000.png",)
    assert findings.boxes == {"of category Car": 2}


def test_any_type_of_kitti_tells_what_a_text_is(tmp_path: Path) -> None:
    kitti(tmp_path / "label_02" / "0001.txt", (0, 3, "Person_sitting"), (0, 4, "Car"))
    assert recognise_source(tmp_path).format == "kitti"


def test_results_of_kitti_have_scores_and_lie_apart_from_frames(tmp_path: Path) -> None:
    frames = pictures(tmp_path / "image_02", "0001/000000.png", "0001/000001.png")
    file = kitti(tmp_path / "results" / "0001.txt", (0, 3, "Car"), (1, 3, "Car"), score=" 7.5")
    for source in (file, file.parent):
        samples, _ = read(source, "kitti", root=frames)
        assert samples.score.tolist() == [7.5, 7.5]
    assert "has no sequence of KITTI: give the folder with label_02/0000.txt" in refusal(file, "kitti")
    kitti(file, (0, 3, "Car"), (2, 3, "Car"))
    with pytest.raises(
        UsageError, match=r"frame 2 is out of range: '.*0001' has 2 frames \(from 0\), none of this number"
    ):
        read(file, "kitti", root=frames)
    kitti(file, (0, -1, "DontCare"))
    with pytest.raises(UsageError, match="has no boxes: all 1 are DontCare"):
        read(file, "kitti", root=frames)
