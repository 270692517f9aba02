"""The ingest stage: read a source's layout, decode or draw every image once, commit the dataset artifact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from schemas.manifest import DatasetManifest, Execution
from schemas.parameters import DRAWN_TEST_FRACTION, IngestParameters
from schemas.summaries import DatasetSummary
from stages.arguments import path_of
from stages.errors import DbcError, UsageError
from stages.ingest.adding import addition
from stages.ingest.anonymous import anonymous, without_source
from stages.ingest.as_before import as_known, inherited
from stages.ingest.decode.pixels import Drawn, Files, ImageSource
from stages.ingest.decode.workers import default_workers
from stages.ingest.encounters import by_time, told_bursts, told_clocks, told_repeated
from stages.ingest.formats import image_root, read_samples
from stages.ingest.formats.excluded import without
from stages.ingest.formats.format import Findings
from stages.ingest.formats.listing import HARMLESS, told_left_out
from stages.ingest.headers import Header, in_pages, shrunk, some_headers, squeezed, stored_dark
from stages.ingest.leaks import LEAKS, find_leaks, one_camera, repeated_pictures, told_queries
from stages.ingest.light import Kinds, cameras_by_light, tell_light
from stages.ingest.order import content_order
from stages.ingest.source_digest import combine_digests, digest_images, digest_samples
from stages.ingest.synthetic import synthetic_samples
from stages.ingest.writing import Stored, Written, named, write_images
from stages.reporting import Keeping, Reporter
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.kept_source import KeptSource, keep_source
from stages.runs.making import Computed, Made, Request, make_artifact, require_own_dataset
from stages.runs.next_stage import require_call
from stages.runs.run_directory import RunDirectory, dataset_manifest
from stages.runs.source_names import names_of
from stages.runs.store import Artifact, Writer
from stages.runs.store.digests import json_digest
from stages.samples import GALLERY, QUERY, TEXT_COLUMNS, TRAIN, Samples
from stages.typing import BoolArray
from stages.wording import shown


@dataclass(frozen=True)
class _Images:
    """What is to be stored: `samples` in their order, the `path` and the digest of each image, and the `pixels` of new ones.

    `kept_root` is the folder that `path` starts from, None for drawn people. `table` is the digest of all that the source says
    of the samples, in its own order; `stored` tells of images that are in the run already.
    """

    samples: Samples
    path: tuple[str, ...]
    digests: list[str]
    pixels: ImageSource
    kept_root: Path | None = None
    table: str = ""
    stored: Stored | None = None

    @property
    def n_new(self) -> int:
        """How many images are not in the run already."""
        return len(self.path) if self.stored is None else int((self.stored.row < 0).sum())


def ingest(
    run: RunDirectory,
    *,
    source: Path | str | None,
    root: Path | str | None = None,
    parameters: IngestParameters,
    new_dataset: bool = False,
    add: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> Made:
    """Make the dataset of `source` (None for drawn people), or find it up to date.

    With `add`, the dataset is that of the run with the new pictures of `source` among those it has, which are copied.
    `root` is the folder that the paths in a table start from, by default the table's. Samples come in an order that their
    content and the seed decide (`content_order`). Raises
    UsageError for a layout other than the format's, and for another dataset in a run that has stages unless `new_dataset` asks
    for it; DbcError for unreadable images unless they are to be skipped.
    """
    require_call(run, None, parameters, IngestParameters, context, makes_run=True)
    source = None if source is None else path_of("source", source)
    root = None if root is None else path_of("root", root)
    findings, kept = Findings(), Keeping(context.reporter)
    context = replace(context, reporter=kept)
    before = run.require("dataset") if add else None
    by_folder = parameters.folder_identities
    parameters = parameters if before is None else inherited(parameters, run, before, findings)
    images = _images(source, root, before, parameters, findings, by_folder=by_folder)
    if before is not None and not images.n_new:
        findings.tell(context.reporter)
        return Made(
            "up to date", "dataset", 0, before, before.version, {}, notes=tuple(kept.told), there=(*findings.there,)
        )
    leaks = find_leaks(images.samples, images.digests)
    said_before = _look_at(images, findings, leaks, () if before is None else before.manifest.notes)
    findings.tell(context.reporter)
    remarks = (*kept.warned, *said_before)
    parameters = _settled(parameters, images, findings)
    good = np.ones(len(images.path), dtype=np.bool_)
    seen: list[Kinds] = []
    request = Request(
        kind="dataset",
        stage=0,
        manifest=DatasetManifest,
        parameters=parameters,
        parents=() if before is None else (before,),
        seeds={"order": parameters.seed},
        stays=not (new_dataset or add),
    )

    def compute(writer: Writer) -> Computed | Artifact:
        n_workers = default_workers() if context.workers is None else context.workers
        written = write_images(
            writer, images.pixels, images.samples, parameters, n_workers, context.reporter, stored=images.stored
        )
        if before is not None and not _join(images, written, context.reporter):
            return before
        good[:] = written.good
        kept = replace(images.samples, path=images.path).with_images(good)
        if not len(kept):
            raise DbcError(f"{source}: none of {len(good)} images can be read; first: {named(written.bad[:1])}")
        written.tell_clipped(images.path, context.reporter)
        n_copied = None if before is None else len(images.path) - images.n_new
        summary = _summary(kept, parameters, findings, leaks, written, n_copied=n_copied)
        if parameters.anonymize:
            kept, summary = anonymous(kept, summary)
        _write_table(writer, kept, written)
        if parameters.by_light:
            seen.append(_write_cameras_by_light(writer, kept, before))
        execution = Execution(backend="pillow", device="cpu", workers=n_workers)
        return Computed(summary, execution, notes=() if parameters.anonymize else remarks)

    if before is None:
        require_own_dataset(run, request, context=context, new_dataset=new_dataset)
    context = without_source(context, source) if parameters.anonymize else context
    outcome = make_artifact(run, request, compute, context=context)
    outcome = _without_idle(outcome, is_drawn=source is None, findings=findings)
    if outcome.artifact is not None:
        _keep_digests(outcome.artifact, images, good, is_anonymous=parameters.anonymize)
        tell_light(outcome.artifact, context.reporter, *seen)
    if before is not None and outcome.artifact != before:
        context.reporter.note(
            "`dbc assign` gives the new pictures the nearest of the clusters there are; `dbc run` makes all stages of all anew"
        )
    return replace(outcome, notes=tuple(kept.told), there=(*findings.there,))


def _images(
    source: Path | None,
    root: Path | None,
    before: Artifact | None,
    parameters: IngestParameters,
    findings: Findings,
    *,
    by_folder: bool | None,
) -> _Images:
    """The images of `source`, with those of the dataset `before` if there is one, in the order they are stored in.

    `by_folder` is what the user says of folders as identities, where `parameters` may have it from the run.
    """
    if source is None:
        return _drawn(before, parameters)
    samples = _samples(source, root, before, parameters, findings, by_folder=by_folder)
    root = image_root(source, root)
    pixels = Files(root, parameters.pad)
    digests = digest_images(root, samples)
    if before is None:
        order, table = content_order(samples, digests, seed=parameters.seed), digest_samples(samples)
        digests = [digests[image] for image in samples.images_of(order).tolist()]
        samples = samples.take(order)
        return _Images(samples, samples.path, digests, pixels, root, table)
    added = addition(before, samples, digests, root=root, findings=findings)
    new = [added.samples.path[image] for image in np.flatnonzero(added.stored < 0).tolist()]
    findings.warnings += _told_taken_badly(some_headers(root, new), root)
    kept, table = added.source, digest_samples(replace(added.samples, path=added.path))
    return _Images(
        added.samples, added.path, list(kept.digests), pixels, kept.root, table, Stored(before, added.stored)
    )


def _drawn(before: Artifact | None, parameters: IngestParameters) -> _Images:
    """Drawn people, in the order they are stored in."""
    if before is not None:
        raise UsageError("`add` needs the SOURCE of new pictures; give a folder or a table of them")
    if parameters.encounter_gap is not None:
        raise UsageError("`encounter_gap` needs times of pictures, and drawn people have none; leave it out")
    if parameters.synthetic is None:
        raise UsageError("no source of images given; give a folder or `format='synthetic'`")
    samples = synthetic_samples(parameters.synthetic, seed=parameters.seed, test_fraction=parameters.test_fraction)
    samples = samples.take(content_order(samples, samples.path, seed=parameters.seed))
    return _Images(samples, samples.path, list(samples.path), Drawn(parameters.synthetic, parameters.seed))


def _settled(parameters: IngestParameters, images: _Images, findings: Findings) -> IngestParameters:
    """The parameters with the digest of the source, and without what decided nothing."""
    if images.kept_root is not None:
        digest = json_digest([combine_digests(images.path, images.digests), images.table])
        # names of the source stay out of an anonymized dataset, to which nothing can be added
        exclude = "" if parameters.anonymize else parameters.exclude
        parameters = parameters.model_copy(update={"source_digest": digest, "exclude": exclude})
    if not findings.draws_splits and "test_fraction" not in parameters.model_fields_set:
        # it decided nothing, and keys of the first release have the default of then
        parameters = parameters.model_copy(update={"test_fraction": DRAWN_TEST_FRACTION})
    return parameters


def _without_idle(outcome: Made, *, is_drawn: bool, findings: Findings) -> Made:
    """The outcome without a `test_fraction` that decided nothing: the manifest has what the first release recorded."""
    if is_drawn or findings.draws_splits:
        return outcome
    shown = {name: value for name, value in outcome.parameters.items() if name != "test_fraction"}
    return replace(outcome, parameters=shown)


def _join(images: _Images, written: Written, reporter: Reporter) -> bool:
    """Whether any new image can be read and so joins those of the run; it is told if some cannot."""
    n_good = images.n_new - int((~written.good).sum())
    if n_good and written.bad:
        reporter.note(f"new images that join the {len(images.path) - images.n_new} of the run: {n_good}")
    elif not n_good:
        reporter.warn(f"no image is added, because none can be read: {named(written.bad)}")
    return n_good > 0


def _keep_digests(dataset: Artifact, images: _Images, good: BoolArray, *, is_anonymous: bool) -> None:
    """Store the digest of each image beside the dataset, for `--add`; not if anonymized, or if images were skipped."""
    if images.kept_root is not None and not is_anonymous and dataset_manifest(dataset).summary.n_images == good.sum():
        digests = tuple(digest for digest, is_good in zip(images.digests, good.tolist(), strict=True) if is_good)
        keep_source(dataset, KeptSource(images.kept_root, digests))


def _samples(
    source: Path,
    root: Path | None,
    before: Artifact | None,
    parameters: IngestParameters,
    findings: Findings,
    *,
    by_folder: bool | None,
) -> Samples:
    if before is not None:
        findings.individuals = {*filter(None, names_of(before, "identity"))}
    if before is not None and parameters.format == "folder" and not by_folder:
        parameters = as_known(before, source, parameters, findings)
    samples = read_samples(source, root=root, parameters=parameters, findings=findings)
    if before is None and parameters.view_pattern is not None and not any(samples.view_name):
        raise UsageError(
            f"`view_pattern` {shown(parameters.view_pattern)} gives no picture a view; correct it, as in "
            "'(?i)/(left|right)/', or leave it out"
        )
    made_with = None if before is None else dataset_manifest(before).parameters
    samples = without(samples, parameters.exclude, findings, before="" if made_with is None else made_with.exclude)
    if not findings.draws_splits and "test_fraction" in parameters.model_fields_set and parameters.test_fraction:
        findings.warnings.append(
            "`test_fraction` has no effect: the source has no identities, or has splits of its own"
        )
    pictures = image_root(source, root)
    headers, height, width = some_headers(pictures, samples.path), parameters.height, parameters.width
    findings.warnings += [*told_clocks(samples, headers), *told_repeated(samples, headers)]
    if before is None:
        findings.warnings += _told_taken_badly(headers, pictures)
        told = findings.notes if {"height", "width"} & parameters.model_fields_set else findings.warnings
        told += squeezed(headers, samples, height=height, width=width)
    findings.notes += shrunk(headers, samples, height=height, width=width)
    if parameters.encounter_gap is None:
        findings.notes += told_bursts(samples, pictures)
        return samples
    is_kept = made_with is not None and made_with.encounter_gap == parameters.encounter_gap
    return by_time(samples, pictures, gap=parameters.encounter_gap, findings=findings, where_possible=is_kept)


def _told_taken_badly(headers: Mapping[str, Header], root: Path) -> list[str]:
    """Lines to warn with of pictures that are stored nearly black, or of several pages."""
    return [*stored_dark(headers, root), *in_pages(headers)]


def _look_at(images: _Images, findings: Findings, leaks: dict[str, int], notes: Sequence[str]) -> list[str]:
    """Add to `findings` what there is to say of all samples: missing values, leaks, copies and files left out.

    Warnings of all samples that are in the `notes` of the dataset before are not said again, but returned.
    """
    samples = images.samples
    if missing := ", ".join(f"{column} {n}" for column, n in findings.missing.items() if n):
        findings.notes.append(f"missing values: {missing} of {len(samples.path)} images")
    named, copies = repeated_pictures(samples, images.path, images.digests)
    told = [LEAKS[kind].format(n=f"{n}{named.get(kind, '')}") for kind, n in leaks.items()]
    told += filter(None, [copies, one_camera(samples)])
    findings.warnings += [line for line in told if line not in notes]
    others = findings.left_out or Counter()
    is_harmless = others.keys() <= HARMLESS
    (findings.notes if is_harmless else findings.warnings).extend(told_left_out(others, findings.left_out_in))
    findings.notes += told_queries(samples)
    return [line for line in told if line in notes]


def _box_counts(findings: Findings, written: Written) -> dict[str, int]:
    """What became of boxes that are not as the source has them, as a field of the summary."""
    counts = findings.boxes + Counter({"clipped to their picture": written.n_clipped})
    if written.rectangle is not None:
        counts += Counter({"in pictures that cannot be read, or outside them": int((~written.good).sum())})
    return dict(sorted(counts.items()))


def _write_table(writer: Writer, samples: Samples, written: Written) -> None:
    """Write everything but the pixels of the good images: what every dataset has, and what else the source gives."""
    for name in ("frame_start", "pid", "camid", "tracklet", "split"):
        writer.array(name, getattr(samples, name))
    writer.array("path", np.array(samples.path, dtype=object))
    for name in TEXT_COLUMNS:
        if texts := getattr(samples, name):
            writer.array(name, np.array(texts, dtype=object))
    for name in ("frame_number", "score", "encounter", "view"):
        if len(getattr(samples, name)):
            writer.array(name, getattr(samples, name))
    if len(samples.box) and written.rectangle is not None and written.unpadded is not None:
        rectangle, unpadded = written.rectangle[written.good], written.unpadded[written.good]
        writer.array("box", rectangle)
        if not np.array_equal(rectangle, unpadded):
            writer.array("source_box", unpadded)


def _write_cameras_by_light(writer: Writer, samples: Samples, before: Artifact | None) -> Kinds:
    """The kinds of the first samples."""
    cameras, kinds = cameras_by_light(
        writer.rows("images"), samples.frame_start[:-1], samples.camid, samples.split, before=before
    )
    if cameras is not None:
        writer.array("compared_camid", cameras)
    return kinds


def _summary(
    samples: Samples,
    parameters: IngestParameters,
    findings: Findings,
    leaks: dict[str, int],
    written: Written,
    *,
    n_copied: int | None,
) -> DatasetSummary:
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
        skipped=tuple(written.bad),
        missing={column: n for column, n in findings.missing.items() if n},
        left_out=dict(sorted((findings.left_out or {}).items())),
        leaks=leaks,
        boxes=_box_counts(findings, written),
        n_copied=n_copied,
    )
