"""Agreement of clusters with identities, if these are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.arrays.checks import require_integers
from stages.errors import DbcError
from stages.evaluate.clusters.information import Contingency, information_scores, n_pairs
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


def without_labels(pid: Int32Array, known: Int64Array | None) -> tuple[Int32Array, int]:
    """(`pid` (n,) without those that a merge was told by the labels `known` (n,), −1 where it was not; how many these are).

    Clusters keep to labels, so measured by them they are right however wrong the others are. None leaves all.
    """
    if known is None:
        return pid, 0
    is_told = (known >= 0) & (pid > 0)
    return np.where(is_told, np.int32(UNKNOWN), pid), int(is_told.sum())


def told_of_labelled(n_labelled: int, n_samples: int, n_told: int) -> str:
    """A line about which samples the measures that need identities are of, "" if of all or none."""
    left_out = f"; {n_told} whose identity the merge was told by labels are left out" if n_told else ""
    left_out += "; purity and precision look better than among all" if 0 < n_labelled < n_samples - n_told else ""
    if left_out or 0 < n_labelled < n_samples:
        return f"ARI, purity and others are of {n_labelled} of {n_samples} train samples, whose identity is known{left_out}"
    return ""


def measure_agreement(labels: Int64Array, pid: Int32Array, camid: Int32Array) -> Agreement:
    """Agreement of the clusters `labels` (n_samples, int64) with identities and cameras.

    Parameters
    ----------
    pid
        Identities (n_samples, int32); 0 (distractor), −1 (junk) and −2 (unknown) are left out.
    camid
        Cameras (n_samples, int32); −2 is unknown.

    Raises
    ------
    DbcError
        If one is no array of integers (n_samples,), or the three lengths differ.

    Examples
    --------
    >>> clusters, identities = np.array([0, 0, 1, 1]), np.array([7, 7, 7, 9], dtype=np.int32)
    >>> found = measure_agreement(clusters, identities, np.full(4, -2, dtype=np.int32))
    >>> found.purity, found.pairwise_precision
    (0.75, 0.5)
    """
    require_integers(labels=labels, pid=pid, camid=camid)
    if not len(labels) == len(pid) == len(camid):
        raise DbcError(
            f"labels, pids and camids must be equally many, got {len(labels)}, {len(pid)} and {len(camid)}; take clusters "
            "and dataset of one run"
        )
    known = pid > 0
    size = np.unique_counts(labels).counts
    scores = dict.fromkeys(_IDENTITY_SCORES, float("nan"))
    if known.any():
        table = Contingency.of(labels[known], pid[known])
        scores |= information_scores(table) | _counting_scores(table)
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
    table = Contingency.of(labels[known], camid[known])
    pairs = n_pairs(table.cluster_size)
    return n_pairs(table.count) / pairs if pairs else float("nan")


def _counting_scores(table: Contingency) -> dict[str, float]:
    """Purity, pairwise and BCubed scores (n ≥ 1 samples), from the non-empty cells of the contingency table.

    Without a pair in any cluster no pair is wrong: precision is 1; recall likewise if no identity has a pair.
    BCubed: Amigó et al., Information Retrieval 12(4), 2009.
    """
    n_samples = int(table.count.sum())
    best = np.zeros(len(table.cluster_size), dtype=np.int64)
    np.maximum.at(best, table.cluster, table.count)
    right = n_pairs(table.count)
    in_clusters, in_identities = n_pairs(table.cluster_size), n_pairs(table.class_size)
    scores = {
        "pairwise_precision": right / in_clusters if in_clusters else 1.0,
        "pairwise_recall": right / in_identities if in_identities else 1.0,
        "bcubed_precision": float((table.count**2 / table.cluster_size[table.cluster]).sum()) / n_samples,
        "bcubed_recall": float((table.count**2 / table.class_size[table.class_]).sum()) / n_samples,
    }
    for kind in ("pairwise", "bcubed"):
        precision, recall = scores[f"{kind}_precision"], scores[f"{kind}_recall"]
        total = precision + recall
        scores[f"{kind}_f"] = 2 * precision * recall / total if total else 0.0
    return scores | {"purity": float(best.sum()) / n_samples}
