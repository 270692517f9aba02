"""What never ends is refused at once by everything that opens a file that a user names, and what is no UTF-8 is named."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from dbc_cli.configuration import configured
from dbc_cli.pointer import POINTER, remembered_run
from stages.constraints.stage import FILE_NAME, own_file
from stages.errors import DbcError
from stages.ingest.decode.crops import BadImageError
from stages.ingest.decode.image_file import read_bytes
from stages.ingest.formats import recognise_source
from stages.ingest.formats.boxes_file import looks_like_mot
from stages.ingest.formats.coco import looks_like_coco
from stages.ingest.formats.csv_file import read_csv_file
from stages.ingest.formats.json_file import load_json
from stages.ingest.formats.text_files import read_lines
from stages.plain_files import why_not_utf8


def remembered(place: Path) -> object:
    POINTER.symlink_to(place)
    return remembered_run()


READERS: dict[str, Callable[[Path], object]] = {
    "table": lambda place: read_csv_file(place, columns=("path",)),
    "JSON": load_json,
    "lines": read_lines,
    "picture": read_bytes,
    "remembered run": remembered,
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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("path\nä.png\n".encode("utf-16"), "it is text in UTF-16, as Excel saves Unicode text"),
        (b"\xfe\xff" + "path\n".encode("utf-16-be"), "it is text in UTF-16, as Excel saves Unicode text"),
        ("path\na.png\n".encode("utf-16-le"), "it is text in UTF-16 or no text"),
        ("path\n".encode("utf-32"), "it is text in UTF-32"),
        ("path\na\nhöhle\n".encode("cp1252"), "line 3 has a byte 0xf6, which is 'ö' in Windows-1252"),
        (b"path\n\x81\n", "line 2 has a byte 0x81"),
        (b"PK\x03\x04\x14\0\x06\0\xff", "it is an Excel workbook, or an archive to unpack"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "it is an Excel workbook of before 2007"),
    ],
)
def test_what_is_no_utf8_is_named_with_what_to_do(tmp_path: Path, content: bytes, told: str) -> None:
    (file := tmp_path / "x.csv").write_bytes(content)
    assert why_not_utf8(file) == told
    with pytest.raises(DbcError) as caught:
        read_csv_file(file, columns=("path",))
    assert str(caught.value) == f"'{file}' is not a UTF-8 CSV table: {told}; save it as CSV UTF-8"
    assert "(not in UTF-8: x.csv)" in recognise_source(tmp_path).why


@pytest.mark.parametrize("read", [load_json, read_lines, lambda file: configured(file, "merge")])
def test_every_reader_of_text_names_what_is_no_utf8(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (file := tmp_path / "x").write_text("1", encoding="utf-16")
    with pytest.raises(DbcError, match="it is text in UTF-16"):
        read(file)


def test_a_folder_in_the_place_of_a_runs_answers_is_not_passed_over(tmp_path: Path) -> None:
    assert own_file(tmp_path) is None
    (tmp_path / FILE_NAME).mkdir()
    assert own_file(tmp_path) == tmp_path / FILE_NAME
