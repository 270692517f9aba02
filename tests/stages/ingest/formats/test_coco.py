"""COCO, COCO Camera Traps and Wild Me's COCO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from box_sources import coco, read, refusal, text

from stages.samples import UNKNOWN

BOX = [4, 3, 20, 10]


def test_camera_traps_have_cameras_encounters_times_and_empty_pictures(tmp_path: Path) -> None:
    source = coco(
        tmp_path,
        [{"image_id": 1, "bbox": BOX}, {"image_id": 2, "category_id": 0}],
        location="north",
        seq_id="s7",
        datetime="2021-03-01 06:07:08",
    )
    samples, findings = read(source, "coco")
    assert samples.path == ("im/1.jpg",)
    np.testing.assert_array_equal(samples.box, [BOX])
    assert (samples.camera, samples.encounter_name) == (("north",), ("s7",))
    assert samples.timestamp == ("2021-03-01T06:07:08",)
    assert "annotations left out: 1 of category empty" in findings.notes


def test_wild_me_has_names_and_viewpoints(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"image_id": 1, "bbox": BOX, "name": "Zola", "viewpoint": "left"},
        {"image_id": 1, "bbox": [0, 0, 5, 5], "name": "____", "viewpoint": "right"},
        {"image_id": 2, "bbox": BOX, "individual_ids": [12]},
        {"image_id": 2, "name": "Zola"},
    ]
    samples, _ = read(coco(tmp_path, rows), "coco")
    assert samples.path == ("im/1.jpg", "im/1.jpg", "im/2.jpg", "im/2.jpg")
    # in order of box: the whole picture comes first
    assert samples.identity == ("", "Zola", "Zola", "12")
    assert samples.view_name == ("right", "left", "", "")
    assert samples.pid[0] == UNKNOWN
    assert np.isnan(samples.box[2]).all()


def test_a_file_is_a_source_too_and_pictures_may_lie_in_images_or_elsewhere(tmp_path: Path) -> None:
    coco(tmp_path / "data", [{"image_id": 1, "bbox": BOX, "score": 0.5}])
    (tmp_path / "data" / "im").rename(tmp_path / "im")
    samples, _ = read(tmp_path / "data" / "coco.json", "coco", root=tmp_path)
    assert samples.path == ("im/1.jpg",)
    assert samples.score.tolist() == [0.5]
    (tmp_path / "data" / "images").mkdir()
    (tmp_path / "im").rename(tmp_path / "data" / "images" / "im")
    assert read(tmp_path / "data", "coco")[0].path == ("images/im/1.jpg",)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"image_id": 9, "bbox": BOX}], "annotation '1' is of image 9, which `images` does not list"),
        ([{"image_id": 1, "id": 4}, {"image_id": 1, "id": 4}], "annotations[1] has id 4 like an earlier one"),
        ([{"bbox": BOX}], "annotations[0] lacks `id` or `image_id`"),
        ([{"image_id": 1, "bbox": BOX, "individual_ids": [1, 2]}], "has 2 individual_ids"),
        ([{"image_id": 1, "bbox": BOX, "score": "high"}], "score 'high' is not a number"),
        ([{"image_id": 1, "category_id": 0}], "has no annotations of animals"),
        ([], "has no annotations of animals"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, rows: list[dict[str, Any]], told: str) -> None:
    assert told in refusal(coco(tmp_path, rows), "coco")


def test_two_documents_and_other_documents_are_refused(tmp_path: Path) -> None:
    whole = (coco(tmp_path, [{"image_id": 1, "bbox": BOX}]) / "coco.json").read_text()
    text(tmp_path / "b.json", whole)
    assert "should hold one COCO file, found 2 (b.json, coco.json)" in refusal(tmp_path, "coco")
    assert "expected an object" in refusal(text(tmp_path / "x.json", "[]"), "coco")
    assert "has no list `annotations`" in refusal(text(tmp_path / "y.json", json.dumps({"images": []})), "coco")


def test_a_whole_picture_is_one_sample_or_none(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"image_id": 1}, {"image_id": 1, "name": "Zola"}, {"image_id": 2, "name": "a"}]
    samples, findings = read(coco(tmp_path / "a", rows), "coco")
    assert dict(zip(samples.path, samples.identity, strict=True)) == {"im/1.jpg": "Zola", "im/2.jpg": "a"}
    assert "annotations left out: 1 of pictures that are listed before" in findings.notes
    samples, findings = read(coco(tmp_path / "b", [*rows, {"image_id": 2, "name": "b"}]), "coco")
    assert samples.path == ("im/1.jpg",)
    assert any("2 of several individuals in one picture without boxes" in note for note in findings.notes)


def test_tracks_and_frames_are_kept(tmp_path: Path) -> None:
    rows = [{"image_id": number, "bbox": BOX, "track_id": 7} for number in (2, 1)]
    samples, _ = read(coco(tmp_path, rows, video_id=3), "coco")
    assert samples.frame_start.tolist() == [0, 2]
    untracked = [row | {"track_id": -1} for row in rows]
    assert len(read(coco(tmp_path / "untracked", untracked, video_id=3), "coco")[0]) == 2
    samples, _ = read(coco(tmp_path, rows[:1], frame_num=5), "coco")
    assert samples.frame_number.tolist() == [5]


def test_wild_me_keeps_annotations_and_pictures_in_folders_of_their_own(tmp_path: Path) -> None:
    coco(tmp_path, [{"image_id": 1, "bbox": BOX}])
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images" / "train2022").mkdir(parents=True)
    (tmp_path / "coco.json").rename(tmp_path / "annotations" / "instances_train2022.json")
    (tmp_path / "im").rename(tmp_path / "images" / "train2022" / "im")
    assert read(tmp_path, "coco")[0].path == ("images/train2022/im/1.jpg",)
    file = tmp_path / "annotations" / "instances_train2022.json"
    assert read(file, "coco", root=tmp_path)[0].path == ("images/train2022/im/1.jpg",)


def test_boxes_of_larger_pictures_are_scaled(tmp_path: Path) -> None:
    rows = [{"image_id": 1, "bbox": [40, 30, 200, 100]}]
    samples, findings = read(coco(tmp_path, rows, width=400, height="300"), "coco")
    np.testing.assert_allclose(samples.box, [[0.1, 0.1, 0.5, 1 / 3]])
    assert any("it says 400×300 pixels, 'im/1.jpg' has 40×30" in note for note in findings.notes)
    for unknown in (0, None, "wide"):
        samples, _ = read(coco(tmp_path, [{"image_id": 1, "bbox": BOX}], width=unknown), "coco")
        np.testing.assert_array_equal(samples.box, [BOX])


def test_a_category_that_is_not_listed_is_told(tmp_path: Path) -> None:
    rows = [{"image_id": 1, "bbox": BOX}, {"image_id": 2, "bbox": BOX, "category_id": 9}]
    _, findings = read(coco(tmp_path, rows), "coco")
    assert "does not list, and so of none: 1, the first" in findings.warnings[0]
    assert findings.warnings[0].endswith("coco.json' annotation '2' of 9")


@pytest.mark.parametrize("names", [("north", "south"), ("north", "north")])
@pytest.mark.parametrize("field", ["instance_id", "track_id"])
def test_coco_vid_has_cameras_tracks_and_frames(tmp_path: Path, field: str, names: tuple[str, str]) -> None:
    source = coco(tmp_path, [{"image_id": each, "bbox": BOX, field: 7} for each in (1, 2)])
    assert len(read(source, "coco")[0]) == (2 if field == "instance_id" else 1)
    content = json.loads((source / "coco.json").read_text())
    for number, image in enumerate(content["images"]):
        image.update(video_id=1, frame_id=number)
    content["videos"] = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    text(source / "coco.json", json.dumps(content))
    samples, findings = read(source, "coco")
    assert (samples.camera, samples.frame_number.tolist(), samples.frame_start.tolist()) == (("north",), [0, 1], [0, 2])
    assert any(note.startswith("videos are the cameras of pictures without a location") for note in findings.notes)
    # two videos of one name
    content["images"][1]["video_id"] = 2
    text(source / "coco.json", json.dumps(content))
    assert len(read(source, "coco")[0]) == 2


def test_frames_of_coco_vid_count_from_one_and_videos_are_named_by_their_files(tmp_path: Path) -> None:
    # as ByteTrack writes it
    source = coco(tmp_path, [{"image_id": each, "bbox": BOX, "track_id": 7, "conf": 0.5} for each in (1, 2)])
    content = json.loads((source / "coco.json").read_text())
    for number, image in enumerate(content["images"], start=1):
        image.update(video_id=3, frame_id=number)
    for videos, camera in (
        ([{"id": 3, "file_name": "day1/camA.mp4"}], ("day1/camA",)),
        ([{"id": 3}], ("3",)),
        ([], ()),
    ):
        text(source / "coco.json", json.dumps(content | {"videos": videos}))
        samples, findings = read(source, "coco")
        assert (samples.camera, samples.frame_number.tolist(), samples.score.tolist()) == (camera, [0, 1], [0.5] * 2)
        assert (
            "no picture has frame 0, the least is 1, so frames are taken to count from 1, in all videos"
            in findings.notes
        )
        assert not findings.warnings
    # the first picture counts although it has no box
    content["annotations"] = content["annotations"][1:]
    for number, expected in ((2, 1), (3, 2)):
        content["images"][1]["frame_id"] = number
        text(source / "coco.json", json.dumps(content))
        assert read(source, "coco")[0].frame_number.tolist() == [expected]
    content["images"][0]["frame_id"] = 2
    text(source / "coco.json", json.dumps(content))
    assert "the least is 2" in read(source, "coco")[1].warnings[0]
    # as pandas, and those who write ids as texts, do
    for first, second, expected in ((1.0, 3.0, 2), ("1", "3", 2), ("0", 3, 3), (float("nan"), 2.0, 1)):
        content["images"][0]["frame_id"], content["images"][1]["frame_id"] = first, second
        text(source / "coco.json", json.dumps(content))
        assert read(source, "coco")[0].frame_number.tolist() == [expected]
    content["images"][1]["frame_id"] = "a_0003"
    text(source / "coco.json", json.dumps(content))
    samples, findings = read(source, "coco")
    assert not len(samples.frame_number)
    assert findings.warnings[0] == "frames of pictures that are no numbers, taken for missing: 1, such as 'a_0003'"


def test_crowds_outlines_without_a_box_and_fields_that_are_not_read_are_told(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"image_id": 1, "bbox": BOX, "iscrowd": 1, "name": "Ada", "individual_id": 7},
        {"image_id": 1, "bbox": [0, 0, 5, 5], "iscrowd": 0, "attributes": {"Individual": "Ada", "track_id": None}},
        {"image_id": 2, "segmentation": [[1, 1, 5, 1, 5, 5]], "viewpoint": "left"},
    ]
    assert read(coco(tmp_path, rows), "coco")[1].warnings == [
        "annotations with iscrowd, as of several animals at once, each taken for one: 1",
        "annotations with an outline and no bbox, taken for whole pictures: 1",
        "fields of annotations that are not read: 1 attributes.Individual, 1 individual_id; `dbc ingest` reads name (the "
        "individual), viewpoint and track_id beside bbox",
    ]


def test_annotations_of_pictures_that_are_not_listed_are_counted_if_bad_images_are_skipped(tmp_path: Path) -> None:
    source = coco(tmp_path, [{"image_id": 1, "bbox": BOX}, {"image_id": 9, "bbox": BOX}])
    assert "correct it, or leave such annotations out with `on_bad_image='skip'`" in refusal(source, "coco")
    samples, findings = read(source, "coco", on_bad_image="skip")
    assert len(samples) == 1
    assert "annotations left out: 1 of pictures that are not listed" in findings.notes
    assert "pictures without an annotation: 1" in findings.notes
