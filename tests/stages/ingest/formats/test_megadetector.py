"""Both dialects of MegaDetector's results, and what is refused of them by file and place."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from box_sources import read_as
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.errors import DbcError, UsageError
from stages.ingest.formats import recognise_source

CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}
BOX = {"category": "1", "conf": 0.9, "bbox": [0.1, 0.2, 0.3, 0.4]}
PIXELS = {"category": "animal", "confidence": 0.9, "bbox": [10.0, 20.5, 30.0, 50.5]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("north/a.jpg", "north/b.jpg", "south/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (100, 60)).save(tmp_path / name)
    return tmp_path


def as_object(folder: Path, *images: dict[str, Any]) -> Path:
    return written(folder, {"info": {"format_version": "1.4"}, "detection_categories": CATEGORIES, "images": images})


def written(folder: Path, document: Any) -> Path:
    file = folder / "results.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


read = partial(read_as, name="megadetector")


def test_the_dialect_that_is_an_object(folder: Path) -> None:
    file = as_object(
        folder,
        {
            "file": "north\\a.jpg",
            "datetime": "2024:05:31 07:15:00",
            "detections": [
                BOX | {"bbox": [0.5, 0, 0.5, 1], "conf": 0.25},
                BOX,
                BOX | {"category": "2"},
                BOX | {"category": "7"},
                BOX | {"bbox": [0, 0, 0.1, 0.1], "conf": 0.19},
            ],
        },
        {"file": "north/b.jpg", "detections": []},
        {"file": str(folder / "south/c.jpg"), "detections": [BOX], "failure": None},
        {"file": "south/broken.jpg", "detections": None, "failure": "Failure image access"},
        {"file": "south/cut.jpg", "detections": [], "failure": "Failure image access"},
    )
    samples, findings = read(file)
    assert samples.path == ("north/a.jpg", "north/a.jpg", "south/c.jpg")
    np.testing.assert_array_equal(samples.box, [[0.1, 0.2, 0.3, 0.4], [0.5, 0, 0.5, 1], [0.1, 0.2, 0.3, 0.4]])
    assert samples.is_relative.all()
    np.testing.assert_array_equal(samples.score, np.float32([0.9, 0.25, 0.9]))
    assert samples.timestamp == ("2024-05-31T07:15:00", "2024-05-31T07:15:00", "")
    assert samples.origin[0] == "results.json image 1 detection 2"
    assert findings.boxes == {
        "below confidence 0.2": 1,
        "of category person": 1,
        "of category 7 (not listed)": 1,
    }
    assert findings.warnings == ["pictures that the detector could not read, left out: 2"]
    assert "pictures without a box: 1" in findings.notes
    assert not findings.left_out
    assert len(read(file, min_confidence=0)[0]) == 4
    assert len(read(file, category="animal,person")[0]) == 4
    assert len(read(file, camera_pattern=r"^(\w+)/")[0].camera) == 3


def test_the_dialect_that_is_a_list(folder: Path) -> None:
    file = written(
        folder,
        [
            {"file": "north/a.jpg", "detections": [PIXELS, PIXELS | {"category": "person"}]},
            {"file": "north/b.jpg", "detections": []},
        ],
    )
    samples, _ = read(folder)
    assert samples.path == ("north/a.jpg",)
    assert samples.box.tolist() == [[10, 20.5, 20, 30]]
    assert not samples.is_relative.any()
    assert recognise_source(file).format == "megadetector"


def test_the_files_of_several_folders_are_read_as_one(folder: Path) -> None:
    for card, name in (("north", "a.jpg"), ("south", "south/c.jpg")):
        as_object(folder / card, {"file": name, "detections": [BOX]})
    found = recognise_source(folder)
    assert (found.format, found.others) == ("megadetector", ("folder",))
    samples, findings = read(folder)
    assert (samples.path, samples.origin[0]) == (
        ("north/a.jpg", "south/c.jpg"),
        "north/results.json image 1 detection 1",
    )
    assert findings.warnings == ["pictures that no file of results lists, left out: 1, the first 'north/b.jpg'"]
    assert any("results in folders, read as one: 2 (" in note for note in findings.notes)
    (folder / "samples.csv").write_text("path\nnorth/a.jpg\n")
    assert recognise_source(folder).format == "csv"
    (folder / "north/again.json").write_bytes((folder / "north/results.json").read_bytes())
    with pytest.raises(UsageError, match=r"north/again.json and north/results.json both list 'north/a.jpg'"):
        read(folder)


def test_results_beside_another_json_file_are_found(folder: Path) -> None:
    as_object(folder, {"file": "north/a.jpg", "detections": [BOX]})
    (folder / "template.json").write_text("{}")
    assert recognise_source(folder).format == "megadetector"
    assert read(folder)[0].path == ("north/a.jpg",)


def test_species_of_a_classifier_are_told_and_taken_if_they_are_asked_for(folder: Path) -> None:
    guesses = [[["0", 0.9], ["1", 0.1]], [["1", 0.7]], None, [], [7], ["0"], [[]], [["9", 1]]]
    boxes = [BOX | {"bbox": [0.1 * i, 0, 0.1, 0.1], "classifications": guess} for i, guess in enumerate(guesses)]
    file = as_object(folder, {"file": "north/a.jpg", "detections": boxes})
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"classification_categories": {"0": "nyala", "1": "impala"}}))
    told = "species that a classifier names are not told apart, and all are compared with each other: 1 impala, 1 nyala; `c"
    assert read(file)[1].warnings[0].startswith(told)
    own = document | {"classification_categories": {"0": "individual 1", "1": "individual 2"}}
    assert read(written(folder, own | {"info": {"classifier": "dbc-reid"}}))[1].warnings == []
    file.write_text(json.dumps(document | {"classification_categories": {"0": "nyala", "1": "impala"}}))
    samples, findings = read(file, category="nyala")
    assert samples.category == ("nyala",)
    assert findings.boxes == {"of category animal": 7}
    assert "species by the first guess of a classifier: 1 nyala" in findings.notes
    assert not findings.warnings
    samples, findings = read(file, category="animal,nyala")
    assert sorted(samples.category) == ["animal"] * 7 + ["nyala"]
    names = ["a;mammalia;;;;;nyala", "b;mammalia;;;;;impala"]
    predictions: list[dict[str, Any]] = [
        {"filepath": f"north/{name}.jpg", "detections": [BOX], "prediction": species}
        for name, species in zip("ab", names, strict=True)
    ]
    # a guess is of the picture, and no person is a nyala
    predictions[0]["detections"].append(BOX | {"category": "2", "bbox": [0, 0, 0.1, 0.1]})
    file = written(folder, {"predictions": predictions})
    assert read(file)[1].warnings[0].startswith(told)
    samples, _ = read(file, category="impala,nyala")
    assert (samples.path, samples.category) == (("north/a.jpg", "north/b.jpg"), ("nyala", "impala"))
    assert set(read(file, category="any")[0].category) == {"animal", "human"}


def test_what_is_no_species_or_is_left_out_is_no_species_of_a_classifier(folder: Path) -> None:
    names = ["a;mammalia;;;;;nyala", "b;mammalia;;;;;impala", "c;;;;;;animal", "d;;;;;;human", "e;;;;;;blank"]
    changes: list[dict[str, Any]] = [{}, {"conf": 0.01}, {}, {"category": "2"}, {"conf": 0.01}]
    boxes = [BOX | {"bbox": [0.1 * i, 0, 0.1, 0.1]} | change for i, change in enumerate(changes)]
    predictions = [
        {"filepath": "north/a.jpg", "detections": [box], "prediction": name}
        for name, box in zip(names, boxes, strict=True)
    ]
    file = written(folder, {"predictions": predictions})
    assert read(file)[1].warnings == []
    assert len(read(file, category="human")[0]) == 1
    with pytest.raises(
        UsageError, match=r"has no box to take: 2 below confidence 0\.2, 2 of category animal, 1 of category hum"
    ):
        read(file, category="impala")
    classified = [box | {"classifications": [[str(i), 0.9]]} for i, box in enumerate(boxes)]
    document = json.loads(as_object(folder, {"file": "north/a.jpg", "detections": classified}).read_text())
    kinds = dict(enumerate(["animal", "impala", "nyala", "person", "blank"]))
    assert read(written(folder, document | {"classification_categories": kinds}))[1].warnings == []


def test_frames_of_a_video(folder: Path) -> None:
    (folder / "clip.MP4").write_bytes(b"")
    detections = [BOX | {"frame_number": 20}, BOX | {"frame_number": 0}]
    file = as_object(
        folder, {"file": "clip.MP4", "frame_rate": 20, "frames_processed": [0, 20], "detections": detections}
    )
    samples, _ = read(file)
    assert (samples.path, samples.frame_number.tolist()) == (("clip.MP4", "clip.MP4"), [0, 20])


@pytest.mark.parametrize(
    ("document", "recognised"),
    [
        ({"images": [], "detection_categories": {}}, "megadetector"),
        ([{"file": "a.jpg", "detections": []}], "megadetector"),
        ({"predictions": [{"filepath": "a.jpg", "failures": ["DETECTOR"]}]}, "megadetector"),
        ({"images": [], "annotations": [], "categories": []}, None),
    ],
)
def test_results_are_recognised_by_what_is_in_them(folder: Path, document: Any, recognised: str | None) -> None:
    file = written(folder, document)
    formats = {recognise_source(file).format, recognise_source(folder).format}
    assert ("megadetector" in formats) == (recognised is not None)
    if recognised:
        assert recognise_source(folder).others[-1] == "folder"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "is JSON of no format that is read here, no object; MegaDetector's has images"),
        (
            {"predictions": [1]},
            "is JSON of no format that is read here, an object with 'predictions'; MegaDetector's has",
        ),
        (
            {f"{'long' * 99}{n}": 1 for n in range(9)},
            "'longlonglonglonglonglonglonglonglonglong' and 4 more; MegaDetector's",
        ),
        ({}, "an object with nothing in it"),
        (
            [{"id": 1, "annotations": [], "data": {}}],
            "a list of objects with 'id', 'annotations', 'data'; MegaDetector's",
        ),
        ('{"images": [{"file"', "results.json' line 1 column 20 is not JSON"),
    ],
)
def test_other_documents_and_parts_of_one_are_no_tables(folder: Path, document: Any, told: str) -> None:
    file = written(folder, document)
    with pytest.raises(UsageError) as caught:
        recognise_source(file)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 600
    found = recognise_source(folder)
    assert found.format == "folder"
    assert ("not JSON, or not all of it: results.json" in found.why) == ("is not JSON" in told)
    assert ("JSON of no format that is read here: results.json" in found.why) == ("is not JSON" not in told)
    with pytest.raises(UsageError, match=r"a\.jpg' is a picture; give the folder that holds it"):
        recognise_source(folder / "north" / "a.jpg")


def test_predictions_of_speciesnet_are_boxes_of_megadetector(folder: Path) -> None:
    person = BOX | {"category": "2", "label": "human"}
    predictions = [
        {
            "filepath": str(folder / "north/a.jpg"),
            "detections": [BOX | {"label": "animal"}, person],
            "prediction": "fox",
        },
        {"filepath": "north\\b.jpg", "detections": []},
        {"filepath": "south/c.jpg", "failures": ["DETECTOR"]},
    ]
    samples, findings = read(written(folder, {"predictions": predictions}))
    assert samples.path == ("north/a.jpg",)
    np.testing.assert_array_equal(samples.box, [[0.1, 0.2, 0.3, 0.4]])
    assert samples.is_relative.all()
    assert findings.boxes == {"of category human": 1}
    assert findings.warnings == ["pictures that the detector could not read, left out: 1"]
    assert "pictures without a box: 1" in findings.notes
    with pytest.raises(UsageError, match=r"'north/a.jpg' has no list of detections"):
        read(written(folder, {"predictions": [{"filepath": "north/a.jpg", "prediction": "fox"}]}))


IMAGE = {"file": "north/a.jpg", "detections": [BOX]}
REFUSED = {
    "not UTF-8": ("\udcff[]", "is not JSON in UTF-8"),
    "another document": ({"images": [], "annotations": []}, "is no result of MegaDetector"),
    "no file": ([{"detections": [PIXELS]}], "results.json image 1 names no file"),
    "no detections": ([{"file": "north/a.jpg"}], "results.json image 1: 'north/a.jpg' has no list of detections"),
    "conf in a list": ([IMAGE], "image 1 detection 1 has conf and no confidence: it mixes the dialects"),
    "percent": (
        [IMAGE | {"detections": [PIXELS | {"confidence": 90}]}],
        "detection 1: confidence 90 is not from 0 to 1",
    ),
    "shares in a list": ([IMAGE | {"detections": [PIXELS | {"bbox": [0.1, 0.2, 0.5, 1]}]}], "seems to be in shares"),
    "confidence as text": (
        [IMAGE | {"detections": [PIXELS | {"confidence": "0.9"}]}],
        "detection 1: confidence '0.9' is not a number, as in each detection of MegaDetector",
    ),
    "nothing but failures and empty pictures": (
        [IMAGE | {"detections": []}, {"file": "north/b.jpg", "detections": None, "failure": "x"}],
        "has no box to take: 1 picture without one, 1 that the detector could not read; give another file",
    ),
    "no four numbers": (
        [IMAGE | {"detections": [PIXELS | {"bbox": [1, 2, 3]}]}],
        r"detection 1: bbox \[1, 2, 3\] is not four numbers",
    ),
    "elsewhere": ([{"file": "../a.jpg", "detections": [PIXELS]}], "image 1: '../a.jpg' is not below"),
    "nothing": ([{"file": "north/a.jpg", "detections": []}], "has no box to take"),
    "video without frame": (
        [{"file": "clip.mp4", "detections": [PIXELS]}],
        "detection 1 names no frame_number of the video 'clip.mp4'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_by_file_and_place(folder: Path, name: str) -> None:
    document, message = REFUSED[name]
    file = folder / "results.json"
    text = document if isinstance(document, str) else json.dumps(document)
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises((UsageError, DbcError), match=message) as caught:
        read(file)
    assert str(caught.value).isprintable()


def test_two_documents_in_a_folder_are_asked_about(folder: Path) -> None:
    written(folder, [IMAGE])
    (folder / "other.json").write_text(json.dumps([IMAGE]))
    with pytest.raises(UsageError, match=r"should hold exactly one \.json file, found 2 \(other.json, results.json\)"):
        read(folder)


leaves = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-2, 2, width=16) | st.sampled_from(["", "1", "a.jpg"])
)
values = leaves | st.lists(st.floats(0, 1, width=16), min_size=4, max_size=4) | st.lists(leaves, max_size=4)
detections = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("category", "conf", "confidence", "bbox", "frame_number"), values)
)
pictures = st.fixed_dictionaries(
    {},
    optional={
        "file": st.sampled_from(["a.jpg", "b.mp4", "../c", ""]) | values,
        "filepath": st.sampled_from(["a.jpg", "../c"]) | values,
        "failures": values,
        "detections": st.lists(detections | leaves, max_size=2) | values,
        "failure": values,
        "datetime": values,
    },
)
lists = st.lists(pictures | leaves, max_size=3)
objects = st.fixed_dictionaries(
    {},
    optional={
        "images": lists | values,
        "detection_categories": st.just(CATEGORIES) | values,
        "predictions": lists | values,
    },
)


@given(document=lists | objects | values)
@settings(max_examples=60, deadline=None)
def test_any_document_is_read_or_refused_in_one_line(document: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for picture in ("a.jpg", "b.mp4"):
            (folder / picture).touch()
        file = written(folder, document)
        with suppress(UsageError):
            recognise_source(file)
        try:
            samples, _ = read(file, min_confidence=0, category="any")
        except UsageError as error:
            assert str(error).isprintable()  # noqa: PT017
        else:
            assert len(samples) > 0
