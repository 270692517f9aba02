"""The ingest stage: read a source's layout, decode or draw every image once, commit the dataset artifact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from schemas.manifest import DatasetManifest, Execution
from schemas.parameters import DRAWN_TEST_FRACTION, IngestParameters
from schemas.summaries import BadImage, DatasetSummary
from stages.errors import DbcError, UsageError
from stages.ingest.anonymous import anonymous, without_source
from stages.ingest.aspect import squeezed
from stages.ingest.decode.block import Block, ImageSize
from stages.ingest.decode.pixels import Drawn, Files, ImageSource
from stages.ingest.decode.workers import decode_all, default_workers
from stages.ingest.formats import image_root, read_samples
from stages.ingest.formats.format import Findings
from stages.ingest.formats.listing import HARMLESS
from stages.ingest.formats.names import counted, plain
from stages.ingest.leaks import LEAKS, find_leaks, one_camera
from stages.ingest.order import content_order
from stages.ingest.source_digest import combine_digests, digest_each, digest_samples
from stages.ingest.synthetic import synthetic_samples
from stages.reporting import Reporter
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.making import Computed, Made, Request, make_artifact, require_own_dataset
from stages.runs.run_directory import RunDirectory
from stages.runs.store import RowFiles, Writer
from stages.runs.store.digests import text_digest
from stages.samples import GALLERY, QUERY, TRAIN, Samples
from stages.typing import BoolArray

_NAMED_BAD_IMAGES = 20


def ingest(
    run: RunDirectory,
    *,
    source: Path | None,
    parameters: IngestParameters,
    new_dataset: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> Made:
    """Make the dataset of `source` (None for drawn people), or find it up to date.

    Samples come in an order that their content and the seed decide (`content_order`). Raises
    UsageError for a layout other than the format's, and for another dataset in a run that has stages unless `new_dataset` asks
    for it; DbcError for unreadable images unless they are to be skipped.
    """
    findings = Findings()
    samples = _samples(source, parameters, findings)
    root = None if source is None else image_root(source)
    digests = list(samples.path) if root is None else digest_each(root, samples.path)
    leaks = find_leaks(samples, digests)
    if root is not None and not {"height", "width"} & parameters.model_fields_set:
        told = squeezed(root, samples.path, height=parameters.height, width=parameters.width)
        findings.warnings += [told] if told else []
    remarks = _report(samples, findings, leaks, context.reporter)
    if root is not None:
        digest = text_digest(combine_digests(samples.path, digests), digest_samples(samples))
        parameters = parameters.model_copy(update={"source_digest": digest})
    if not findings.draws_splits and "test_fraction" not in parameters.model_fields_set:
        # it decided nothing, and keys of the first release have the default of then
        parameters = parameters.model_copy(update={"test_fraction": DRAWN_TEST_FRACTION})
    samples = samples.take(content_order(samples, digests, seed=parameters.seed))
    request = Request(
        kind="dataset",
        stage=0,
        manifest=DatasetManifest,
        parameters=parameters,
        seeds={"order": parameters.seed},
    )

    def compute(writer: Writer) -> Computed:
        pixels = _image_source(root, parameters)
        n_workers = default_workers() if context.workers is None else context.workers
        bad = _write_images(writer, pixels, samples, parameters, n_workers, context.reporter)
        kept = _without(samples, {image.path for image in bad})
        if not len(kept):
            raise DbcError(f"{source}: none of {len(samples.path)} images can be read; first: {_named(bad[:1])}")
        summary = _summary(kept, parameters, bad).model_copy(update=_counts(findings, leaks))
        if parameters.anonymize:
            kept, summary = anonymous(kept, summary)
        _write_table(writer, kept)
        execution = Execution(backend="pillow", device="cpu", workers=n_workers)
        return Computed(summary, execution, notes=() if parameters.anonymize else remarks)

    require_own_dataset(run, request, context=context, new_dataset=new_dataset)
    context = without_source(context, source) if parameters.anonymize else context
    return make_artifact(run, request, compute, context=context)


def _samples(source: Path | None, parameters: IngestParameters, findings: Findings) -> Samples:
    if source is not None:
        return read_samples(source, parameters=parameters, findings=findings)
    if parameters.synthetic is None:
        raise UsageError("no source of images given; give a folder or `format='synthetic'`")
    return synthetic_samples(parameters.synthetic, seed=parameters.seed, test_fraction=parameters.test_fraction)


def _report(samples: Samples, findings: Findings, leaks: dict[str, int], reporter: Reporter) -> tuple[str, ...]:
    """Say what was found beside the samples; the warnings."""
    missing = ", ".join(f"{column} {n}" for column, n in findings.missing.items() if n)
    notes = [*findings.notes, *([f"missing values: {missing} of {len(samples.path)} images"] if missing else [])]
    warnings = [*findings.warnings, *(LEAKS[kind].format(n=n) for kind, n in leaks.items())]
    others = findings.left_out or Counter()
    if others:
        told = f"files left out, because they are not images of the data set: {counted(others)}"
        (notes if others.keys() <= HARMLESS else warnings).append(told)
    warnings += [warning for warning in (one_camera(samples),) if warning]
    for note in notes:
        reporter.note(note)
    for warning in warnings:
        reporter.warn(warning)
    return tuple(warnings)


def _counts(findings: Findings, leaks: dict[str, int]) -> dict[str, dict[str, int]]:
    """What was found beside the samples, as fields of the summary."""
    missing = {column: n for column, n in findings.missing.items() if n}
    return {"missing": missing, "left_out": dict(sorted((findings.left_out or {}).items())), "leaks": leaks}


def _image_source(root: Path | None, parameters: IngestParameters) -> ImageSource:
    if root is not None:
        return Files(root)
    if parameters.synthetic is None:
        raise UsageError("no source of images given; give a folder or `format='synthetic'`")
    return Drawn(parameters.synthetic, parameters.seed)


def _write_images(
    writer: Writer,
    pixels: ImageSource,
    samples: Samples,
    parameters: IngestParameters,
    workers: int,
    reporter: Reporter,
) -> list[BadImage]:
    """Have the readable images written; the bad ones, which end it all unless they are to be skipped."""
    bad: list[BadImage] = []
    n_images = len(samples.path)
    size = ImageSize(parameters.height, parameters.width)
    with (
        reporter.task("images", total=n_images, unit="images") as advance,
        writer.row_files("images", row_shape=(size.height, size.width, 3), max_rows=n_images) as rows,
        closing(decode_all(pixels, _blocks(samples.path, rows, size), size=size, workers=workers)) as blocks,
    ):
        for block, reasons in blocks:
            bad += [BadImage(path=block.paths[i], reason=reason) for i, reason in reasons.items()]
            if not bad or parameters.on_bad_image == "skip":
                rows.keep(len(block.paths), without=reasons)
            advance(len(block.paths), f"{len(bad)} bad" if bad else "")
        if bad and parameters.on_bad_image == "fail":
            raise DbcError(
                f"{len(bad)} of {n_images} images cannot be read: {_named(bad)}; "
                "mend or remove them, or leave them out with `on_bad_image='skip'`"
            )
    return bad


def _blocks(paths: tuple[str, ...], rows: RowFiles, size: ImageSize) -> Iterator[Block]:
    """The images in blocks, each of which lies in one file."""
    start = 0
    while start < len(paths):
        place = rows.place(start)
        stop = start + min(size.images_per_block, place.n_rows)
        yield Block(paths[start:stop], str(place.path), place.offset)
        start = stop


def _named(bad: list[BadImage]) -> str:
    named = ", ".join(f"{plain(image.path)} {image.reason}" for image in bad[:_NAMED_BAD_IMAGES])
    more = len(bad) - _NAMED_BAD_IMAGES
    return f"{named} and {more} more" if more > 0 else named


def _without(samples: Samples, bad_paths: set[str]) -> Samples:
    """The samples without their bad frames, and without those that have no frame left."""
    if not bad_paths:
        return samples
    good: BoolArray = np.array([path not in bad_paths for path in samples.path])
    n_good = np.concatenate([[0], np.cumsum(good)]).astype(np.int64)
    lengths = np.diff(n_good[samples.frame_start])
    kept = lengths > 0
    frame_start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    path = tuple(path for path in samples.path if path not in bad_paths)
    return replace(samples, path=path, frame_start=frame_start).take(np.flatnonzero(kept))


def _write_table(writer: Writer, samples: Samples) -> None:
    for name in ("frame_start", "pid", "camid", "tracklet", "split"):
        writer.array(name, getattr(samples, name))
    writer.array("path", np.array(samples.path, dtype=object))
    for name, texts in (("identity", samples.identity), ("camera", samples.camera)):
        if texts:
            writer.array(name, np.array(texts, dtype=object))


def _summary(samples: Samples, parameters: IngestParameters, bad: list[BadImage]) -> DatasetSummary:
    return DatasetSummary(
        n_images=len(samples.path),
        n_samples=len(samples),
        n_train=int((samples.split == TRAIN).sum()),
        n_query=int((samples.split == QUERY).sum()),
        n_gallery=int((samples.split == GALLERY).sum()),
        n_identities=len(np.unique(samples.pid[samples.pid > 0])),
        n_cameras=len(np.unique(samples.camid[samples.camid >= 0])),
        height=parameters.height,
        width=parameters.width,
        skipped=tuple(bad),
    )
