"""Answers are in the file at once, can be taken back, and never contradict each other."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from stages.errors import UsageError
from stages.ingest.named_pictures import NamedPictures
from stages.review.answer_book import AnswerBook

NAMES = ["a.jpg", 'b "quoted", odd.jpg', "c.jpg", "ד.jpg", "e.jpg", "f.jpg"]


class Samples:
    """Train samples by their names."""

    names = NAMES

    def place(self, name: str, *, at: str) -> int:
        if name not in NAMES:
            raise UsageError(f"{at} names {name}")
        return NAMES.index(name)

    pictures = NamedPictures(NAMES)

    def is_renamed(self, name: str) -> bool:
        return False

    is_reused = is_renamed


def book(file: Path, apart: list[tuple[int, int]] | None = None) -> AnswerBook:
    return AnswerBook(file, Samples(), np.array(apart or [], dtype=np.int64).reshape(-1, 2))  # type: ignore[arg-type]


def rows(file: Path) -> list[list[str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.reader(text))


def test_every_answer_is_in_the_file_at_once_and_the_last_can_be_taken_back(tmp_path: Path) -> None:
    file = tmp_path / "run" / "constraints.csv"
    mine = book(file)
    assert not file.exists()
    for first, second, answer in ((0, 1, "same"), (2, 3, "different"), (4, 5, "unsure")):
        mine.add(first, second, answer)  # type: ignore[arg-type]
        assert rows(file)[-1] == [NAMES[first], NAMES[second], answer]
    assert rows(file)[0] == ["path_a", "path_b", "answer"]
    mine.undo(4, 5, "unsure")
    assert len(rows(file)) == 3
    answers, unsure = mine.known()
    assert answers.pairs.tolist() == [[0, 1], [2, 3]]
    assert answers.is_same.tolist() == [True, False]
    assert unsure.shape == (0, 2)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_an_answer_is_taken_back_in_either_order(tmp_path: Path) -> None:
    mine = book(tmp_path / "answers.csv")
    mine.add(0, 1, "same")
    mine.undo(1, 0, "same")
    assert (mine.n_given, mine.rows()) == (0, [])
    mine.add(2, 3, "same")


def test_a_second_sitting_goes_on_with_the_file_and_takes_back_any_answer_of_it(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    book(file).add(0, 1, "same")
    again = book(file)
    assert (again.n_given, again.rows()) == (0, [(0, 1, "same")])
    again.add(1, 2, "unsure")
    assert again.n_given == 1
    again.undo(0, 1, "same")
    assert (again.n_given, again.rows()) == (1, [(1, 2, "unsure")])
    with pytest.raises(UsageError, match="is no longer in"):
        again.undo(0, 1, "same")
    again.undo(1, 2, "unsure")
    assert (again.n_given, len(rows(file))) == (0, 1)


def test_a_file_that_was_moved_away_is_told_before_answers_begin_another(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    mine = book(file)
    mine.add(0, 1, "same")
    mine.add(1, 2, "different")
    file.rename(tmp_path / "safe.csv")
    with pytest.raises(UsageError, match=r"has none of the answers left that were given here \(2\); put it back"):
        mine.add(3, 4, "same")
    assert not file.exists()
    # a pair that an editor corrected is there
    file.write_text(
        'path_a,path_b,answer\nc.jpg,b "quoted", odd.jpg,unsure\n'.replace(
            'b "quoted", odd.jpg', '"b ""quoted"", odd.jpg"'
        )
    )
    mine.add(3, 4, "same")
    file.unlink()
    mine.begin()
    mine.add(3, 5, "same")
    assert (mine.n_given, len(rows(file))) == (1, 2)


def test_two_books_and_an_editor_on_one_file_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("note;Path_A;path_b;answer\nmine;a.jpg;c.jpg;Different\n")
    one, other = book(file), book(file)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda given: given[0].add(0, given[1], "same"), [(one, 1), (other, 3), (one, 4)]))
    with file.open("a") as editor:
        editor.write("by hand;e.jpg;f.jpg;unsure\n")
    with pytest.raises(UsageError, match="'same' contradicts other answers"):
        one.add(3, 2, "same")
    one.undo(0, 1, "same")
    other.add(0, 1, "unsure")
    one.refresh()
    for each in (one, other):
        assert sorted(each.rows()) == [
            (0, 1, "unsure"),
            (0, 2, "different"),
            (0, 3, "same"),
            (0, 4, "same"),
            (4, 5, "unsure"),
        ]
    kept = ["mine;a.jpg;c.jpg;Different", ";a.jpg;ד.jpg;same", ";a.jpg;e.jpg;same", "by hand;e.jpg;f.jpg;unsure"]
    assert sorted(file.read_text().splitlines()) == sorted(
        ["note;Path_A;path_b;answer", *kept, f';a.jpg;"{NAMES[1]}";unsure'.replace('"b "quoted"', '"b ""quoted""')]
    )
    file.write_text(file.read_text() + ";nowhere.jpg;a.jpg;same\n")
    for change in (lambda: one.add(1, 5, "same"), one.refresh):
        with pytest.raises(UsageError, match=r"line 7"):
            change()
    assert file.read_text().endswith("nowhere.jpg;a.jpg;same\n")


def test_an_answer_that_was_rewritten_is_taken_back_or_said_to_be_gone(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    mine = book(file)
    mine.add(0, 2, "same")
    file.write_text("path_a,path_b,answer\n c.jpg ,a.jpg, SAME\n")
    mine.undo(0, 2, "same")
    assert (rows(file), mine.n_given, mine.rows()) == ([["path_a", "path_b", "answer"]], 0, [])
    mine.add(0, 2, "same")
    changed = "path_a,path_b,answer\na.jpg,c.jpg,different\na.jpg,e.jpg,same\n"
    file.write_text(changed)
    with pytest.raises(UsageError, match=r"the row 'a.jpg,c.jpg,same' is no longer in .*answers.csv as it was given"):
        mine.undo(0, 2, "same")
    assert (file.read_text(), mine.n_given) == (changed, 1)


def test_an_answer_against_a_chain_of_others_is_refused_with_the_chain_and_not_saved(tmp_path: Path) -> None:
    mine = book(tmp_path / "answers.csv")
    for first, second in ((0, 2), (2, 3), (3, 4)):
        mine.add(first, second, "same")
    with pytest.raises(UsageError, match=r"'different' contradicts other answers: a\.jpg = c\.jpg, .* = e\.jpg, but"):
        mine.add(0, 4, "different")
    mine.add(4, 5, "different")
    with pytest.raises(UsageError, match="'same' contradicts"):
        mine.add(5, 0, "same")
    assert mine.n_given == 4
    assert len(rows(mine.file)) == 5
    mine.add(0, 5, "unsure")


def test_what_the_data_shows_counts_as_an_answer_that_is_not_in_the_file(tmp_path: Path) -> None:
    mine = book(tmp_path / "answers.csv", apart=[(0, 1)])
    with pytest.raises(UsageError, match="'same' contradicts"):
        mine.add(1, 0, "same")
    mine.add(2, 3, "same")
    assert len(rows(mine.file)) == 2
    assert mine.known()[0].pairs.tolist() == [[2, 3], [0, 1]]
    (tmp_path / "wrong.csv").write_text("path_a,path_b,answer\na.jpg,c.jpg,same\n")
    with pytest.raises(UsageError, match=r"wrong\.csv contradicts what the data or labels show"):
        book(tmp_path / "wrong.csv", apart=[(0, 2)])
