"""How far clusters agree with identities, where identities are known."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn import metrics

from stages.errors import DbcError
from stages.samples import UNKNOWN
from stages.typing import Int32Array, Int64Array


@dataclass(frozen=True)
class Agreement:
    """Cluster measures of one labelling.

    Measured on the `n_labelled` samples whose pid is known, NaN where there is none: everything from `ari` to
    `bcubed_f`, fractions except for `ari` and `ami`, which chance makes 0 and which can be negative. Measured on all
    samples: `n_clusters`; `singleton_share`, the share of clusters with one member (NaN without clusters);
    `same_camera_share`, the share of pairs inside clusters that one camera took, of those whose cameras are known (NaN
    without such pairs).
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


_IDENTITY_FIGURES = (
    *("ari", "ami", "nmi", "homogeneity", "completeness", "v_measure", "purity"),
    *("pairwise_precision", "pairwise_recall", "pairwise_f"),
    *("bcubed_precision", "bcubed_recall", "bcubed_f"),
)


def measure_agreement(labels: Int64Array, pid: Int32Array, camid: Int32Array) -> Agreement:
    """Agreement of `labels` with `pid` and `camid` (each n_samples).

    Samples of pid −1 (junk) and −2 (unknown) are left out of what compares with identities; a camid of −2 is unknown.
    """
    if not len(labels) == len(pid) == len(camid):
        raise DbcError(
            f"labels, pids and camids must be equally many, got {len(labels)}, {len(pid)} and {len(camid)}; take clusters "
            "and dataset of one run"
        )
    known = pid >= 0
    size = np.unique_counts(labels).counts
    figures = dict.fromkeys(_IDENTITY_FIGURES, float("nan"))
    if known.any():
        figures |= _information_figures(labels[known], pid[known]) | _counting_figures(labels[known], pid[known])
    return Agreement(
        n_labelled=int(np.count_nonzero(known)),
        n_identities=len(np.unique_values(pid[known])),
        n_clusters=len(size),
        singleton_share=float((size == 1).mean()) if len(size) else float("nan"),
        same_camera_share=same_camera_share(labels, camid),
        **figures,
    )


def same_camera_share(labels: Int64Array, camid: Int32Array) -> float:
    """Share of the pairs inside clusters, both cameras known, that one camera took; NaN without such pairs."""
    known = camid != UNKNOWN
    table = _Contingency.of(labels[known], camid[known])
    pairs = _n_pairs(table.cluster_size)
    return _n_pairs(table.count) / pairs if pairs else float("nan")


def _information_figures(labels: Int64Array, pid: Int32Array) -> dict[str, float]:
    """Scikit-learn's figures for clusters against identities (n ≥ 1 samples)."""
    with warnings.catch_warnings():
        # Some versions suspect a regression target where most clusters are singletons.
        warnings.filterwarnings("ignore", message="The number of unique classes is greater", category=UserWarning)
        homogeneity, completeness, v_measure = metrics.homogeneity_completeness_v_measure(pid, labels)
        figures = {
            "ari": metrics.adjusted_rand_score(pid, labels),
            "ami": metrics.adjusted_mutual_info_score(pid, labels),
            "nmi": metrics.normalized_mutual_info_score(pid, labels),
            "homogeneity": homogeneity,
            "completeness": completeness,
            "v_measure": v_measure,
        }
    return {name: float(value) for name, value in figures.items()}


def _counting_figures(labels: Int64Array, pid: Int32Array) -> dict[str, float]:
    """Purity, pairwise and BCubed figures (n ≥ 1 samples), from the non-empty cells of the contingency table.

    Without a pair in any cluster no pair is wrong: precision is 1; recall likewise where no identity has a pair.
    BCubed: Amigó et al., Information Retrieval 12(4), 2009.
    """
    table = _Contingency.of(labels, pid)
    best = np.zeros(len(table.cluster_size), dtype=np.int64)
    np.maximum.at(best, table.cluster, table.count)
    right = _n_pairs(table.count)
    in_clusters, in_identities = _n_pairs(table.cluster_size), _n_pairs(table.class_size)
    figures = {
        "pairwise_precision": right / in_clusters if in_clusters else 1.0,
        "pairwise_recall": right / in_identities if in_identities else 1.0,
        "bcubed_precision": float((table.count**2 / table.cluster_size[table.cluster]).sum()) / len(pid),
        "bcubed_recall": float((table.count**2 / table.class_size[table.class_]).sum()) / len(pid),
    }
    for kind in ("pairwise", "bcubed"):
        precision, recall = figures[f"{kind}_precision"], figures[f"{kind}_recall"]
        total = precision + recall
        figures[f"{kind}_f"] = 2 * precision * recall / total if total else 0.0
    return figures | {"purity": float(best.sum()) / len(pid)}


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
