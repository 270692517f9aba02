"""The network over all samples of a dataset, or over those that were added to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from schemas.parameters import ExtractParameters
from schemas.stage_names import INIT_STAGE, stage_label
from schemas.summaries import FeaturesSummary
from stages.extract.added_samples import Chosen, rows_before
from stages.extract.camera_statistics import looked_for
from stages.extract.collapse import CollapseCheck
from stages.extract.forward import Share
from stages.extract.forward import compute_features as extract_pieces
from stages.extract.frames import n_frames_used, rows_per_piece
from stages.nn.camera_norm import CameraStatistics, by_camera, keep_statistics, kept_statistics
from stages.nn.execution import own_modes, torch_execution
from stages.nn.images import StoredImages
from stages.nn.initial_model import open_model
from stages.nn.model.network import ReidModel
from stages.reporting import Reporter
from stages.runs.making import Computed
from stages.runs.run_directory import compared_cameras, features_manifest, model_manifest
from stages.runs.store import Artifact, Writer
from stages.samples import consecutive
from stages.typing import Float32Array, Int64Array

_ARRAYS = ("pooled", "embedding")


@dataclass(frozen=True)
class StageExtraction:
    """The inputs, parameters and device of an extraction."""

    dataset: Artifact
    model: Artifact
    stage: int
    parameters: ExtractParameters
    device: torch.device
    compiled: bool


@own_modes()
def compute_added(
    writer: Writer, work: StageExtraction, before: Artifact, features: Artifact, *, reporter: Reporter
) -> Computed:
    """The `features` of the dataset `before`, and those of the samples that were added to it."""
    row = rows_before(work.dataset, before)
    new, old = np.flatnonzero(row < 0), np.flatnonzero(row >= 0)
    frame_start = work.dataset.read("frame_start")
    lengths = np.diff(frame_start)[new]
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    images = consecutive(frame_start[:-1][new], lengths)
    share, started = Share(work.parameters.batch_size), time.perf_counter()
    added = {name: np.zeros((len(new), *features.manifest.arrays[name].shape[1:]), np.float32) for name in _ARRAYS}
    norm = _Norm.of(features)
    if len(new):
        chosen = Chosen(work.dataset.rows("images"), images)
        model = open_model(work.model)
        with by_camera(model, norm.statistics), _progress(work, start, share, reporter) as on_batch:
            places = norm.places(work.dataset)
            places = None if places is None else places[new]
            for first, *found in _pieces(model, work, start, share, on_batch, images=chosen, places=places):
                for name, block in zip(_ARRAYS, found, strict=True):
                    added[name][first : first + len(block)] = block
    norm.keep(writer)
    for name, of_new in added.items():
        # one array at a time: those of before may be many
        there, dim = features.read(name), of_new.shape[1]
        piece = rows_per_piece(len(row), batch_size=work.parameters.batch_size, row_bytes=4 * dim)
        with writer.table(name, shape=(len(row), dim), dtype="float32", rows_per_piece=piece) as table:
            for first in range(0, len(row), piece):
                block, is_new = there[row[first : first + piece]], row[first : first + piece] < 0
                block[is_new] = of_new[np.searchsorted(new, first + np.flatnonzero(is_new))]
                table.write(first, block)
    manifest = features_manifest(features)
    n_images = int(n_frames_used(start).sum())
    rate = round(n_images / max(time.perf_counter() - started, 1e-9), 1)
    summary = manifest.summary.model_copy(
        update={"n_samples": len(row), "n_images": int(n_frames_used(frame_start).sum()), "images_per_second": rate}
    )
    note = f"features that are those from before samples were added: {len(old)} of {len(old) + len(new)}"
    return Computed(summary, torch_execution(work.device, amp=work.parameters.amp), notes=(note,))


@own_modes()
def compute_all(writer: Writer, work: StageExtraction, before: Artifact | None, *, reporter: Reporter) -> Computed:
    """Fill this process's pieces of the tables; the measured rate is that of this process.

    Statistics of cameras are those that the features `before` came of, from before pictures were added, if they are given.
    """
    model = open_model(work.model)
    frame_start = work.dataset.read("frame_start")
    n_samples = len(frame_start) - 1
    dim, embedding_dim = model.head.linear.in_features, model.head.linear.out_features
    piece = rows_per_piece(n_samples, batch_size=work.parameters.batch_size, row_bytes=4 * max(dim, embedding_dim))
    share = Share(piece, writer.processes.rank, writer.processes.size)
    started, spread = time.perf_counter(), CollapseCheck()
    norm = _Norm() if before is None else _Norm.of(before)
    if before is None and work.parameters.camera_norm != "off":
        norm = _Norm(*looked_for(model, work.model, work.dataset, device=work.device))
    norm.keep(writer)
    with (
        by_camera(model, norm.statistics),
        writer.table("pooled", shape=(n_samples, dim), dtype="float32", rows_per_piece=piece) as pooled,
        writer.table("embedding", shape=(n_samples, embedding_dim), dtype="float32", rows_per_piece=piece) as embedding,
        _progress(work, frame_start, share, reporter) as on_batch,
    ):
        places = norm.places(work.dataset)
        for first, pooled_rows, embedding_rows in _pieces(model, work, frame_start, share, on_batch, places=places):
            pooled.write(first, pooled_rows)
            embedding.write(first, embedding_rows)
            spread.take_in(pooled_rows)
    note = spread.note(writer.processes, is_trained=work.stage != INIT_STAGE)
    if note is not None and n_samples > 1:
        reporter.warn(note)
    n_images = int(n_frames_used(frame_start).sum())
    summary = FeaturesSummary(
        stage=work.stage,
        n_samples=n_samples,
        n_images=n_images,
        dim=dim,
        embedding_dim=embedding_dim,
        images_per_second=round(n_images / (time.perf_counter() - started), 1),
        camera_norm=norm.told,
        norm_strength=0.0 if norm.statistics is None else norm.statistics.strength,
    )
    n_processes = writer.processes.size
    execution = torch_execution(work.device, amp=work.parameters.amp, compiled=work.compiled, n_processes=n_processes)
    if norm.statistics is not None and norm.told is not None and work.stage == INIT_STAGE:
        reporter.note(norm.told)
    return Computed(summary, execution, notes=() if note is None or n_samples == 1 else (note,))


@dataclass(frozen=True)
class _Norm:
    """The statistics of cameras that the first batch norm has, if any, and what was found, if anybody asked."""

    statistics: CameraStatistics | None = None
    told: str | None = None

    @classmethod
    def of(cls, features: Artifact) -> _Norm:
        """The norm statistics that `features` were made with."""
        return cls(kept_statistics(features), features_manifest(features).summary.camera_norm)

    def keep(self, writer: Writer) -> None:
        """Write the statistics beside the features that come of them."""
        if self.statistics is not None:
            keep_statistics(self.statistics, writer)

    def places(self, dataset: Artifact) -> Int64Array | None:
        """The row of each sample of `dataset` in the statistics."""
        return None if self.statistics is None else self.statistics.places(compared_cameras(dataset))


def _pieces(
    model: ReidModel,
    work: StageExtraction,
    frame_start: Int64Array,
    share: Share,
    on_batch: Callable[[int], None],
    *,
    images: StoredImages | None = None,
    places: Int64Array | None = None,
) -> Iterator[tuple[int, Float32Array, Float32Array]]:
    return extract_pieces(
        model,
        work.dataset.rows("images") if images is None else images,
        frame_start,
        batch_size=work.parameters.batch_size,
        amp=work.parameters.amp,
        compiled=work.compiled,
        flip=work.parameters.flip is True,
        places=places,
        device=work.device,
        share=share,
        on_batch=on_batch,
        weights=model_manifest(work.model).initial.weights if work.stage == INIT_STAGE else f"of stage {work.stage}",
    )


@contextmanager
def _progress(
    work: StageExtraction, frame_start: Int64Array, share: Share, reporter: Reporter
) -> Iterator[Callable[[int], None]]:
    """A progress task over this process's images; yields the function to call with the images of each batch."""
    in_piece = np.add.reduceat(n_frames_used(frame_start), np.arange(0, len(frame_start) - 1, share.piece))
    n_own = int(in_piece[share.rank :: share.n_processes].sum())
    started, done = time.perf_counter(), 0
    of = f" ({share.rank + 1} of {share.n_processes} processes)" if share.n_processes > 1 else ""
    with reporter.task(f"extract stage {stage_label(work.stage)}{of}", total=n_own, unit="images") as advance:

        def on_batch(n_images: int) -> None:
            nonlocal done
            done += n_images
            advance(n_images, f"{done * share.n_processes / (time.perf_counter() - started):.0f}/s")

        yield on_batch
