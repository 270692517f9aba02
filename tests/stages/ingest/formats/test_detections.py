"""Rows of boxes become samples, and what does not fit is refused by its row or counted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.detections import samples_of
from stages.ingest.formats.format import Findings
from stages.ingest.formats.sample_columns import categories_of
from stages.samples import GALLERY, TRAIN, UNKNOWN, Samples

BOX = (1.0, 2.0, 3.0, 4.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in "abc":
        Image.new("RGB", (20, 10)).save(tmp_path / f"{name}.png")
    return tmp_path


def row(path: str, number: int, **said: Any) -> Detection:
    return Detection(path, f"table row {number}", **said)


def build(root: Path, *rows: Detection, findings: Findings | None = None, **parameters: Any) -> Samples:
    asked = IngestParameters(**{"format": "csv", **parameters})
    found = Findings() if findings is None else findings
    return samples_of(rows, source=root / "table", root=root, parameters=asked, findings=found)


def test_every_box_is_a_sample_in_order_of_picture_and_box(root: Path) -> None:
    rows = [
        row("b.png", 1, box=(0.5, 0, 0.5, 1), is_relative=True, score=0.9, identity="Ann", camera="north"),
        row("a.png", 2, box=BOX, timestamp="2024:05:31 07:15:00", encounter="e7", view="left"),
        row("b.png", 3, score=0.8, frame=4),
    ]
    samples = build(root, *rows)
    assert samples.path == ("a.png", "b.png", "b.png")
    assert samples.origin == ("table row 2", "table row 1", "table row 3")
    np.testing.assert_array_equal(samples.box, [BOX, (0.5, 0, 0.5, 1), (math.nan,) * 4])
    assert samples.is_relative.tolist() == [False, True, False]
    assert samples.frame_number.tolist() == [-1, -1, 4]
    np.testing.assert_array_equal(samples.score, np.float32([math.nan, 0.9, 0.8]))
    assert samples.timestamp == ("2024-05-31T07:15:00", "", "")
    assert (samples.pid.tolist(), samples.identity) == ([UNKNOWN, 1, UNKNOWN], ("", "Ann", ""))
    assert (samples.camid.tolist(), samples.camera) == ([UNKNOWN, 1, UNKNOWN], ("", "north", ""))
    assert (samples.encounter.tolist(), samples.encounter_name) == ([1, UNKNOWN, UNKNOWN], ("e7", "", ""))
    assert (samples.view.tolist(), samples.view_name) == ([1, UNKNOWN, UNKNOWN], ("left", "", ""))
    assert samples.split.tolist() == [TRAIN] * 3
    reversed_rows = build(root, *reversed(rows))
    np.testing.assert_array_equal(reversed_rows.box, samples.box)
    assert reversed_rows.path == samples.path


def test_what_no_row_says_is_an_empty_column(root: Path) -> None:
    samples = build(root, row("a.png", 1), row("b.png", 2))
    for name in ("box", "is_relative", "frame_number", "score", "timestamp", "encounter", "view", "identity", "camera"):
        assert len(getattr(samples, name)) == 0, name


def test_tracklets_hold_their_frames_in_order(root: Path) -> None:
    rows = [
        row("a.png", 1, frame=9, box=BOX, tracklet="t1"),
        row("b.png", 2, frame=3, box=BOX, tracklet="t1"),
        row("a.png", 3, frame=9, box=(5, 5, 2, 2), tracklet="t2", split=None),
    ]
    samples = build(root, *rows)
    assert samples.frame_start.tolist() == [0, 1, 3]
    assert samples.path == ("a.png", "b.png", "a.png")
    assert samples.frame_number.tolist() == [9, 3, 9]
    taken = samples.take(np.array([1, 0]))
    assert taken.path == ("b.png", "a.png", "a.png")
    assert taken.box[:, 0].tolist() == [1, 1, 5]
    assert taken.origin == ("table row 2", "table row 1", "table row 3")
    left = samples.with_images(np.array([False, True, False]))
    assert (left.path, left.frame_start.tolist(), left.tracklet.tolist()) == (("b.png",), [0, 1], [1])


def test_confidence_and_category_and_area_decide_and_are_counted(root: Path) -> None:
    findings = Findings()
    rows = [
        row("a.png", 1, box=BOX, score=0.5, category="animal"),
        row("a.png", 2, box=BOX, score=0.1, category="animal"),
        row("a.png", 3, box=BOX, score=0.9, category="person"),
        row("b.png", 4, box=(1, 1, 0, 5), category="animal"),
        row("c.png", 5, box=BOX, category="animal"),
    ]
    samples = build(root, *rows, findings=findings, min_confidence=0.2, category="animal, bird")
    assert samples.origin == ("table row 1", "table row 5")
    assert findings.boxes == {"below confidence 0.2": 1, "of category person": 1, "without area": 1}
    assert "1 of category person" in findings.notes[-2]
    assert findings.notes[-1] == "pictures in the same folders of which nothing is taken: 1 .png"
    assert samples.category == ()
    assert build(root, rows[0], rows[2], rows[4]).category == ("animal", "person", "animal")


@pytest.mark.parametrize("texts", [["animal", ""], ["0", "0"], ["", "NA"]])
def test_categories_that_say_nothing_are_not_kept(texts: list[str]) -> None:
    assert categories_of(texts) == ()
    assert categories_of([*texts, "fox"])[-1] == "fox"


def test_nothing_left_says_what_went(root: Path) -> None:
    with pytest.raises(UsageError, match=r"has no box to take: 1 below confidence 0.9; lower"):
        build(root, row("a.png", 1, score=0.5), min_confidence=0.9)
    with pytest.raises(UsageError, match="has no box to take; lower"):
        build(root)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"box": (math.nan, 1, 2, 3)}], r"table row 0: box \[nan, 1, 2, 3\] is not four numbers"),
        ([{"box": (10, 20, 300, 400), "is_relative": True}], "table row 0: .* seems to be in pixels"),
        ([{"box": (1.01, 0, 0.2, 0.2), "is_relative": True}], "table row 0: .* lies outside its picture 'a.png'"),
        ([{"box": (-9, 0, 5, 5)}], "table row 0: .* lies outside its picture 'a.png'"),
        (
            [{"box": (9, 9, 4, -1)}],
            r"table row 0: box \[9, 9, 4, -1\] has a negative width or height; correct it, or leave",
        ),
        ([{"box": BOX}, {"box": BOX}], "table row 1 and table row 0 are the same box of 'a.png'; keep one"),
        (
            [{"box": BOX, "tracklet": "t", "identity": "A"}, {"frame": 2, "tracklet": "t", "identity": "B"}],
            "table row 1: identity 'B' in tracklet 't', for which table row 0 has 'A'",
        ),
        (
            [{"box": BOX, "tracklet": "t", "frame": 2}, {"frame": 2, "tracklet": "t"}],
            "table row 0: tracklet 't' has the same frame in table row 1",
        ),
        ([{"split": TRAIN}, {"box": BOX}], "table row 1 has no split, and others have"),
    ],
)
def test_rows_that_are_wrong_are_refused_by_name(root: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(root, *(row("a.png", number, **said) for number, said in enumerate(rows)))


def test_boxes_outside_are_counted_if_bad_images_are_skipped(root: Path) -> None:
    findings = Findings()
    rows = [row("a.png", 1, box=(-9, 0, 5, 5)), row("b.png", 2), row("b.png", 3, box=(5, 5, -2, 3))]
    rows.append(row("b.png", 4, box=(5, math.nan, 2, 3)))
    assert len(build(root, *rows, findings=findings, on_bad_image="skip")) == 1
    assert findings.boxes == {"outside their picture": 1, "of negative size": 1, "without four numbers": 1}


def test_pictures_that_are_not_there_are_named_with_their_row(root: Path) -> None:
    rows, findings = [row("a.png", 1), row("lost.png", 2), row("lost.png", 3, box=BOX), row("no.png", 4)], Findings()
    with pytest.raises(
        UsageError,
        match=r"table row 2: 'lost.png' does not exist in .*, nor do 1 other of the 3 pictures, the next 'no.png'; restore it",
    ):
        build(root, *rows)
    assert len(build(root, *rows, on_bad_image="skip", findings=findings)) == 4
    assert findings.notes[0] == "4 boxes of 3 pictures or frames, of which 2 do not exist and are left out"
    assert findings.notes[1] == "rows without a box, taken for whole pictures: 3"
    with pytest.raises(UsageError, match="as `root`"):
        build(root, *rows[1:], on_bad_image="skip")


def test_patterns_and_no_identities(root: Path) -> None:
    rows = [row("a.png", 1, identity="x", camera="k"), row("b.png", 2, identity="NA")]
    assert build(root, *rows).identity == ("x", "")
    assert build(root, *rows, folder_identities=False).identity == ()
    named = build(root, *rows, identity_pattern=r"(\w)\.png", camera_pattern=r"(?P<cam>\w)\.")
    assert (named.identity, named.camera) == (("a", "b"), ("a", "b"))


def test_splits_are_given_or_drawn(root: Path) -> None:
    given = build(root, row("a.png", 1, split=TRAIN), row("b.png", 2, split=GALLERY))
    assert given.split.tolist() == [TRAIN, GALLERY]
    rows = [
        row(f"{name}.png", 1, identity=identity, box=(1, 1, n, 4))
        for name, identity in (("a", "x"), ("b", "y"))
        for n in (2, 3)
    ]
    assert sorted(build(root, *rows, test_fraction=0.5).split.tolist()) == [0, 0, 1, 2]


def test_boxes_of_a_copy_of_another_size_are_scaled_and_those_of_another_shape_are_told(root: Path) -> None:
    same = row("a.png", 1, box=BOX, size=(20, 11))
    copies = [row("b.png", 2, box=(100, 50, 50, 25), size=(201, 100)), row("c.png", 3, box=(2, 1, 2, 2), size=(10, 5))]
    findings = Findings()
    samples = build(root, same, *copies, findings=findings)
    np.testing.assert_allclose(samples.box, [BOX, (100 / 201, 0.5, 50 / 201, 0.25), (0.2, 0.2, 0.2, 0.4)])
    assert samples.is_relative.tolist() == [False, True, True]
    told = "2 of 3, the first table row 2: it says 201×100 pixels, 'b.png' has 20×10"
    assert f"boxes are scaled to pictures of another size than theirs: {told}" in findings.notes
    assert not findings.warnings
    # turned, and with a box beyond the size that is said
    others = [row("b.png", 4, box=BOX, size=(10, 20)), row("c.png", 5, box=(2, 1, 9, 1), size=(10, 5))]
    assert not build(root, same, *others, row("c.png", 6, box=BOX, size=(10, 5)), findings=findings).is_relative.any()
    told = "2 of 3, the first table row 4: it says 10×20 pixels, 'b.png' has 20×10"
    assert [warning.partition("; ")[0] for warning in findings.warnings] == [
        f"pictures of another shape than their boxes are of: {told}"
    ]
    whole = build(root, row("a.png", 7, size=(40, 20)), row("b.png", 8, box=(0.1, 0.1, 0.5, 0.5), is_relative=True))
    np.testing.assert_array_equal(whole.box[1], (0.1, 0.1, 0.5, 0.5))


@pytest.mark.parametrize(("box", "is_sure"), [((10, 4, 8, 5), False), ((10, 4, 20, 5), True)])
def test_scaling_is_a_warning_unless_a_box_reaches_beyond_its_picture(
    root: Path, box: tuple[float, ...], is_sure: bool
) -> None:
    findings = Findings()
    samples = build(root, row("a.png", 1, box=box, size=(40, 20)), row("b.png", 2, box=BOX), findings=findings)
    assert samples.is_relative.tolist() == [True, False]
    told = "no box reaches beyond its picture, so they may be in pixels of these: if they are, correct the width and height "
    wanted = [] if is_sure else [f"{told}that are said"]
    assert [warning.partition("; ")[2] for warning in findings.warnings] == wanted
    assert any("boxes are scaled" in note for note in findings.notes) == is_sure


def test_of_two_boxes_of_a_track_in_a_frame_the_surest_or_largest_is_kept_if_bad_images_are_skipped(root: Path) -> None:
    small, large = (1, 1, 4, 4), (2, 2, 5, 5)
    rows = [
        row("a.png", 0, tracklet="t", frame=1, box=small, score=0.9),
        row("a.png", 1, tracklet="t", frame=1, box=large, score=0.8),
        row("a.png", 2, tracklet="u", frame=1, box=small),
        row("a.png", 3, tracklet="u", frame=1, box=large),
        row("a.png", 4, frame=1, box=small),
        row("a.png", 5, frame=1, box=large),
    ]
    findings = Findings()
    samples = build(root, *rows, findings=findings, on_bad_image="skip")
    assert sorted(samples.origin) == [f"table row {number}" for number in (0, 3, 4, 5)]
    assert findings.boxes == {"whose track has another in that frame": 2}
    with pytest.raises(UsageError, match="keep one, or leave all but the surest or largest out with"):
        build(root, *rows)
