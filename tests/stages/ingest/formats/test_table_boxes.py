"""Tables with boxes and details of images, and patterns that say who and where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from box_sources import read_as
from miniatures import write
from PIL import Image

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats import read_samples
from stages.ingest.formats.format import Findings
from stages.samples import GALLERY, TRAIN, UNKNOWN, Samples


def boxed(root: Path, text: str, **parameters: object) -> Samples:
    write(root, ["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    (root / "samples.csv").write_text(text)
    return read_samples(root, parameters=IngestParameters(format="csv", **parameters))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("header", "first", "second"),
    [
        ("left,top,width,height", "1,2,3,4", "5,0,2,2"),
        ("x,y,w,h", "1,2,3,4", "5,0,2,2"),
        ("xmin,ymin,xmax,ymax", "1,2,4,6", "5,0,7,2"),
        ("x1,y1,x2,y2", "1,2,4,6", "5,0,7,2"),
    ],
)
def test_boxes_may_be_named_in_four_ways(tmp_path: Path, header: str, first: str, second: str) -> None:
    samples = boxed(tmp_path, f"path,{header},pid\nb.jpg,{first},x\na.jpg,,,,,y\nb.jpg,{second},y\n")
    assert samples.path == ("a.jpg", "b.jpg", "b.jpg")
    assert samples.box[1:].tolist() == [[1, 2, 3, 4], [5, 0, 2, 2]]
    assert np.isnan(samples.box[0]).all()
    assert not samples.is_relative.any()
    assert samples.identity == ("y", "x", "y")


def test_boxes_that_never_exceed_one_are_shares(tmp_path: Path) -> None:
    samples = boxed(tmp_path, "path,x,y,w,h\na.jpg,0,0,1,1\nb.jpg,0.5,0.25,0.5,0.5\n")
    assert samples.is_relative.all()


def test_a_box_in_shares_among_others_in_pixels_is_told(tmp_path: Path) -> None:
    findings = Findings()
    write(tmp_path, ["a.jpg", "b.jpg"])
    (tmp_path / "samples.csv").write_text("path,x,y,w,h\na.jpg,1,1,50,50\nb.jpg,0.1,0.1,0.5,0.5\n")
    read_samples(tmp_path, parameters=IngestParameters(format="csv"), findings=findings)
    assert "boxes of one pixel or less: 1 of 2, the first" in findings.warnings[0]
    assert "samples.csv' line 3, [0.1, 0.1, 0.5, 0.5]; if they are shares" in findings.warnings[0]


@pytest.mark.parametrize("box", ["", "1,1,2,2"])
def test_pictures_of_one_name_are_taken_from_folders_called_as_their_cameras(tmp_path: Path, box: str) -> None:
    write(tmp_path, ["A/x/1.jpg", "B/x/1.jpg", "1.jpg"])
    header = "path,station,left,top,width,height" if box else "path,station"
    rows = [f"{path},{camera},{box}".rstrip(",") for path in ("1.jpg", "x/1.jpg") for camera in "AB"]
    table, findings = tmp_path / "samples.csv", Findings()
    table.write_text("\n".join([header, *rows[2:]]) + "\n")
    samples = read_samples(table, parameters=IngestParameters(format="csv"), findings=findings)
    assert (samples.path, samples.camera) == (("A/x/1.jpg", "B/x/1.jpg"), ("A", "B"))
    assert (
        "pictures that are not where their paths lead, taken from folders called as their camera: 2, the first 'x/1.jpg' "
        "as 'A/x/1.jpg'"
    ) in findings.notes
    table.write_text("\n".join([header, *rows[:2]]) + "\n")
    with pytest.raises(
        UsageError, match=r"line 3: '1\.jpg' is of camera 'B', and of 'A' in .* line 2; 1 picture so; if"
    ):
        read_samples(table, parameters=IngestParameters(format="csv"))
    by_pattern = IngestParameters(format="csv", camera_pattern=".")
    if box:
        with pytest.raises(UsageError, match="are the same box of"):
            read_samples(table, parameters=by_pattern)


def test_boxes_of_one_picture_may_be_of_several_cameras(tmp_path: Path) -> None:
    write(tmp_path, ["1.jpg"])
    table, findings = tmp_path / "samples.csv", Findings()
    rows = [
        f"1.jpg,{camera},{box}" for camera, box in [("A", "0,0,9,9"), ("B", "9,9,9,9"), ("B", "0,0,9,9"), ("B", ",,,")]
    ]
    header = "path,camera,x,y,w,h"
    table.write_text("\n".join([header, *rows[:2]]))
    assert read_samples(table, parameters=IngestParameters(format="csv"), findings=findings).camera == ("A", "B")
    assert "pictures with boxes of different cameras: 1, the first '1.jpg'; if cameras have" in findings.warnings[0]
    for wrong in rows[2:]:
        table.write_text("\n".join([header, *rows[:2], wrong]))
        with pytest.raises(
            UsageError, match=r"line 4: '1\.jpg' is of camera 'B', and of 'A' in .* line 2; 1 picture so;"
        ):
            read_samples(table, parameters=IngestParameters(format="csv"))


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas_between_other_delimiters_are_told(tmp_path: Path, delimiter: str) -> None:
    findings = Findings()
    write(tmp_path, ["a.jpg"])
    rows = ["path;score;left;top;width;height", "a.jpg;0,95;1,5;2;1,234;20", "a.jpg;NA;2,125;0,5;20;20"]
    (tmp_path / "samples.csv").write_text("\n".join(rows).replace(";", delimiter))
    samples = read_samples(tmp_path, parameters=IngestParameters(format="csv"), findings=findings)
    assert samples.box.tolist() == [[1.5, 2, np.float32(1.234), 20], [2.125, 0.5, 20, 20]]
    assert "samples.csv': commas in score, left, top, width are taken for decimal points" in findings.notes[0]


def test_commas_that_may_be_of_thousands_or_beside_points_are_refused(tmp_path: Path) -> None:
    for cells in ("1,234;2,500", "1.5;2,5"):
        one, other = cells.split(";")
        with pytest.raises(UsageError, match="is not a number; write a point in place of the comma"):
            boxed(tmp_path, f"path;x;y;w;h\na.jpg;{one};2;20;20\na.jpg;{other};2;20;20\n")


def test_details_are_kept_with_boxes_and_without(tmp_path: Path) -> None:
    rows = "path,frame,timestamp,score,encounter,view{}\nb.jpg,7,2024-05-31 07:15,0.5,e1,left{}\na.jpg,3,,,,{}\n"
    plain = boxed(tmp_path, rows.format("", "", ""))
    with_boxes = boxed(tmp_path, rows.format(",x,y,w,h", ",1,1,2,2", ",1,1,2,2"))
    for samples in (plain, with_boxes):
        assert samples.path == ("a.jpg", "b.jpg")
        assert samples.frame_number.tolist() == [3, 7]
        assert samples.timestamp == ("", "2024-05-31T07:15:00")
        np.testing.assert_array_equal(samples.score, np.float32([np.nan, 0.5]))
        assert (samples.encounter_name, samples.view_name) == (("", "e1"), ("", "left"))
        assert samples.encounter.tolist() == [UNKNOWN, 1]
    _, findings = read_as(tmp_path, "csv")
    assert {"encounters: 'e1'", "views: 'left'"} <= set(findings.notes)


def test_a_table_of_whole_pictures_says_the_same_with_boxes_and_without(tmp_path: Path) -> None:
    rows = "path,pid,camid,tracklet,frame,split,junk{}\nb.jpg,ann,k,T,2,gallery,{}\na.jpg,ann,k,T,1,gallery,{}\n"
    rows += "c.jpg,ann,k,T,3,train,{}\nd.jpg,bob,,,,gallery,1{}\n"
    plain = boxed(tmp_path, rows.format(*[""] * 5))
    with_boxes = boxed(tmp_path, rows.format(",x,y,w,h", *[",0,0,1,1"] * 4))
    for samples in (plain, with_boxes):
        assert samples.path == ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
        assert samples.frame_start.tolist() == [0, 2, 3, 4]
        assert (samples.identity, samples.pid.tolist()) == (("ann", "ann", ""), [1, 1, -1])
        assert samples.split.tolist() == [GALLERY, TRAIN, GALLERY]
        assert samples.camid.tolist() == [1, 1, UNKNOWN]
        assert samples.tracklet.tolist() == [1, 1, UNKNOWN]


def test_a_column_of_species_is_named(tmp_path: Path) -> None:
    write(tmp_path, ["a.jpg"])
    (tmp_path / "samples.csv").write_text("path,scientific_name\na.jpg,Tragelaphus angasii\n")
    _, findings = read_as(tmp_path, "csv")
    assert findings.warnings[0].endswith("; rename 'scientific_name' to category to choose by it")
    with pytest.raises(UsageError, match="has no column category, which `category` chooses by; "):
        read_as(tmp_path, "csv", category="fox")


@pytest.mark.parametrize("box", ["", ",x,y,w,h"])
def test_score_and_category_decide_with_boxes_and_without(tmp_path: Path, box: str) -> None:
    cells = ",1,1,2,2" if box else ""
    text = f"path,score,category{box}\na.jpg,0.5,fox{cells}\nb.jpg,0.1,fox{cells}\nc.jpg,0.9,dog{cells}\n"
    assert boxed(tmp_path, text, min_confidence=0.3, category="fox").path == ("a.jpg",)
    with pytest.raises(UsageError, match=r"no (box|row) to take: "):
        boxed(tmp_path, text, category="cat")


@pytest.mark.parametrize("box", ["width,height,n,m", "x,y,w,h"])
def test_scores_beyond_the_least_confidence_and_sizes_of_pictures_are_told(tmp_path: Path, box: str) -> None:
    write(tmp_path, ["a.jpg", "b.jpg"])
    (tmp_path / "samples.csv").write_text(f"path,score,{box}\na.jpg,90,1,1,2,2\nb.jpg,,1,1,2,2\n")
    for least, is_told in ((0.5, True), (50, False), (0, False)):
        findings, parameters = Findings(), IngestParameters(format="csv", min_confidence=least)
        assert len(read_samples(tmp_path, parameters=parameters, findings=findings)) == 2
        told = "scores above 1: 1 of 2, the largest 90; `min_confidence=0.5` is compared"
        assert any(told in line for line in findings.warnings) == is_told
        ignored = [line.partition("ignoring the columns ")[2] for line in findings.warnings if "ignoring" in line]
        assert [line.partition("; known")[0] for line in ignored] == (
            [] if "w" in box.split(",") else ["'n', 'm', 'width', 'height'"]
        )
        assert all(line.endswith("view, left, top") for line in ignored)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,x,y,w,h\na.jpg,1,2,3,q\n", "line 2: h 'q' is not a number"),
        ("path,x,y,w,h\na.jpg,1,2,3,\n", r"line 2: box \[1, 2, 3, nan\] is not four numbers"),
        ("path,x,y,w,h\na.jpg,1,2,3,4\n\na.jpg,1,2,3,4\n", "line 4 and .* line 2 are the same box of 'a.jpg'"),
        ("path,x,y,w,h,split\na.jpg,1,2,3,4,tset\n", "line 2: split 'tset' is not train"),
        ("path,x,y,w,h,frame\na.jpg,1,2,3,4,1.5\n", "line 2: frame '1.5' is not a whole number"),
        ("path,x,y,w,h,junk\na.jpg,1,2,3,4,q\n", "line 2: junk 'q' is not 1 or 0"),
        ("path,left,top,width\na.jpg,1,2,3\n", "has the columns left, top, width, which are no whole box"),
        ("path,x,y,width,height\na.jpg,1,2,3,4\n", "has the columns width, height, x, y, which are no whole box; name"),
        ("path\nclip.mp4\n", "line 2: 'clip.mp4' is a video and no frame is named"),
        ("path,score\na.jpg,high\n", "line 2: score 'high' is not a number"),
    ],
)
def test_wrong_rows_of_boxes_are_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        boxed(tmp_path, text)


def test_patterns_say_who_and_where_in_tables_and_folders(tmp_path: Path) -> None:
    write(tmp_path, ["north/ann-1.jpg", "south/bob-2.jpg"])
    (tmp_path / "samples.csv").write_text("path,pid,camid\nnorth/ann-1.jpg,x,k\nsouth/bob-2.jpg,y,k\n")
    patterns = {"identity_pattern": r"(?P<id>\w+)-\d", "camera_pattern": r"^(\w+)/"}
    for name in ("csv", "folder"):
        samples = read_samples(tmp_path, parameters=IngestParameters(format=name, **patterns))  # type: ignore[arg-type]
        assert (samples.identity, samples.camera) == (("ann", "bob"), ("north", "south"))
    both = IngestParameters(format="csv", folder_identities=False, **patterns)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="`identity_pattern` says where identities are, and so does"):
        read_samples(tmp_path, parameters=both)


def test_width_and_height_beside_corners_are_those_of_the_picture(tmp_path: Path) -> None:
    samples = boxed(tmp_path, "path,xmin,ymin,xmax,ymax,width,height\na.jpg,1,1,3,3,1,1\n")
    assert not samples.is_relative.any()
    Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg")
    header = "path,xmin,ymin,xmax,ymax,width,height"
    (tmp_path / "samples.csv").write_text(f"{header}\na.jpg,40,30,240,130,400,300\n")
    samples, findings = read_as(tmp_path, "csv")
    np.testing.assert_allclose(samples.box, [[0.1, 0.1, 0.5, 1 / 3]])
    assert not findings.warnings
    (tmp_path / "samples.csv").write_text(f"{header}\na.jpg,0.1,0.1,0.5,0.5,400,300\n")
    assert read_samples(tmp_path, parameters=IngestParameters(format="csv")).box.tolist() == [[0.1, 0.1, 0.4, 0.4]]


def test_width_and_height_of_the_boxes_themselves_are_not_those_of_pictures(tmp_path: Path) -> None:
    rows = "a.jpg,0,0,20,15,20,15\na.jpg,5,2,14,9,9.5,7\nb.jpg,,,,,,\n"
    for name in "ab":
        Image.new("RGB", (40, 30)).save(tmp_path / f"{name}.jpg")
    (tmp_path / "samples.csv").write_text(f"path,xmin,ymin,xmax,ymax,width,height\n{rows}")
    samples, findings = read_as(tmp_path, "csv")
    assert samples.box[:2].tolist() == [[0, 0, 20, 15], [5, 2, 9, 7]]
    assert not samples.is_relative.any()
    assert not findings.warnings
    assert any(note.startswith("width and height are those of the boxes") for note in findings.notes)


BOXES = "path,x,y,w,h,frame"


@pytest.mark.parametrize(
    ("text", "frame_start"),
    [
        # tracks count from 1 in each folder and camera, and -1 is none
        (f"{BOXES},track_id\na/1.jpg,1,1,2,2,1,7\na/2.jpg,1,1,2,2,2,7\nb/1.jpg,1,1,2,2,3,7\n", [0, 2, 3]),
        (f"{BOXES},track,camera\na/1.jpg,1,1,2,2,1,7,k\na/2.jpg,1,1,2,2,2,7,l\nb/1.jpg,1,1,2,2,3,7,l\n", [0, 1, 2, 3]),
        (f"{BOXES},track_id\na/1.jpg,1,1,2,2,1,-1\na/2.jpg,1,1,2,2,2,-1\nb/1.jpg,1,1,2,2,3,\n", [0, 1, 2, 3]),
        (f"{BOXES},track_id\na/1.jpg,1,1,2,2,1,-1.0\na/2.jpg,1,1,2,2,2,-1.0\nb/1.jpg,1,1,2,2,3,7.0\n", [0, 1, 2, 3]),
        # what is no track: two boxes of one frame, two identities, images without boxes
        (f"{BOXES},track\na/1.jpg,1,1,2,2,1,7\na/1.jpg,1,1,9,9,1,7\nb/1.jpg,1,1,2,2,3,7\n", [0, 1, 2, 3]),
        (f"{BOXES},pid,track\na/1.jpg,1,1,2,2,1,x,7\na/2.jpg,1,1,2,2,2,y,7\nb/1.jpg,1,1,2,2,3,x,7\n", [0, 1, 2, 3]),
        (f"{BOXES},track\na/1.jpg,1,1,2,2,1,7\na/2.jpg,1,1,2,2,,7\nb/1.jpg,1,1,2,2,3,7\n", [0, 1, 2, 3]),
        ("path,x,y,w,h,camid,track\na/1.jpg,1,1,2,2,a,7\na/2.jpg,1,1,2,2,,7\nb/1.jpg,1,1,2,2,,7\n", [0, 1, 2, 3]),
        ("path,track_id\na/1.jpg,7\na/2.jpg,7\n", [0, 1, 2]),
    ],
)
def test_tracks_of_boxes_are_tracklets_if_nothing_speaks_against_it(
    tmp_path: Path, text: str, frame_start: list[int]
) -> None:
    write(tmp_path, ["a/1.jpg", "a/2.jpg", "b/1.jpg"])
    (tmp_path / "samples.csv").write_text(text)
    samples, findings = read_as(tmp_path, "csv")
    assert samples.frame_start.tolist() == frame_start
    told = (
        "no merge parts again" if "-1" in text or frame_start[1] == 2 or "camera" in text else "to tracklet, as camA/7"
    )
    assert [told in line for line in findings.warnings if "track" in line] == [True]
