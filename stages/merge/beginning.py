"""What every merge begins from: its options with their defaults, and clusters, all of them checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from schemas.choices import IntraNormalizer, Update
from stages.arrays.backend import to_host
from stages.arrays.checks import require_matrix
from stages.merge.checks import require_clusters, require_options, with_defaults
from stages.merge.clusters import parse_labels
from stages.merge.selection.links import Joined, Links, PairConstraints, join_same, nodes_of, parse_constraints
from stages.typing import Array, Int64Array


@dataclass(frozen=True)
class Beginning:
    """Options, and the clusters `labels` (n,), 0..K−1; `joined` are those that constraints join first.

    Pairs are ranked of the clusters `nodes` (n,) under `links`.
    """

    lambda_: float
    update: Update
    intra_normalizer: IntraNormalizer
    labels: Int64Array
    n_clusters: int
    joined: Joined
    nodes: Int64Array
    links: Links | None


def beginning_of(
    features: Array,
    labels: NDArray[Any],
    n_merges: int,
    *,
    criterion: str,
    lambda_: float | None,
    update: Update | None,
    intra_normalizer: IntraNormalizer | None,
    constraints: PairConstraints | None,
) -> Beginning:
    """What a merge of `features` (n, d) begins from; None stands for a default.

    UsageError if an option is out of range; DbcError if features, labels and constraints do not fit each other, or there
    are fewer than `n_merges` + 1 clusters.
    """
    lambda_, update, intra_normalizer = with_defaults(criterion, lambda_, update, intra_normalizer)
    require_options(lambda_, n_merges, update=update, intra_normalizer=intra_normalizer)
    require_matrix(features)
    n_samples = features.shape[0]
    parsed = parse_labels(to_host(labels), n_samples=n_samples)
    n_clusters = int(parsed.max()) + 1
    require_clusters(n_clusters, n_merges)
    asked = parse_constraints(constraints or PairConstraints(), n_samples=n_samples)
    joined = join_same(parsed, asked)
    nodes, links = nodes_of(joined.labels, asked)
    return Beginning(lambda_, update, intra_normalizer, parsed, n_clusters, joined, nodes, links)
