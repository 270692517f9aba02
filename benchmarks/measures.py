"""Time of measuring the features of a stage without identities, beside its products and the merge that it looks at.

    env -u OPENBLAS_CORETYPE python -m benchmarks.measures [--samples 13518] [--dim 1536] [--cameras 6] [--repeats 3]

`dbc run` measures every stage: it merges the features anew and looks at silhouettes, against all and across cameras, at
eleven numbers of clusters (`stages/loop/choice/separation.py`). The floor is what nobody can leave out: that merge, and at
each number the float32 product of the 5,000 samples looked at with the means of the clusters. All take turns; figures are
the least, and the ratio the median of each turn's own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median

import numpy as np

from benchmarks.turns import call_in_turns, header, ratios, row
from schemas.parameters import MergeParameters
from stages.arrays.silhouette import SAMPLE_LIMIT
from stages.features.prepared import Prepared
from stages.loop.choice.separation import MEAN_SIZES, by_dispersions, separation
from stages.merge.by_parameters import merge_as
from stages.typing import Float32Array, Int32Array


def features(n_samples: int, dim: int, n_cameras: int) -> tuple[Float32Array, Int32Array]:
    """Unit rows (n, d) of a mixture of identities, eighteen samples each, and the cameras (n,) that took them."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((max(1, n_samples // 18), dim), dtype=np.float32)
    rows = centres[generator.integers(len(centres), size=n_samples)]
    rows += 1.2 * generator.standard_normal((n_samples, dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, generator.integers(n_cameras, size=n_samples).astype(np.int32)


def products(rows: Float32Array) -> None:
    """Of the samples looked at with as many rows as there are clusters at each look."""
    looked_at = rows[:SAMPLE_LIMIT]
    for size in MEAN_SIZES:
        looked_at @ rows[: round(len(rows) / size)].T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=13_518)
    parser.add_argument("--dim", type=int, default=1536)
    parser.add_argument("--cameras", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    rows, camid = features(given.samples, given.dim, given.cameras)
    parameters, alone = MergeParameters(), np.arange(given.samples)
    n_merges = given.samples - max(2, round(given.samples / MEAN_SIZES[-1]))
    ways: dict[str, Callable[[], object]] = {
        "merge": lambda: merge_as(by_dispersions(parameters), rows, alone, n_merges, camid=None),
        "products": lambda: products(rows),
        "measured": lambda: separation(Prepared(rows), parameters, sampling_seed=0, camid=camid),
    }
    turns = call_in_turns(ways, repeats=given.repeats)
    least = (f"{min(spent.passed for spent in found):.2f}" for found in turns.values())
    ratio = median(ratios(turns["measured"], turns["merge"], turns["products"]))
    print(header("samples × d", "merge, s", "products, s", "measured, s", "beside both"))
    print(row(f"{given.samples:,} × {given.dim}", *least, f"{ratio:.2f}"))


if __name__ == "__main__":
    main()
