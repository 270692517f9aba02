"""Clusters written for other programs come back with the same boxes and individuals."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.export import pictures
from stages.export.formats import FORMATS, _without_lost
from stages.export.formats.format import IngestedSource, Layout
from stages.export.members import Member, Members
from stages.export.tables import write_csv
from stages.ingest.formats import read_samples
from stages.ingest.whereabouts import PictureFiles
from stages.reporting import SILENT
from stages.runs.store import Artifact
from stages.samples import Samples
from tests.conftest import REPOSITORY
from tests.docs.documents import blocks
from tests.stages.export.test_members import grey_video


def member(path: str, individual: int | None, box: tuple[int, int, int, int] | None, **said: Any) -> Member:
    cluster = None if individual is None else individual - 1
    return Member(path, said.pop("camera", None), "train", None, individual, cluster, 1, 0.5, 2, None, box=box, **said)


ROWS = (
    member("images/a.png", 1, (2, 3, 20, 10), score=0.75, timestamp="2024-05-31T07:15:00", view="left", camera="n"),
    member("images/b.png", 1, (0, 0, 40, 30), score=0.5, encounter="e1"),
    member("images/a.png", 2, (1, 1, 8, 5)),
    member("images/b.png", None, (10, 10, 4, 4)),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in "ab":
        Image.new("RGB", (40, 30)).save(tmp_path / f"images/{name}.png")
    return tmp_path


def written(name: str, root: Path, rows: tuple[Member, ...] = ROWS) -> Layout:
    source = IngestedSource(
        lambda: PictureFiles(root), IngestParameters(), largest_number=9, paths=[row.path for row in rows]
    )
    layout = FORMATS[name].layout(rows, source)
    return replace(layout, notes=(*layout.notes, *source.notes))


def read(root: Path, name: str, layout: Layout, file: str = "") -> Samples:
    for place, text in layout.files.items():
        (root / (place or file)).parent.mkdir(exist_ok=True)
        (root / (place or file)).write_text(text)
    return read_samples(root, parameters=IngestParameters(format=name, category="any"))  # type: ignore[arg-type]


def boxes(samples: Samples) -> list[tuple[str, tuple[int, ...]]]:
    scale = np.where(samples.is_relative[:, None], [40, 30, 40, 30], 1)
    return [
        (path, tuple(box))
        for path, box in zip(samples.path, np.rint(samples.box * scale).astype(int).tolist(), strict=True)
    ]


def test_megadetector_has_individuals_as_classes(root: Path) -> None:
    layout = written("megadetector", root)
    samples = read(root, "megadetector", layout, "results.json")
    assert boxes(samples) == sorted((row.path, row.box or ()) for row in ROWS)
    np.testing.assert_array_equal(samples.score, np.float32([1, 0.75, 0.5, 1]))
    found = json.loads((root / "results.json").read_text())
    assert found["classification_categories"] == {"1": "individual 1", "2": "individual 2"}
    classes = [each.get("classifications") for image in found["images"] for each in image["detections"]]
    assert classes == [[["2", 1]], [["1", 1]], [["1", 1]], None]
    assert layout.notes == (
        "the file holds the pictures with boxes that were ingested, 2; empty ones and failures are not in it",
        "boxes whose score is not known have confidence 1: 2",
    )


def test_wildlife_datasets_has_individuals_as_identities(root: Path) -> None:
    samples = read(root, "wildlife-datasets", written("wildlife-datasets", root), "metadata.csv")
    assert boxes(samples) == sorted((row.path, row.box or ()) for row in ROWS)
    assert samples.identity == ("2", "1", "1", "")
    assert samples.camera == ("", "n", "", "")
    assert samples.view_name == ("", "left", "", "")
    assert samples.encounter_name == ("", "", "e1", "")
    assert samples.timestamp == ("", "2024-05-31T07:15:00", "", "")


@pytest.mark.parametrize("name", ["camtrap-dp", "coco", "megadetector", "wildlife-datasets", "yolo"])
def test_a_renamed_picture_is_written_as_it_is_called_now(root: Path, name: str) -> None:
    (root / "images/b.png").rename(root / "Kira.png")
    found = PictureFiles(root, {"images/b.png": "Kira.png"})
    source = IngestedSource(lambda: found, IngestParameters(), largest_number=9, paths=[row.path for row in ROWS])
    text = json.dumps(dict(FORMATS[name].layout(ROWS, source).files))
    assert "Kira." in text
    assert "b.png" not in text
    assert "b.txt" not in text


@pytest.mark.parametrize("name", ["camtrap-dp", "coco", "megadetector", "wildlife-datasets"])
def test_a_known_name_stands_beside_the_number(root: Path, name: str) -> None:
    files = written(name, root, tuple(replace(row, name="Ayo" if row.individual == 1 else None) for row in ROWS)).files
    text = "".join(files.values())
    assert text.count("1 (Ayo)") == (1 if name == "megadetector" else 2)
    assert "2 (" not in text


def test_yolo_has_individuals_as_tracks(root: Path) -> None:
    twice = (*ROWS, member("images/a.png", 2, (30, 20, 5, 5)))
    layout = written("yolo", root, twice)
    assert sorted(layout.files) == ["labels/a.txt", "labels/b.txt"]
    assert layout.files["labels/b.txt"] == "0 0.3 0.4 0.1 0.133333\n0 0.5 0.5 1 1 1\n"
    # the run had individuals up to 9
    assert [line.split()[-1] for line in layout.files["labels/a.txt"].splitlines()] == ["2", "1", "10"]
    assert layout.notes == (
        "boxes of an individual that is elsewhere in the same picture, under numbers of their own: 1",
        "boxes that are in no cluster, without a track: 1",
    )
    samples = read(root, "yolo", layout)
    assert sorted(boxes(samples)) == sorted((row.path, row.box or ()) for row in twice)
    assert sorted(np.diff(samples.frame_start).tolist()) == [1, 1, 1, 2]


def test_labels_of_pictures_outside_of_the_root_stay_in_the_folder_and_come_back(root: Path) -> None:
    below = root / "cards" / "card1"
    paths = {"images/a.png": "cards/card1/labels/a.txt", "../card2/a.png": "cards/card2/a.txt"}
    paths |= {"../../images/a.png": "labels/a.txt", "../card1b/a.png": "cards/card1b/a.txt"}
    for path in paths:
        (below / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30)).save(below / path)
    rows = tuple(member(path, number, (number, 1, 5, 5)) for number, path in enumerate(paths, start=1))
    layout = written("yolo", below, rows)
    assert sorted(layout.files) == sorted(paths.values())
    told = f"pictures lie outside of {below}, too, so paths start from {root}; dbc ingest takes it as `root`"
    assert layout.notes == (told,)
    (root / "images/b.png").unlink()
    samples = read(root, "yolo", layout)
    wanted = {place.replace("labels", "images").replace(".txt", ".png"): n for n, place in enumerate(paths.values(), 1)}
    assert {path: box[0] for path, box in boxes(samples)} == wanted
    for name, file in (
        ("camtrap-dp", ""),
        ("coco", "c.json"),
        ("megadetector", "r.json"),
        ("wildlife-datasets", "t.csv"),
    ):
        layout = written(name, below, rows)
        assert told in layout.notes
        source = root / name / file
        for place, text in layout.files.items():
            (root / name).mkdir(exist_ok=True)
            (root / name / (place or file)).write_text(text)
        samples = read_samples(source, parameters=IngestParameters(format=name, category="any"), root=root)
        assert {path: box[0] for path, box in boxes(samples)} == wanted, name


def test_paths_start_from_the_folder_above_all_sources_also_while_they_are_not_there(tmp_path: Path) -> None:
    def find() -> PictureFiles:
        raise UsageError("not there")

    def places(was_at: Path | None) -> tuple[list[str], tuple[str, ...]]:
        source = IngestedSource(find, IngestParameters(), largest_number=9, paths=paths, was_at=was_at)
        return [source.place(path) for path in paths], source.notes

    paths = ["1.jpg", "../card2/1.jpg"]
    found, (told,) = places(tmp_path / "card1")
    assert found == ["card1/1.jpg", "card2/1.jpg"]
    assert f"paths start from {tmp_path}, where they were and are not now" in told
    # the folder of pictures that were added is there, and seems to have half of them
    beside = PictureFiles(tmp_path / "card2", lost=frozenset(paths[:1]))
    source = IngestedSource(
        lambda: beside, IngestParameters(), largest_number=9, paths=paths, was_at=tmp_path / "card1"
    )
    assert [source.place(path) for path in paths] == found
    found, (told,) = places(None)
    assert found == paths
    assert "so paths begin with .." in told


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (
            ("a.jpg", "a.png"),
            r"pictures 'a.jpg' and 'a.png' would have their boxes in one file, 'a.txt', as YOLO has it",
        ),
        (("images/a.png", "labels/a.png"), r"'images/a.png' and 'labels/a.png' would have .* 'labels/a.txt'"),
        (("classes.png",), r"a picture would have its boxes in 'classes.txt', which names the classes; rename it"),
    ],
)
def test_pictures_that_would_share_a_file_of_labels_are_refused(root: Path, paths: tuple[str, ...], told: str) -> None:
    rows = tuple(member(path, 1, (1, 1, 5, 5), category="zebra") for path in paths)
    for path in paths:
        (root / path).parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 30)).save(root / path)
    with pytest.raises(UsageError, match=told):
        written("yolo", root, rows)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_holds_every_box_in_a_cluster_or_not(root: Path, name: str) -> None:
    rows = (
        *(replace(row, frame=n, timestamp="2024-05-31") for n, row in enumerate(ROWS)),
        *(member("images/a.png", None, (n, 3, 9, 9), frame=n, track=5) for n in (7, 8)),
    )
    layout = written(name, root, rows)
    said = {place: text.splitlines() for place, text in layout.files.items()}
    if name in ("coco", "megadetector"):
        content = json.loads(layout.files[""])
        found = content.get("annotations") or [each for image in content["images"] for each in image["detections"]]
    else:
        texts = [said["observations.csv"]] if name == "camtrap-dp" else list(said.values())
        found = [line for lines in texts for line in lines[0 if name in ("mot", "yolo") else 1 :]]
    left_out = [note for note in layout.notes if note.startswith("left out")]
    assert len(found) == sum(row.individual is not None or not left_out for row in rows)
    told = [note for note in layout.notes if "in no cluster" in note and note not in left_out]
    if name in ("mot", "matchypatchy"):
        # the run had individuals up to 9
        place = 1 if name == "mot" else -1
        assert sorted(int(line.split(",")[place]) for line in found) == [1, 1, 2, 10, 11, 11]
        number = "2" if name == "mot" else "2, of 3 boxes"
        assert told == [f"boxes or tracks that are in no cluster, under numbers of their own: {number}"]
    else:
        assert told == (["boxes that are in no cluster, without a track: 3"] if name == "yolo" else [])


@pytest.mark.parametrize("name", ["coco", "megadetector", "yolo"])
@pytest.mark.parametrize("categories", [("person", "zebra", "animal"), ("vehicle",), ("3", "0"), (None,)])
def test_categories_come_back(root: Path, name: str, categories: tuple[str | None, ...]) -> None:
    rows = tuple(replace(row, category=categories[n % len(categories)]) for n, row in enumerate(ROWS[:3]))
    layout = written(name, root, rows)
    samples = read(root, name, layout, "found.json")
    wanted = {(row.path, row.box): row.category for row in rows}
    assert samples.category == (() if categories == (None,) else tuple(wanted[each] for each in boxes(samples)))
    assert ("classes.txt" in layout.files) == (name == "yolo" and categories[0] in ("person", "vehicle"))
    if name == "megadetector":
        numbers = json.loads(layout.files[""])["detection_categories"]
        assert {number for number, name in numbers.items() if name in ("animal", "person", "vehicle")} <= set("123")


@pytest.mark.parametrize("name", ["camtrap-dp", "coco", "matchypatchy", "megadetector", "yolo"])
def test_a_picture_that_became_smaller_is_refused_by_name(root: Path, name: str) -> None:
    with pytest.raises(DbcError, match=r"'images/b.png' is 40×30 pixels, and its box \[10, 10, 4, 21\] reaches beyond"):
        written(name, root, (*ROWS, member("images/b.png", 3, (10, 10, 4, 21))))


@pytest.mark.parametrize(("file", "kind"), [("a.png", "picture"), ("a.mp4", "video")])
def test_what_cannot_be_read_is_named(root: Path, file: str, kind: str) -> None:
    if kind == "video":
        pytest.importorskip("av", reason="the extra video is not installed")
    (root / file).write_bytes(b"nothing")
    with pytest.raises(DbcError, match=f"{kind} '{file}' cannot be read in "):
        written("coco", root, (member(file, 1, (0, 0, 1, 1), frame=0),))


@pytest.mark.parametrize("name", ["wildlife-datasets", "yolo"])
def test_formats_of_pictures_refuse_videos(root: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"'a.mp4' is a video, and `format='{name}'` has no frames"):
        written(name, root, (member("a.mp4", 1, None, frame=3),))


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["n,91,0"], "line 2: latitude must be decimal degrees from -90 to 90, got '91'"),
        (["n,1,2", "m,1,east"], "line 3: longitude must be decimal degrees from -180 to 180, got 'east'"),
        (["n,1,2", "n,1,3"], "line 3: deploymentID must be a name of its own, got 'n'; correct it"),
    ],
)
def test_a_table_of_deployments_is_refused_by_row(root: Path, lines: list[str], told: str) -> None:
    (file := root / "places.csv").write_text("\n".join(["deploymentID,latitude,longitude", *lines]))
    with pytest.raises(UsageError) as caught:
        FORMATS["camtrap-dp"].layout(
            ROWS, IngestedSource(lambda: PictureFiles(root), IngestParameters(), largest_number=2, deployments=file)
        )
    assert str(caught.value).endswith(told)


def test_times_of_deployments_are_read_and_held_against_those_of_pictures(root: Path) -> None:
    (file := root / "places.csv").write_text(
        "deploymentID,deploymentStart,deploymentEnd\nn,5.6.2024,03/04/2026 10:00\nm,,45385\n"
    )
    times = [("n", "2024-06-05T01:00:00"), ("n", "2025-02-01T08:00:00"), ("n", "2000-01-01T08:00:00"), ("m", None)]
    rows = [member(f"{n}.jpg", 1, None, camera=camera, timestamp=time) for n, (camera, time) in enumerate(times)]
    source = IngestedSource(lambda: PictureFiles(root), IngestParameters(), largest_number=9, deployments=file)
    layout = FORMATS["camtrap-dp"].layout(rows, source)
    assert "2024-06-05T00:00:00,03/04/2026 10:00" in layout.files["deployments.csv"]
    assert layout.notes[:4] == (
        "1 of 3 pictures with a time are of 2000, of 'n', and the others of 2024, 2025; if a clock is wrong there, "
        "correct their times",
        "times in `deployments` that are none as 2026-04-03T10:00:00, written as they are: 2, the first 'm' has '45385'",
        "pictures taken more than a day outside of the times of their deployment: 1, the first 2000-01-01T08:00:00 of 'n'",
        "cameras that took no picture for more than 90 days, whose seasons are one deployment here: 1, the first 'n' from "
        "2000-01-01 to 2024-06-05",
    )


def test_a_deployment_lasts_from_the_earliest_time_to_the_latest_whatever_their_zones(root: Path) -> None:
    times = ("2024-10-27T00:30:00+01:00", "2024-10-27T01:20:00+02:00", "2024-10-27T00:40:00+01:00")
    rows = [member(f"{n}.jpg", 1, None, camera="n", timestamp=time) for n, time in enumerate(times)]
    rows.append(member("8.jpg", 1, None, camera="m", timestamp="2024-10-26T23:40:00-02:00"))
    layout = FORMATS["camtrap-dp"].layout(
        rows, IngestedSource(lambda: PictureFiles(root), IngestParameters(), largest_number=1)
    )
    (_, place) = csv.DictReader(layout.files["deployments.csv"].splitlines())
    assert (place["deploymentStart"], place["deploymentEnd"]) == (times[1], times[2])
    # of the deployments, not of the pictures
    (file := root / "places.csv").write_text("deploymentID,deploymentStart,deploymentEnd\nn,1.9.2024,2.11.2024\n")
    source = IngestedSource(lambda: PictureFiles(root), IngestParameters(), largest_number=1, deployments=file)
    content = json.loads(FORMATS["camtrap-dp"].layout(rows, source).files["datapackage.json"])
    assert content["temporal"] == {"start": "2024-09-01", "end": "2024-11-02"}
    assert json.loads(layout.files["datapackage.json"])["temporal"] == {"start": "2024-10-26", "end": "2024-10-27"}


def test_decimal_commas_of_deployments_are_read_and_told(root: Path) -> None:
    (file := root / "places.csv").write_text("deploymentID;latitude;longitude;cameraHeight\nn;-26,1;32,125;0,5\n")
    source = IngestedSource(lambda: PictureFiles(root), IngestParameters(), largest_number=9, deployments=file)
    layout = FORMATS["camtrap-dp"].layout([member("1.jpg", 1, None, camera="n")], source)
    (place,) = csv.DictReader(layout.files["deployments.csv"].splitlines())
    assert (place["latitude"], place["longitude"], place["cameraHeight"]) == ("-26.1", "32.125", "0.5")
    told = "commas in cameraHeight, latitude, longitude of `deployments` are taken for decimal points"
    assert told in layout.notes


def test_deployments_of_wildlife_insights_are_read(root: Path) -> None:
    (file := root / "deployments.csv").write_text(
        "project_id,deployment_id,placename,longitude,latitude,start_date,end_date,camera_id\n"
        "1,n,north,31.2,-24.1,2024-06-05 00:00:00,2024-07-05 00:00:00,c1\n"
    )
    source = IngestedSource(lambda: PictureFiles(root), IngestParameters(), largest_number=9, deployments=file)
    table = FORMATS["camtrap-dp"].layout([member("1.jpg", 1, None, camera="n")], source).files["deployments.csv"]
    assert "n,,north,-24.1,31.2,,2024-06-05T00:00:00,2024-07-05T00:00:00,,c1," in table


def test_times_of_exif_are_taken_if_the_source_has_none(root: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x9003: "2024:05:31 07:15:00", 0x9011: "+02:00"})
    Image.new("RGB", (40, 30)).save(root / "images/c.jpg", exif=exif)
    rows = (
        *(member(f"images/{each}", 1, None) for each in ("c.jpg", "b.png")),
        member("images/gone.jpg", 2, None, timestamp="2024-06-01"),
    )
    layout = written("camtrap-dp", root, rows)
    media = dict(line.split(",")[4:2:-1] for line in layout.files["media.csv"].splitlines()[1:])
    assert media == {"images/c.jpg": "2024-05-31T07:15:00+02:00", "images/b.png": "", "images/gone.jpg": "2024-06-01"}
    assert layout.notes[0] == "times of 1 picture are those that cameras wrote into them (EXIF)"
    assert layout.notes[1].startswith("times with a zone, as 07:15:00Z: 1 of 2; the others are compared")
    assert "times of pictures" in layout.notes[2]
    layout = written("matchypatchy", root, rows[:2])
    assert [line.split(",")[1] for line in layout.files[""].splitlines()[1:]] == ["2024-05-31T07:15:00+02:00", ""]
    assert layout.notes[0] == "times of 1 picture are those that cameras wrote into them (EXIF)"
    assert layout.notes[1] == "MatchyPatchy wants a time for each picture; boxes without one: 1"


def test_a_lost_picture_costs_neither_the_times_nor_the_boxes_of_others(root: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x9003: "2024:05:31 07:15:00"})
    Image.new("RGB", (40, 30)).save(root / "now.jpg", exif=exif)
    found = PictureFiles(root, {"images/c.jpg": "now.jpg"}, frozenset({"images/gone.jpg"}))
    source = IngestedSource(lambda: found, IngestParameters(), largest_number=9)
    whole = [member(f"images/{name}.jpg", 1, None) for name in ("c", "gone")]
    layout = FORMATS["camtrap-dp"].layout(whole, source)
    assert [line.split(",")[3] for line in layout.files["media.csv"].splitlines()[1:]] == ["2024-05-31T07:15:00", ""]
    rows = [member(f"images/{name}.jpg", 1, (1, 1, 5, 5)) for name in ("c", "gone")]
    layout = _without_lost(FORMATS["yolo"], rows, source)
    assert list(layout.files) == ["now.txt"]
    assert layout.notes[-1] == "yolo needs sizes of pictures, and lost ones are left out: 1 row"


def test_times_of_pictures_come_into_tables_if_a_few_of_them_have_some(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []
    times = {"f7.jpg": "2024-05-31T07:15:00"}

    def taken_at(file: Path) -> str:
        looked_at.append(file.name)
        return times.get(file.name, "")

    monkeypatch.setattr(pictures, "taken_at", taken_at)
    monkeypatch.setattr(pictures, "find_pictures", lambda *_, **__: PictureFiles(root, lost=frozenset({"f9.jpg"})))
    rows = tuple(member(f"f{number}.jpg", 1, None) for number in range(100))
    members = Members(1, rows, cast(Artifact, None), 9)
    assert pictures.with_own_times(members, SILENT) == members
    assert len(looked_at) < 40
    times = {f"f{number}.jpg": "2024-05-31T07:15:00" for number in range(10)}
    timed = pictures.with_own_times(members, SILENT)
    assert {row.path for row in timed.rows if row.timestamp} == times.keys() - {"f9.jpg"}


def test_boxes_of_a_video_tell_frame_and_second_in_a_camera_trap_package(root: Path) -> None:
    grey_video(root / "a.mp4", [10] * 8)
    rows = (member("images/a.png", 1, None, frame=3), *(member("a.mp4", 1, (1, 2, 3, 4), frame=n) for n in (7, 2)))
    found = csv.DictReader(written("camtrap-dp", root, rows).files["observations.csv"].splitlines())
    assert [row["observationTags"] for row in found] == ["frame:2 | second:0.4", "frame:7 | second:1.4", ""]
    (root / "a.mp4").unlink()
    gone = written("camtrap-dp", root, (member("a.mp4", 1, None, frame=2),)).files["observations.csv"]
    assert "frame:2," in gone


def test_seconds_of_videos_come_into_tables_and_make_the_journeys_of_the_documents(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        grey_video(root / f"{name}.mp4", [10] * 8)
    monkeypatch.setattr(pictures, "find_pictures", lambda *_, **__: PictureFiles(root, lost=frozenset({"gone.mp4"})))
    shown = [("a", 1, 0), ("a", 1, 2), ("b", 1, 7), ("a", 2, 1), ("b", None, 5)]
    rows = [member(f"{name}.mp4", who, None, frame=frame, camera=name) for name, who, frame in shown]
    gone = [member("gone.mp4", None, None, frame=1), member("images/a.png", None, None, frame=1)]
    members = Members(1, (*rows, *gone), cast(Artifact, None), 9)
    timed = pictures.with_seconds(members, SILENT)
    assert [row.second for row in timed.rows] == [0.0, 0.4, 1.4, 0.2, 1.0, None, None]
    write_csv(timed.written_columns, root / "clusters.csv")
    monkeypatch.chdir(root)
    names: dict[str, Any] = {}
    lines = next(code for code in blocks(REPOSITORY / "docs/formats.md", "py") if "journeys" in code)
    exec(compile(lines, "formats.md", "exec"), names)
    assert names["journeys"] == [("1", "a", "b", 0.4, 1.4)]
    monkeypatch.setattr(pictures, "_MOST_READ", 1)
    assert pictures.with_seconds(members, SILENT) == members


def test_every_video_and_every_folder_of_frames_is_a_sequence_of_its_own(root: Path) -> None:
    def row(path: str, frame: int, camera: str | None = None) -> Member:
        return member(path, 1, (1, 2, 3, 4), frame=frame, camera=camera)

    rows = (
        row("n/a.mp4", 0),
        row("n/b.mp4", 0),
        row("S1/img1/7.jpg", 6, "S1"),
        row("x/1.jpg", 0, "c"),
        row("y/1.jpg", 0, "c"),
        *(row("z/1.jpg", 0, "d"), row("z/1.jpg", 0, "d")),
    )
    layout = written("mot", root, rows)
    assert sorted(layout.files) == ["S1.txt", "d.txt", "n_a.txt", "n_b.txt", "x.txt", "y.txt"]
    assert {text.split(",")[1] for text in layout.files.values()} == {"1"}
    beside = written("mot", root, (row("../in2/a.mp4", 0), row("a.mp4", 0)))
    assert sorted(beside.files) == ["a.txt", "in2_a.txt"]
    both = written("mot", root, (row("../in2/a.mp4", 0), row("in2/a.mp4", 0)))
    assert sorted(both.files) == ["_in2_a.txt", "in2_a.txt"]
    # the run had individuals up to 9
    assert layout.files["d.txt"] == "1,1,2,3,3,4,1,-1,-1,-1\n1,10,2,3,3,4,1,-1,-1,-1\n"
    assert layout.files["S1.txt"] == "7,1,2,3,3,4,1,-1,-1,-1\n"
    # a picture of a query has no part in the tracks, but one in a cluster would be missing from them
    more = written("mot", root, (*rows, member("images/a.png", None, (1, 2, 3, 4))))
    assert more.files == layout.files
    assert more.notes == (*layout.notes, "pictures that are in no cluster and have no frame number, left out: 1")
    with pytest.raises(UsageError, match=r"'images/a.png' has no frame number"):
        written("mot", root, (*rows, member("images/a.png", 1, (1, 2, 3, 4))))


@pytest.mark.parametrize(("name", "frame", "is_told"), [("csv", 1, True), ("csv", 0, False), ("mot", 1, False)])
def test_frames_of_a_table_that_may_count_from_one_are_told(
    root: Path, name: str, frame: int, *, is_told: bool
) -> None:
    rows = [member("images/a.png", 1, (1, 2, 3, 4), frame=frame), member("a.mp4", 1, (1, 2, 3, 4), frame=3)]
    parameters = IngestParameters(format=name)  # type: ignore[arg-type]
    notes = FORMATS["mot"].layout(rows, IngestedSource(lambda: PictureFiles(root), parameters, largest_number=1)).notes
    assert any("whose least of a picture is: 1" in note for note in notes) == is_told


def package(folder: Path, known: dict[str, str], *, delimiter: str = ",") -> Path:
    """A package of whole pictures of one deployment, by their names, with the IDs that some have."""
    folder.mkdir(exist_ok=True)
    (folder / "deployments.csv").write_text("deploymentID\nd\n")
    media = [f"m{name},d,2024-05-31T07:15:00Z,{name}.png,image/png" for name in known]
    (folder / "media.csv").write_text("mediaID,deploymentID,timestamp,filePath,fileMediatype\n" + "\n".join(media))
    columns = "observationID,deploymentID,mediaID,eventID,observationLevel,observationType,individualID,count\n"
    observed = [f"o{name},d,m{name},,media,animal,{each},2" for name, each in known.items()]
    (folder / "observations.csv").write_text((columns + "\n".join(observed)).replace(",", delimiter))
    return folder


def filled(root: Path, rows: list[Member]) -> Layout:
    parameters = IngestParameters(format="camtrap-dp")
    source = IngestedSource(lambda: PictureFiles(root), parameters, largest_number=9)
    return FORMATS["camtrap-dp"].layout(rows, source)


def individuals(layout: Layout, place: str = "observations.csv", delimiter: str = ",") -> list[str]:
    return [line.split(delimiter)[6] for line in layout.files[place].splitlines()[1:]]


def test_a_number_that_is_an_id_of_the_package_is_not_given_to_others(tmp_path: Path) -> None:
    package(tmp_path, {"a": "1", "b": "1", "c": "", "d": "", "e": "ind1", "f": "3"})
    # clusters: 1 is c alone, 2 is a, b, d and e, 3 is f and a picture of another source
    rows = [member(f"{name}.png", number, None) for name, number in zip("abcdef", (2, 2, 1, 2, 2, 3), strict=True)]
    layout = filled(tmp_path, rows)
    assert individuals(layout) == ["1", "1", "dbc-1", "2", "ind1", "3"]
    told = "\n".join(layout.notes)
    assert "so that they get another: 1, the first 1 as 'dbc-1'" in told
    assert "which is not given to the others: 1, the first 2, where it is '1', 'ind1'" in told
    assert "observations of several animals (count) that got one individualID: 2" in told


def test_a_package_that_is_filled_has_names_beside_the_numbers(tmp_path: Path) -> None:
    package(tmp_path, {"a": "Ayo", "b": "", "c": "", "d": "3", "e": "", "f": "4", "g": ""})
    of = {
        "a": (1, "Ayo"),
        "b": (1, "Ayo"),
        "c": (2, None),
        "d": (2, None),
        "e": (3, "Bibi"),
        "f": (4, "Chui"),
        "g": (4, "Chui"),
    }
    layout = filled(tmp_path, [member(f"{path}.png", number, None, name=name) for path, (number, name) in of.items()])
    # the number of e is that of another animal, and f has been filled before
    assert individuals(layout) == ["Ayo", "1 (Ayo)", "2", "3", "dbc-3 (Bibi)", "4", "4"]
    told = "\n".join(layout.notes)
    assert "so that they get another: 1, the first 3 as 'dbc-3 (Bibi)'" in told
    assert "which is not given to the others: 2, the first 1, where it is 'Ayo'; look at them" in told


def test_packages_of_pictures_that_were_added_are_filled_as_well(tmp_path: Path) -> None:
    root = package(tmp_path / "first", {"a": "", "b": ""})
    # the name of a picture of the first, and one of its numbers for another animal
    added = package(tmp_path / "second", {"a": "", "c": "", "d": "", "e": "2"}, delimiter=";")
    for file, content in ((root / "a.png", b"1"), (added / "a.png", b"1"), (root / "b.png", b"12")):
        file.write_bytes(content)
    (tmp_path / "card").mkdir()
    paths = {"a.png": 1, "b.png": 2, "../second/c.png": 2, "../second/d.png": None, "../card/1.png": 1}
    rows = [member(path, number, None) for path, number in paths.items()]
    layout = filled(root, rows)
    assert individuals(layout) == ["1", "dbc-2"]
    assert individuals(layout, "second/observations.csv", ";") == ["", "dbc-2", "", "2"]
    assert len(layout.files) == 6
    assert layout.notes[:4] == (
        "individualID of 3 observations filled; 0 keep the one that they had",
        f"the package of pictures that were added, '{added}', is in 'second/'",
        f"observations there whose pictures seem to be those of '{root}', and are filled there alone: 1; to have them in "
        f"'second/', give '{added}' as `root`",
        "pictures of no package, and left out: 1, the first '../card/1.png'; the other formats hold them, and so does a new "
        "package, if `root` is a folder above them all",
    )
    # as seen from the second, which has them all
    assert individuals(filled(added, [*rows, member("../second/a.png", 3, None)]), delimiter=";") == [
        "3",
        "dbc-2",
        "",
        "2",
    ]
    (added / "media.csv").write_text("mediaID\n")
    assert f"a package that is not filled: '{added}/media.csv' has no rows" in filled(root, rows).notes[1]


def test_species_of_added_packages_are_read_below_the_folders_of_their_pictures(root: Path) -> None:
    card = root.parent / "card"
    (card / "images").mkdir(parents=True)
    (root / "images" / "b.png").rename(card / "images" / "a.png")
    named = []
    for name, species, top in (("one", "lion", root), ("two", "leopard", card), ("three", "puma", card)):
        tables = package(root.parent / name, {"images/a": ""})
        file = tables / "observations.csv"
        file.write_text(file.read_text().replace(",count", ",scientificName").replace(",2", f",{species}"))
        named.append((tables, top))
    rows = [member(path, 1, None) for path in ("images/a.png", "../card/images/a.png")]

    def exported(*named: tuple[Path, Path]) -> tuple[dict[str, str], str]:
        found = PictureFiles(root)
        parameters = IngestParameters(format="camtrap-dp")
        source = IngestedSource(lambda: found, parameters, largest_number=9, was_at=root, named=named)
        layout = FORMATS["camtrap-dp"].layout(rows, source)
        media, observations = (
            csv.DictReader(layout.files[f"{name}.csv"].splitlines()) for name in ("media", "observations")
        )
        path_of = {row["mediaID"]: row["filePath"] for row in media}
        return {path_of[row["mediaID"]]: row["scientificName"] for row in observations}, "\n".join(layout.notes)

    assert [*exported(*named[:2])[0].values()] == ["leopard", "lion"]
    # the package of the first is not there
    assert [*exported(named[1])[0].values()] == ["leopard", ""]
    species, told = exported(*named)
    assert [*species.values()] == ["", "lion"]
    assert "because packages say different ones of their picture: 1" in told


def test_a_package_in_another_unicode_form_than_its_files_is_filled(root: Path) -> None:
    (root / "images" / "a.png").rename(root / "se\u00f1al.png")
    package(root, {"sen\u0303al": ""})
    layout = filled(root, [member("se\u00f1al.png", 7, None)])
    assert individuals(layout) == ["7"]
    assert layout.notes[0].startswith("individualID of 1 observation filled")


def test_the_one_species_of_a_package_is_read_once_more_for_a_new_one(root: Path) -> None:
    tables = package(root / "package", {"images/a": "", "images/b": ""})
    text = (tables / "observations.csv").read_text().replace(",count", ",scientificName").replace(",2", ",Equus quagga")
    (tables / "observations.csv").write_text(text)
    rows = [member(path, 1, None) for path in ("images/a.png", "images/b.png", "../c.png")]
    parameters = IngestParameters(format="camtrap-dp")

    def exported(*named: Path) -> tuple[list[str], Any, str]:
        source = IngestedSource(
            lambda: PictureFiles(root), parameters, largest_number=9, named=[(each, root) for each in named]
        )
        layout = FORMATS["camtrap-dp"].layout(rows, source)
        found = csv.DictReader(layout.files["observations.csv"].splitlines())
        taxonomic = json.loads(layout.files["datapackage.json"])["taxonomic"]
        return [row["scientificName"] for row in found], taxonomic, "\n".join(layout.notes)

    species, taxonomic, told = exported(root, tables)
    assert (species, taxonomic) == (["", "Equus quagga", "Equus quagga"], [{"scientificName": "Equus quagga"}])
    assert "observations whose scientificName is in tables that were not found: 1" in told
    assert f"to fill those, copy datapackage.json, media.csv, observations.csv, deployments.csv to '{root}'" in told
    assert exported()[:2] == ([""] * 3, [])


@pytest.mark.parametrize(("read_as", "column"), [("camtrap-dp", "scientificName"), ("coco", "observationComments")])
def test_species_of_a_package_are_scientific_names_of_a_new_one(root: Path, read_as: Any, column: str) -> None:
    rows = [member("images/a.png", 1, None, category="Equus quagga"), member("images/b.png", 2, None, category="human")]
    source = IngestedSource(lambda: PictureFiles(root), IngestParameters(format=read_as), largest_number=9)
    layout = FORMATS["camtrap-dp"].layout(rows, source)
    found = list(csv.DictReader(layout.files["observations.csv"].splitlines()))
    said = [{name for name in ("scientificName", "observationComments") if row[name]} for row in found]
    assert (found[0][column], said) == ("Equus quagga", [{column}, set()])
