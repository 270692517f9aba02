"""Distances from the centre, against a plain loop; names and folders of clusters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from stages.errors import DbcError, UsageError
from stages.export.folders import safe_name, write_folders
from stages.export.members import Member, Members, centre_distances
from stages.ingest.whereabouts import PictureFiles
from stages.runs.source_names import only_names


def test_distances_are_those_of_a_plain_loop() -> None:
    generator = np.random.default_rng(4)
    features = generator.normal(size=(23, 5)).astype(np.float32)
    labels = generator.permutation(np.r_[np.arange(6), generator.integers(0, 6, 17)])
    found = centre_distances(features, labels)
    for sample, label in enumerate(labels):
        centre = features[labels == label].astype(np.float64).mean(axis=0)
        assert found[sample] == pytest.approx(np.linalg.norm(features[sample] - centre))
    assert centre_distances(features, np.arange(23)).tolist() == [0.0] * 23


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b/IMG_1.JPG", "IMG_1.JPG"),
        ("x/what? *now*.png", "what_ _now_.png"),
        ("löwe/löwe 1.jpg", "löwe 1.jpg"),
        ("..hidden", "hidden"),
        ("a/???", "_"),
        ("con:1|2\n.jpg", "con_1_2_.jpg"),
        (f"{'n' * 300}.jpeg", f"{'n' * 150}.jpeg"),
    ],
)
def test_names_are_made_safe(path: str, name: str) -> None:
    assert safe_name(path) == name


def member(path: str, cluster: int | None) -> Member:
    number = None if cluster is None else cluster + 1
    return Member(path, None, "train", None, number, cluster, 1, 0.0, 2, None)


def test_gaps_in_numbers_are_told_and_only_those() -> None:
    rows = (member("a", 0), member("b", 1), member("c", 0))
    said = {"stage": 1, "dataset": cast(Any, None), "largest_number": 9}
    assert Members(rows=rows, **said).notes == ()
    gap = Members(rows=(*rows, replace(rows[1], individual=7, cluster=2)), **said)
    assert [note.partition(";")[0] for note in gap.notes] == [
        "numbers of individuals last, so they have gaps: 3 individuals, numbers up to 7"
    ]


def test_the_one_identity_of_a_cluster_is_its_name() -> None:
    assert only_names(["Ayo", None, "Ayo", "Kira", "Ayo", "Zuri"], [0, 0, 0, 1, 1, -1]) == {0: "Ayo"}
    assert only_names([], [0, 1]) == {}


def test_names_stand_beside_numbers_and_of_several_individuals_are_told(pictures: Path, tmp_path: Path) -> None:
    ayo, other = replace(member("a/1.jpg", 0), name="Ayo/2"), replace(member("b/1.jpg", 11), name="Ayo/2")
    assert [ayo.title, member("c", 2).title] == ["1 (Ayo/2)", "3"]
    said = {"stage": 1, "dataset": cast(Any, None), "largest_number": 12}
    assert Members(rows=(ayo, other), **said).notes[0] == (
        "identities that several individuals have: 1, the first 'Ayo/2', in 1 and 12; join those that are one, by dbc review"
    )
    assert not any("several" in note for note in Members(rows=(ayo, replace(other, name="Kira")), **said).notes)
    write_folders([ayo, other], tmp_path / "out", pictures=PictureFiles(pictures), copy=False)
    assert sorted(folder.name for folder in (tmp_path / "out").iterdir()) == [
        "individual-01-Ayo_2",
        "individual-12-Ayo_2",
    ]


def grey_video(file: Path, levels: list[int]) -> None:
    av = pytest.importorskip("av", reason="the extra video is not installed")
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for level in levels:
            frame = av.VideoFrame.from_ndarray(np.full((24, 32, 3), level, dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for path in ("a/1.jpg", "b/1.jpg", "b/2.jpg"):
        (tmp_path / "in" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / path).write_text(path)
    return tmp_path / "in"


@pytest.mark.parametrize("copy", [False, True])
def test_a_folder_a_cluster_with_every_picture_once(pictures: Path, tmp_path: Path, copy: bool) -> None:
    rows = [member("a/1.jpg", 0), member("b/1.jpg", 0), member("b/2.jpg", 11), member("c/9.jpg", None)]
    rows += [replace(member("../in/a/1.jpg", None), probability=0.25)]
    assert write_folders(rows, tmp_path / "no" / ".." / "out", pictures=PictureFiles(pictures), copy=copy) == 4
    written = {file.relative_to(tmp_path / "out").as_posix(): file for file in (tmp_path / "out").rglob("*.jpg")}
    assert {place: file.read_text() for place, file in written.items()} == {
        "individual-01/1_a_1.jpg": "a/1.jpg",
        "individual-01/2_b_1.jpg": "b/1.jpg",
        "individual-12/1_b_2.jpg": "b/2.jpg",
        "new/1_in_a_1.jpg": "a/1.jpg",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert all(file.is_symlink() is not copy for file in written.values())
    with pytest.raises(DbcError, match="not empty"):
        write_folders(rows, tmp_path / "out", pictures=PictureFiles(pictures), copy=copy)


def test_copies_of_boxes_and_frames_are_what_was_cut_out(tmp_path: Path) -> None:
    shades = np.arange(40 * 60, dtype=np.uint8).reshape(40, 60)
    (tmp_path / "in").mkdir()
    Image.fromarray(shades // 16 * 16).save(tmp_path / "in/a.png")
    grey_video(tmp_path / "in/b.mp4", [10, 200, 90])
    rows = [
        replace(member("a.png", 0), box=(4, 5, 6, 7), cut_out=(2, 3, 20, 30)),
        replace(member("a.png", 0), cut_out=(30, 5, 16, 16)),
        replace(member("b.mp4", 1), frame=2, cut_out=(0, 0, 8, 6)),
        replace(member("b.mp4", 1), frame=1),
    ]
    assert write_folders(rows, tmp_path / "out", pictures=PictureFiles(tmp_path / "in"), copy=True) == 4
    written = {}
    for file in (tmp_path / "out").rglob("*.jpg"):
        with Image.open(file) as picture:
            written[file.name] = picture.convert("RGB")
    assert sorted(written) == ["1_a.jpg", "1_b-000002.jpg", "2_a.jpg", "2_b-000001.jpg"]
    assert [written[name].size for name in ("1_a.jpg", "2_a.jpg", "1_b-000002.jpg")] == [(20, 30), (16, 16), (8, 6)]
    wanted = (shades // 16 * 16)[3:33, 2:22].astype(int)
    assert abs(np.asarray(written["1_a.jpg"]).astype(int)[..., 0] - wanted).mean() < 8
    assert np.asarray(written["1_b-000002.jpg"]).mean() == pytest.approx(90, abs=8)
    assert np.asarray(written["2_b-000001.jpg"]).mean() == pytest.approx(200, abs=8)
    with pytest.raises(UsageError, match=r"links to frames of 'b\.mp4'"):
        write_folders(rows, tmp_path / "links", pictures=PictureFiles(tmp_path / "in"), copy=False)
    beyond = [replace(member("b.mp4", 0), frame=7)]
    with pytest.raises(DbcError, match=r"b\.mp4 has 3 frames, of which 8 is out of range"):
        write_folders(beyond, tmp_path / "beyond", pictures=PictureFiles(tmp_path / "in"), copy=True)
    smaller = [replace(member("a.png", 0), cut_out=(50, 30, 11, 10))]
    with pytest.raises(DbcError, match=r"'a\.png' is 60×40 pixels, and its box \[50, 30, 11, 10\] reaches beyond"):
        write_folders(smaller, tmp_path / "smaller", pictures=PictureFiles(tmp_path / "in"), copy=True)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in", "out"]


def test_pictures_that_are_lost_are_left_out_and_others_found_where_they_are(pictures: Path, tmp_path: Path) -> None:
    now = PictureFiles(pictures, {"was/1.jpg": "a/1.jpg"}, frozenset({"lost.jpg"}))
    assert (
        write_folders([member("was/1.jpg", 0), member("lost.jpg", 0)], tmp_path / "out", pictures=now, copy=False) == 1
    )
    (link,) = (tmp_path / "out").rglob("*.jpg")
    assert link.readlink() == pictures / "a/1.jpg"


def test_links_say_camera_and_box_where_names_do_not_tell(pictures: Path, tmp_path: Path) -> None:
    rows = [replace(member(path, 0), camera="ST/1", box=(n, 5, 3, 3)) for n, path in enumerate(("a/1.jpg", "b/2.jpg"))]
    write_folders(rows, tmp_path / "one", pictures=PictureFiles(pictures), copy=False)
    rows += [replace(rows[0], box=(7, 6, 3, 3), cluster=1, individual=2), replace(member("b/1.jpg", 0), camera="ST2")]
    write_folders(rows, tmp_path / "two", pictures=PictureFiles(pictures), copy=False)
    # folders of one camera, as 100MEDIA and 101MEDIA
    of_one = [replace(member(path, 0), camera="ST") for path in ("a/1.jpg", "b/1.jpg")]
    write_folders(of_one, tmp_path / "three", pictures=PictureFiles(pictures), copy=False)
    names = [sorted(file.name for file in (tmp_path / out).rglob("*.jpg")) for out in ("one", "two", "three")]
    assert names == [
        ["1_1.jpg", "2_2.jpg"],
        ["1_ST_1_1-at-0-5.jpg", "1_ST_1_1-at-7-6.jpg", "2_ST_1_2.jpg", "3_ST2_1.jpg"],
        ["1_a_1.jpg", "2_b_1.jpg"],
    ]


def test_nothing_is_left_if_a_picture_is_lost(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(DbcError, match=r"lost\.jpg"):
        write_folders(
            [member("a/1.jpg", 0), member("lost.jpg", 0)], tmp_path / "out", pictures=PictureFiles(pictures), copy=True
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_ctrl_c_leaves_nothing_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "symlink_to", interrupted)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.jpg").write_bytes(b"")
    with pytest.raises(KeyboardInterrupt):
        write_folders([member("1.jpg", 0)], tmp_path / "out", pictures=PictureFiles(tmp_path / "in"), copy=False)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
