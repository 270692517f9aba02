"""Where pictures lie whose paths lead elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats import camera_folders
from stages.ingest.formats.camera_folders import CameraFolders, by_name_and_folder, in_camera_folders
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.format import Findings
from stages.ingest.formats.listing import list_images


def pictures(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_only_folders_called_as_the_camera_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path, "2024/cards/A/x/1.jpg", "B/1.jpg", "other/1.jpg", "a/b/c/D/1.jpg")
    (tmp_path / os.fsdecode(b"B/\xff.jpg")).touch()
    listed: list[Path] = []
    monkeypatch.setattr(
        camera_folders, "list_images", lambda folder, **how: listed.append(folder) or list_images(folder, **how)
    )
    folders = CameraFolders(tmp_path)
    assert folders.place("1.jpg", "A") == folders.place("x/1.jpg", "cards/A") == "2024/cards/A/x/1.jpg"
    assert folders.place("y/1.jpg", "A") == "y/1.jpg"
    # one that cannot be listed, one that is too deep, and one that is not there
    assert [folders.place("1.jpg", camera) for camera in "BDE"] == ["1.jpg"] * 3
    assert {*listed} == {tmp_path / "2024/cards/A", tmp_path / "B"}


def test_pictures_by_name_and_folder_are_those_below_it() -> None:
    paths = ["a/1.jpg", "a/b/1.jpg", "b/a/a/1.jpg", "ab/1.jpg", "1.jpg", "a/2.jpg"]
    folders = ["a", "b", "a/b", "c", ""]
    assert by_name_and_folder(paths, folders) == {
        (name, folder): found
        for name in ("1.jpg", "2.jpg")
        for folder in folders
        if (found := [each for each in paths if each.endswith(name) and f"/{folder}/" in f"/{each}"])
    }


def test_frames_of_a_video_may_be_of_several_cameras(tmp_path: Path) -> None:
    pictures(tmp_path, "v.mp4")
    rows = [Detection("v.mp4", f"line {frame}", frame=frame, camera=camera) for frame, camera in ((1, "A"), (2, "B"))]
    findings = Findings()
    assert in_camera_folders(rows, None, tmp_path, IngestParameters(format="csv"), findings) == (rows, None)
    assert findings.notes + findings.warnings == []
    rows.append(rows[0]._replace(camera="B", origin="line 3"))
    with pytest.raises(UsageError, match=r"line 3: 'v\.mp4' is of camera 'B', and of 'A' in line 1"):
        in_camera_folders(rows, None, tmp_path, IngestParameters(format="csv"), findings)
