"""Two people's answers in one file never contradict each other, and nothing is left out unsaid."""

from __future__ import annotations

import random

import numpy as np
import pytest

from stages.constraints.contradictions import first_contradiction
from stages.review.answer_book import Row
from stages.review.joined_answers import join_answers


def test_what_both_say_comes_once_and_a_firm_answer_settles_an_unsure_one() -> None:
    first = [("a", "b", "same"), ("c", "d", "unsure"), ("e", "f", "unsure"), ("g", "h", "different")]
    second = [("b", "a", "same"), ("d", "c", "different"), ("e", "f", "unsure")]
    joined = join_answers(first, second)
    assert joined.rows == [("a", "b", "same"), ("c", "d", "different"), ("e", "f", "unsure"), ("g", "h", "different")]
    assert (joined.conflicts, joined.n_agreed, joined.n_settled) == ([], 2, 1)


def test_of_one_persons_answers_about_a_pair_the_last_counts() -> None:
    assert join_answers([("a", "b", "same"), ("b", "a", "different")], []).rows == [("a", "b", "different")]


def test_a_contradiction_through_others_is_a_conflict_with_its_chain() -> None:
    first = [("a", "b", "same"), ("b", "c", "same"), ("x", "y", "same")]
    joined = join_answers(first, [("c", "d", "same"), ("a", "d", "different"), ("a", "x", "different")])
    assert joined.conflicts == [("a", "b", "c", "d")]
    assert ("a", "d", "different") not in joined.rows
    assert len(joined.rows) == 5


@pytest.mark.parametrize("seed", range(20))
def test_the_result_never_contradicts_itself_and_accounts_for_every_pair(seed: int) -> None:
    generator = random.Random(seed)
    names = [f"n{i}" for i in range(8)]

    def person() -> list[Row]:
        return [
            (*generator.sample(names, 2), generator.choice(["same", "different", "unsure"]))  # type: ignore[misc]
            for _ in range(generator.randint(0, 14))
        ]

    first, second = person(), person()
    joined = join_answers(first, second)
    firm = [row for row in joined.rows if row[2] != "unsure"]
    pairs = np.array([[names.index(a), names.index(b)] for a, b, _ in firm], dtype=np.int64).reshape(-1, 2)
    assert first_contradiction(8, pairs, np.array([row[2] == "same" for row in firm], dtype=bool)) is None
    asked = {frozenset(row[:2]) for row in first + second}
    kept = {frozenset(row[:2]) for row in joined.rows}
    left_out = {frozenset((conflict[0], conflict[-1])) for conflict in joined.conflicts}
    assert kept | left_out == asked
    assert not kept & left_out
