"""The most similar rows, against a plain loop."""

import numpy as np

from stages.search.query import most_similar


def test_the_most_similar_come_first_and_ties_by_index():
    generator = np.random.default_rng(0)
    # eighths, so that products are exact and many are equal
    rows = (generator.integers(-8, 9, (40, 5)) / 8).astype(np.float32)
    rows[7] = rows[3]
    asked = np.concatenate([rows[[3]], (generator.integers(-8, 9, (2, 5)) / 8).astype(np.float32)])
    order, similarity = most_similar(asked, rows, top=6)
    for query, found, values in zip(asked, order, similarity, strict=True):
        products = [
            (-sum(float(a) * float(b) for a, b in zip(query, row, strict=True)), i) for i, row in enumerate(rows)
        ]
        wanted = sorted(products)[:6]
        assert found.tolist() == [i for _, i in wanted]
        assert values.tolist() == [-product for product, _ in wanted]
    assert order[0].tolist().index(7) == order[0].tolist().index(3) + 1


def test_more_than_there_are_is_all():
    rows = np.eye(3, dtype=np.float32)
    order, similarity = most_similar(rows[:1], rows, top=10)
    assert order.tolist() == [[0, 1, 2]]
    assert similarity.tolist() == [[1.0, 0.0, 0.0]]
