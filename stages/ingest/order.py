"""The order that the samples of a dataset are stored in: a shuffle that only content and seed decide."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from stages.samples import Samples
from stages.typing import Int64Array


def content_order(samples: Samples, digests: Sequence[str], *, seed: int) -> Int64Array:
    """A permutation of the samples (n_samples, int64): ascending SHA-256 of `seed` and the digests of their frames.

    `digests` (n_images) tell the images' content. Neither names nor the order of files have a say, so neighbours in
    file order, often of one identity, are no neighbours here, and files in another order give the same dataset. (In
    the published code the order leaked identity; and the walk of a `stale` merge keeps the smaller label, so that
    labels, which follow the order, must not follow names.) Samples with the same content stand in order of path.
    """
    first = samples.frame_start[:-1]
    keys = [
        hashlib.sha256("\0".join([str(seed), *digests[start:stop]]).encode()).digest()
        for start, stop in zip(first, samples.frame_start[1:], strict=True)
    ]
    order = sorted(range(len(samples)), key=lambda sample: (keys[sample], samples.path[first[sample]]))
    return np.array(order, dtype=np.int64)
