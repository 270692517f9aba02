"""From every format of boxes to clusters, and from clusters back: one command each way."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.parameters import IngestParameters
from stages.ingest.formats import read_samples
from stages.runs.run_directory import RunDirectory
from tests.cli.conftest import NETWORK, Dbc, made

sys.path.insert(0, str(Path(__file__).parents[1] / "stages" / "ingest" / "formats"))
from box_sources import BOX_FORMATS, coco, mot, video
from miniatures import build


def steps(source: Path, *merging: str) -> list[list[str]]:
    """Commands that read the pictures in `source`, whose format is recognised, extract their features and merge once."""
    return [
        ["ingest", str(source), "--height", "32", "--width", "32"],
        ["extract", *NETWORK],
        ["merge", "--merge-percent", "0.5", "--memory-limit", "4GiB", *merging],
    ]


def clustered(dbc: Dbc, source: Path, run: Path, *reading: str) -> RunDirectory:
    """A run of the pictures in `source` after `steps`, the first of them with the options `reading`."""
    for place, command in enumerate(steps(source)):
        ran = dbc(*command, *(() if place else reading), "--run", run)
        assert ran.status == 0, ran.err
    return RunDirectory(run)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of a sequence whose two tracks are in the same frames and were joined all the same. Not to be changed."""
    folder = tmp_path_factory.mktemp("tracked")
    source = build(folder / "S1", "mot")
    return RunDirectory(made(folder, *steps(source, "--no-derived-constraints")))


@pytest.mark.parametrize("name", sorted(BOX_FORMATS))
def test_one_command_leads_from_the_format_to_a_dataset_that_is_clustered(dbc: Dbc, tmp_path: Path, name: str) -> None:
    source = build(tmp_path / "source", name)
    told = dbc("ingest", source, "--run", tmp_path / "told", "--dry-run").err
    assert f"--format {name} is taken, because " in told
    run = clustered(dbc, source, tmp_path / "run")
    dataset = run.require("dataset")
    assert len(run.require("clusters", 1).read("labels")) == len(dataset.read("pid")) > 1
    if name != "video":
        box = dataset.read("box")
        assert len(box) == len(dataset.read("path"))
        assert (box[:, 2:] > 0).all()
    assert np.unique(dataset.read("path")).size <= 3


# --- and back -------------------------------------------------------------------------------------


def exported(dbc: Dbc, run: RunDirectory, name: str, out: Path) -> list[dict[str, Any]]:
    """The pictures with their individuals, of which `dbc export` wrote the format `name` to `out`."""
    told = dbc("export", "clusters", "--run", run.root, "--format", name, "--out", out, "--json")
    assert told.status == 0, told.err
    return list(told.json["clusters"])


def read_back(source: Path, name: str) -> dict[tuple[str, tuple[int, ...]], str]:
    """The identity of every box in pixels of a source of pictures of 40 × 30 pixels, as ingest reads it."""
    samples = read_samples(source, parameters=IngestParameters(format=name))  # type: ignore[arg-type]
    scale = np.where(samples.is_relative[:, None], [40, 30, 40, 30], 1)
    boxes = np.rint(np.where(np.isnan(samples.box), [0, 0, 40, 30], samples.box * scale)).astype(int).tolist()
    identity = samples.identity or ("",) * len(samples)
    of_image = [identity[i] for i, n in enumerate(np.diff(samples.frame_start)) for _ in range(n)]
    return {(path, tuple(box)): name for path, box, name in zip(samples.path, boxes, of_image, strict=True)}


def as_told(rows: list[dict[str, Any]]) -> dict[tuple[str, tuple[int, ...]], str]:
    return {(row["path"], box_of(row)): str(row["individual"]) for row in rows}


def box_of(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[name] for name in ("left", "top", "width", "height"))


def tracks(file: Path) -> dict[tuple[int, tuple[float, ...]], int]:
    """The id of each frame, from 0, and box of a file of MOTChallenge."""
    lines = np.loadtxt(file, delimiter=",", ndmin=2)
    assert lines.shape[1] == 10
    assert sorted(lines[:, :2].tolist()) == lines[:, :2].tolist()
    return {(int(frame) - 1, (x - 1, y - 1, w, h)): int(track) for frame, track, x, y, w, h in lines[:, :6].tolist()}


def test_tracks_come_back_with_the_same_id_wherever_an_individual_is(dbc: Dbc, tmp_path: Path) -> None:
    for place, name in enumerate(("north", "south"), start=3):
        mot(tmp_path / "all" / name, [f"{frame},{place},{place},3,20,20,1,1,1" for frame in (1, 2, 3)])
    rows = exported(dbc, clustered(dbc, tmp_path / "all", tmp_path / "run"), "mot", tmp_path / "tracks")
    for name in ("north", "south"):
        own = {(row["frame"], box_of(row)): row["individual"] for row in rows if row["camera"] == name}
        assert tracks(tmp_path / "tracks" / f"{name}.txt") == own
        shutil.copy(tmp_path / "tracks" / f"{name}.txt", tmp_path / "all" / name / "gt" / "gt.txt")
    assert {row["individual"] for row in rows} == {1}
    assert read_back(tmp_path / "all", "mot").keys() == as_told(rows).keys()


def test_tracks_of_one_individual_in_the_same_frames_get_numbers_of_their_own(
    dbc: Dbc, tmp_path: Path, tracked: RunDirectory
) -> None:
    told = dbc("export", "clusters", "--run", tracked.root, "--format", "mot", "--out", tmp_path / "tracks")
    assert "tracks of an individual that is elsewhere in the same frame, under numbers of their own: 1" in told.err
    found = tracks(tmp_path / "tracks" / "S1.txt")
    assert sorted(found.values()) == [1, 1, 1, 2, 2, 2]
    assert len({(box, number) for (_, box), number in found.items()}) == 2


def test_coco_comes_back_with_individuals_and_boxes(dbc: Dbc, tmp_path: Path) -> None:
    source = build(tmp_path / "source", "wildlife-datasets")
    run = clustered(dbc, source, tmp_path / "run", "--pad", "0.5")
    rows = exported(dbc, run, "coco", source / "found.json")
    assert read_back(source / "found.json", "coco") == as_told(rows)
    assert as_told(rows).keys() == read_back(source, "wildlife-datasets").keys()
    assert (run.require("dataset").read("box") != run.require("dataset").read("source_box")).any()
    content = json.loads((source / "found.json").read_text())
    assert all(each["individual_ids"] == [int(each["name"])] for each in content["annotations"])
    assert {(each["width"], each["height"]) for each in content["images"]} == {(40, 30)}
    changed = content["images"][0]["file_name"]
    with (source / changed).open("ab") as opened:
        opened.write(b"another tag")
    (source / "found.json").unlink()
    told = dbc("export", "clusters", "--run", run.root, "--format", "coco", "--out", source / "found.json")
    assert f"changed since they were ingested, so that boxes may be wrong there: 1, the first '{changed}'" in told.err


def test_a_camera_trap_package_is_filled_and_keeps_the_rest(dbc: Dbc, tmp_path: Path) -> None:
    source = build(tmp_path / "source", "camtrap-dp")
    run = clustered(dbc, source, tmp_path / "run", "--pad", "0.5")
    rows = exported(dbc, run, "camtrap-dp", tmp_path / "out")
    before, after = ((folder / "observations.csv").read_text().splitlines() for folder in (source, tmp_path / "out"))
    (changed,) = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    told = as_told(rows)["media/1.jpg", (10, 15, 20, 8)] + " (a)"
    assert changed[1] == changed[0].replace("animal,,", f"animal,{told},")
    for name in ("media.csv", "deployments.csv", "datapackage.json"):
        assert (tmp_path / "out" / name).read_text() == (source / name).read_text()
    shutil.copytree(source / "media", tmp_path / "out" / "media")
    assert set(read_back(tmp_path / "out", "camtrap-dp").values()) == {told, "a"}


def test_a_package_without_the_column_gets_it(dbc: Dbc, tmp_path: Path) -> None:
    source = build(tmp_path / "source", "camtrap-dp")
    lines = (source / "observations.csv").read_text().splitlines()
    (source / "observations.csv").write_text(
        "\n".join(",".join([*(c := line.split(","))[:8], *c[9:]]) for line in lines)
    )
    rows = exported(dbc, clustered(dbc, source, tmp_path / "run"), "camtrap-dp", tmp_path / "out")
    header, *found = (tmp_path / "out" / "observations.csv").read_text().splitlines()
    assert header.split(",")[-1] == "individualID"
    assert sorted(line.split(",")[-1] for line in found) == sorted(str(row["individual"]) for row in rows)


def test_other_sources_become_a_camera_trap_package(dbc: Dbc, tmp_path: Path) -> None:
    source = build(tmp_path / "source", "wildlife-datasets")
    run = clustered(dbc, source, tmp_path / "run")
    rows = exported(dbc, run, "camtrap-dp", tmp_path / "out")
    shutil.copytree(source / "im", tmp_path / "out" / "im")
    assert read_back(tmp_path / "out", "camtrap-dp") == as_told(rows)
    header = (tmp_path / "out" / "observations.csv").read_text().partition("\n")[0].split(",")
    # a reader of table schemas wants every column, in order
    assert (len(header), header[14], header[18:22]) == (
        28,
        "individualID",
        ["bboxX", "bboxY", "bboxWidth", "bboxHeight"],
    )
    again = ["export", "clusters", "--run", run.root, "--format", "camtrap-dp", "--out", tmp_path / "other"]
    told = " ".join(dbc(*again).err.split())
    lacking = "coordinates of deployments ('unknown'), times of deployments ('unknown'), times of pictures"
    assert f"to be filled in before the package is valid: {lacking}" in told
    table = tmp_path / "places.csv"
    table.write_text(
        "deploymentID,Latitude,longitude,deploymentStart,deploymentEnd\nunknown,-1.5,37.25,2024,2025\nn,0,0,,\n"
    )
    told = " ".join(dbc(*again, "--deployments", table, "--overwrite").err.split())
    assert "before the package is valid: times of pictures" in told
    assert "rows of --deployments that name no camera of the run: 1, the first 'n'" in told
    (place,) = csv.DictReader((tmp_path / "other" / "deployments.csv").read_text().splitlines())
    assert (place["latitude"], place["longitude"], place["deploymentEnd"]) == ("-1.5", "37.25", "2025")


def test_matchypatchy_gets_shares_and_absolute_paths(dbc: Dbc, tmp_path: Path) -> None:
    source = build(tmp_path / "source", "coco")
    rows = exported(dbc, clustered(dbc, source, tmp_path / "run"), "matchypatchy", tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(newline="") as opened:
        found = list(csv.DictReader(opened))
    told = {(str(source / path), box): individual for (path, box), individual in as_told(rows).items()}
    size = {"bbox_x": 40, "bbox_y": 30, "bbox_w": 40, "bbox_h": 30}
    read = {
        (r["filepath"], tuple(round(float(r[name]) * by) for name, by in size.items())): r["individual"] for r in found
    }
    assert read == told


def test_a_table_has_frame_and_box_if_the_source_has_them(dbc: Dbc, tmp_path: Path, tracked: RunDirectory) -> None:
    assert dbc("export", "clusters", "--run", tracked.root, "--out", tmp_path / "c.csv").status == 0
    with (tmp_path / "c.csv").open(newline="") as opened:
        first = next(csv.DictReader(opened))
    assert list(first)[-5:] == ["frame", "left", "top", "width", "height"]
    assert (first["frame"], first["top"], first["width"]) == ("0", "2", "20")


def test_features_tell_samples_of_one_picture_apart(dbc: Dbc, tmp_path: Path, tracked: RunDirectory) -> None:
    out, projector = tmp_path / "f.npz", tmp_path / "map"
    assert dbc("export", "features", "--run", tracked.root, "--out", out, "--projector", projector).status == 0
    with np.load(out, allow_pickle=False) as found:
        assert found["frame"].tolist() == [0, 0]
        assert sorted(found["left"].tolist()) == [3, 4]
        assert len(found["features"]) == 2
    header = (projector / "metadata.tsv").read_text().partition("\n")[0].split("\t")
    assert header == ["path", "frame", "left", "top", "width", "height", "cluster", "camera", "identity"]


def test_a_map_gives_every_sample_one_place(dbc: Dbc, tmp_path: Path, tracked: RunDirectory) -> None:
    rows = dbc("export", "clusters", "--run", tracked.root, "--map", "pca", "--json").json["clusters"]
    assert {row["tracklet"]: (row["x"], row["y"]) for row in rows} == {
        row["tracklet"]: (row["x"], row["y"]) for row in reversed(rows)
    }
    assert {row["x"] for row in rows} == {0.0, 1.0}
    assert {row["tracklet"] for row in rows} == {"S1/4", "S1/5"}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--format", "mot", "--out", "a", "--map", "pca"], "--map has no use with --format mot"),
        (["--format", "mot"], "--format mot needs --out"),
        (["--format", "coco", "--out", "a.csv"], "--out must end in .json with --format coco, got 'a.csv'"),
        (
            ["--format", "mot", "--out", "S1/gt/gt.txt"],
            "--out must be a folder with --format mot, got the file S1/gt/gt.txt",
        ),
        (["--format", "coco", "--out", "S1/gt/gt.txt"], "--out must be a new file, got S1/gt/gt.txt"),
        (
            ["--format", "coco", "--out", "a", "--root", "S1/gt"],
            "3 of 3 pictures are not in S1/gt, the first 'img1/000001.jpg'; give the folder that was ingested as --root",
        ),
        (["--format", "zip", "--out", "a"], "'wildlife-datasets', 'yolo', got 'zip'"),
    ],
)
def test_misuse_is_one_line(dbc: Dbc, tmp_path: Path, tracked: RunDirectory, words: list[str], line: str) -> None:
    build(tmp_path / "S1", "mot")
    ran = dbc("export", "clusters", "--run", tracked.root, *words)
    assert ran.status == 2
    assert line in ran.line
    assert not Path("a").exists()


def test_pictures_without_frames_are_no_tracks(dbc: Dbc, tmp_path: Path) -> None:
    run = clustered(dbc, build(tmp_path / "source", "yolo"), tmp_path / "run")
    ran = dbc("export", "clusters", "--run", run.root, "--format", "mot", "--out", tmp_path / "tracks")
    assert ran.status == 2
    assert "has no frame number, which --format mot needs" in ran.line
    assert not (tmp_path / "tracks").exists()


def test_what_only_pictures_tell_is_one_line_with_file_and_row_too(dbc: Dbc, tmp_path: Path) -> None:
    coco(tmp_path / "a", [{"image_id": 1, "bbox": [50, 3, 5, 5]}, {"image_id": 2, "bbox": [1, 1, 5, 5]}])
    video(tmp_path / "b" / "film.mp4", [10, 60, 110])
    (tmp_path / "b" / "film.txt").write_text("2,1,1,1,9,9,1\n9,1,1,1,9,9,1\n")
    told = {
        "a": "coco.json' annotation '1': im/1.jpg is of 40×30 pixels, and box [50, 3, 5, 5] lies outside of it",
        "b": "film.txt' line 2: film.mp4 has 3 frames, of which 9 is out of range",
    }
    for name, line in told.items():
        words = ["ingest", tmp_path / name, "--height", "16", "--width", "16", "--run", tmp_path / f"run-{name}"]
        ran = dbc(*words)
        assert (ran.status, ran.out) == (1, "")
        assert line in ran.line
        assert not any((tmp_path / f"run-{name}").rglob("v1.zarr"))
        assert dbc(*words, "--on-bad-image", "skip", "--json").json["n_images"] == 1


def test_pictures_that_cannot_be_read_are_counted_if_they_are_skipped(dbc: Dbc, tmp_path: Path) -> None:
    source = build(tmp_path / "source", "mot")
    (source / "img1" / "000002.jpg").write_bytes(b"no picture")
    words = ["ingest", source, "--height", "16", "--width", "16", "--run", tmp_path / "run"]
    ran = dbc(*words)
    assert ran.status == 1
    assert re.search(r"gt.txt' line [34]: img1/000002.jpg is not an image", ran.line)
    told = dbc(*words, "--on-bad-image", "skip", "--json").json
    assert (told["n_images"], told["n_samples"]) == (4, 2)
    assert [each["path"] for each in told["skipped"]] == ["img1/000002.jpg"]
