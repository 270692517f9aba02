"""The rows that are most similar to others: arrays in, arrays out."""

from __future__ import annotations

import numpy as np

from stages.typing import Float32Array, Float64Array, Int64Array


def most_similar(asked: Float32Array, rows: Float32Array, *, top: int) -> tuple[Int64Array, Float64Array]:
    """The `top` rows (n, d) most similar to each of `asked` (q, d), most similar first, and their similarities: (q, k) both.

    Similarity is the scalar product, which is the cosine of features of length 1. Of equal ones the smaller index comes
    first. k is the smaller of `top` and n.
    """
    similarity = asked.astype(np.float64) @ rows.astype(np.float64).T
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :top]
    return order, np.take_along_axis(similarity, order, axis=1)
