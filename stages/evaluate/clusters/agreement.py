"""Agreement of clusters with identities, if these are known."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from stages.errors import DbcError
from stages.samples import UNKNOWN
from stages.typing import Int32Array, Int64Array


@dataclass(frozen=True)
class Agreement:
    """Cluster measures of one labelling.

    On the `n_labelled` samples whose pid is known, NaN if there are none: everything from `ari` to `bcubed_f`, in [0, 1]
    except for `ari` and `ami`, which are 0 by chance and can be negative. On all samples: `n_clusters`; `singleton_share`,
    the share of clusters with one member (NaN without clusters); `same_camera_share` as in that function.
    """

    n_labelled: int
    n_identities: int
    n_clusters: int
    singleton_share: float
    same_camera_share: float
    ari: float
    ami: float
    nmi: float
    homogeneity: float
    completeness: float
    v_measure: float
    purity: float
    pairwise_precision: float
    pairwise_recall: float
    pairwise_f: float
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f: float


_IDENTITY_SCORES = (
    *("ari", "ami", "nmi", "homogeneity", "completeness", "v_measure", "purity"),
    *("pairwise_precision", "pairwise_recall", "pairwise_f"),
    *("bcubed_precision", "bcubed_recall", "bcubed_f"),
)


def measure_agreement(labels: Int64Array, pid: Int32Array, camid: Int32Array) -> Agreement:
    """Agreement of the clusters `labels` (n_samples, int64) with identities and cameras.

    Parameters
    ----------
    pid
        Identities (n_samples, int32); −1 (junk) and −2 (unknown) are left out.
    camid
        Cameras (n_samples, int32); −2 is unknown.

    Raises
    ------
    DbcError
        If the three lengths differ.

    Examples
    --------
    >>> clusters, identities = np.array([0, 0, 1, 1]), np.array([7, 7, 7, 9], dtype=np.int32)
    >>> found = measure_agreement(clusters, identities, np.full(4, -2, dtype=np.int32))
    >>> found.purity, found.pairwise_precision
    (0.75, 0.5)
    """
    if not len(labels) == len(pid) == len(camid):
        raise DbcError(
            f"labels, pids and camids must be equally many, got {len(labels)}, {len(pid)} and {len(camid)}; take clusters "
            "and dataset of one run"
        )
    known = pid >= 0
    size = np.unique_counts(labels).counts
    scores = dict.fromkeys(_IDENTITY_SCORES, float("nan"))
    if known.any():
        scores |= _information_scores(labels[known], pid[known]) | _counting_scores(labels[known], pid[known])
    return Agreement(
        n_labelled=int(np.count_nonzero(known)),
        n_identities=len(np.unique_values(pid[known])),
        n_clusters=len(size),
        singleton_share=float((size == 1).mean()) if len(size) else float("nan"),
        same_camera_share=same_camera_share(labels, camid),
        **scores,
    )


def same_camera_share(labels: Int64Array, camid: Int32Array) -> float:
    """Share of the pairs inside clusters, both cameras known, that one camera took; NaN without such pairs."""
    known = camid != UNKNOWN
    table = _Contingency.of(labels[known], camid[known])
    pairs = _n_pairs(table.cluster_size)
    return _n_pairs(table.count) / pairs if pairs else float("nan")


def _information_scores(labels: Int64Array, pid: Int32Array) -> dict[str, float]:
    """Scikit-learn's scores for clusters against identities (n ≥ 1 samples)."""
    # half of what an evaluation of a small set takes, and needless without identities
    from sklearn import metrics

    with warnings.catch_warnings():
        # some versions suspect a regression target if most clusters are singletons
        warnings.filterwarnings("ignore", message="The number of unique classes is greater", category=UserWarning)
        homogeneity, completeness, v_measure = metrics.homogeneity_completeness_v_measure(pid, labels)
        scores = {
            "ari": metrics.adjusted_rand_score(pid, labels),
            "ami": metrics.adjusted_mutual_info_score(pid, labels),
            "nmi": metrics.normalized_mutual_info_score(pid, labels),
            "homogeneity": homogeneity,
            "completeness": completeness,
            "v_measure": v_measure,
        }
    return {name: float(value) for name, value in scores.items()}


def _counting_scores(labels: Int64Array, pid: Int32Array) -> dict[str, float]:
    """Purity, pairwise and BCubed scores (n ≥ 1 samples), from the non-empty cells of the contingency table.

    Without a pair in any cluster no pair is wrong: precision is 1; recall likewise if no identity has a pair.
    BCubed: Amigó et al., Information Retrieval 12(4), 2009.
    """
    table = _Contingency.of(labels, pid)
    best = np.zeros(len(table.cluster_size), dtype=np.int64)
    np.maximum.at(best, table.cluster, table.count)
    right = _n_pairs(table.count)
    in_clusters, in_identities = _n_pairs(table.cluster_size), _n_pairs(table.class_size)
    scores = {
        "pairwise_precision": right / in_clusters if in_clusters else 1.0,
        "pairwise_recall": right / in_identities if in_identities else 1.0,
        "bcubed_precision": float((table.count**2 / table.cluster_size[table.cluster]).sum()) / len(pid),
        "bcubed_recall": float((table.count**2 / table.class_size[table.class_]).sum()) / len(pid),
    }
    for kind in ("pairwise", "bcubed"):
        precision, recall = scores[f"{kind}_precision"], scores[f"{kind}_recall"]
        total = precision + recall
        scores[f"{kind}_f"] = 2 * precision * recall / total if total else 0.0
    return scores | {"purity": float(best.sum()) / len(pid)}


@dataclass(frozen=True)
class _Contingency:
    """The non-empty cells of clusters × classes: `count` (n_cells) samples of `cluster` and `class_`; both sizes."""

    cluster: Int64Array
    class_: Int64Array
    count: Int64Array
    cluster_size: Int64Array
    class_size: Int64Array

    @staticmethod
    def of(labels: Int64Array, classes: Int32Array) -> _Contingency:
        _, cluster, cluster_size = np.unique(labels, return_inverse=True, return_counts=True)
        _, class_, class_size = np.unique(classes, return_inverse=True, return_counts=True)
        cell, count = np.unique(cluster * max(len(class_size), 1) + class_, return_counts=True)
        cluster_of_cell, class_of_cell = np.divmod(cell, max(len(class_size), 1))
        return _Contingency(cluster_of_cell, class_of_cell, count, cluster_size, class_size)


def _n_pairs(size: Int64Array) -> int:
    """Unordered pairs inside groups of these sizes."""
    return int((size * (size - 1) // 2).sum())
