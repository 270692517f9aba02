"""Frames of videos: whole, or where boxes say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from box_sources import read, read_as, refusal, text, video

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.decode.crops import BadImageError, Crop, Region
from stages.ingest.decode.video_file import frame_seconds, read_frames, video_crops
from stages.ingest.formats import recognise_source
from stages.ingest.formats.video import frames_taken

LEVELS = [10, 60, 110, 160, 210]
"""The grey level of each frame, 5 a second."""


def test_frames_are_read_once_in_order_and_those_beyond_the_end_are_told(tmp_path: Path) -> None:
    file = video(tmp_path / "a.mp4", LEVELS)
    np.testing.assert_allclose(frame_seconds(file), np.arange(5) / 5, atol=1e-6)
    *found, beyond = read_frames(file, [1, 3, 7])
    assert [round(float(np.asarray(image).mean()) / 10) for image in found if not isinstance(image, BadImageError)] == [
        6,
        16,
    ]
    assert isinstance(beyond, BadImageError)
    assert str(beyond) == "has 5 frames, of which 8 is out of range"
    assert list(read_frames(file, [])) == []


def test_regions_of_a_video_are_those_of_its_frames(tmp_path: Path) -> None:
    file = video(tmp_path / "a.mp4", LEVELS)
    regions = [
        Region(frame=0),
        Region((4, 2, 8, 8), frame=2),
        Region((90, 2, 8, 8), frame=2),
        Region((0, 0, 1, 1), True, 9),
    ]
    whole, part, outside, beyond = video_crops(file, regions, pad=0, height=4, width=4)
    assert isinstance(whole, Crop)
    assert isinstance(part, Crop)
    assert (whole.window.rectangle, part.window.rectangle) == ((0, 0, 32, 24), (4, 2, 12, 10))
    assert abs(np.frombuffer(part.pixels, dtype=np.uint8).mean() - 110) < 8
    assert "lies outside of it" in str(outside)
    assert "has 5 frames, of which 10 is out of range" in str(beyond)


def test_whole_frames_are_taken_by_time_or_number(tmp_path: Path) -> None:
    video(tmp_path / "b" / "north.mp4", LEVELS * 3)
    video(tmp_path / "b" / "south.MKV", LEVELS)
    samples, findings = read(tmp_path / "b", "video")
    assert samples.path == ("north.mp4",) * 3 + ("south.MKV",)
    assert samples.frame_number.tolist() == [0, 5, 10, 0]
    assert samples.camera == ("north",) * 3 + ("south",)
    assert "whole frames of 2 videos, one every 1 second" in findings.notes
    samples, _ = read(tmp_path / "b" / "south.MKV", "video", every_frames=2)
    assert samples.frame_number.tolist() == [0, 2, 4]


def test_frames_come_by_time_in_films_of_changing_rate() -> None:
    taken = frames_taken([0.0, 0.1, 0.9, 1.0, 1.1, 4.0, 4.1], IngestParameters(format="video", every_seconds=1))
    assert taken == [0, 3, 5, 6]


def test_what_is_no_video_is_told_or_counted(tmp_path: Path) -> None:
    text(tmp_path / "a.mp4", "no video")
    video(tmp_path / "b.mp4", LEVELS)
    assert "'a.mp4' cannot be decoded as a video: Invalid data found when" in refusal(tmp_path, "video")
    for content, told in (
        ("", "is empty (0 bytes)"),
        ("<html>", "is not a video but a web page, as a failed download"),
    ):
        text(tmp_path / "a.mp4", content)
        assert f"'a.mp4' {told}" in refusal(tmp_path, "video")
    samples, findings = read(tmp_path, "video", on_bad_image="skip")
    assert samples.path == ("b.mp4",)
    assert findings.boxes == {"videos that cannot be read": 1}
    assert findings.notes[0].startswith("whole frames of 1 video,")
    assert "give `every_seconds` or `every_frames`, not both" in refusal(
        tmp_path, "video", every_seconds=1, every_frames=1
    )
    (tmp_path / "none").mkdir()
    assert "holds no video files" in refusal(tmp_path / "none", "video")
    assert recognise_source(tmp_path / "none").format == "folder"


def test_a_video_stands_in_for_the_pictures_of_a_sequence(tmp_path: Path) -> None:
    video(tmp_path / "S" / "film.mp4", LEVELS)
    text(tmp_path / "S" / "gt" / "gt.txt", "2,1,1,1,9,9,1,1,1\n3,1,2,1,9,9,1,1,1\n")
    samples, _ = read(tmp_path / "S", "mot")
    assert samples.path == ("film.mp4", "film.mp4")
    assert samples.frame_number.tolist() == [1, 2]
    assert samples.frame_start.tolist() == [0, 2]
    video(tmp_path / "T" / "north.mp4", LEVELS)
    text(tmp_path / "T" / "north.txt", "1,1,1,1,9,9,-1,-1,-1,-1\n")
    assert read(tmp_path / "T", "mot")[0].path == ("north.mp4",)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", "1;1;1;1;9;9\n", "'a.txt' is not read: it has no boxes as MOTChallenge writes them, because"),
        ("a.txt", "", "'a.txt' is not read: it is empty, where a tracker's boxes would be"),
        (
            "a.csv",
            "frame,id,x,y,w,h\n1,1,1,1,9,9\n",
            "a tracker's boxes are read from a.txt, written as MOTChallenge does",
        ),
        ("a.txt", "the camera at the pond, 2 m above it\n", None),
        ("b.txt", "1;1;1;1;9;9\n", None),
        ("a_tracks.txt", "1,1,1,1,9,9\n", "call them as what they are of, such as a.txt, and say `format='mot'`"),
    ],
)
def test_boxes_beside_a_video_that_are_not_read_are_named(
    tmp_path: Path, name: str, content: str, told: str | None
) -> None:
    video(tmp_path / "a.mp4", LEVELS)
    text(tmp_path / name, content)
    _, findings = read(tmp_path, "video")
    assert [told in each for each in findings.warnings if told] == ([True] if told else [])
    assert len(findings.warnings) == (told is not None)
    assert findings.left_out == {f".{name.rpartition('.')[2]}": 1}


def test_boxes_of_the_sequence_are_named_where_whole_frames_are_asked_for(tmp_path: Path) -> None:
    video(tmp_path / "a.mp4", LEVELS)
    text(tmp_path / "a.txt", "1,1,1,1,9,9\n")
    _, findings = read_as(tmp_path, "video")
    assert "give its folder with `format='mot'`" in findings.warnings[0]


def test_a_video_without_pyav_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = video(tmp_path / "a.mp4", LEVELS)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UsageError) as caught:
        frame_seconds(file)
    assert str(caught.value) == 'a.mp4 is a video, which needs PyAV: pip install ".[video]"'
