"""LabelMe's files of shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from box_sources import labelme, pictures, read, read_as, refusal, shape, text

from stages.errors import UsageError
from stages.ingest.formats import recognise_source


def test_shapes_are_boxes_around_their_points_and_the_picture_in_the_file_is_passed_over(tmp_path: Path) -> None:
    pictures(tmp_path, "x.jpg", "y.jpg", "z.jpg")
    outline = shape([9.5, 2], [3, 20], [12, 8], kind="polygon", label="lion", score=0.25, attributes={"view": "left"})
    others = (
        shape([1, 1], [4, 4], kind="circle"),
        shape([1, 1], kind="point"),
        shape([1, 1], [4, 4], label="__ignore__"),
    )
    labelme(tmp_path / "x.json", shape([21, 12.5], [1, 2]), outline, *others, imageData="A" * 100_000)
    labelme(tmp_path / "y.json")
    text(tmp_path / "classes.json", '["zebra", "lion"]')
    samples, findings = read(tmp_path, "labelme")
    assert samples.path == ("x.jpg", "x.jpg")
    np.testing.assert_array_equal(samples.box, [[1, 2, 20, 10.5], [3, 2, 9, 18]])
    assert samples.category == ("zebra", "lion")
    assert samples.view_name == ("", "left")
    np.testing.assert_array_equal(samples.score, [np.nan, 0.25])
    assert findings.boxes == {f"that are of the shape {kind}": 1 for kind in ("circle", "point")} | {
        "labelled __ignore__": 1
    }
    assert {
        "pictures left out: 1 without a .json file, 1 without boxes; of 3",
        ".json files that are not of LabelMe, left out: 1",
    } <= {*findings.notes}
    (tmp_path / "classes.json").unlink()
    assert recognise_source(tmp_path).others == ("folder",)


def test_parts_of_one_group_are_one_box_of_their_label(tmp_path: Path) -> None:
    for name in ("x", "y"):
        pictures(tmp_path, f"{name}.jpg")
        parts = [shape([x, 2], [x + 4, 9], group_id=0, individual=name) for x in (1, 20)]
        labelme(tmp_path / f"{name}.json", *parts, shape([5, 5], [9, 9], group_id=0, label="lion"))
    samples, findings = read(tmp_path, "labelme")
    np.testing.assert_array_equal(samples.box, [[1, 2, 23, 7], [5, 5, 4, 4]] * 2)
    # a group is of one picture
    assert len(samples) == 4
    assert "shapes that are one with an earlier one of their label and group_id: 2" in findings.notes


@pytest.mark.parametrize("named", ["../pics/1.png", "..\\pics\\1.png"])
def test_the_picture_may_be_the_one_that_the_file_names(tmp_path: Path, named: str) -> None:
    pictures(tmp_path, "pics/1.png")
    labelme(tmp_path / "saved" / "1.json", shape([1, 2], [9, 9]), imagePath=named)
    assert read(tmp_path, "labelme")[0].path == ("pics/1.png",)
    assert read(tmp_path / "saved", "labelme", root=tmp_path / "pics")[0].path == ("1.png",)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (shape([1, 2]), "1.json' shape 1 has 1 points, expected two or more; draw it anew"),
        (shape([1, 2], [3, "x"]), "1.json' shape 1: point \"[3, 'x']\" is not [x, y] in pixels; correct it"),
        ([], "1.json' shape 1 is no object with label and points; write the file anew"),
        (shape([1, 2], [3, 4], label=["a"]), "1.json' shape 1: label ['a'] is neither text nor a number"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_shape_is_named(tmp_path: Path, wrong: dict[str, object], told: str) -> None:
    labelme(pictures(tmp_path, "1.jpg") / "1.json", wrong)
    assert told in refusal(tmp_path, "labelme")


def test_a_file_alone_is_no_source_and_other_formats_come_first(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    file = labelme(tmp_path / "1.json", shape([1, 2], [9, 9]))
    with pytest.raises(UsageError, match="of LabelMe give the folder"):
        recognise_source(file)
    text(tmp_path / "1.txt", "0 0.5 0.5 0.2 0.4\n")
    assert recognise_source(tmp_path).others == ("labelme", "folder")
    assert len(read_as(tmp_path, "labelme")[0]) == 1
