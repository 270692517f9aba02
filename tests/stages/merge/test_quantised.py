"""What the screen says of its stored rows, held against the rows themselves in wider arithmetic."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from stages.arrays.screening_products import host_product
from stages.merge.clusters import members_by_cluster
from stages.merge.tables.host_screen import origin_of
from stages.merge.tables.host_table import HostTable, host_grid
from stages.merge.tables.table import ClusterSlices

RNG = np.random.default_rng(0)
GAUSSIAN = RNG.standard_normal((40, 9))
KINDS = {
    "gaussian": GAUSSIAN,
    "common part": GAUSSIAN * 1e-3 + 5,
    "one channel": GAUSSIAN * np.array([1e4] + [1e-4] * 8),
    "lengths apart": GAUSSIAN * 10.0 ** np.linspace(-30, 0, 40)[:, None],
    "nearly equal": 1 + GAUSSIAN * 2.0**-23,
    "all equal": np.ones((40, 9)),
    "zeros": np.zeros((40, 9)),
    "huge": GAUSSIAN * 2.0**100,
    "tiny": GAUSSIAN * 2.0**-110,
    "many samples": RNG.standard_normal((3000, 3)),
}


CASES = [(kind, metric) for kind in KINDS for metric in ("sqeuclidean", "cosine", "euclidean")]
CASES.remove(("zeros", "cosine"))  # which is refused


@pytest.mark.parametrize(("kind", "metric"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_norms_and_remainders_are_bounded(kind, dtype, metric, precision):
    features = KINDS[kind].astype(dtype)
    labels = np.minimum(np.arange(len(features)), len(features) - 5)
    members = ClusterSlices(*members_by_cluster(labels))
    with ThreadPoolExecutor(1) as threads:
        grid = host_grid(features, metric=metric, threads=threads)
        table = HostTable(
            features,
            grid,
            members,
            metric=metric,
            product=lambda n_rows: host_product(precision, n_rows=n_rows, dim=features.shape[1]),
            threads=threads,
        )
        ids = np.arange(len(members.starts))
        screen = table.screen(ids, np.zeros(len(ids)), ids).screen
        means = table.means(ids)
        shift = table.means(ids[:: max(1, len(ids) // 64)]).mean(axis=0)
    rows = means.astype(np.longdouble) - origin_of(shift, grid, features).canonical
    rest = rows - screen.stored * screen.unit[:, None].astype(np.longdouble)
    squared, spread = (rows * rows).sum(axis=1), np.sqrt((rest * rest).sum(axis=1))
    assert (spread <= screen.own_residual).all()
    assert (np.sqrt(squared) <= screen.length).all()
    assert (np.sqrt(squared) >= (1 - 2.0**-16) * screen.length - np.sqrt(9) * 8 * 2.0**-grid.exponent).all()
    variances = 0 if metric == "euclidean" else table.variances
    assert (screen.base <= (0.5 if metric == "cosine" else 1) * (squared + variances)).all()
    if precision == "int8":
        rest -= screen.fine * (screen.unit[:, None].astype(np.longdouble) / 254)
        assert (np.sqrt((rest * rest).sum(axis=1)) <= screen.fine_residual).all()
