"""A person's answers about pairs of samples: kept in a file that is whole after every answer, and never contradictory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from schemas.choices import Answer
from stages.constraints.answers_file import COLUMNS, NO_ANSWERS, NamedSamples, read_answers, read_answers_table
from stages.constraints.contradictions import first_contradiction
from stages.errors import UsageError
from stages.output_files import alone_in_writing, rows_as_csv, write_text
from stages.review.order import Answers
from stages.typing import Int64Array

Row = tuple[str, str, str]
"""Two names of samples and an answer."""


class AnswerBook:
    """The answers in `file` about `samples`, to which more are added.

    `apart` (p, 2) are pairs that the data or labels show to differ, `same` (s, 2) those that labels say are one individual.
    The file is read again before each change, so others may write to it, too: rows of theirs stay, and count.

    UsageError if what is in the file contradicts itself or names no samples.
    """

    def __init__(
        self,
        file: Path,
        samples: NamedSamples,
        apart: Int64Array = NO_ANSWERS.pairs,
        same: Int64Array = NO_ANSWERS.pairs,
    ) -> None:
        self.file = file
        self._samples = samples
        self.shown = Answers(np.concatenate([apart, same]), np.repeat([False, True], [len(apart), len(same)]))
        self._given: list[tuple[int, int, Answer]] = []
        self.refresh()

    @property
    def n_given(self) -> int:
        """How many answers were added and not taken back."""
        return len(self._given)

    def refresh(self) -> None:
        """Read what the file says now, others' answers, too."""
        self._table = _Table.read(self.file)
        self.found = found = read_answers(self.file, self._samples) if self.file.exists() else NO_ANSWERS
        told = zip(found.pairs.tolist(), found.is_same.tolist(), strict=True)
        self._told: list[tuple[int, int, Answer]] = [(a, b, "same" if same else "different") for (a, b), same in told]
        self._told += [(a, b, "unsure") for a, b in found.unsure.tolist()]
        self._require_agreement([], f"{self.file} contradicts what the data or labels show")

    def add(self, first: int, second: int, answer: Answer) -> None:
        """Save that samples `first` and `second` (places among train samples) are the same, different, or that none can say.

        UsageError, with the chain of pairs, if other answers or the data say otherwise; then nothing is saved.
        """
        with alone_in_writing(self.file):
            self.refresh()
            self._require_file()
            if answer != "unsure":
                others = "other answers, labels or the data" if len(self.shown.pairs) else "other answers"
                self._require_agreement([(first, second, answer)], f"'{answer}' contradicts {others}")
            self._table.append(self._row(first, second, answer))
            write_text(self._table.text(), self.file, argument="answers", overwrite=True)
        self._told.append((first, second, answer))
        self._given.append((first, second, answer))

    def undo(self, first: int, second: int, answer: Answer) -> None:
        """Take back the last row of the file that says this of the two, whoever wrote it.

        UsageError if there is none, as when somebody took it back or rewrote it so that it says something else.
        """
        with alone_in_writing(self.file):
            self.refresh()

            def says_so(cells: Row) -> bool:
                places = {self._samples.place(name.strip(), at=str(self.file)) for name in cells[:2]}
                return cells[2].strip().casefold() == answer and places == {first, second}

            if not self._table.remove(says_so):
                row = ",".join(self._row(first, second, answer))
                raise UsageError(
                    f"the row {row!r} is no longer in {self.file} as it was given; correct the file, then load the page again"
                )
            write_text(self._table.text(), self.file, argument="answers", overwrite=True)
        # others may name the two in the other order
        mine = [given for given in self._given if given in ((first, second, answer), (second, first, answer))]
        if mine:
            self._given.remove(mine[-1])
        self.refresh()

    def begin(self) -> None:
        """Read the file for a page that is loaded; what was given here and is there no more is forgotten."""
        self.refresh()
        self._given = [given for given in self._given if given in self._told]

    def _require_file(self) -> None:
        """UsageError if no pair that was answered here is left in the file, as when it was moved away."""
        given, told = ({frozenset(row[:2]) for row in rows} for rows in (self._given, self._told))
        if given and not given & told:
            raise UsageError(
                f"{self.file} has none of the answers left that were given here ({len(self._given)}); put it back, or load "
                "the page again to go on without them"
            )

    def known(self) -> tuple[Answers, Int64Array]:
        """What is known, with what data and labels show, and the pairs (u, 2) that nobody could say."""
        firm = [(a, b, answer == "same") for a, b, answer in self._told if answer != "unsure"]
        unsure = [(a, b) for a, b, answer in self._told if answer == "unsure"]
        pairs = np.concatenate([_pairs([(a, b) for a, b, _ in firm]), self.shown.pairs])
        is_same = np.append(np.array([same for *_, same in firm], dtype=bool), self.shown.is_same)
        return Answers(pairs, is_same), _pairs(unsure)

    def rows(self) -> list[tuple[int, int, Answer]]:
        """All answers, those that are unsure last, but for new ones."""
        return list(self._told)

    def _row(self, first: int, second: int, answer: Answer) -> Row:
        return self._samples.names[first], self._samples.names[second], answer

    def _require_agreement(self, more: list[tuple[int, int, Answer]], told: str) -> None:
        answers, _ = self.known()
        pairs = np.concatenate([_pairs([(a, b) for a, b, _ in more]), answers.pairs])
        is_same = np.concatenate([[answer == "same" for *_, answer in more], answers.is_same]).astype(bool)
        found = first_contradiction(len(self._samples.names), pairs, is_same)
        if found is None:
            return
        names = [self._samples.names[sample] for sample in found.samples]
        chain = ", ".join(f"{a} = {b}" for a, b in pairwise(names))
        raise UsageError(f"{told}: {chain}, but {names[0]} ≠ {names[-1]}; take back the wrong one, or say unsure")


class _Table:
    """The cells of a file of answers as they are, other columns and all."""

    def __init__(
        self, header: Sequence[str] = COLUMNS, rows: Iterable[Sequence[str]] = (), delimiter: str = ","
    ) -> None:
        self._header, self._rows, self._delimiter = header, list(rows), delimiter
        names = [name.strip().lower() for name in header]
        self._places = [names.index(name) for name in COLUMNS]

    @classmethod
    def read(cls, file: Path) -> _Table:
        """The book of answers in `file`; an empty one if there is no file."""
        if not file.exists():
            return cls()
        table = read_answers_table(file)
        header, *rows = table.written()
        return cls(header, rows, table.delimiter)

    def append(self, row: Row) -> None:
        cells = dict(zip(self._places, row, strict=True))
        self._rows.append([cells.get(place, "") for place in range(len(self._header))])

    def remove(self, is_meant: Callable[[Row], bool]) -> bool:
        """Take out the last row that is meant; whether there was one."""
        a, b, c = self._places
        for place in reversed(range(len(self._rows))):
            cells = self._rows[place]
            if len(cells) > max(self._places) and is_meant((cells[a], cells[b], cells[c])):
                del self._rows[place]
                return True
        return False

    def text(self) -> str:
        return rows_as_csv([self._header, *self._rows], delimiter=self._delimiter)


def read_rows(file: Path) -> list[Row]:
    """The rows of a file of answers; UsageError if it is no such table."""
    table = read_answers_table(file)
    return list(zip(*(table.cells[name] for name in COLUMNS), strict=True))


def csv_of(rows: list[Row]) -> str:
    """A file of answers as text."""
    return rows_as_csv([COLUMNS, *rows])


def _pairs(pairs: list[tuple[int, int]]) -> Int64Array:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
