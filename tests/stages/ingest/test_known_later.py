"""Identities that come after the pictures: found by path or by name, and refused if they fit nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from stages.errors import UsageError
from stages.ingest.known_later import KnownLater, read_known_later
from stages.runs.store import Artifact

PATHS = ["b/1.jpg", "a/1.jpg", "a/2.jpg", "a/3.jpg", "c/4.jpg"]
"""Of four samples: the third has two frames."""


class Dataset:
    def __init__(self, **arrays: Any) -> None:
        self.arrays = {"path": np.array(PATHS, dtype=object), "frame_start": np.array([0, 1, 2, 4, 5]), **arrays}

    def read(self, name: str) -> Any:
        return self.arrays[name]

    def names(self) -> list[str]:
        return list(self.arrays)


def known(folder: Path, text: str, **arrays: Any) -> KnownLater:
    (folder / "ids.csv").write_text(text)
    return read_known_later(folder / "ids.csv", cast(Artifact, Dataset(**arrays)))


def test_paths_and_file_names_that_are_there_once_are_found(tmp_path: Path) -> None:
    found = known(
        tmp_path, "path,identity\na/1.jpg,Zola\n3.jpg,Ada\n1.jpg,lost\nb/1.jpg,NA\nz/4.jpg,y\nc/4.jpg,Unknown\n"
    )
    assert found.pid.tolist() == [-2, 2, 1, -2]
    assert found.pid.dtype == np.int32
    assert found.note == (
        "identities by ids.csv: 2 of 4 samples, 2 identities; "
        "rows that fit several pictures: 1, the first '1.jpg'; "
        "rows that name no picture of the data set: 1, the first 'z/4.jpg'"
    )


def test_rows_that_name_several_individuals_name_nobody(tmp_path: Path) -> None:
    found = known(tmp_path, "path,identity\na/1.jpg,Ada\nb/1.jpg,Bo\na/2.jpg,Ada; Bo\n")
    assert found.pid.tolist() == [2, 1, -2, -2]
    assert "taken for unknown: 1 of 3, such as 'Ada; Bo'" in found.note


def test_rows_with_backslashes_are_told(tmp_path: Path) -> None:
    told = "rows with backslashes in place of /, left out (write / in all paths): 1, the first 'b\\1.jpg'"
    assert told in known(tmp_path, "path,identity\na/1.jpg,x\nb\\1.jpg,y\n").note


def test_new_is_nobody_and_told(tmp_path: Path) -> None:
    found = known(tmp_path, "path,identity\na/1.jpg,1\nb/1.jpg,new\nc/4.jpg,new\n")
    assert sorted(found.pid.tolist()) == [-2, -2, -2, 1]
    assert found.note.endswith("rows that say 'new', which is nobody: 2")


def test_the_digest_tells_identities_and_not_the_order_of_rows(tmp_path: Path) -> None:
    rows = ["a/1.jpg,7", "c/4.jpg,007"]
    digests = [known(tmp_path, "path,pid\n" + "\n".join(order)).digest for order in (rows, rows[::-1])]
    assert digests[0] == digests[1]
    assert known(tmp_path, "path,pid\na/1.jpg,7\nc/4.jpg,7\n").digest != digests[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("path,name\na/1.jpg,x\n", "no column 'identity'"),
        ("path,identity\nz.jpg,x\n", "names 'z.jpg', which is no picture of the data set, such as 'b/1.jpg'"),
        (
            "path,identity\n1.jpg,x\n",
            r"names '1.jpg', which fits 2 pictures .*, such as 'a/1.jpg', 'b/1.jpg'; give paths",
        ),
        (
            "path,identity\nz\\1.jpg,x\na\\1.jpg,x\n",
            "names 'a.1.jpg', which is there with / in place of each backslash",
        ),
        ("path,identity\na/1.jpg,Unknown\n", "has no identity in the column 'identity'; fill it in"),
        ("path,identity\na/2.jpg,x\na/3.jpg,y\n", "frames of one tracklet"),
        ("path,identity\na/1.jpg,x\na/1.jpg,y\n", "line 3 says 'y' of 'a/1.jpg', and line 2 says 'x'; correct one"),
        ("path,identity\na/2.jpg,x\n2.jpg,y\n", "line 3 says 'y' of '2.jpg', and line 2 says 'x'"),
        ("path,pid\na/1.jpg,1\na/2.jpg,1.0\n", "has the identities '1' and '1.0'; write them alike"),
        ("path,identity,pid\na/1.jpg,x,1\n", "has the columns identity and pid, which may differ"),
    ],
)
def test_what_fits_nothing_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        known(tmp_path, text)


def test_boxes_of_one_picture_and_frames_of_one_video_are_told_apart(tmp_path: Path) -> None:
    boxes = {
        "path": np.array(["a.jpg", "a.jpg", "film.mp4", "film.mp4"], dtype=object),
        "frame_start": np.arange(5),
        "frame_number": np.array([-1, -1, 4, 9]),
        "box": np.array([[1, 2, 3, 4], [5, 6, 7, 8], [0, 0, 9, 9], [0, 0, 9, 9]]),
    }
    header = "path,frame,left,top,width,height,identity\n"
    found = known(tmp_path, f"{header}a.jpg,,5,6,7,8,Ada\nfilm.mp4,9.0,,,,,Zola\na.jpg,,5,6,7,9,x\n", **boxes)
    assert found.pid.tolist() == [-2, 1, -2, 2]
    assert "rows that name a box or frame that the data set has not: 1, the first 'a.jpg'" in found.note
    with pytest.raises(
        UsageError, match=r"names boxes or frames of 'film.mp4' that the data set has not; give them as"
    ):
        known(tmp_path, f"{header}film.mp4,5,,,,,Zola\n", **boxes)
    with pytest.raises(UsageError, match="line 2: frame 'nine' is not a whole number"):
        known(tmp_path, f"{header}film.mp4,nine,,,,,Zola\n", **boxes)
    with pytest.raises(
        UsageError, match=r"line 2 names 2 boxes or frames of 'a.jpg'; say which one in the columns frame"
    ):
        known(tmp_path, "path,identity\na.jpg,Ada\n", **boxes)


def test_tracklets_of_one_video_are_told_apart_by_their_names(tmp_path: Path) -> None:
    tracks = {
        "path": np.array(["film.mp4"] * 3, dtype=object),
        "frame_start": np.array([0, 2, 3]),
        "tracklet": np.array([4, 5]),
        "tracklet_name": np.array(["film/7", "film/8"], dtype=object),
    }
    header = "path,tracklet,identity\n"
    assert known(tmp_path, f"{header}film.mp4,film/8,Zola\n", **tracks).pid.tolist() == [-2, 1]
    numbered = {name: values for name, values in tracks.items() if name != "tracklet_name"}
    assert known(tmp_path, f"{header}film.mp4,5.0,Zola\n", **numbered).pid.tolist() == [-2, 1]
    with pytest.raises(UsageError, match="line 3 names 3 boxes"):
        known(tmp_path, f"{header}film.mp4,film/8,Zola\nfilm.mp4,,Ada\n", **tracks)
    with pytest.raises(
        UsageError, match=r"line 3 names 3 boxes or frames of 'film.mp4'; .* or tracklet, as dbc export"
    ):
        known(tmp_path, "path,identity\n\nfilm.mp4,Zola\n", **tracks)
    with pytest.raises(UsageError, match=r"names boxes or frames of 'film.mp4' that the data set has not"):
        known(tmp_path, f"{header}film.mp4,film/9,Zola\n", **tracks)


def test_paths_that_lead_out_of_the_folder_are_those_of_the_data_set(tmp_path: Path) -> None:
    paths = np.array(["1.jpg", "../day2/1.jpg", "2.jpg"], dtype=object)
    found = known(
        tmp_path,
        f"path,identity\n1.jpg,Zola\n./../day2/1.jpg,Ada\n{tmp_path}/2.jpg,Eva\n../day3/1.jpg,lost\n",
        path=paths,
        frame_start=np.arange(4),
    )
    assert len(set(found.pid.tolist())) == 3
    assert "name no picture of the data set: 1, the first '../day3/1.jpg'" in found.note
    # a file name alone is the path of one picture, and other pictures have it as well
    assert "which they mean, and the end of others, too: 1, the first '1.jpg'" in found.note
    assert found.note.endswith(f"the file name alone decides: 1, the first '{tmp_path}/2.jpg'")


CARDS = ["D02/100EK113/1.jpg", "D03/100EK113/1.jpg", "D02/100EK113/4.jpg", "5.jpg", "D02/5.jpg"]


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("E:/cards/D03/100EK113/1.jpg", 1),
        ("100EK113/4.jpg", 2),
        ("x/D02/5.jpg", 4),
        ("x/5.jpg", 3),
        ("D01/100EK113/4.jpg", None),
        ("other/4.jpg", None),
        ("00EK113/4.jpg", None),
        ("D02/100EK113/", None),
        ("100EK113/1.jpg", None),
    ],
)
def test_a_path_means_the_picture_with_the_longest_common_end(tmp_path: Path, name: str, picture: int | None) -> None:
    paths = np.array(CARDS, dtype=object)
    found = known(
        tmp_path, f"path,identity\n{name},Ada\nD03/100EK113/1.jpg,Ada\n", path=paths, frame_start=np.arange(6)
    )
    assert np.flatnonzero(found.pid > 0).tolist() == sorted({1, picture} - {None})


def test_an_absolute_path_below_the_folder_of_the_table_keeps_its_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no picture of the data set"):
        known(tmp_path, f"path,identity\n{tmp_path}/4.jpg,Ada\n")


def test_names_that_may_say_that_nobody_knows_are_told(tmp_path: Path) -> None:
    found = known(tmp_path, "path,identity\na/1.jpg,-\na/2.jpg,n/a\nc/4.jpg,Ada\n")
    assert sum(found.pid > 0) == 2
    assert found.note.endswith("; identities: '-' is taken for a name like any other; write NA for what is not known")


def test_rows_with_fewer_cells_than_the_header_are_told(tmp_path: Path) -> None:
    found = known(tmp_path, "path,identity\na/1.jpg,Zola\na/2.jpg\n")
    assert (
        "rows with fewer cells than the header, taken for empty at their end: 1, the first line 3 (1 of 2)"
        in found.note
    )


def test_boxes_by_their_number_are_told_with_the_columns_to_name_them_by(tmp_path: Path) -> None:
    told = (
        "rows that name a box by its number, left out (give the path alone, and its place in the columns frame, left,"
    )
    assert told in known(tmp_path, "path,identity\na/1.jpg#2,Ada\nb/1.jpg,Bo\n").note
    with pytest.raises(
        UsageError, match=r"names a box by its number, as answers do: 'a/1\.jpg#2'; give the path alone"
    ):
        known(tmp_path, "path,identity\na/1.jpg#2,Ada\n")


def test_names_in_another_form_of_unicode_are_found_unless_two_pictures_differ_by_it_alone(tmp_path: Path) -> None:
    composed, apart = "caf\u00e9.png", "cafe\u0301.png"
    one = np.array([f"x/{composed}", "b.png"], dtype=object)
    for name in (f"x/{apart}", apart, f"y/x/{apart}"):
        found = known(tmp_path, f"path,identity\n{name},Ada\n", path=one, frame_start=np.arange(3))
        assert found.pid.tolist() == [1, -2]
    two = np.array([composed, apart], dtype=object)
    found = known(tmp_path, f"path,identity\n{apart},Ada\n", path=two, frame_start=np.arange(3))
    assert found.pid.tolist() == [-2, 1]
