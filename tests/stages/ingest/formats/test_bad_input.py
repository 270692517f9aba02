"""The same seven faults in every format of boxes: one line that names the file and row, and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest
from box_sources import voc_object
from miniatures import build

from schemas.parameters import IngestParameters
from stages.errors import DbcError
from stages.ingest.stage import ingest
from stages.runs.run_directory import RunDirectory, dataset_manifest

MD, YOLO, MOT, COCO, WILD = "results.json", "labels/1.txt", "gt/gt.txt", "coco.json", "metadata.csv"
VOC = "Annotations/1.xml"
OBSERVED, MEDIA = "observations.csv", "media.csv"
LOST = "media/1.jpg"

FAULTS: dict[str, dict[str, tuple[str, str, str, str]]] = {
    "broken": {
        "megadetector": (MD, "0.4]}]}]}", "0.4]}]}", "results.json' line 1 column "),
        "coco": (COCO, "[1, 2, 9, 9]", "[1, 2, 9", "coco.json' line 1 column "),
        "mot": (MOT, "2,4,4,3,20,20,1,1,1", "2,4,4,3", "gt.txt' line 3"),
        "wildlife-datasets": (WILD, '"[1, 2, 9, 9]"', '"[1, 2, 9', "metadata.csv' line "),
        "camtrap-dp": (OBSERVED, "0.25,0.5,0.5,0.25\n", "0.25,0.5,0.5,0.25,9,9\n", "observations.csv' line 2"),
        "voc": (VOC, "</annotation>", "", "Annotations/1.xml' is not XML: no element found: line 2, column 0; write"),
        "labelme": ("1.json", "[4, 6]", "[4, 6", "1.json' line 1 column "),
        "yolo": (YOLO, "0 0.5 0.5 0.5 0.5", "0 0.5 0.5 0.5", "labels/1.txt' line 1"),
    },
    "outside its picture": {
        "megadetector": (
            MD,
            "[0.1, 0.2, 0.5, 0.4]",
            "[1.1, 0.2, 0.5, 0.4]",
            "results.json image 1 detection 1: box [1.1",
        ),
        "coco": (COCO, "[1, 2, 9, 9]", "[50, 2, 9, 9]", "annotation '1': im/1.jpg is of 40×30 pixels, and box [50, 2"),
        "mot": (MOT, "2,4,4,3,20,20", "2,4,90,3,20,20", "gt.txt' line 3: img1/000002.jpg is of 40×30 pixels"),
        "wildlife-datasets": (
            WILD,
            "[1, 2, 9, 9]",
            "[1, 90, 9, 9]",
            "metadata.csv' line 2: im/1.jpg is of 40×30 pixels",
        ),
        "camtrap-dp": (
            OBSERVED,
            "0.25,0.5,0.5",
            "0.25,1.5,0.5",
            "observations.csv' line 2: box [0.25, 1.5, 0.5, 0.25]",
        ),
        "voc": (
            VOC,
            "<xmin>4</xmin><ymin>6</ymin><xmax>24<",
            "<xmin>44</xmin><ymin>6</ymin><xmax>64<",
            "object 1: JPEGI",
        ),
        "labelme": (
            "1.json",
            "[[4, 6], [24, 26]]",
            "[[44, 6], [64, 26]]",
            "shape 1: 1.jpg is of 40×30 pixels, and box [44, 6",
        ),
        "yolo": (YOLO, "0 0.5 0.5 0.5 0.5", "0 1.5 0.5 0.5 0.5", "labels/1.txt' line 1: box [1.25, 0.25, 0.5, 0.5]"),
    },
    "without its picture": {
        "megadetector": (
            MD,
            "site1/1.jpg",
            "site1/9.jpg",
            "results.json image 1 detection 1: 'site1/9.jpg' does not exist",
        ),
        "coco": (COCO, "im/1.jpg", "im/9.jpg", "coco.json' annotation '1': 'im/9.jpg' does not exist"),
        "mot": (MOT, "", "img1/000002.jpg", "gt.txt' line "),
        "wildlife-datasets": (WILD, "im/2.jpg", "im/9.jpg", "metadata.csv' line 3: 'im/9.jpg' does not exist"),
        "camtrap-dp": (MEDIA, "media/1.jpg", "media/9.jpg", "line 2: 'media/9.jpg' does not exist"),
        "voc": (VOC, "", "JPEGImages/1.jpg", "Annotations/1.xml': the boxes of this file have no picture; restore"),
        "labelme": ("1.json", "", "1.jpg", "1.json': the boxes of this file have no picture; restore"),
        "yolo": (YOLO, "", "images/1.jpg", "labels/1.txt' line 1: the boxes of this file have no picture; restore"),
    },
    "in another dialect": {
        "megadetector": (
            MD,
            "[0.1, 0.2, 0.5, 0.4]",
            "[4, 6, 20, 12]",
            "detection 1: box [4, 6, 20, 12] should be in shares",
        ),
        "coco": (COCO, "[1, 2, 9, 9]", "[0.1, 0.2, 0.3, 0.4]", "annotation '1': box [0.1, 0.2, 0.3, 0.4] should be"),
        "mot": (MOT, "1,4,4,3,20,20,1,1,1", "0 4 Car 0 0 1.5 4 3 20 20", "gt.txt' line 1"),
        "wildlife-datasets": (WILD, "[1, 2, 9, 9]", "[0.1, 0.2, 0.3, 0.4]", "metadata.csv' line 2: box [0.1, 0.2"),
        "camtrap-dp": (OBSERVED, "0.25,0.5,0.5,0.25", "10,15,20,8", "line 2: box [10, 15, 20, 8] should be in shares"),
        "voc": (
            VOC,
            "<xmin>4</xmin><ymin>6</ymin><xmax>24<",
            "<xmin>left</xmin><ymin>6</ymin><xmax>24<",
            "['left', '6'",
        ),
        "labelme": (
            "1.json",
            "[4, 6]",
            '{"x": 4, "y": 6}',
            "shape 1: point \"{'x': 4, 'y': 6}\" is not [x, y] in pixels",
        ),
        "yolo": (YOLO, "0 0.5 0.5 0.5 0.5", "0 20 15 20 15", "line 1: box [10, 7.5, 20, 15] should be in shares"),
    },
    "twice": {
        "megadetector": (
            MD,
            "[0.2, 0.2,",
            "[0.1, 0.2,",
            "detection 2 and results.json image 1 detection 1 are the same box",
        ),
        "coco": (
            COCO,
            '{"id": 2, "category_id": 1, "image_id": 2, "name": "b"}',
            '{"id": 2, "category_id": 1, "image_id": 1, "name": "a", "bbox": [1, 2, 9, 9]}',
            "annotation '1' are the same box of 'im/1.jpg'",
        ),
        "mot": (MOT, "1,5,5,3,20,20,1,1,1", "1,4,4,3,20,20,1,1,1", "gt.txt' line 2 has a box of track 4"),
        "wildlife-datasets": (WILD, "im/2.jpg,b,", 'im/1.jpg,a,"[1, 2, 9, 9]"', "metadata.csv' line 3 and "),
        "camtrap-dp": (OBSERVED, "o2,d2,m2,e2,", "o1,d2,m2,e2,", "line 3 has observationid 'o1', as line 2"),
        "voc": (
            VOC,
            "<depth>3</depth></size>",
            f"<depth>3</depth></size>{voc_object((4, 6, 24, 26))}",
            "the same box of",
        ),
        "labelme": (
            "1.json",
            '"flags": {}, "imagePath"',
            '"shapes": [{"label": "a", "points": [[1, 2], [9, 9]]}, {"label": "a", "points": [[1, 2], [9, 9]]}], "imagePath"',
            "shape 2 and ",
        ),
        "yolo": (YOLO, "0 0.5 0.5 0.5 0.5\n", "0 0.5 0.5 0.5 0.5\n" * 2, "labels/1.txt' line 1 are the same box of"),
    },
    "in a frame that is not there": {
        "megadetector": (MD, '"conf": 0.9,', '"conf": 0.9, "frame_number": -3,', "results.json image 1 detection 1"),
        "coco": (
            COCO,
            '"height": 30}, {',
            '"height": 30, "frame_num": -3}, {',
            "coco.json' annotation '1': frame_num -3",
        ),
        "mot": (MOT, "3,4,4,3,20", "7,4,4,3,20", "gt.txt' line 5: frame 7 is out of range"),
    },
}
"""By fault and format: the file, what of it is replaced by what, and what the line says; a file is removed if nothing is."""
EMPTY = {
    "megadetector": (
        MD,
        '{"detection_categories": {"1": "animal"}, "images": [{"file": "site1/1.jpg", "detections": []}]}',
    ),
    "coco": (COCO, '{"images": [{"id": 1, "file_name": "im/1.jpg"}], "annotations": [], "categories": []}'),
    "mot": (MOT, ""),
    "wildlife-datasets": (WILD, "path,identity,bbox\n"),
    "camtrap-dp": (OBSERVED, "observationID,deploymentID,mediaID,observationLevel,observationType\n"),
    "labelme": ("1.json", '{"shapes": [], "imagePath": "1.jpg", "imageData": null}'),
    "voc": (VOC, "<annotation><filename>1.jpg</filename></annotation>"),
    "yolo": (YOLO, ""),
}
CASES = [(name, fault) for fault, formats in FAULTS.items() for name in formats]


def refused(source: Path, name: str, run: Path) -> str:
    """The one line with which reading `source` ends."""
    parameters = IngestParameters(format=name, height=8, width=8)  # type: ignore[arg-type]
    with pytest.raises(DbcError) as caught:
        ingest(RunDirectory(run), source=source, parameters=parameters)
    assert not [*run.rglob("*.zarr"), *run.rglob(".*")]
    told = str(caught.value)
    assert "\n" not in told
    return told


def broken(folder: Path, name: str, fault: str) -> tuple[Path, str]:
    """The miniature of the format `name` with a fault, and what the line about it says."""
    source = build(folder, name)
    file, old, new, told = FAULTS[fault][name]
    if old:
        text = (source / file).read_text()
        assert old in text
        (source / file).write_text(text.replace(old, new, 1))
    else:
        (source / new).unlink()
    return source, told


@pytest.mark.parametrize(("name", "fault"), CASES, ids=[f"{name}-{fault}" for name, fault in CASES])
def test_a_fault_is_one_line_with_file_and_row_and_nothing_is_written(tmp_path: Path, name: str, fault: str) -> None:
    source, told = broken(tmp_path / "source", name, fault)
    assert told in refused(source, name, tmp_path / "run")


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("fault", ["outside its picture", "without its picture"])
def test_bad_boxes_and_pictures_are_counted_if_they_are_skipped(tmp_path: Path, name: str, fault: str) -> None:
    source, _ = broken(tmp_path / "source", name, fault)
    skipping = IngestParameters(format=name, height=8, width=8, on_bad_image="skip")  # type: ignore[arg-type]
    made = ingest(RunDirectory(tmp_path / "run"), source=source, parameters=skipping)
    assert made.artifact is not None
    summary = dataset_manifest(made.artifact).summary
    assert summary.n_images > 0
    assert sum(summary.boxes.values()) > 0


@pytest.mark.parametrize("name", EMPTY)
def test_a_source_without_boxes_is_refused_by_name(tmp_path: Path, name: str) -> None:
    source = build(tmp_path / "source", name)
    file, text = EMPTY[name]
    beside = {"labelme": "2.json", "voc": "Annotations/2.xml", "yolo": "labels/2.txt"}
    for other in (file, *([beside[name]] if name in beside else ())):
        (source / other).write_text(text)
    assert Path(file).name in refused(source, name, tmp_path / "run") or name in beside
