"""The samples on both sides of the merges of a stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.arrays.partition import members_of
from stages.runs.lineage import made_from
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact
from stages.typing import Int64Array


@dataclass(frozen=True)
class Sides:
    """The merge number `place` of a stage: the samples that were in a and in b when their D was computed."""

    place: int
    left: Int64Array
    right: Int64Array


def merges_of(run: RunDirectory, clusters: Artifact, *, most: int) -> list[Sides]:
    """`sides_of` the merges that made `clusters`."""
    before = made_from(run, clusters, "clusters")
    labels = np.arange(len(clusters.read("labels"))) if before is None else before.read("labels")
    return sides_of(labels, clusters.read("merges"), clusters.read("sizes"), most=most)


def sides_of(labels: Int64Array, merges: Int64Array, sizes: Int64Array, *, most: int) -> list[Sides]:
    """The sides of at most `most` of the `merges` (m, 2) that a stage made from `labels` (n_samples), in order.

    `sizes` (m, 2) are those that D was computed of: a side is the cluster as earlier merges of the stage made it if it has
    that size, else as the stage began. Of more merges, half of those kept are the last, which are nearest to the cut, and
    half are spread over the others.
    """
    began = members_of(labels)
    grown = {label: [group] for label, group in enumerate(began)}
    wanted = set(_chosen(len(merges), most))
    found = []
    for place, (a, b) in enumerate(merges.tolist()):
        if place in wanted:
            sides = (
                _of_size(grown.get(side, []), began[side], size)
                for side, size in zip((a, b), sizes[place], strict=True)
            )
            found.append(Sides(place, *sides))
        grown.setdefault(a, []).extend(grown.pop(b, []))
    return found


def _of_size(grown: list[Int64Array], began: Int64Array, size: int) -> Int64Array:
    return np.concatenate(grown) if sum(map(len, grown)) == size else began


def _chosen(n_merges: int, most: int) -> list[int]:
    if n_merges <= most:
        return list(range(n_merges))
    n_last = most // 2
    spread = np.linspace(0, n_merges - n_last - 1, most - n_last).round().astype(int)
    return sorted({*spread.tolist(), *range(n_merges - n_last, n_merges)})
