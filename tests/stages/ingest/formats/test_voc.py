"""Pascal VOC's files of boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from box_sources import pictures, read, read_as, refusal, text, voc, voc_object

from stages.errors import UsageError
from stages.ingest.formats import recognise_source
from stages.ingest.formats.voc import _LARGEST
from stages.samples import UNKNOWN

HOSTILE = {
    "<!DOCTYPE annotation [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><annotation>&a;</annotation>": "declares a document type",
    "<annotation><object><name>&a;</name></object></annotation>": "is not XML: undefined entity: line 1, column 26",
    "<annotation><object></annotation>": "is not XML: mismatched tag: line 1, column 22; write the file anew, in UTF-8",
    "": "is not XML: no element found",
    "<?xml version='1.0' encoding='gb2312'?><annotation/>": "is not XML: multi-byte encodings are not supported",
    "<?xml version='1.0' encoding='no'?><annotation/>": "is not XML: unknown encoding: no; write the file anew",
    "<annotation><object><name>zebra</name></object></annotation>": "1.xml' object 1 has no bndbox with xmin, ymin",
    f"<annotation>{'<a>' * 100_000}": "is not XML: no element found",
}


def test_boxes_lie_beside_pictures_or_in_annotations(tmp_path: Path) -> None:
    pictures(tmp_path / "a", "x.jpg", "y.jpg", "z.JPG", "x_jpg.rf.0f67.jpg")
    voc(tmp_path / "a" / "x.xml", voc_object((1, 2, 21, 12.5)), voc_object((0, 0, 9, 9), name="lion"))
    voc(tmp_path / "a" / "y.xml")
    # Roboflow
    voc(tmp_path / "a" / "x_jpg.rf.0f67.xml", voc_object((5, 5, 9, 9), more="<truncated>0</truncated>"))
    text(tmp_path / "a" / "annotations.xml", "<annotations><version>1.1</version></annotations>")
    samples, findings = read(tmp_path / "a", "voc")
    assert samples.path == ("x.jpg", "x.jpg", "x_jpg.rf.0f67.jpg")
    np.testing.assert_array_equal(samples.box, [[0, 0, 9, 9], [1, 2, 20, 10.5], [5, 5, 4, 4]])
    assert samples.category == ("lion", "zebra", "zebra")
    assert "pictures left out: 1 without a .xml file, 1 without boxes; of 4" in findings.notes
    assert ".xml files that are not of Pascal VOC, left out: 1" in findings.notes
    assert len(read(tmp_path / "a", "voc", category="lion")[0]) == 1
    # CVAT, with a folder in it; Label Studio, whose filename has no ending
    pictures(tmp_path / "b", "JPEGImages/s/1.png", "JPEGImages/2.png", "SegmentationClass/2.png")
    voc(tmp_path / "b" / "Annotations" / "s" / "1.xml", voc_object((1, 2, 9, 9)), filename="s/1.png")
    voc(tmp_path / "b" / "Annotations" / "2.xml", voc_object((1, 2, 9, 9)), filename="2")
    samples, findings = read(tmp_path / "b", "voc")
    assert samples.path == ("JPEGImages/2.png", "JPEGImages/s/1.png")
    assert not any("pictures left out" in note for note in findings.notes)
    pictures(tmp_path / "c", "train/images/x.jpg")
    voc(tmp_path / "c" / "train" / "Annotations" / "x.xml", voc_object((1, 2, 9, 9)))
    assert read(tmp_path / "c", "voc")[0].path == ("train/images/x.jpg",)


def test_boxes_may_lie_elsewhere_than_pictures(tmp_path: Path) -> None:
    pictures(tmp_path / "pictures", "s/1.jpg")
    voc(tmp_path / "boxes" / "s" / "1.xml", voc_object((1, 2, 9, 9)))
    assert read(tmp_path / "boxes", "voc", root=tmp_path / "pictures")[0].path == ("s/1.jpg",)
    (tmp_path / "other").mkdir()
    assert "holds no image files" in refusal(tmp_path / "boxes", "voc")
    pictures(tmp_path / "boxes", "9.jpg")
    assert "have no picture; give the folder of both, or the folder of the pictures as `root`" in refusal(
        tmp_path / "boxes", "voc"
    )


def test_the_name_in_the_file_finds_its_picture_if_its_own_does_not(tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg", "b.png", "b.jpg")
    voc(tmp_path / "a.jpg.xml", voc_object((1, 2, 9, 9)))
    text(tmp_path / "a.jpg.xml", (tmp_path / "a.jpg.xml").read_text().replace("a.jpg.jpg", "a.jpg"))
    voc(tmp_path / "b.xml", voc_object((1, 2, 9, 9)), filename="b.png")
    assert read(tmp_path, "voc")[0].path == ("a.jpg", "b.png")
    voc(tmp_path / "b.xml", voc_object((1, 2, 9, 9)), filename="c.png")
    assert "b.xml' may be of 'b.jpg' or of 'b.png'; leave only one of them" in refusal(tmp_path, "voc")
    (tmp_path / "b.jpg").unlink()
    # copied from another picture
    voc(tmp_path / "b.xml", voc_object((1, 2, 9, 9)), filename="a.jpg")
    samples, findings = read(tmp_path, "voc")
    assert samples.path == ("a.jpg", "b.png")
    assert any(note.startswith("files that name another picture than") for note in findings.notes)
    voc(tmp_path / "Annotations" / "b.xml", voc_object((3, 2, 9, 9)))
    assert "'Annotations/b.xml' and 'b.xml' are both of 'b.png'; keep one" in refusal(tmp_path, "voc")


def test_what_is_said_of_a_box_is_taken_and_tracks_are_samples(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"JPEGImages/frame_{n}.PNG" for n in (0, 1)))
    for n in (0, 1):
        own = voc_object((1, 2, 9, 9), track_id=4, individual="Ayo", viewpoint="left", rotation="0.0")
        other = voc_object(
            (11, 2, 29, 19), more="<difficult>1</difficult><confidence>0.5</confidence>", rotation="12.5"
        )
        pose = "<pose>Unspecified</pose>" if n else "<pose>Right</pose>"
        last = voc_object((2, 3, 9, 9), more=pose)
        voc(tmp_path / "Annotations" / f"frame_{n}.xml", own, other, last, filename=f"frame_{n}.PNG")
    samples, findings = read(tmp_path, "voc")
    assert samples.frame_start.tolist() == [0, 2, 3, 4, 5, 6]
    assert samples.identity == ("Ayo", "", "", "", "")
    assert samples.view_name == ("left", "Right", "", "", "")
    assert (samples.tracklet[1:] == UNKNOWN).all()
    np.testing.assert_array_equal(samples.score, [np.nan, np.nan, np.nan, 0.5, np.nan, 0.5])
    assert {
        "boxes marked as difficult, taken like the others: 2",
        "boxes that are turned, taken as they are before the turn: 2",
    } <= {*findings.notes}
    (told,) = findings.warnings
    assert told.startswith("6 boxes are 5 samples: those of one track_id in one folder")
    assert read(tmp_path, "voc", folder_identities=False)[0].identity == ()


@pytest.mark.parametrize(("content", "told"), HOSTILE.items(), ids=range(len(HOSTILE)))
def test_a_broken_or_hostile_file_is_one_line(tmp_path: Path, content: str, told: str) -> None:
    text(pictures(tmp_path, "1.jpg") / "1.xml", content)
    assert told in refusal(tmp_path, "voc")


def test_entities_in_utf_16_and_huge_files_are_refused_and_good_files_in_it_are_read(tmp_path: Path) -> None:
    file = voc(pictures(tmp_path, "1.jpg") / "1.xml", voc_object((1, 2, 9, 9)))
    good = file.read_text()
    file.write_text(f"<?xml version='1.0' encoding='utf-16'?>{good}", encoding="utf-16")
    assert len(read_as(tmp_path, "voc")[0]) == 1
    file.write_text(f"<!DOCTYPE a [<!ENTITY a 'a'>]>{good}", encoding="utf-16")
    assert "declares a document type or entities" in refusal(tmp_path, "voc")
    with file.open("wb") as huge:
        huge.truncate(_LARGEST + 1)
    assert "has more than 16 MiB" in refusal(tmp_path, "voc")


def test_files_without_a_picture_are_named_or_counted(tmp_path: Path) -> None:
    pictures(tmp_path, "1.jpg")
    for name in ("1", "2", "3"):
        voc(tmp_path / f"{name}.xml", *[voc_object((1, 2, 9, 9))] * int(name))
    voc(tmp_path / "4.xml")
    told = refusal(tmp_path, "voc")
    assert (
        "2.xml': the boxes of this file have no picture, nor have those of 1 other file; restore it, or leave" in told
    )
    _, findings = read(tmp_path, "voc", on_bad_image="skip")
    assert findings.boxes == {"in files without a picture": 5}


def test_other_formats_come_first_and_boxes_of_a_smaller_copy_are_scaled(tmp_path: Path) -> None:
    voc(pictures(tmp_path, "a/1.jpg") / "a" / "1.xml", voc_object((10, 10, 70, 50)), size=(80, 60))
    samples, findings = read(tmp_path, "voc")
    np.testing.assert_allclose(samples.box, [[0.125, 1 / 6, 0.75, 2 / 3]])
    assert any("scaled to pictures of another size" in note for note in findings.notes)
    found = recognise_source(tmp_path)
    assert (found.why, found.others) == ("a/1.xml has the boxes of a picture as Pascal VOC writes them", ("folder",))
    text(tmp_path / "a" / "1.txt", "0 0.5 0.5 0.2 0.4\n")
    found = recognise_source(tmp_path)
    assert (found.format, found.others) == ("yolo", ("voc", "folder"))
    text(tmp_path / "a.csv", "path\na/1.jpg\n")
    (tmp_path / "a" / "1.txt").unlink()
    assert recognise_source(tmp_path).format == "csv"


def test_xml_that_is_not_read_is_named_and_a_file_alone_is_no_source(tmp_path: Path) -> None:
    pictures(tmp_path, "images/1.jpg")
    file = text(tmp_path / "annotations.xml", "<annotations><image id='0' name='1.jpg'/></annotations>")
    assert "there is no table of pictures (XML that is not read: annotations.xml) and" in recognise_source(tmp_path).why
    with pytest.raises(UsageError, match="is XML; of Pascal VOC, a file for each picture, give the folder; in CVAT"):
        recognise_source(file)
