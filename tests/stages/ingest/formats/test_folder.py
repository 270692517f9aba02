"""Folders of images, one an identity or none."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from box_sources import read_as, refusal, text, touch

from schemas.parameters import IngestParameters
from stages.errors import DbcError
from stages.ingest.decode.crops import BadImageError
from stages.ingest.decode.image_file import decode_image
from stages.ingest.formats import read_samples
from stages.ingest.formats.format import Findings
from stages.ingest.formats.listing import list_images
from stages.samples import GALLERY, QUERY, TRAIN, UNKNOWN


def read(root, **parameters):
    return read_samples(root, parameters=IngestParameters(format="folder", **parameters))


def test_identities_are_numbered_in_sorted_order_however_deep_their_files_lie(tmp_path):
    touch(tmp_path, ["zoe/a.jpg", "anna/cam1/day2/b.png", "anna/c.jpg", "10/d.bmp", "10/notes.txt", ".hid/e.jpg"])
    samples = read(tmp_path, test_fraction=0)
    assert samples.path == ("10/d.bmp", "anna/c.jpg", "anna/cam1/day2/b.png", "zoe/a.jpg")
    assert samples.pid.tolist() == [1, 2, 2, 3]
    assert set(samples.camid.tolist()) == {UNKNOWN}
    assert samples.split.tolist() == [TRAIN] * 4


def test_a_folder_of_several_individuals_is_of_none(tmp_path):
    touch(tmp_path, ["Ayo/1.jpg", "Bibi/2.jpg", "Ayo & Bibi/3.jpg", "Ayo and Zed/4.jpg"])
    samples, findings = read_as(tmp_path, "folder", folder_identities=True)
    assert samples.identity == ("", "Ayo and Zed", "Ayo", "Bibi")
    assert any("taken for unknown: 1 of 4, such as 'Ayo & Bibi'" in line for line in findings.warnings)


def test_a_flat_folder_has_no_identities_and_is_all_train(tmp_path):
    touch(tmp_path, ["b.jpg", "a.jpg", "Thumbs.db"])
    samples = read(tmp_path)
    assert samples.path == ("a.jpg", "b.jpg")
    assert samples.pid.tolist() == [UNKNOWN] * 2
    assert samples.split.tolist() == [TRAIN] * 2


@pytest.mark.parametrize(
    ("layout", "name", "identity", "camera"),
    [
        ("market1501", "0002_c1s1_000451_03.jpg", "0002", "1"),
        ("market1501", "-1_c3s2_000451_03.jpg", "-1", "3"),
        ("market1501", "0007_c5_f0046182.jpg", "0007", "5"),
        ("market1501", "0002_c012_00030600_0.jpg", "0002", "012"),
        ("msmt17", "0003_000_11_0303morning_0015_1.jpg", "0003", "11"),
        ("mars", "0065C1T0002F0016.jpg", "0065", "1"),
        ("dukemtmc-videoreid", "0001_C6_F0099_X30823.jpg", "0001", "6"),
    ],
)
def test_names_of_a_published_set_that_are_not_read_are_told_with_what_reads_them(
    tmp_path, layout, name, identity, camera
):
    touch(tmp_path, [name])
    told = Findings()
    read_samples(tmp_path, parameters=IngestParameters(format="folder"), findings=told)
    (warning,) = [text for text in told.warnings if "that they say are not read" in text]
    assert f"all names are as in {layout}, such as '{name}', and the identities and cameras that they say" in warning
    patterns = dict(re.findall(r"`(\w+)='([^`]+)'`", warning))
    samples = read(tmp_path, **patterns, test_fraction=0)
    assert samples.identity == (identity,)
    assert samples.camera == (camera,)
    read_samples(tmp_path, parameters=IngestParameters(format="folder", **patterns), findings=(told := Findings()))
    assert not [text for text in told.warnings if "are not read" in text]
    # folders that say who leave cameras
    inner = tmp_path / "sorted"
    touch(inner, [f"zoe/{name}", f"anna/{name}"])
    read_samples(inner, parameters=IngestParameters(format="folder"), findings=(told := Findings()))
    (warning,) = [text for text in told.warnings if "are not read" in text]
    assert "and the cameras that they say are not read" in warning
    assert "identity_pattern" not in warning


def test_splits_are_by_identity(tmp_path):
    touch(tmp_path, [f"p{pid:02}/{i}.jpg" for pid in range(20) for i in range(4)])
    samples = read(tmp_path, test_fraction=0.25, seed=1)
    of_split = {kind: set(samples.pid[samples.split == kind].tolist()) for kind in (TRAIN, QUERY, GALLERY)}
    assert len(of_split[TRAIN]) == 15
    assert of_split[QUERY] == of_split[GALLERY]
    assert not of_split[TRAIN] & of_split[QUERY]
    assert samples.split.tolist() == read(tmp_path, test_fraction=0.25, seed=1).split.tolist()
    assert samples.split.tolist() != read(tmp_path, test_fraction=0.25, seed=2).split.tolist()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [(r"cam(\d+)", [1, 2, 3]), (r"(f)?_(?P<cam>\w+)\.", [1, 2, 3]), (r"/(\w)_", [1, 1, 2])],
    ids=["texts that write one number are two names", "the group called cam, by rank", "names by rank"],
)
def test_the_camera_comes_from_the_pattern(tmp_path, pattern, expected):
    touch(tmp_path, ["p1/f_cam02.jpg", "p1/f_cam10.jpg", "p2/g_cam2.jpg"])
    assert read(tmp_path, camera_pattern=pattern, test_fraction=0).camid.tolist() == expected


def test_numbers_beyond_int32_are_taken_as_names(tmp_path):
    touch(tmp_path, ["p1/20240101123.jpg", "p2/7.jpg"])
    assert read(tmp_path, camera_pattern=r"(\d+)\.", test_fraction=0).camid.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("pattern", "told"),
    [(r"side(\d)", "p1/c1.jpg"), ("c(", "not a regular expression"), (r"c\d", "no group"), (r"c(x)?", "p1/c1.jpg")],
)
def test_a_pattern_that_finds_no_camera_is_refused(tmp_path, pattern, told):
    touch(tmp_path, ["p1/c1.jpg", "p2/c2.jpg"])
    text = refusal(tmp_path, "folder", camera_pattern=pattern)
    assert f"'{pattern}'" in text
    assert told in text


def test_images_beside_identity_folders_are_refused(tmp_path):
    touch(tmp_path, ["p1/a.jpg", "cover.jpg"])
    told = refusal(tmp_path, "folder")
    assert "'cover.jpg' lies beside the identity folders" in told
    assert "(1 of 2 images)" in told


@pytest.mark.parametrize(
    ("others", "parameters", "left"),
    [
        ("cover.jpg", {}, 2),
        ("x/cover.jpg", {"camera_pattern": r"cam(\d)", "identity_pattern": r"^(p\d)"}, 2),
        ("cam2/1.jpg", {}, 2),
        ("train/p1/cam1.jpg train/p2/cam2.jpg x/1.jpg y.jpg", {}, 4),
    ],
    ids=["beside identities", "without what patterns find", "a folder that may be none", "beside splits"],
)
def test_nothing_is_asked_of_what_is_left_out(tmp_path, others, parameters, left):
    names = others.split()
    touch(tmp_path, [*names, *(f"{'test/' if left > 2 else ''}p{i}/cam{i}.jpg" for i in (1, 2))])
    out = ",".join(name for name in names if not name.startswith("train"))
    refusal(tmp_path, "folder", **parameters)
    samples, findings = read_as(tmp_path, "folder", exclude=out, **parameters)
    assert len(samples.path) - len(out.split(",")) == left
    assert not any(findings.missing.values())
    assert samples.pid[[path not in names or path.startswith("train") for path in samples.path]].min() > 0


def test_who_is_left_out_makes_no_others_doubtful(tmp_path):
    touch(tmp_path, ["anna/1.jpg", "zoe/1.jpg"])
    assert read(tmp_path, exclude="zoe", test_fraction=0).pid.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("below", "told"),
    [("query gallery all_imgs", "val' holds 'gallery', 'query', where"), ("all_imgs", "'all_imgs', which")],
)
def test_splits_within_a_split_are_no_identities(tmp_path, below, told):
    touch(tmp_path, ["train/1/a.jpg", "train/2/a.jpg", *(f"val/{each}/1/a.jpg" for each in below.split())])
    assert told in refusal(tmp_path, "folder")
    assert read(tmp_path, exclude="val").pid.tolist()[:2] == [1, 2]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (
            "train/car_1_cam1.jpg test/car_2_cam1.jpg",
            "`identity_pattern` takes identities from names such as 'test/car_2",
        ),
        ("train/1/a.jpg gallery/2/a.jpg", "there is neither a folder query nor test"),
        ("train/1/a.jpg test/2/a.jpg", "no identity there has pictures of two cameras"),
        ("train/1/a.jpg query/2/a.jpg gallery/2/b.jpg", None),
        ("train/1/a.jpg test/2/a.jpg test/2/b.jpg", None),
    ],
)
def test_a_gallery_without_queries_is_told_with_the_reason(tmp_path, names, why):
    touch(tmp_path, names.split())
    _, findings = read_as(tmp_path, "folder")
    found = [line for line in findings.warnings if line.startswith("there are no queries")]
    assert why in found[0] if why else not found


def test_what_val_is_taken_for_is_told(tmp_path):
    touch(tmp_path, ["train/1/a.jpg", "Val/2/a.jpg", "Val/2/b.jpg"])
    samples, findings = read_as(tmp_path, "folder")
    assert samples.split.tolist() == [TRAIN] * 3
    told = "splits: by the folders Val, train; Val is train, too, so there are no queries: call it test to search in it"
    assert told in findings.notes


def test_a_folder_without_images_is_refused(tmp_path):
    touch(tmp_path, ["p1/a.txt"])
    assert f"'{tmp_path}' holds no image files" in refusal(tmp_path, "folder")


def test_symbolic_links_are_followed_to_files_and_folders_and_never_in_a_circle(tmp_path):
    touch(tmp_path, ["real/a.jpg", "elsewhere/b.jpg", "elsewhere/c.txt"])
    (tmp_path / "real/link.jpg").symlink_to(tmp_path / "elsewhere/b.jpg")
    (tmp_path / "real/person").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "real")
    (tmp_path / "real/itself").symlink_to(tmp_path / "real")
    (tmp_path / "real/circle.jpg").symlink_to(tmp_path / "real/circle.jpg")
    assert list_images(tmp_path / "real", recursive=True) == ["a.jpg", "circle.jpg", "link.jpg", "person/b.jpg"]
    assert list_images(tmp_path / "real", recursive=False) == ["a.jpg", "circle.jpg", "link.jpg"]


def test_a_link_to_nothing_is_listed_so_that_decoding_tells_of_it(tmp_path):
    touch(tmp_path, ["a.jpg"])
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert list_images(tmp_path, recursive=True) == ["a.jpg", "gone.jpg"]
    with pytest.raises(BadImageError, match="cannot be read"):
        decode_image(tmp_path / "gone.jpg", height=8, width=8)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such file name")
def test_a_name_that_is_not_utf8_is_refused_on_one_line(tmp_path):
    touch(tmp_path, [os.fsdecode(b"\xff\n.jpg")])
    assert "is not UTF-8" in refusal(tmp_path, "folder")


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path, ["p1/a.jpg"])
    scandir = os.scandir

    def forbidding(folder):
        if folder.endswith("p1"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", forbidding)
    with pytest.raises(DbcError, match="p1': Permission denied"):
        read(tmp_path)


def test_tables_of_boxes_beside_folders_of_frames_are_told(tmp_path):
    touch(tmp_path, ["hall.1/img1/1.jpg", "yard/1.jpg"])
    text(tmp_path / "hall.1.csv", "frame,track_id,x,y,w,h,conf\n1,7,3,4,20,10,0.9\n")
    text(tmp_path / "yard.csv", "note\nmuddy\n")
    _, findings = read_as(tmp_path, "folder", folder_identities=False)
    told = "'hall.1.csv' is not read: a tracker's boxes are read from hall.1.txt, written as MOTChallenge does"
    assert findings.warnings == [told]


def test_folders_that_a_detector_made_are_asked_about(tmp_path):
    touch(tmp_path, ["track2/crops/vole/a.jpg", "track2/crops/stoat/a2.jpg", "cars/Car/1.jpg", "cars/bus/2.jpg"])
    for folder in ("track2/crops", "cars"):
        told = refusal(tmp_path / folder, "folder")
        assert "which may be no identities, because a detector sorts pictures by such classes" in told
    touch(tmp_path, ["crops/vole/a.jpg", "crops/stoat/a2.jpg", "cars/herbie/3.jpg"])
    assert set(read(tmp_path / "crops").identity) == {"stoat", "vole"}
    assert set(read(tmp_path / "cars").identity) == {"Car", "bus", "herbie"}


def test_the_current_folder_is_read_as_by_its_name(tmp_path, monkeypatch):
    touch(tmp_path, ["track2/crops/vole/a.jpg", "track2/crops/stoat/a2.jpg", "animals/zoe/1.jpg", "animals/anna/2.jpg"])
    monkeypatch.chdir(tmp_path / "animals")
    assert read(Path()).identity == ("anna", "zoe")
    monkeypatch.chdir(tmp_path / "track2/crops")
    assert "which may be no identities, because a detector" in refusal(Path(), "folder")


KITTI = "0 1 Car 0 0 -1.57 8 100 52 154 1.5 1.6 3.7 1.8 1.5 8.4 0.01\n"


@pytest.mark.parametrize(
    ("source", "file", "content", "told", "is_asked"),
    [
        ("", "all.xml", "<?xml version='1.0'?>\n<annotations><track/></annotations>", "all.xml has boxes of all", True),
        ("", "note.xml", "<annotation><size/></annotation>", None, False),
        (
            "",
            "labels.json",
            '{"labels": {"a": [{"bounding_box": [0, 0, 1, 1]}]}}',
            "labels.json has boxes in JSON",
            False,
        ),
        ("", "notes.json", '{"place": "yard"}', None, False),
        ("image_02", "label_02/0000.txt", KITTI, "label_02/0000.txt has boxes as KITTI writes them", True),
        ("", "label_02/0000.txt", KITTI, "label_02/0000.txt has boxes as KITTI writes them", True),
        ("", "yard_tracks.txt", "1,1,3,4,9,9\n", "is called like: 1 ('yard_tracks.txt'); to read them, call", False),
        ("", "notes.txt", "7 8 9\n", None, False),
    ],
)
def test_boxes_of_many_pictures_that_are_not_read_are_named(tmp_path, source, file, content, told, is_asked):
    touch(tmp_path / source, ["hall/7.jpg", "yard/1.jpg"])
    text(tmp_path / file, content)
    _, findings = read_as(tmp_path / source, "folder", folder_identities=False)
    assert [told in each for each in findings.warnings] == ([True] if told else [])
    if is_asked:
        assert "which may be no identities; say" in refusal(tmp_path / source, "folder")
        assert told in refusal(tmp_path / source, "folder")
    else:
        assert set(read(tmp_path / source).identity) == {"hall", "yard"}


@pytest.mark.parametrize(
    "cameras", ["camA camB", "CamA CamB", "cam-left cam-right", "S01_c001 S01_c002", "c001 c002", "station_north x"]
)
def test_folders_of_cameras_and_tracks_are_asked_about(tmp_path, cameras):
    touch(tmp_path, [f"{camera}/{track}/1.jpg" for camera in cameras.split() for track in (1, 2)])
    told = refusal(tmp_path, "folder")
    assert "which may be no identities" in told
    assert "; for tracks in them, list pictures in a table with the columns path, camera and tracklet" in told
    _, findings = read_as(tmp_path, "folder", folder_identities=False)
    assert findings.notes[0].startswith(
        "folders of numbers within others, whose pictures are taken and whose numbers are not: 4"
    )
    _, findings = read_as(tmp_path, "folder", folder_identities=False, camera_pattern=r"/(\d+)/")
    assert not any("whose numbers are not" in line for line in findings.notes)


def test_individuals_may_have_names_like_those_of_cameras(tmp_path):
    touch(tmp_path, ["Cami/1.jpg", "Camilla/1.jpg", "c001/1.jpg"])
    assert read(tmp_path, test_fraction=0).identity == ("Cami", "Camilla", "c001")
    touch(tmp_path / "split", ["train/c001/1.jpg", "train/c002/1.jpg", "test/7/1.jpg"])
    _, findings = read_as(tmp_path / "split", "folder")
    assert not any("folders of numbers" in line for line in findings.notes)


def test_views_in_folders_are_told_of_and_taken_by_a_pattern_as_far_as_paths_have_them(tmp_path):
    touch(tmp_path, ["dado/Left/1.jpg", "dado/RIGHT/2.jpg", "dado/tail/3.jpg", "gull/left/1.jpg", "gull/x/4.jpg"])
    samples, findings = read_as(tmp_path, "folder")
    assert not samples.view_name
    (told,) = (note for note in findings.notes if "may be views" in note)
    assert told.startswith("folders called 'Left', 'RIGHT', 'left' may be views, and are not read: 3 of 5 pictures")
    assert "`view_pattern='(?i)(?:^|/)(left|right)/'`" in told
    samples, findings = read_as(tmp_path, "folder", view_pattern="(?i)(?:^|/)(left|right)/")
    assert samples.view_name == ("left", "right", "", "left", "")
    assert findings.missing["view"] == 2
    assert not any("may be views" in note for note in findings.notes)
    samples, findings = read_as(tmp_path, "folder", view_pattern="(top)/")
    assert not samples.view_name
    assert any("fits no path, so no view of these pictures is known" in note for note in findings.notes)
    touch(tmp_path / "sides", ["left/1.jpg", "right/2.jpg"])
    told = "(and `view_pattern='^([^/]+)/'` if they are views, `camera_pattern='^([^/]+)/'` if they are cameras)"
    assert told in refusal(tmp_path / "sides", "folder")


def test_folders_of_cameras_and_individuals_are_not_told_as_views(tmp_path):
    touch(tmp_path / "park", ["front/1.jpg", "back/2.jpg"])
    touch(tmp_path / "lr", ["l/1.jpg", "r/2.jpg", "x/3.jpg"])
    text(tmp_path / "table.csv", "path,camera\npark/front/1.jpg,front\npark/back/2.jpg,back\n")
    for source, layout, parameters in [
        ("park", "folder", {"folder_identities": False, "camera_pattern": "^(front|back)/"}),
        ("lr", "folder", {"folder_identities": True}),
        ("table.csv", "csv", {}),
    ]:
        _, findings = read_as(tmp_path / source, layout, **parameters)
        assert not any("may be views" in note for note in findings.notes), source


@pytest.mark.parametrize(
    ("pattern", "first", "is_told"),
    [
        ("{:06}.jpg", 1, True),
        ("frame_{:03}.png", 0, True),
        ("{:03}.jpg", 1, False),
        ("{:06}.jpg", 2, False),
        ("x{:06}.jpg", 1, False),
    ],
)
def test_folders_of_numbered_frames_are_told(tmp_path, pattern, first, is_told):
    touch(tmp_path, [f"{folder}/{pattern.format(number)}" for folder in ("GH01", "GH02") for number in range(first, 4)])
    warnings = read_as(tmp_path, "folder")[1].warnings
    assert [line.partition(",")[0] for line in warnings] == is_told * [
        "pictures of each folder are numbered one after the other"
    ]
    assert read_as(tmp_path, "folder", folder_identities=True)[1].warnings == []


def test_folders_that_are_not_there_are_no_identities(tmp_path):
    touch(tmp_path, ["1.jpg", "2.jpg"])
    assert not any("has no effect" in note for note in read_as(tmp_path, "folder", folder_identities=False)[1].notes)
    notes = read_as(tmp_path, "folder", folder_identities=True)[1].notes
    assert "`folder_identities=True` has no effect: no picture lies in a folder" in notes


@pytest.mark.parametrize("folder", [".trash", "@eaDir/a.jpg", "$RECYCLE.BIN/S-1-5", "a/@eaDir", "__MACOSX"])
def test_pictures_of_systems_are_hidden(tmp_path, folder):
    touch(tmp_path, ["a/a.jpg", "b/b.jpg", f"{folder}/SYNOPHOTO_THUMB_XL.jpg"])
    samples, findings = read_as(tmp_path, "folder")
    assert (samples.path, samples.identity) == (("a/a.jpg", "b/b.jpg"), ("a", "b"))
    assert findings.left_out == {"hidden": 1}


@pytest.mark.parametrize("split", ["", "train/"])
def test_cameras_that_hold_individuals_are_refused_or_told_with_the_patterns_that_take_both(tmp_path, split):
    skipped = "[^/]+/" if split else ""
    patterns = {"camera_pattern": f"^{skipped}([^/]+)/", "identity_pattern": f"^{skipped}[^/]+/([^/]+)/"}
    advice = " ".join(f"`{name}='{pattern}'`" for name, pattern in patterns.items())
    for first, second in (("cam1", "cam2"), ("north", "south")):
        source = tmp_path / first
        touch(source, [f"{split}{camera}/p{n:03}/{camera}{n}.jpg" for camera in (first, second) for n in (1, 2)])
        if first == "cam1":
            told = refusal(source, "folder")
            assert (
                f"; if they are cameras, and folders in them such as 'p001' individuals, give {advice} instead" in told
            )
        else:
            _, findings = read_as(source, "folder")
            assert (
                f"'p001' in 'north', 'south': if these are cameras and those in them individuals, give {advice}"
                in str(findings.warnings)
            )
        samples, findings = read_as(source, "folder", **patterns)
        assert (len(set(samples.pid)), len(set(samples.camid)), findings.warnings) == (2, 2, [])


@pytest.mark.parametrize(
    "inner",
    ["{n:04}", "cam{n}", "{side}", "day {n}", "anna{camera}{n}"],
    ids=["tracks", "cameras", "sides", "days", "own"],
)
def test_folders_within_individuals_are_no_individuals(tmp_path, inner):
    sides = ("left", "right")
    names = [(who, inner.format(n=n, side=sides[n], camera=who)) for who in ("dado", "zoe") for n in (0, 1)]
    touch(tmp_path, [f"{who}/{name}/{who}{name}.jpg" for who, name in names])
    _, findings = read_as(tmp_path, "folder")
    assert not [told for told in findings.warnings if "called alike" in told]


def test_individuals_called_after_splits_are_told(tmp_path):
    touch(tmp_path, [f"{name}/{name}.jpg" for name in ("id1", "query_tracks", "gallery 2", "trainer", "testa")])
    _, findings = read_as(tmp_path, "folder")
    (told,) = findings.warnings
    assert "though called after splits: 2 ('gallery 2', 'query_tracks'); leave them out with `exclude`" in told
    assert not read_as(tmp_path, "folder", folder_identities=True)[1].warnings


@pytest.mark.parametrize(
    "folders",
    [
        "2024-06 2024-07",
        "2023 2024",
        "01.05.2024 02.05.2024",
        "01-06-2024 lake",
        "240601 240602",
        "June_2024 July_2024",
        "June July unsorted",
        "Jan Feb Mar",
        "Été_2023 Hiver_23",
        "junio_de_2024 Rex",
        "2024-06-01_morning",
        "20240601-lake 20240602-hill",
        "lake_2024-06-01 hill_2024-06-01",
        "2024-06-01 2024-06-02 unsorted",
        "100MEDIA 101MEDIA unsorted",
        *("Kamera_1 Rex", "Caméra_A Rex", "Fotofalle_3 Rex", "Estación_2 Rex", "Câmera_3 Rex", "Fototrappola_4 Rex"),
    ],
)
def test_times_and_stations_are_asked_about_also_as_people_write_them(tmp_path: Path, folders: str) -> None:
    """Months and local dates became individuals without a word, and so did stations that are not in English."""
    touch(tmp_path, [f"{name.replace('_', ' ')}/{number}.png" for number, name in enumerate(folders.split())])
    assert "which may be no identities; say `folder_identities=True`" in refusal(tmp_path, "folder")


@pytest.mark.parametrize(
    "folders",
    [
        "1102 0417",
        "000101 000102",
        "Marco Julio Anna Rex",
        "May June Rex Tom",
        "Jan Tom",
        "D1071 D1102 2024",
        "2019_F12 2020_F3",
        "T1_2020 T2_2021",
    ],
)
def test_numbers_and_names_are_individuals_also_if_one_is_a_month(tmp_path: Path, folders: str) -> None:
    names = folders.split()
    touch(tmp_path, [f"{name}/{number}.png" for number, name in enumerate(names)])
    assert set(read_as(tmp_path, "folder")[0].identity) == set(names)


def test_folders_beside_pictures_of_an_individual_are_said_to_be_taken_for_it(tmp_path: Path) -> None:
    """ "Not read" was said of tracks whose pictures were taken, and nothing of an individual that slipped into another."""
    touch(tmp_path, ["Zoë/131.jpg", "Zoë/1102/47.jpg", "Zoë/rex/1.jpg", "ayo/1.jpg", "tom/day/1.jpg"])
    samples, findings = read_as(tmp_path, "folder")
    assert list(samples.identity).count("Zoë") == 3
    mixed = "folders beside pictures of an individual, whose pictures are taken for it, too: 2, the first 'Zoë/1102' for 'Zoë'"
    assert sum(note.startswith(mixed) for note in findings.notes) == 1
    assert any(
        "whose pictures are taken and whose numbers are not: 1, the first 'Zoë/1102'" in note for note in findings.notes
    )


def test_a_folder_around_all_others_is_named_as_the_source_to_give(tmp_path: Path) -> None:
    """Archives have folders around the data set, whose one name is asked about as if it could be an individual's."""
    touch(tmp_path / "a", [f"images/dataset/{name}/{number}.png" for name in ("rex", "tom") for number in range(2)])
    assert f"give '{tmp_path}/a/images/dataset' if the folders in it sort them, or say" in refusal(
        tmp_path / "a", "folder"
    )
    assert set(read(tmp_path / "a" / "images" / "dataset").identity) == {"rex", "tom"}
    touch(tmp_path / "b", [f"images/{number}.png" for number in range(2)])
    assert "if the folders in it" not in refusal(tmp_path / "b", "folder")


def test_whoever_says_that_there_are_no_identities_is_not_told_of_those_in_names(tmp_path: Path) -> None:
    touch(tmp_path, [f"{pid:04}_c{camera}s1_000001_00.jpg" for pid in (1, 2) for camera in (1, 2)])
    told = {said: read_as(tmp_path, "folder", folder_identities=said)[1].warnings for said in (None, False)}
    assert any("the identities and cameras that they say are not read" in line for line in told[None])
    assert any("the cameras that they say are not read" in line for line in told[False])
