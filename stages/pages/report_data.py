"""The data of a report's page: samples, clusters, map, ranked lists and merges, as its script reads them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from schemas.choices import PageMap
from stages.constraints.sample_names import sample_names
from stages.evaluate.clusters.agreement import same_camera_share
from stages.evaluate.clusters.merge_trees import majority
from stages.evaluate.report import Reported
from stages.export.members import centre_distances
from stages.pages.merge_sides import Sides
from stages.pages.ranked import RankedList
from stages.pages.scatter import positions
from stages.runs.run_directory import clusters_manifest
from stages.runs.source_names import named_places, titled
from stages.runs.store import Artifact
from stages.typing import Int32Array, Int64Array

SIDE_PICTURES = 4
"""Samples of each side of a merge."""
MAPPED = 5000
"""Samples on the map: t-SNE of more takes minutes."""


def report_data(
    reported: Reported, clusters: Artifact, merges: list[Sides], lists: list[RankedList], method: PageMap
) -> tuple[dict[str, Any], list[int]]:
    """Data for the page's script, and the samples whose pictures it shows, the most important first."""
    members = _members(reported)
    drawn_merges = _merge_rows(reported, clusters, merges)
    samples = sorted({*reported.train.tolist(), *(row for each in lists for row in (each.query, *each.found))})
    identities, identity = named_places(reported.dataset, "identity")
    cameras, camera = named_places(reported.dataset, "camera")
    called = sample_names(reported.dataset)
    label = np.full(len(called), -1, dtype=np.int64)
    label[reported.train] = reported.labels
    n_frames = np.diff(reported.dataset.read("frame_start"))
    data = {
        "samples": {
            "row": samples,
            "path": [called[row] for row in samples],
            "cluster": label[samples].tolist(),
            "identity": identity[samples].tolist(),
            "camera": camera[samples].tolist(),
            "frames": n_frames[samples].tolist() if n_frames.max(initial=1) > 1 else None,
            **{kind: _names(reported.dataset, f"{kind}_name", samples) for kind in ("view", "encounter")},
        },
        "identities": identities,
        "cameras": cameras,
        "hasIdentities": reported.report.has_identities,
        "measured": reported.measured,
        "clusters": _cluster_rows(reported, members),
        "map": _map(reported, method),
        "lists": [vars(each) for each in lists],
        "merges": {
            "made": len(clusters.read("merges")),
            "lambda": clusters_manifest(clusters).parameters.lambda_,
            "criterion": clusters_manifest(clusters).parameters.criterion,
            "rows": drawn_merges,
        },
    }
    return data, _wanted(reported, members, lists, drawn_merges)


def _names(dataset: Artifact, column: str, samples: list[int]) -> list[str] | None:
    return dataset.read(column)[samples].tolist() if column in dataset.names() else None


def _map(reported: Reported, method: PageMap) -> dict[str, Any]:
    n = len(reported.labels)
    # samples are stored in an order that content decides, so those at equal steps are drawn at random
    some = np.unique(np.linspace(0, n - 1, min(MAPPED, n)).astype(np.int64))
    if method == "none":
        return {"method": method, "row": [], "at": []}
    points = positions(reported.features[some], method)
    return {"method": method, "row": reported.train[some].tolist(), "at": points.round(4).tolist()}


def _members(reported: Reported) -> list[Int64Array]:
    """The train samples of each cluster, by label, nearest to the cluster's mean first."""
    order = np.lexsort((centre_distances(reported.features, reported.labels), reported.labels))
    return np.split(order, np.cumsum(np.bincount(reported.labels))[:-1])


def _cluster_rows(reported: Reported, members: list[Int64Array]) -> list[dict[str, Any]]:
    camid = reported.dataset.read("camid")[reported.train]
    rows = []
    for row, group in zip(reported.report.clusters, members, strict=True):
        same_camera = same_camera_share(np.zeros(len(group), dtype=np.int64), camid[group])
        wrong = (reported.pid[group] > 0) & (reported.pid[group] != (-1 if row.identity is None else row.identity))
        rows.append(
            {
                "id": row.cluster,
                "individual": row.individual,
                "called": titled(row.individual, reported.called.get(row.cluster)),
                "spread": round(row.spread, 6),
                "purity": None if row.purity is None else round(row.purity, 4),
                "sameCamera": None if math.isnan(same_camera) else round(same_camera, 4),
                "members": reported.train[group].tolist(),
                "wrong": np.flatnonzero(wrong).tolist(),
            }
        )
    return rows


def _merge_rows(reported: Reported, clusters: Artifact, merges: list[Sides]) -> list[dict[str, Any]]:
    distance, inter, intra = (clusters.read(name) for name in ("criterion", "inter", "intra"))
    rows = []
    for sides in merges:
        found = [distance[sides.place], inter[sides.place], *intra[sides.place]]
        rows.append(
            {
                "place": sides.place,
                "D": [round(float(value), 6) for value in found],
                "sizes": [len(sides.left), len(sides.right)],
                "left": reported.train[sides.left[:SIDE_PICTURES]].tolist(),
                "right": reported.train[sides.right[:SIDE_PICTURES]].tolist(),
                "joins": _joins(reported.pid[sides.left], reported.pid[sides.right]),
            }
        )
    return rows


def _joins(left: Int32Array, right: Int32Array) -> bool | None:
    """Whether the most frequent identities of two sides differ; None if one is not known."""
    a, b = (Counter(side[side > 0].tolist()) for side in (left, right))
    return majority(a) != majority(b) if a and b else None


def _wanted(
    reported: Reported, members: list[Int64Array], lists: list[RankedList], merges: list[dict[str, Any]]
) -> list[int]:
    """Samples by how much a page wants their pictures: of lists, of merges, then members in turn, of large clusters first."""

    def in_turn() -> Iterator[int]:
        yield from (row for each in lists for row in (each.query, *each.found))
        yield from (row for each in merges for row in (*each["left"], *each["right"]))
        place = np.concatenate([np.arange(len(group)) for group in members])
        size = np.concatenate([np.full(len(group), len(group)) for group in members])
        yield from reported.train[np.concatenate(members)][np.lexsort((-size, place, size == 1))].tolist()

    return list(dict.fromkeys(in_turn()))
