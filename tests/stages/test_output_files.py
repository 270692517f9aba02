"""A file for the user is there whole or not at all, and never in the place of another unless asked."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from stages.errors import DbcError, UsageError
from stages.output_files import all_or_nothing, require_new, require_within, rows_as_csv, write_text, write_whole


def test_a_table_comes_back_with_whatever_its_cells_hold() -> None:
    rows = [["a\rb.jpg", "c\r\n"], ["\n", "\r"], ['"q",', " "], ["ä", ""]]
    text = rows_as_csv(rows)
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows
    assert text.endswith("\nä,\n")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_write_that_fails_leaves_the_former_file(tmp_path: Path, overwrite: bool) -> None:
    file = tmp_path / "t.csv"
    if overwrite:
        file.write_text("former")
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}

    def fail(part: Path) -> None:
        part.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(DbcError, match=r"t.csv cannot be written: No space left on device; free space .* `out`"):
        write_whole(file, fail, overwrite=overwrite)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_a_file_is_replaced_only_if_asked_and_a_link_is_followed(tmp_path: Path) -> None:
    file, link = tmp_path / "there.txt", tmp_path / "link.txt"
    file.write_text("mine")
    link.symlink_to(file)
    for each in (file, link):
        with pytest.raises(UsageError, match=rf"`csv` must be a new file, got .*{each.name}, .* `overwrite=True`"):
            write_text("other", each, argument="csv")
    assert file.read_text() == "mine"
    write_text("other", link, overwrite=True)
    assert (link.is_symlink(), file.read_text()) == (True, "other")


def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    for place in (tmp_path, Path("/dev/null")):
        with pytest.raises(UsageError, match="must be a file"):
            require_new([place], overwrite=True)
    require_new([tmp_path / "new" / "file"])
    assert list(tmp_path.iterdir()) == []


def test_what_lies_behind_a_folder_that_is_not_there_yet_is_found(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"must be a new file, got .*new/\.\./mine\.txt, which is there"):
        write_text("other", tmp_path / "new" / ".." / "mine.txt")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("mine.txt", "mine")]


@pytest.mark.parametrize(
    ("place", "is_within"),
    [
        *(("a/b.txt", True), ("a/../b.txt", True), ("../out/b.txt", True), ("../b.txt", False), ("/b.txt", False)),
        *(("a/../../outer/b.txt", False), ("link/b.txt", False), ("loose.txt", False)),
    ],
)
def test_a_file_outside_of_its_folder_is_refused(tmp_path: Path, place: str, is_within: bool) -> None:
    (out := tmp_path / "out").mkdir()
    (out / "link").symlink_to(tmp_path)
    (out / "loose.txt").symlink_to(tmp_path / "not there.txt")
    if is_within:
        require_within(out, [out / place])
        return
    with pytest.raises(UsageError, match=r"`out` must hold all files, got .*; give another folder"):
        require_within(out, [out / place])


def test_of_several_files_none_is_left_if_one_fails_and_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")

    @all_or_nothing()
    def write(*, fails: bool) -> None:
        for place in ("a.txt", "deep/er/b.txt"):
            with all_or_nothing():
                write_text("new", tmp_path / "out" / place)
        if fails:
            (tmp_path / "out/deep/hers.txt").write_text("hers")
            raise DbcError("the disk is full")

    def files() -> list[str]:
        return sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*"))

    for _ in range(2):
        with pytest.raises(DbcError, match="the disk is full"):
            write(fails=True)
        assert files() == ["deep", "deep/hers.txt", "mine.txt"]
    write(fails=False)
    assert files() == ["a.txt", "deep", "deep/er", "deep/er/b.txt", "deep/hers.txt", "mine.txt"]
    write_text("later", tmp_path / "out/c.txt")


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    file = tmp_path / ("x" * 250)
    write_text("long", file)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["long"]


def test_what_a_killed_writer_left_is_removed_and_what_another_writes_now_is_not(tmp_path: Path) -> None:
    (tmp_path / ".t.csv.writing-0123").write_text("half")
    (tmp_path / ".u.csv.writing-0123").write_text("half of another")
    seen: list[list[str]] = []

    def write(part: Path) -> None:
        write_text("inner", tmp_path / "t.csv")
        part.write_text("outer")
        seen.append(sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".t")))

    write_whole(tmp_path / "t.csv", write)
    assert [len(names) for names in seen] == [1]
    assert (tmp_path / "t.csv").read_text() == "outer"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".u.csv.writing-0123", "t.csv"]
