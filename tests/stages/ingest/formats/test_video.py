"""Published video layouts, each on a miniature of it: MARS and DukeMTMC-VideoReID."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from box_sources import refusal, touch
from scipy.io import savemat

from schemas.parameters import IngestParameters
from stages.errors import DbcError
from stages.ingest.formats import read_samples
from stages.ingest.formats.format import Findings
from stages.samples import GALLERY, QUERY, TRAIN, Samples

TRAIN_NAMES = [
    *(f"0001C1T0001F{frame:03}.jpg" for frame in (1, 2, 3)),
    *(f"0001C2T0002F{frame:03}.jpg" for frame in (1, 2)),
    "0003C6T0001F001.jpg",
]
TRAIN_TRACKS = [[1, 3, 1, 1], [4, 5, 1, 2], [6, 6, 3, 6]]
TEST_NAMES = [
    "00-1C1T0001F001.jpg",
    "00-1C1T0001F002.jpg",
    "0000C3T0001F001.jpg",
    *(f"0002C1T0001F{frame:03}.jpg" for frame in (1, 2)),
    *(f"0002C5T0002F{frame:03}.jpg" for frame in (1, 2, 3)),
]
TEST_TRACKS = [[1, 2, -1, 1], [3, 3, 0, 3], [4, 5, 2, 1], [6, 8, 2, 5]]

DUKE = [
    "train/0001/0003/0001_C6_F0002_X30831.jpg",
    "train/0001/0003/0001_C6_F0001_X30823.jpg",
    "train/0001/0004/0001C5F0001X30823.jpg",
    "query/0005/0001/0005_C2_F0001_X100.jpg",
    "gallery/0005/0002/0005_C1_F0010_X200.jpg",
    "gallery/0005/0002/0005_C1_F0009_X190.jpg",
    "gallery/4000/0001/4000_C8_F0001_X1.jpg",
]

Row = tuple[tuple[str, ...], int, int, int, int]


def write_mars(root: Path, **changed: Any) -> Path:
    names = {"train": changed.get("train_names", TRAIN_NAMES), "test": changed.get("test_names", TEST_NAMES)}
    tracks = {"train": changed.get("train", TRAIN_TRACKS), "test": changed.get("test", TEST_TRACKS)}
    (root / "info").mkdir(parents=True, exist_ok=True)
    for half in ("train", "test"):
        touch(root, [f"bbox_{half}/{name[:4]}/{name}" for name in names[half]])
        (root / f"info/{half}_name.txt").write_text("\r\n".join(names[half]) + "\r\n")
        savemat(root / f"info/tracks_{half}_info.mat", {f"track_{half}_info": np.array(tracks[half], dtype=np.int32)})
    savemat(root / "info/query_IDX.mat", {"query_IDX": np.array([changed.get("query", [3])], dtype=np.float64)})
    return root


def read(root: Path, name: str) -> Samples:
    return read_samples(root, parameters=IngestParameters(format=name))  # type: ignore[arg-type]


def rows(samples: Samples) -> list[Row]:
    """Frames, pid, camid, tracklet and split of every sample, by a plain loop."""
    told = []
    for i in range(len(samples)):
        frames = samples.path[int(samples.frame_start[i]) : int(samples.frame_start[i + 1])]
        columns = (samples.pid, samples.camid, samples.tracklet, samples.split)
        told.append((frames, *(int(column[i]) for column in columns)))
    return told  # type: ignore[return-value]


def test_tables_of_mars_give_tracklets_junk_distractors_and_queries(tmp_path: Path) -> None:
    def paths(half: str, name: str, n: int) -> tuple[str, ...]:
        return tuple(f"bbox_{half}/{name[:4]}/{name}F{frame:03}.jpg" for frame in range(1, n + 1))

    assert rows(read(write_mars(tmp_path), "mars")) == [
        (paths("test", "00-1C1T0001", 2), -1, 1, 1, GALLERY),
        (paths("test", "0000C3T0001", 1), 0, 3, 2, GALLERY),
        (paths("test", "0002C1T0001", 2), 2, 1, 3, QUERY),
        (paths("test", "0002C5T0002", 3), 2, 5, 4, GALLERY),
        (paths("train", "0001C1T0001", 3), 1, 1, 1, TRAIN),
        (paths("train", "0001C2T0002", 2), 1, 2, 2, TRAIN),
        (paths("train", "0003C6T0001", 1), 3, 6, 3, TRAIN),
    ]


def test_tracklets_that_are_nobody_s_are_counted(tmp_path: Path) -> None:
    findings = Findings()
    junk = [[1, 3, -1, 1], *TRAIN_TRACKS[1:]]
    read_samples(
        write_mars(tmp_path / "mars", train=junk), parameters=IngestParameters(format="mars"), findings=findings
    )
    nobody = "tracklets of the gallery that are nobody's: junk that evaluation ignores (pid -1)"
    assert findings.notes == [f"{nobody}: 1, distractors (pid 0): 1", "junk (pid -1) in train, left out: 1"]
    touch(tmp_path / "duke", [*DUKE, "gallery/0000/0001/0000_C8_F0001_X1.jpg"])
    parameters = IngestParameters(format="dukemtmc-videoreid")
    read_samples(tmp_path / "duke", parameters=parameters, findings=(duke := Findings()))
    assert duke.notes == [f"{nobody}: 0, distractors (pid 0): 1"]


def test_a_frame_that_no_tracklet_of_mars_has_is_left_out(tmp_path: Path) -> None:
    write_mars(tmp_path, train=TRAIN_TRACKS[:2])
    touch(tmp_path, ["bbox_test/0002/0002C1T0009F001.jpg"])
    samples = read(tmp_path, "mars")
    assert len(samples) == 6
    assert not any("0003C6" in path or "T0009" in path for path in samples.path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"train": [[1, 4, 1, 1]]}, "row 1 has frames 1 to 4, expected frames of one person and camera"),
        ({"train": [[1, 3, 1, 1], [6, 7, 3, 6]]}, "row 2 has frames 6 to 7"),
        ({"train": [[0, 3, 1, 1]]}, "row 1 has frames 0 to 3"),
        ({"train": [[3, 1, 1, 1]]}, "row 1 has frames 3 to 1"),
        ({"train": [[1, 3, 1]]}, "shape (1, 3), expected one row a tracklet and four columns"),
        ({"query": [5]}, "query numbers 5 to 5, expected some from 1 to 4"),
        ({"query": [0, 3]}, "query numbers 0 to 3"),
        ({"query": [1.5]}, "query_IDX.mat' holds query_IDX, expected one matrix of whole numbers"),
        ({"query": []}, "query numbers none"),
        ({"train_names": [*TRAIN_NAMES, "holiday.jpg"]}, "train_name.txt' line 7: 'holiday.jpg' is not PID"),
    ],
)
def test_tables_of_mars_that_do_not_fit_are_named(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    assert told in refusal(write_mars(tmp_path, **changed), "mars", kind=DbcError)


def test_frames_of_mars_that_are_not_there_may_be_skipped(tmp_path: Path) -> None:
    write_mars(tmp_path)
    (tmp_path / "bbox_test/0002/0002C1T0001F002.jpg").unlink()
    for path in (tmp_path / "bbox_train/0001").iterdir():
        path.unlink()
    parameters = IngestParameters(format="mars", on_bad_image="skip")
    samples = read_samples(tmp_path, parameters=parameters, findings=(findings := Findings()))
    assert [text.split("' ")[1].split(",")[0] for text in findings.warnings] == [
        "lists 5 of 6 images that do not exist",
        "lists 1 of 8 images that do not exist",
    ]
    assert not [path for path in samples.path if not (tmp_path / path).is_file()]
    assert (np.diff(samples.frame_start) > 0).all()


def test_what_is_missing_from_mars_is_named(tmp_path: Path) -> None:
    write_mars(tmp_path)
    (tmp_path / "bbox_test/0002/0002C1T0001F002.jpg").unlink()
    assert "lists 1 of 8 images that do not exist, the first 'bbox_test/0002/0002C1T0001F002.jpg'" in refusal(
        tmp_path, "mars"
    )
    (tmp_path / "info/tracks_test_info.mat").write_bytes(b"no matrix at all" * 20)
    assert "tracks_test_info.mat' is not a MATLAB file" in refusal(tmp_path, "mars", kind=DbcError)
    (tmp_path / "info/query_IDX.mat").unlink()
    text = refusal(tmp_path, "mars")
    assert "lacks info/query_IDX.mat: mars wants bbox_train, bbox_test, info/train_name.txt" in text
    assert "found bbox_test, bbox_train, info;" in text


def test_folders_of_dukemtmc_videoreid_give_tracklets_in_order_of_frames(tmp_path: Path) -> None:
    touch(tmp_path, [*DUKE, "readme.md", "train/.DS_Store"])
    assert rows(read(tmp_path, "dukemtmc-videoreid")) == [
        ((DUKE[5], DUKE[4]), 5, 1, 2, GALLERY),
        ((DUKE[6],), 4000, 8, 1, GALLERY),
        ((DUKE[3],), 5, 2, 1, QUERY),
        ((DUKE[1], DUKE[0]), 1, 6, 3, TRAIN),
        ((DUKE[2],), 1, 5, 4, TRAIN),
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("train/0001/0001_C6_F0001_X1.jpg", "'train/0001/0001_C6_F0001_X1.jpg' is not PID/TRACKLET/"),
        ("query/anna/0001/0001_C6_F0001_X1.jpg", "'query/anna/0001/0001_C6_F0001_X1.jpg' is not PID/TRACKLET/"),
        ("query/0005/0001/first.jpg", "(as 0001/0003/0001_C6_F0099_X30823.jpg)"),
        ("train/0001/0003/0001_C5_F0003_X1.jpg", "tracklet 'train/0001/0003' has frames of two cameras"),
    ],
)
def test_paths_of_dukemtmc_videoreid_that_do_not_fit_are_named(tmp_path: Path, more: str, told: str) -> None:
    touch(tmp_path, [*DUKE, more])
    assert told in refusal(tmp_path, "dukemtmc-videoreid")


def test_what_is_missing_from_dukemtmc_videoreid_is_named(tmp_path: Path) -> None:
    touch(tmp_path, ["bounding_box_train/0001_c2_f0046182.jpg", "query/0001_c2_f0046182.jpg"])
    text = refusal(tmp_path, "dukemtmc-videoreid")
    assert "lacks train, gallery: dukemtmc-videoreid wants train, query, gallery" in text
    assert "found bounding_box_train, query" in text
    for folder in ("train", "gallery"):
        (tmp_path / folder).mkdir()
    assert "train' holds no image files" in refusal(tmp_path, "dukemtmc-videoreid")
