"""The samples of a run that are most similar to pictures from outside it, and their clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from schemas.parameters import MergeParameters
from schemas.stage_names import stage_label
from stages.constraints.sample_names import sample_names
from stages.constraints.stage import names_of_individuals
from stages.errors import UsageError
from stages.evaluate.clusters.contact_sheet import SheetRow, contact_sheet
from stages.features.comparison import comparison
from stages.ingest.light import camera_of_pictures
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.lasting import lasting_numbers
from stages.runs.lineage import before_review, features_and_dataset
from stages.runs.run_directory import RunDirectory, clusters_manifest, compared_cameras, features_manifest
from stages.runs.source_names import source_names, titled
from stages.runs.store import Artifact, Rows
from stages.samples import SPLIT_NAMES, TRAIN, UNKNOWN
from stages.search.embed import embed, read_pictures
from stages.typing import Float32Array, Float64Array, Int64Array, UInt8Array
from stages.wording import shortened

MOST_NAMED = 12
"""Cameras that an error names."""


@dataclass(frozen=True)
class Match:
    """A sample that is similar to a picture: the path of its first image, and its cluster, None if it is in none.

    `name` is the path, and a number if the picture holds several samples.
    `individual` is the lasting number of the cluster (`stages.runs.lasting`), also None before the first merge, and `called`
    what a person calls it, None for no name.
    `similarity` is the cosine of both features as merges compare them: 1 for the same picture, about 0 for two that have
    nothing in common.
    """

    path: str
    name: str
    split: str
    similarity: float
    individual: int | None
    cluster: int | None
    cluster_size: int | None
    called: str | None = None


@dataclass(frozen=True)
class Found:
    """The `matches` of every one of `files`, most similar first, under the features of a stage.

    `itself` is, of each file, the sample that is this very picture, which is not among its matches; None if there is none.
    """

    stage: int
    features_stage: int
    files: tuple[Path, ...]
    matches: tuple[tuple[Match, ...], ...]
    pictures: UInt8Array
    samples: tuple[Int64Array, ...]
    dataset: Artifact
    itself: tuple[Match | None, ...] = ()


def query(
    run: RunDirectory,
    files: Sequence[Path],
    *,
    stage: int,
    top: int = 10,
    taken_by: str | None = None,
    context: Context = DEFAULT_CONTEXT,
) -> Found:
    """The `top` samples of the run that are most similar to each picture of `files`, by the clusters of `stage`.

    Pictures are resized as those of the run, go through the model of that stage (or the newest before it with features), and
    are compared as its merge compares features, as pictures of the camera that the run calls `taken_by`, of an unknown one by
    default. Before the first merge every sample is a cluster of its own. Raises UsageError if `top` is below 1 or the run has
    no such camera, DbcError if a picture cannot be read, and if artifacts are missing or do not belong together.
    """
    if top < 1:
        raise UsageError(f"`top` must be at least 1, got {top}")
    clusters, parameters = _clusters(run, stage)
    features, dataset = features_and_dataset(run, stage, clusters, context.reporter)
    if "box" in dataset.names():
        context.reporter.note(
            "each picture is compared as a whole, and this run holds boxes cut out of pictures: cut out what you ask about"
        )
    if clusters is not None and clusters_manifest(before_review(run, stage)).parameters.view == "apart":
        context.reporter.note(
            "views are not looked at here, also where these clusters keep them apart: see which flank each is"
        )
    camid = UNKNOWN if taken_by is None else _camera(dataset, taken_by)
    pictures = read_pictures(files, dataset)
    compared = comparison(features, dataset, parameters, memory_limit=context.memory_limit)
    rows = compared.of(features.read("pooled"), compared_cameras(dataset))
    cameras = camera_of_pictures(dataset, pictures, camid)
    pooled = embed(run, features, pictures, camid=cameras, context=context)
    asked = compared.of(pooled, cameras)
    samples, similarity = most_similar(asked, rows, top=top + 1)
    number = None if clusters is None else lasting_numbers(run, clusters).number
    called = {} if clusters is None else names_of_individuals(run, clusters)
    matches = _matches(dataset, clusters, number, called, samples, similarity)
    images, start = dataset.rows("images"), dataset.read("frame_start")
    own = [_place_of_itself(each, found, images, start) for each, found in zip(pictures, samples.tolist(), strict=True)]
    itself = tuple(None if at is None else each[at] for at, each in zip(own, matches, strict=True))
    kept = [[at for at in range(samples.shape[1]) if at != left_out][:top] for left_out in own]
    matches = tuple(tuple(each[at] for at in places) for places, each in zip(kept, matches, strict=True))
    shown = tuple(found[places] for places, found in zip(kept, samples, strict=True))
    found_stage = features_manifest(features).summary.stage
    return Found(stage, found_stage, tuple(files), matches, pictures, shown, dataset, itself)


def _place_of_itself(picture: UInt8Array, samples: list[int], images: Rows, start: Int64Array) -> int | None:
    """The place among `samples` of the first that has this one picture (H, W, 3) and no other, None if none has.

    `images` are those of all samples, of which each has those from its `start` to that of the next.
    """
    for at, sample in enumerate(samples):
        first, end = int(start[sample]), int(start[sample + 1])
        if end == first + 1 and np.array_equal(images[first:end][0], picture):
            return at
    return None


def most_similar(asked: Float32Array, rows: Float32Array, *, top: int) -> tuple[Int64Array, Float64Array]:
    """The `top` rows (n, d) most similar to each of `asked` (q, d), most similar first, and their similarities: (q, k) both.

    Similarity is the scalar product, which is the cosine of features of length 1. Of equal ones the smaller index comes
    first. k is the smaller of `top` and n.
    """
    similarity = asked.astype(np.float64) @ rows.astype(np.float64).T
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :top]
    return order, np.take_along_axis(similarity, order, axis=1)


def _camera(dataset: Artifact, name: str) -> int:
    """The number of the camera that `dataset` calls `name`. UsageError, with names that it has, if there is none."""
    number = {text: number for number, text in source_names(dataset, "camera").items()}
    if name not in number:
        told = shortened(sorted(number), most=MOST_NAMED) or "it knows none"
        raise UsageError(f"`taken_by` must be a camera of the run ({told}), got {name!r}")
    return number[name]


def _clusters(run: RunDirectory, stage: int) -> tuple[Artifact | None, MergeParameters]:
    """The clusters of `stage`, None before the first merge, and how its merge, or the first one, compares features."""
    merged = run.stages("clusters")
    compared_at = stage if stage > 0 else min(merged, default=0)
    if compared_at < 1:
        return None, MergeParameters()
    clusters = run.require("clusters", compared_at)
    return (clusters if stage > 0 else None), clusters_manifest(clusters).parameters


def _matches(
    dataset: Artifact,
    clusters: Artifact | None,
    number: Int64Array | None,
    called: Mapping[int, str],
    samples: Int64Array,
    similarity: Float64Array,
) -> tuple[tuple[Match, ...], ...]:
    split, path = dataset.read("split"), dataset.read("path")
    first, names = dataset.read("frame_start")[:-1], sample_names(dataset)
    cluster = np.full(len(split), -1, dtype=np.int64)
    is_train = split == TRAIN
    cluster[is_train] = np.arange(is_train.sum()) if clusters is None else clusters.read("labels")
    size = np.bincount(cluster[is_train])

    def match(sample: int, value: float) -> Match:
        own = int(cluster[sample])
        return Match(
            path=str(path[first[sample]]),
            name=names[sample],
            split=SPLIT_NAMES[split[sample]],
            similarity=round(value, 4),
            individual=None if own < 0 or number is None else int(number[own]),
            cluster=None if own < 0 else own,
            cluster_size=None if own < 0 else int(size[own]),
            called=called.get(own),
        )

    pairs = zip(samples.tolist(), similarity.tolist(), strict=True)
    return tuple(tuple(map(match, *each)) for each in pairs)


def draw_matches(found: Found) -> Image.Image:
    """A contact sheet: a row for each picture, the picture itself first and then the most similar samples."""
    images, first = found.dataset.rows("images"), found.dataset.read("frame_start")[:-1]
    rows = []
    for place, file in enumerate(found.files):
        shown = np.concatenate([found.pictures[place][None], images[first[found.samples[place]]]])
        matches = found.matches[place]
        title = [file.name[:28]]
        if matches:
            title += [f"nearest: {matches[0].similarity:.2f}", _cluster_text(matches[0])]
        is_asked = np.arange(len(shown)) == 0
        under = [[f"{n}: {match.similarity:.2f}", _whose(match)] for n, match in enumerate(matches, 1)]
        rows.append(SheetRow(title, shown, is_asked, [[], *under]))
    caption = (
        f"stage {stage_label(found.stage)}; framed red: the picture asked for, then the most similar first, with place in "
        "the list, similarity and individual"
    )
    return contact_sheet(rows, caption=caption)


def _whose(match: Match) -> str:
    return "" if match.individual is None else match.called or f"ind. {match.individual}"


def _cluster_text(match: Match) -> str:
    if match.individual is None:
        return "in no cluster"
    return f"individual {titled(match.individual, match.called)}, size {match.cluster_size}"
