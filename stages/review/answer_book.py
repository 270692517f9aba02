"""A person's answers about pairs of samples: kept in a file that is whole after every answer, and never contradictory."""

from __future__ import annotations

import csv
import io
from itertools import pairwise
from pathlib import Path

import numpy as np

from schemas.choices import Answer
from stages.constraints.answers_file import COLUMNS, NO_ANSWERS, TrainSamples, read_answers, read_table
from stages.constraints.contradictions import first_contradiction
from stages.errors import UsageError
from stages.output_files import write_text
from stages.review.order import Answers
from stages.typing import Int64Array

Row = tuple[str, str, str]
"""Two names of samples and an answer."""


class AnswerBook:
    """The answers in `file` about `samples`, to which more are added; `apart` (p, 2) are pairs that the data shows to differ.

    `before` are those that were there.

    UsageError if what is in the file contradicts itself or names no samples.
    """

    def __init__(self, file: Path, samples: TrainSamples, apart: Int64Array = NO_ANSWERS.pairs) -> None:
        self.file = file
        self._names = samples.names
        self._apart = apart
        self._rows = read_rows(file) if file.exists() else []
        self.before = found = read_answers(file, samples) if self._rows else NO_ANSWERS
        told = zip(found.pairs.tolist(), found.is_same.tolist(), strict=True)
        self._told: list[tuple[int, int, Answer]] = [(a, b, "same" if same else "different") for (a, b), same in told]
        self._told += [(a, b, "unsure") for a, b in found.unsure.tolist()]
        self._n_before = len(self._told)
        self._require_agreement([], f"{file} contradicts what the data shows")

    @property
    def n_given(self) -> int:
        """How many answers were added and not taken back."""
        return len(self._told) - self._n_before

    def add(self, first: int, second: int, answer: Answer) -> None:
        """Save that samples `first` and `second` (places among train samples) are the same, different, or that none can say.

        UsageError, with the chain of pairs, if other answers or the data say otherwise; then nothing is saved.
        """
        if answer != "unsure":
            self._require_agreement([(first, second, answer)], f"'{answer}' contradicts other answers")
        self._save([*self._rows, (self._names[first], self._names[second], answer)])
        self._told.append((first, second, answer))

    def undo(self) -> tuple[int, int] | None:
        """Take back the last answer that was added, and give its pair; None if none is left. Older ones in the file stay."""
        if not self.n_given:
            return None
        self._save(self._rows[:-1])
        first, second, _ = self._told.pop()
        return first, second

    def known(self) -> tuple[Answers, Int64Array]:
        """What is known, with what the data shows, and the pairs (u, 2) that nobody could say."""
        firm = [(a, b, answer == "same") for a, b, answer in self._told if answer != "unsure"]
        unsure = [(a, b) for a, b, answer in self._told if answer == "unsure"]
        pairs = np.concatenate([_pairs([(a, b) for a, b, _ in firm]), self._apart])
        is_same = np.array([same for *_, same in firm] + [False] * len(self._apart), dtype=bool)
        return Answers(pairs, is_same), _pairs(unsure)

    def rows(self) -> list[tuple[int, int, Answer]]:
        """All answers, the oldest first."""
        return list(self._told)

    def _require_agreement(self, more: list[tuple[int, int, Answer]], told: str) -> None:
        answers, _ = self.known()
        pairs = np.concatenate([_pairs([(a, b) for a, b, _ in more]), answers.pairs])
        is_same = np.concatenate([[answer == "same" for *_, answer in more], answers.is_same]).astype(bool)
        found = first_contradiction(len(self._names), pairs, is_same)
        if found is None:
            return
        names = [self._names[sample] for sample in found.samples]
        chain = ", ".join(f"{a} = {b}" for a, b in pairwise(names))
        raise UsageError(f"{told}: {chain}, but {names[0]} ≠ {names[-1]}; take back the wrong one, or say unsure")

    def _save(self, rows: list[Row]) -> None:
        write_text(csv_of(rows), self.file, overwrite=True)
        self._rows = rows


def read_rows(file: Path) -> list[Row]:
    """The rows of a file of answers; UsageError if it is no such table."""
    table = read_table(file)
    return list(zip(*(table.cells[name] for name in COLUMNS), strict=True))


def csv_of(rows: list[Row]) -> str:
    """A file of answers as text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue()


def _pairs(pairs: list[tuple[int, int]]) -> Int64Array:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
