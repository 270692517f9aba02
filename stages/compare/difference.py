"""What differs between two artifacts of one kind: parameters, figures, arrays, and how far two partitions agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.errors import UsageError
from stages.evaluate.clusters.agreement import measure_agreement
from stages.evaluate.clusters.information import n_pairs
from stages.runs.lineage import parent_of
from stages.runs.store import Artifact
from stages.samples import UNKNOWN
from stages.typing import Int64Array

Changes = Mapping[str, tuple[Any, Any]]
"""Values by name, in the first artifact and in the second; None if it has none."""


@dataclass(frozen=True)
class Difference:
    """What differs between two artifacts, by part; empty parts are the same. `partitions` is None if they have no clusters.

    `arrays` holds shapes of arrays whose content differs.
    """

    kind: str
    is_same: bool
    parameters: Changes
    parents: Changes
    summary: Changes
    arrays: Changes
    execution: Changes
    versions: Changes
    partitions: Mapping[str, float | int] | None


def difference(first: Artifact, second: Artifact) -> Difference:
    """What differs between two artifacts; UsageError if they are of two kinds."""
    a, b = first.manifest, second.manifest
    if a.kind != b.kind:
        raise UsageError(f"both artifacts must be of one kind, got {a.kind} and {b.kind}")
    dumped = [artifact.manifest.model_dump(mode="json", by_alias=True) for artifact in (first, second)]
    parts = {
        name: changes(dumped[0][name], dumped[1][name]) for name in ("parameters", "summary", "execution", "versions")
    }
    parents = [{str(parent.kind): parent.id[:12] for parent in manifest.parents} for manifest in (a, b)]
    digests = [{name: record.sha256 for name, record in manifest.arrays.items()} for manifest in (a, b)]
    shapes = [{name: list(record.shape) for name, record in manifest.arrays.items()} for manifest in (a, b)]
    return Difference(
        kind=a.kind,
        is_same=a.id == b.id,
        parents=changes(*parents),
        arrays={name: (shapes[0].get(name), shapes[1].get(name)) for name in changes(*digests)},
        partitions=_partitions(first, second),
        **parts,
    )


def changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The values that differ, by name, in the order of the names; those inside mappings by `outer.inner`.

    Examples
    --------
    >>> changes({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3, "d": 4}})
    {'b.c': (2, 3), 'b.d': (None, 4)}
    """
    flat = dict(_leaves(first)), dict(_leaves(second))
    names = sorted({*flat[0], *flat[1]})
    return {name: (flat[0].get(name), flat[1].get(name)) for name in names if flat[0].get(name) != flat[1].get(name)}


def partition_agreement(first: Int64Array, second: Int64Array) -> dict[str, float | int]:
    """How far two partitions (n_samples, int64) of the same samples agree.

    `ari`, `nmi`, and pairs of samples in one cluster: in `pairs_both`, only in the first, only in the second.
    """
    # among identities 0 would be a distractor
    found = measure_agreement(first, (second + 1).astype(np.int32), np.full(len(first), UNKNOWN, dtype=np.int32))
    pairs = [n_pairs(np.unique(labels, return_counts=True)[1]) for labels in (first, second)]
    both = round(found.pairwise_precision * pairs[0]) if pairs[0] else 0
    return {
        "n_samples": len(first),
        "n_clusters_first": len(np.unique(first)),
        "n_clusters_second": len(np.unique(second)),
        "ari": found.ari,
        "nmi": found.nmi,
        "pairs_both": both,
        "pairs_only_first": pairs[0] - both,
        "pairs_only_second": pairs[1] - both,
    }


def _partitions(first: Artifact, second: Artifact) -> dict[str, float | int] | None:
    """The agreement of two clusters artifacts of one dataset; None for others."""
    datasets = [parent_of(artifact, "dataset") for artifact in (first, second)]
    if first.manifest.kind != "clusters" or len({parent and parent.id for parent in datasets}) != 1:
        return None
    return partition_agreement(first.read("labels"), second.read("labels"))


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
