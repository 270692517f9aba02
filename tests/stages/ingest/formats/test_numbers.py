"""Numbers, frames, boxes and names are what their text says, missing, or refused with file and row, in every format."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from box_sources import SEQINFO, coco, labelme, mot, pictures, read, refusal, shape, text, video, voc, voc_object
from hypothesis import given, settings
from hypothesis import strategies as st
from miniatures import build

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.formats import read_samples, recognise_source
from stages.ingest.formats.format import Findings
from stages.ingest.formats.numbers import box_of, frame_of, number_of, number_or_nan, score_of, text_of
from stages.ingest.formats.sample_columns import times_of
from stages.ingest.formats.times import iso_time
from stages.samples import UNKNOWN


def test_a_comma_is_named_only_if_there_is_one() -> None:
    with pytest.raises(UsageError, match=r"frame '2\.5' is not a whole number from 0; correct it"):
        frame_of("2.5", "row 3")
    with pytest.raises(UsageError, match="score '2,5' is not a number; write a point in place of the comma"):
        score_of("2,5", "row 3")


WORDS = ("NA", "nan", "None", "<NA>")


@pytest.mark.parametrize("value", [7, 7.0, "7", " 7 ", "+7", "007", "7.", "7e0", ".7e1"])
def test_a_number_is_read_as_written(value: object) -> None:
    assert number_of(value) == score_of(value, "x") == frame_of(value, "x") == 7
    assert box_of([value, 1, 2, 3], "x", name="bbox", meaning="x") == (7, 1, 2, 3)


@pytest.mark.parametrize(
    "value",
    [
        *("1_0", "\uff11", "0x10", "1,5", "1e31", "-1e400", "9" * 5000, "inf", "-", "e5", "1 2", "NA 1"),
        *(True, False, math.inf, 10**400, [7], {"7": 7}),
    ],
    ids=lambda value: ascii(value)[:9],
)
def test_what_python_alone_would_take_for_a_number_is_none(value: object) -> None:
    assert number_of(value) is None
    for parse in (score_of, frame_of):
        with pytest.raises(UsageError, match=r"^row 3: (score|frame) .{1,70} is not a (whole )?number"):
            parse(value, "row 3")
    with pytest.raises(
        UsageError, match=r"^row 3: bbox .{1,70} is not four numbers; (correct it|write points in place of the commas)$"
    ):
        box_of([value, 1, 1, 1], "row 3", name="bbox", meaning="four numbers")
    with pytest.raises(UsageError, match=r" is not four numbers; write points in place of the commas$"):
        box_of([value, 1, 1, "0,5"], "row 3", name="bbox", meaning="four numbers")


@pytest.mark.parametrize("value", [*WORDS, "", " ", None, math.nan])
def test_what_is_missing_is_no_frame_no_score_no_name_and_no_box(value: object) -> None:
    assert (frame_of(value, "x"), text_of(value, "x", name="name")) == (-1, "")
    assert math.isnan(number_or_nan(value, "x", name="x"))
    assert math.isnan(score_of(value, "x")) != (str(value) == "nan")
    assert box_of(value, "x", name="bbox", meaning="x") is box_of([value] * 4, "x", name="bbox", meaning="x") is None
    np.testing.assert_array_equal(box_of([value, 1, 1, 1], "x", name="bbox", meaning="x"), [math.nan, 1, 1, 1])


@pytest.mark.parametrize("value", [-1, 1.5, 2**31, "-1", "1.5"])
def test_frames_count_from_0(value: object) -> None:
    with pytest.raises(UsageError, match="is not a whole number from 0"):
        frame_of(value, "x")


@pytest.mark.parametrize("value", [True, ["a"], {"a": 1}])
def test_a_name_is_text_or_a_number(value: object) -> None:
    assert [text_of(name, "x", name="name") for name in ("007", 7, 7.5)] == ["007", "7", "7.5"]
    with pytest.raises(UsageError, match=r"^row 3: location .* is neither text nor a number; correct it$"):
        text_of(value, "row 3", name="location")


# --- the same in every format ---------------------------------------------------------------------


def _coco(root: Path) -> None:
    own = {"bbox": [1, 2, 9, 9], "name": "a", "viewpoint": "left", "score": 0.5, "track_id": 1}
    said = {"location": "c1", "seq_id": "s", "datetime": "2024-01-01 00:00:00", "frame_num": 6, "video_id": 3}
    coco(root, [{"image_id": 1, **own}, {"image_id": 2, "name": "____", "track_id": 2}], **said)


def _csv(root: Path) -> None:
    pictures(root, "a.jpg", "b.jpg")
    header = "path,pid,camid,tracklet,frame,x,y,w,h,score,category,timestamp,encounter,view"
    row = "a.jpg,1,c1,t1,3,1,2,20,20,0.5,animal,2024-01-01,e1,left"
    text(root / "samples.csv", f"{header}\n{row}\nb.jpg,2,c2,,,,,,,,,,,\n")


def _stills(root: Path) -> None:
    pictures(root, "a.jpg", "b.jpg")
    rows = "a.jpg,1,t1,5,0.3,2024-01-01,e,left\nb.jpg,1,t1,6,0.3,2024-01-01,e,left\n"
    text(root / "samples.csv", f"path,pid,tracklet,frame,score,timestamp,encounter,view\n{rows}")


def _wildlife(root: Path) -> None:
    pictures(root, "1.jpg", "2.jpg")
    rows = '1.jpg,a,"[1, 2, 9, 9]",2024-01-01,left,c1,3\n2.jpg,b,,,,,\n'
    text(root / "metadata.csv", f"path,identity,bbox,date,orientation,camera,encounter\n{rows}")


def _yolo(root: Path) -> None:
    pictures(root, "images/1.jpg", "images/2.jpg")
    for name, score in (("1", 0.9), ("2", 0.8)):
        text(root / "labels" / f"{name}.txt", f"{name} 0.5 0.5 0.5 0.5 {score} {name}\n")
    text(root / "data.yaml", "path: x\nnames:\n  1: zebra\n  2: lion\n")


def _detections(root: Path) -> None:
    text(mot(root, ["1,7,5,1,20,20,0.5,1", "2,-1,5,1,20,20,0.6,1"], boxes="det/det.txt") / "seqinfo.ini", SEQINFO)


def _pixels(root: Path) -> None:
    pictures(root, "a.jpg")
    own = {"category": "animal", "confidence": 0.9, "bbox": [1, 2, 20, 20]}
    text(root / "md.json", json.dumps([{"file": "a.jpg", "datetime": "2024-01-01", "detections": [own]}]))


def _voc(root: Path) -> None:
    pictures(root, "JPEGImages/1.jpg", "JPEGImages/2.jpg")
    own = voc_object((1, 2, 20, 20.5), more="<pose>Left</pose><score>0.5</score>", individual="Ayo", track_id=3)
    voc(root / "Annotations" / "1.xml", own, voc_object((1, 2, 9, 9)))
    voc(root / "Annotations" / "2.xml", own)


def _labelme(root: Path) -> None:
    pictures(root, "1.jpg", "2.jpg")
    for name in ("1", "2"):
        parts = (shape([x, 6], [x + 9, 26], kind="polygon", group_id=1, score=0.5) for x in (4, 20))
        labelme(root / f"{name}.json", *parts, shape([1, 2], [9, 9], attributes={"individual": "Ayo"}))


def _film(root: Path) -> None:
    video(root / "film.mp4", [10, 60, 110])
    text(root / "film.txt", "1,1,1,1,9,9,1\n2,1,1,1,9,9,1\n")


SOURCES: dict[str, tuple[str, str, Callable[[Path], None]]] = {
    "camtrap-dp": ("camtrap-dp", "observations.csv", lambda root: build(root, "camtrap-dp") and None),
    "media": ("camtrap-dp", "media.csv", lambda root: build(root, "camtrap-dp") and None),
    "coco": ("coco", "coco.json", _coco),
    "csv": ("csv", "samples.csv", _csv),
    "detections": ("mot", "det/det.txt", _detections),
    "film": ("mot", "film.txt", _film),
    "labelme": ("labelme", "1.json", _labelme),
    "mars": ("mars", "info/test_name.txt", lambda root: build(root, "mars") and None),
    "megadetector": ("megadetector", "results.json", lambda root: build(root, "megadetector") and None),
    "mot": ("mot", "gt/gt.txt", lambda root: build(root, "mot") and None),
    "msmt17": ("msmt17", "list_train.txt", lambda root: build(root, "msmt17") and None),
    "pixels": ("megadetector", "md.json", _pixels),
    "seqinfo": ("mot", "seqinfo.ini", _detections),
    "stills": ("csv", "samples.csv", _stills),
    "voc": ("voc", "Annotations/1.xml", _voc),
    "wildlife": ("wildlife-datasets", "metadata.csv", _wildlife),
    "yolo": ("yolo", "labels/1.txt", _yolo),
    "yaml": ("yolo", "data.yaml", _yolo),
}
"""Format, file and builder of sources that say all that their formats can."""


def changed(root: Path, name: str, old: str, new: str) -> str:
    """The format of the source `name`, built in `root`, in whose file `old` has become `new`."""
    layout, file, make = SOURCES[name]
    shutil.rmtree(root, ignore_errors=True)
    make(root)
    before = (root / file).read_text(encoding="utf-8")
    assert old in before
    (root / file).write_text(before.replace(old, new, 1), encoding="utf-8")
    return layout


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("camtrap-dp", "0.25,0.5,0.5", "0_0,0.5,0.5", "line 2: bboxX, bboxY, bboxWidth, bboxHeight ['0_0', "),
        ("camtrap-dp", "0.25,0.5,0.5", "NA,0.5,0.5", "line 2: box [nan, 0.5, 0.5, 0.25] is not four numbers; correct it"),
        ("coco", "[1, 2, 9, 9]", '"1299"', "annotation '1': bbox '1299' is not [left, top, width, height] in pixels"),
        ("coco", "[1, 2, 9, 9]", '{"1": 1, "2": 2, "3": 3, "4": 4}', "annotation '1': bbox {'1': 1"),
        ("coco", "[1, 2", f"[1{'0' * 400}, 2", "annotation '1': bbox [1000"),
        ("coco", "[1, 2", f"[1{'0' * 5000}, 2", "is not JSON in UTF-8: Exceeds the limit"),
        ("coco", '"frame_num": 6', '"frame_num": -6', "frame_num -6 is not a whole number from 0"),
        ("coco", '"frame_num": 6', f'"frame_num": 1{"0" * 30}', "frame_num 1000"),
        ("coco", '"name": "a"', '"name": ["a"]', "annotation '1': name ['a'] is neither text nor a number"),
        ("coco", '"im/1.jpg"', '["im/1.jpg"]', "images[0] has a `file_name` that is no text"),
        ("coco", "0.5", "true", "annotation '1': score True is not a number"),
        ("csv", ",1,2,20", ",1_0,2,20", "samples.csv' line 2: x '1_0' is not a number"),
        ("csv", ",0.5,", ",1e300,", "samples.csv' line 2: score '1e300' is not a number"),
        ("csv", "t1,3", "t1,-3", "samples.csv' line 2: frame '-3' is not a whole number from 0"),
        ("detections", ",5,1,", ",5_0,1,", "det.txt' line 1: '1,7,5_0,1,20,20,0.5,1' are not numbers"),
        ("detections", "0.5", "0.5_0", "det.txt' line 1: confidence '0.5_0' is not a number"),
        ("film", "2,1,1", "1e20,1,1", "film.txt' line 2: frame 100000000000000000000 is out of range"),
        ("megadetector", '"conf": 0.9', '"conf": "NaN"', "image 1 detection 1: conf 'NaN' is not a number"),
        ("megadetector", "[0.1", f"[1{'0' * 400}", "results.json image 1 detection 1: bbox [1000"),
        ("megadetector", '"animal"', '["animal"]', "image 1 detection 1: category ['animal'] is neither"),
        ("megadetector", '"conf"', '"frame_number": true, "conf"', "frame_number True is not a whole number from 0"),
        ("pixels", '"2024-01-01"', "[1]", "md.json image 1: datetime [1] is neither text nor a number"),
        ("seqinfo", "=img1", "=/etc", "seqinfo.ini': imDir '/etc' is not below its folder"),
        ("seqinfo", "=img1", "=../..", "seqinfo.ini': imDir '../..' is not below its folder"),
        ("seqinfo", "seqLength=3", "seqLength=abc", "seqinfo.ini': seqLength 'abc' is not a whole number"),
        ("stills", "t1,5", "t1,nan", "samples.csv' line 2: no frame in tracklet 't1', whose others have one"),
        ("wildlife", "[1, 2", "[1_0, 2", "metadata.csv' line 2: bbox ['1_0', '2', '9', '9'] is not [left, top"),
        ("yolo", "0.9", "0.9_0", "labels/1.txt' line 1: the sixth field '0.9_0' is not a number"),
        ("yolo", "1 0.5", "1 \uff10", "labels/1.txt' line 1: '1 \uff10 0.5 0.5 0.5 0.9 1' is not class x y width height"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_with_file_and_row(
    tmp_path: Path, name: str, old: str, new: str, told: str
) -> None:
    layout = changed(tmp_path, name, old, new)
    with pytest.raises(DbcError) as caught:
        read_samples(tmp_path, parameters=IngestParameters(format=layout))  # type: ignore[arg-type]
    assert told in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "old", "new", "array", "expected"),
    [
        ("camtrap-dp", "animal,a", "animal,WORD", "identity", ()),
        ("camtrap-dp", ",e1,", ",WORD,", "encounter_name", ("", "e2")),
        ("camtrap-dp", "0.25,0.5,0.5,0.25", "WORD,WORD,WORD,WORD", "box", [[math.nan] * 4, [0.25, 0.5, 0.5, 0.25]]),
        ("media", "2024-05-01T10:00:00Z", "WORD", "timestamp", ("", "2024-05-02T10:00:00+00:00")),
        ("coco", '"c1"', '"WORD"', "camera", ("", "c1")),
        ("coco", '"s"', '"WORD"', "encounter_name", ("", "s")),
        ("coco", '"frame_num": 6', '"frame_num": "WORD"', "frame_number", [-1, 6]),
        ("coco", '"2024-01-01', '"WORD", "date_captured": "2024-01-01', "timestamp", ("2024-01-01T00:00:00",) * 2),
        ("coco", '"a"', '"WORD", "individual_ids": ["b"]', "identity", ("b", "")),
        ("coco", '"left"', '"WORD"', "view_name", ()),
        ("coco", "0.5", '"WORD"', "score", []),
        ("coco", '"track_id": 1', '"track_id": "WORD"', "tracklet", [UNKNOWN, 1]),
        ("csv", ",1,c1", ",WORD,c1", "identity", ("", "2")),
        ("csv", "c1", "WORD", "camera", ("", "c2")),
        ("csv", "t1,3", "WORD,3", "tracklet", [UNKNOWN, UNKNOWN]),
        ("csv", "t1,3", "t1,WORD", "frame_number", []),
        ("csv", "1,2,20,20", "WORD,WORD,WORD,WORD", "box", []),
        ("csv", "0.5", "WORD", "score", []),
        ("csv", "2024-01-01", "WORD", "timestamp", ("", "")),
        ("csv", "e1", "WORD", "encounter_name", ()),
        ("csv", "left", "WORD", "view_name", ()),
        ("stills", "0.3", "WORD", "score", [math.nan, np.float32(0.3)]),
        ("stills", "2024-01-01", "WORD", "timestamp", ("", "2024-01-01T00:00:00")),
        ("stills", ",e,", ",WORD,", "encounter_name", ()),
        ("detections", "1,7,", "1,WORD,", "tracklet", [UNKNOWN, UNKNOWN]),
        ("detections", "0.5", "WORD", "score", [math.nan, np.float32(0.6)]),
        ("pixels", "2024-01-01", "WORD", "timestamp", ("",)),
        ("wildlife", ",a,", ",WORD,", "identity", ("", "b")),
        ("wildlife", "c1", "WORD", "camera", ()),
        ("wildlife", '"[1, 2, 9, 9]"', "WORD", "box", []),
        ("wildlife", "[1, 2, 9, 9]", "[WORD, WORD, WORD, WORD]", "box", []),
        ("yolo", "0.9", "WORD", "score", [math.nan, np.float32(0.8)]),
        ("yolo", "0.9 1", "0.9 WORD", "tracklet", [UNKNOWN, 1]),
    ],
)  # fmt: skip
def test_a_missing_word_is_missing_in_every_column_of_every_format(
    tmp_path: Path, name: str, old: str, new: str, array: str, expected: Any
) -> None:
    for word in WORDS:
        layout = changed(tmp_path, name, old, new.replace("WORD", word))
        found = getattr(read_samples(tmp_path, parameters=IngestParameters(format=layout)), array)  # type: ignore[arg-type]
        if isinstance(expected, tuple):
            assert found == expected or (not any(expected) and not any(found))
        else:
            np.testing.assert_array_equal(found, np.array(expected).reshape(found.shape))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("coco", "0.5", "NaN"),
        ("csv", "0.5", "nan"),
        ("detections", "0.5,", "nan,"),
        ("megadetector", '"conf": 0.9', '"conf": NaN'),
        ("pixels", '"confidence": 0.9', '"confidence": NaN'),
        ("stills", "0.3", "NaN"),
        ("yolo", "0.9", "-nan"),
    ],
)
def test_boxes_whose_score_is_nan_are_below_every_confidence(tmp_path: Path, name: str, old: str, new: str) -> None:
    layout = changed(tmp_path, name, old, new)
    all_of_it = read_samples(tmp_path, parameters=IngestParameters(format=layout, min_confidence=0))  # type: ignore[arg-type]
    findings, parameters = Findings(), IngestParameters(format=layout, min_confidence=0.01)  # type: ignore[arg-type]
    if len(all_of_it.path) == 1:
        with pytest.raises(UsageError, match="has no box to take: 1 whose score is NaN"):
            read_samples(tmp_path, parameters=parameters)
        return
    some = read_samples(tmp_path, parameters=parameters, findings=findings)
    assert len(some.path) == len(all_of_it.path) - 1
    assert findings.boxes == {"whose score is NaN": 1}
    # the second box of these has no score
    assert any("a score" in line for line in findings.warnings) == (name in ("coco", "csv"))


@pytest.mark.parametrize(
    ("name", "old"), [("csv", "2024-01-01"), ("stills", "2024-01-01"), ("media", "2024-05-01T10:00:00Z")]
)
def test_a_time_that_cannot_be_read_is_told(tmp_path: Path, name: str, old: str) -> None:
    layout = changed(tmp_path, name, old, "31/05/2024")
    _, findings = read(tmp_path, layout)
    (warning,) = findings.warnings
    assert warning == "times not written as 2024-05-31 07:15:00, taken for missing: 1, such as '31/05/2024'"


SECOND, MINUTE, DAY = "2024-05-03T07:15:09", "2024-05-03T07:15:00", "2024-05-03T00:00:00"


@pytest.mark.parametrize(
    ("written", "time"),
    [
        *((text, SECOND) for text in ("2024-05-03 07:15:09", "2024-5-3 7:15:09", "3.5.2024, 7:15:09", "2024:05:03 07:15:09")),
        *((text, MINUTE) for text in ("2024/05/03 07:15", "2024.5.3T7:15", "03.05.2024 07:15", "2024-05-03T07:15")),
        *((text, DAY) for text in ("2024-05-03", " 2024-5-3 ", "3.5.2024", "2024/05/03")),
        *((f"2024-5-3 7:15{zone}", f"{MINUTE}{zone}") for zone in ("+02:00", "-09:30")),
        *((text, "") for text in ("05/03/2024", "3/5/2024 07:15", "13/05/2024", "3.5.24", "1717139700", "2024-5/3", "7:15")),
        *((text, DAY) for text in ("03-May-24", "3 May 2024", "3-may-2024", "3. May. 2024")),
        *((text, MINUTE) for text in ("03-May-24 07:15", "3 May 2024, 7:15")),
        *((text, "") for text in ("3-Mai-24", "31-Feb-24", "3-M-24", "3-May-124", "3-Mayor-24", "May 3")),
        *((text, "") for text in ("05.31.2024", "31.02.2024", "2024-13-01", "2024-5-3 7:15 PM", "2024-5-3 7:5", "3.5.2024 7")),
        # Python takes the rest for a fraction of a second
        *((text, "") for text in ("2024-05-03 07.15", "2024-05-03 07,15", "2024-05-03T07:15.30", "20240503T0715.5")),
        *((text, f"{MINUTE}.500000") for text in ("2024-05-03 07:15:00.5", "20240503T071500,5")),
    ],
)  # fmt: skip
def test_a_time_is_read_unless_it_may_mean_another(written: str, time: str) -> None:
    assert iso_time(written) == time


def test_years_of_two_digits_are_told() -> None:
    findings = Findings()
    written = ["03-Jun-16", "30 September 98", "3-Foo-16", "3 Sept 2016", "NA"]
    assert [time[:10] for time in times_of(written, findings)] == ["2016-06-03", "1998-09-30", "", "2016-09-03", ""]
    assert findings.notes[0] == "years of two digits, taken for those from 1969 to 2068: 2 of 5"


def test_times_of_which_some_have_a_zone_are_told() -> None:
    findings = Findings()
    times_of(["2024-05-31T07:00:00+02:00", "2024-05-31T05:00:30Z", "2024-05-31 07:00:40", "NA"], findings)
    assert findings.warnings[0].startswith("times with a zone, as 07:15:00Z: 2 of 3; the others are compared")


def test_each_way_of_writing_that_is_not_read_is_told_and_so_are_days() -> None:
    findings = Findings()
    unread = ["05/31/2024 07:15", "5/3/2024 7:15", "31/05/2024", "1717139700", "May 3, 2024", "July 9, 2024"]
    times_of([*unread, "2024-05-03", "3.5.2024", "2024-05-03 00:00", "NA"], findings)
    assert findings.missing["timestamp"] == 7
    assert findings.warnings == [
        "times not written as 2024-05-31 07:15:00, taken for missing: 6, such as '05/31/2024 07:15', '31/05/2024', "
        "'1717139700', 'May 3, 2024'"
    ]
    assert findings.notes == ["dates without a time, taken for midnight: 2 of 10"]


def test_a_tracklet_of_boxes_has_frames_or_none(tmp_path: Path) -> None:
    pictures(tmp_path, "a.jpg", "b.jpg")
    text(tmp_path / "samples.csv", "path,tracklet,frame,x,y,w,h\na.jpg,t,,1,2,9,9\nb.jpg,t,5,1,2,9,9\n")
    assert "line 2: no frame in tracklet 't', whose others have one" in refusal(tmp_path, "csv")


# --- anything at all ------------------------------------------------------------------------------

TOKENS = (
    *("", "NA", "nan", "0", "-1", "1e999", "9" * 5000, "1_0", "\uff11", "inf", "true", "null", "[]", "{}", '"1234"'),
    *("[1, 2, 3, 4]", "\x1b[31m", "\0", "\u202e", "\ufeff", "../x", "/etc/passwd", ".", "1.5", "1e30", "9223372036854775808"),
    *(" ", '"', ",", "\n", ";", "\t", "007", "unknown", '"\\ud800"', "[" * 3000),
)  # fmt: skip


@pytest.fixture(scope="module", params=sorted(SOURCES))
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    layout, file, make = SOURCES[request.param]
    root = tmp_path_factory.mktemp("any") / "source"
    make(root)
    return layout, root, root / file


@settings(max_examples=6, deadline=None)
@given(data=st.data(), skips=st.booleans())
def test_any_change_of_a_source_is_read_or_refused_in_one_line(
    source: tuple[str, Path, Path], data: st.DataObject, skips: bool
) -> None:
    read_or_refused(*source, data, skips=skips)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(data=st.data(), skips=st.booleans())
def test_any_of_many_changes_of_a_source_is_read_or_refused_in_one_line(
    source: tuple[str, Path, Path], data: st.DataObject, skips: bool
) -> None:
    read_or_refused(*source, data, skips=skips)


def read_or_refused(layout: str, root: Path, file: Path, data: st.DataObject, *, skips: bool) -> None:
    whole = file.read_bytes()
    changes = whole.decode()
    for _ in range(data.draw(st.integers(1, 3))):
        places = [found.span() for found in re.finditer(r"[^\s,:]+", changes)] or [(0, 0)]
        start, end = data.draw(st.sampled_from(places))
        stop = data.draw(st.sampled_from([start, end, min(len(changes), end + 9)]))
        changes = changes[:start] + data.draw(st.sampled_from(TOKENS)) + changes[stop:]
    before = sorted(root.rglob("*"))
    file.write_text(changes, encoding="utf-8", newline="")
    try:
        recognise_source(root)
        asked = IngestParameters(format=layout, on_bad_image="skip" if skips else "fail")  # type: ignore[arg-type]
        assert len(read_samples(root, parameters=asked)) > 0
    except DbcError as error:
        assert str(error).isprintable()  # noqa: PT017
    finally:
        file.write_bytes(whole)
    assert sorted(root.rglob("*")) == before
