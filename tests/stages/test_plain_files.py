"""What never ends is refused at once by everything that opens a file that a user names."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from dbc_cli.pointer import POINTER, remembered_run
from stages.constraints.stage import FILE_NAME, own_file
from stages.errors import DbcError
from stages.ingest.decode.crops import BadImageError
from stages.ingest.decode.image_file import read_bytes
from stages.ingest.formats.coco import looks_like_coco
from stages.ingest.formats.csv_file import read_csv_file
from stages.ingest.formats.json_file import load_json
from stages.ingest.formats.mot import looks_like_mot
from stages.ingest.formats.names import read_lines
from stages.runs.events import EVENTS, read_events


def remembered(place: Path) -> object:
    POINTER.symlink_to(place)
    return remembered_run()


def told(place: Path) -> object:
    (place.parent / EVENTS).symlink_to(place)
    return read_events(place.parent)


READERS: dict[str, Callable[[Path], object]] = {
    "table": lambda place: read_csv_file(place, columns=("path",)),
    "JSON": load_json,
    "lines": read_lines,
    "picture": read_bytes,
    "remembered run": remembered,
    "events": told,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a socket"])
def test_what_never_ends_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "x"
    if kind == "a device":
        place = tmp_path / "x"
        place.symlink_to("/dev/zero")
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("x")
    else:
        os.mkfifo(place)
    with pytest.raises((DbcError, BadImageError, OSError)) as caught:
        READERS[reader](place)
    # the system itself refuses to open a socket
    assert f"it is {kind} and no file" in str(caught.value) or kind == "a socket"
    assert not looks_like_coco(place)
    assert not looks_like_mot(place)


def test_a_folder_in_the_place_of_a_runs_answers_is_not_passed_over(tmp_path: Path) -> None:
    assert own_file(tmp_path) is None
    (tmp_path / FILE_NAME).mkdir()
    assert own_file(tmp_path) == tmp_path / FILE_NAME
