"""Few combinations of values have every pair of them, and the others are there as slow ones."""

import itertools

import pytest

from tests.pairwise import pairwise, slow_beyond_pairs


@pytest.mark.parametrize("sizes", [(2, 4), (3, 2, 3), (3, 3, 3, 2, 7), (2, 2, 2, 2, 2, 2)])
def test_few_combinations_have_every_pair_of_values(sizes):
    lists = [[f"{column}{place}" for place in range(size)] for column, size in enumerate(sizes)]
    few = pairwise(*lists)
    for first, second in itertools.combinations(range(len(sizes)), 2):
        assert {(row[first], row[second]) for row in few} == set(itertools.product(lists[first], lists[second]))
    every = slow_beyond_pairs(*lists)
    assert [each.values for each in every] == list(itertools.product(*lists))
    assert {each.values for each in every if not each.marks} == set(few)
    assert len(few) <= len(every) / (2 if len(sizes) > 2 else 1)
