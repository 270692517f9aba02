"""The dendrogram over all stages, as a SciPy linkage matrix that grows by the merges of each stage."""

from __future__ import annotations

import numpy as np

from stages.arrays.backend import to_host
from stages.arrays.partition import relabel
from stages.errors import DbcError, UsageError
from stages.merge.checks import require_whole
from stages.merge.clusters import parse_labels, root_of
from stages.merge.result import StageMerges
from stages.typing import Float64Array, Int64Array


def empty_linkage() -> Float64Array:
    """The linkage matrix of stage 0, without merges.

    Returns
    -------
    float64 array (0, 4)

    Examples
    --------
    >>> empty_linkage().shape
    (0, 4)
    """
    return np.empty((0, 4), dtype=np.float64)


def extend_linkage(linkage: Float64Array, previous_labels: Int64Array, result: StageMerges) -> Float64Array:
    """The linkage matrix with the merges of another stage.

    Row i joins two SciPy clusters (the smaller id first; id < n is a sample, id n + j the cluster made by row j) at
    height D into a cluster of the size in the last column. Heights need not ascend: features change between stages, and
    'stale' ranks with values from before the stage.

    Parameters
    ----------
    linkage : float64 array (r, 4)
        The merges of all stages before.
    previous_labels : int64 array (n,)
        The labels that `result` started from.
    result : StageMerges
        The m merges of the stage.

    Returns
    -------
    float64 array (r + m, 4)
        (0, 4) if r is 0 and `previous_labels` are no singletons: they come from no merges, so there is no tree to extend.

    Raises
    ------
    DbcError
        `previous_labels` are not the clusters of `linkage`.

    Examples
    --------
    >>> import numpy as np
    >>> from stages.merge import initial_labels, merge_stage
    >>> labels = initial_labels(3)
    >>> stage = merge_stage(np.array([[0.0], [1.0], [5.0]]), labels, n_merges=1, metric="euclidean")
    >>> extend_linkage(empty_linkage(), labels, stage).tolist()
    [[0.0, 1.0, 1.0, 2.0]]
    """
    _require_linkage(linkage)
    if np.ndim(previous_labels) != 1 or not isinstance(result, StageMerges):
        raise UsageError(
            "`previous_labels` must be the labels (n,) that `result`, a StageMerges, started from, got shape "
            f"{np.shape(previous_labels)} and a {type(result).__name__}"
        )
    n_samples = len(result.labels)
    previous_labels = parse_labels(to_host(previous_labels), n_samples=n_samples)
    if not len(linkage) and len(np.unique(previous_labels)) < n_samples:
        return empty_linkage()
    ids = cluster_ids(linkage, n_samples)
    sizes = np.bincount(previous_labels)
    current = _one_id_per_cluster(ids, previous_labels)
    survivor = np.arange(current.size)
    rows: list[tuple[int, int, float, int]] = []
    for (a, b), height in zip(result.merges, result.distance, strict=True):
        kept, gone = root_of(survivor, a), root_of(survivor, b)
        first, second = sorted((current[kept], current[gone]))
        survivor[gone] = kept
        sizes[kept] += sizes[gone]
        current[kept] = n_samples + linkage.shape[0] + len(rows)
        rows.append((first, second, height, sizes[kept]))
    return np.concatenate([linkage, np.array(rows, dtype=np.float64).reshape(-1, 4)])


def cluster_ids(linkage: Float64Array, n_samples: int) -> Int64Array:
    """The SciPy id of the cluster of each sample, after all merges.

    Parameters
    ----------
    linkage : float64 array (r, 4)
        SciPy's linkage matrix so far.
    n_samples : int
        n, how many samples there are.

    Returns
    -------
    int64 array (n,)
        Below n for a sample that has not merged, n + j for the cluster made by row j.

    Examples
    --------
    >>> import numpy as np
    >>> cluster_ids(np.array([[0.0, 1.0, 1.0, 2.0]]), 3).tolist()
    [3, 3, 2]
    """
    _require_linkage(linkage)
    require_whole("n_samples", n_samples)
    joined, there = linkage[:, :2], n_samples + np.arange(len(linkage))[:, None]
    is_first = np.zeros(joined.size, dtype=bool)
    is_first[np.unique(joined, return_index=True)[1]] = True
    is_wrong = ~((joined >= 0) & (joined < there) & (joined == np.floor(joined)) & is_first.reshape(-1, 2)).all(axis=1)
    if is_wrong.any():
        row = int(is_wrong.argmax())
        raise UsageError(
            f"`linkage` must join two clusters a row that are there and were not joined before, got {joined[row].tolist()} "
            f"in row {row}, of {n_samples} samples"
        )
    parent = np.arange(n_samples + linkage.shape[0])
    for row, (first, second) in enumerate(linkage[:, :2].astype(np.int64)):
        parent[first] = parent[second] = n_samples + row
    return np.array([root_of(parent, sample) for sample in range(n_samples)], dtype=np.int64)


def labels_of_linkage(linkage: Float64Array, n_samples: int) -> Int64Array:
    """The labels of all samples, after all merges.

    Parameters
    ----------
    linkage : float64 array (r, 4)
        SciPy's linkage matrix so far.
    n_samples : int
        n, how many samples there are.

    Returns
    -------
    int64 array (n,)
        0..K−1 in order of each cluster's smallest sample index.

    Examples
    --------
    >>> import numpy as np
    >>> labels_of_linkage(np.array([[0.0, 1.0, 1.0, 2.0]]), 3).tolist()
    [0, 0, 1]
    """
    return relabel(cluster_ids(linkage, n_samples))


def _require_linkage(linkage: Float64Array) -> None:
    if (
        not isinstance(linkage, np.ndarray)
        or linkage.ndim != 2
        or linkage.shape[1] != 4
        or linkage.dtype.kind not in "fiu"
    ):
        raise UsageError(
            f"`linkage` must be a matrix (r, 4) as SciPy's and `empty_linkage()`, got a {type(linkage).__name__} of shape "
            f"{np.shape(linkage)}"
        )


def _one_id_per_cluster(ids: Int64Array, labels: Int64Array) -> Int64Array:
    _, first = np.unique(labels, return_index=True)
    current = ids[first]
    if not np.array_equal(current[labels], ids) or np.unique(current).size != current.size:
        raise DbcError(
            f"`linkage` and `previous_labels` must be of one partition, got {np.unique(ids).size} and {current.size} "
            "clusters, or others; take both from one stage"
        )
    return current
