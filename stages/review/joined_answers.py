"""The answers of two people in one table, and where they say what cannot both be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.constraints.contradictions import first_contradiction
from stages.review.answer_book import Row


@dataclass(frozen=True)
class JoinedAnswers:
    """Answers of two people: `rows` without contradictions, each pair once, and the `conflicts` that were left out.

    A conflict is the names in turn, each said to be the same as the next, while the first and the last are said to differ.
    `n_agreed` pairs have the same answer twice, `n_settled` were unsure for one of them alone.
    """

    rows: list[Row]
    conflicts: list[tuple[str, ...]]
    n_agreed: int
    n_settled: int


def join_answers(first: list[Row], second: list[Row]) -> JoinedAnswers:
    """The answers of both; those that say "different" against the others are conflicts, and their pairs are left out.

    Of one person's answers about a pair the last counts. A pair that one is unsure of has the other's answer.

    Examples
    --------
    >>> joined = join_answers([("a", "b", "same"), ("c", "d", "unsure")], [("b", "a", "different"), ("c", "d", "same")])
    >>> joined.rows, joined.conflicts
    ([('c', 'd', 'same')], [('a', 'b')])
    """
    by_person = [{_pair(row): row[2] for row in rows} for rows in (first, second)]
    pairs = list(dict.fromkeys([*by_person[0], *by_person[1]]))
    told: list[Row] = []
    conflicts: list[tuple[str, ...]] = []
    n_agreed = n_settled = 0
    for pair in pairs:
        answers = [answers[pair] for answers in by_person if pair in answers]
        firm = sorted({answer for answer in answers if answer != "unsure"})
        n_agreed += len(answers) == 2 and answers[0] == answers[1]
        n_settled += len(answers) == 2 and "unsure" in answers and len(firm) == 1
        if len(firm) > 1:
            conflicts.append(pair)
        else:
            told.append((*pair, firm[0] if firm else "unsure"))
    kept, chains = _without_contradictions(told)
    return JoinedAnswers(kept, conflicts + chains, n_agreed, n_settled)


def _pair(row: Row) -> tuple[str, str]:
    return (row[0], row[1]) if row[0] <= row[1] else (row[1], row[0])


def _without_contradictions(rows: list[Row]) -> tuple[list[Row], list[tuple[str, ...]]]:
    """The rows without those that say "different" of names which a chain of others joins, and these chains."""
    names = list(dict.fromkeys(name for row in rows for name in row[:2]))
    place = {name: number for number, name in enumerate(names)}
    kept = list(rows)
    conflicts: list[tuple[str, ...]] = []
    while True:
        firm = [row for row in kept if row[2] != "unsure"]
        pairs = np.array([[place[a], place[b]] for a, b, _ in firm], dtype=np.int64).reshape(-1, 2)
        found = first_contradiction(len(names), pairs, np.array([row[2] == "same" for row in firm], dtype=bool))
        if found is None:
            return kept, conflicts
        conflicts.append(tuple(names[sample] for sample in found.samples))
        kept.remove(firm[found.different])
