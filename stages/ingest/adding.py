"""Pictures that join a dataset: which of them are new, and where the stored ones go."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from stages.errors import UsageError
from stages.ingest.formats.format import Findings
from stages.ingest.formats.names import alike_note
from stages.ingest.joining import (
    NAMED,
    already_held,
    join_samples,
    own_encounters,
    said_otherwise,
    stored_samples,
    texts_of,
)
from stages.ingest.order import content_order
from stages.ingest.overlap import share_overlapping
from stages.ingest.whereabouts import find_pictures
from stages.runs.kept_source import KeptSource, digest_of_file, file_digests, read_source
from stages.runs.run_directory import dataset_manifest, source_boxes
from stages.runs.store import Artifact
from stages.samples import Samples
from stages.typing import BoolArray, Float64Array, Int64Array
from stages.wording import plain, shown, so_many


@dataclass(frozen=True)
class Addition:
    """A dataset with pictures added, in the order that all of them would have been stored in at once.

    `stored` (n_images) is the row of each image in the dataset before, −1 for a new one. `path` (n_images) are the paths to
    store, from the root of the dataset before; those of new images in `samples` start from their own.
    """

    samples: Samples
    path: tuple[str, ...]
    stored: Int64Array
    source: KeptSource


def addition(before: Artifact, samples: Samples, digests: list[str], *, root: Path, findings: Findings) -> Addition:
    """What adding `samples` under `root`, with `digests` (n_images) of their images, makes of the dataset `before`.

    Images that are there already, whatever they are called, are not added again: a track that has all images of one there, and
    more, goes on with it. Nor are samples whose boxes all overlap others of the same picture by more than `MOST_OVERLAP`:
    detections of another run of a detector. Whole pictures join boxes, unless these are of the same pictures. UsageError if a
    file has the path of another one of before and other content, if boxes shall join whole pictures, or if nothing is known of
    the files of before. If their folder was moved, paths start from where it is now. That is told, and what became of samples
    that are there already or may be there twice.
    """
    kept = read_source(before)
    if kept is None:
        raise UsageError(
            f"{before.path} does not know the content of its files; run its own dbc ingest again with --force, then add"
        )
    stored = stored_samples(before)
    if len(samples.box) and not len(stored.box):
        raise UsageError("this run holds whole pictures, and SOURCE gives boxes; ingest it into a new `run`")
    there: dict[tuple[str, ...], list[int]] = {}
    for sample, key in enumerate(_sample_digests(stored, kept.digests)):
        there.setdefault(key, []).append(sample)
    same = [there.get(key, []) for key in _sample_digests(samples, digests)]
    is_known = np.array([bool(each) for each in same], dtype=np.bool_)
    is_held, goes_on = already_held(stored, kept.digests, samples, digests)
    goes_on[is_known] = -1
    otherwise = said_otherwise(stored, samples, [*map(_there, same, goes_on.tolist())])
    n_held = np.add.reduceat(is_held, samples.frame_start[:-1], dtype=np.int64)
    n_own = np.where(goes_on < 0, 0, np.diff(stored.frame_start)[goes_on])
    is_new, is_partly = n_held < np.diff(samples.frame_start), (n_held > n_own) & ~is_known
    share = np.zeros(len(samples))
    if len(stored.box) and len(samples.box):
        there_already = replace(stored, box=source_boxes(before).astype(np.float64))
        share = share_overlapping(samples, digests, is_new & (goes_on < 0), root, there_already, kept.digests)
    is_new &= share < 1
    if len(stored.box) and not len(samples.box):
        is_new &= (goes_on >= 0) | _of_other_pictures(samples, digests, kept.digests, is_new & (goes_on < 0), findings)
    samples, encounters = own_encounters(stored, kept.digests, samples, digests)
    is_rest = is_new[samples.owners] & ~is_held
    new, new_digests = samples.with_images(is_rest), [digests[image] for image in np.flatnonzero(is_rest).tolist()]
    old_root = _root_now(before, kept, stored.path, findings)
    path = _from_root(new.path, root, old_root)
    _refuse_changed(dict(zip(path, new.path, strict=True)), stored.path, kept.digests, path, new_digests)
    owner = np.where(goes_on[is_new] < 0, len(stored) + np.arange(len(new)), goes_on[is_new])
    everything, rows = join_samples(stored, new).with_images_of(np.concatenate([np.arange(len(stored)), owner]))
    brought, paths = set(new.encounter_name), _at(rows, stored.path + path)
    all_digests = _at(rows, (*kept.digests, *new_digests))
    order = content_order(replace(everything, path=paths), all_digests, seed=dataset_manifest(before).parameters.seed)
    images = everything.images_of(order)
    again = f"; samples of it that are there already: {is_known.sum()}" if is_known.any() else ""
    findings.notes.append(
        f"{so_many(len(path), 'image')} of SOURCE new to the run, which has {len(stored.path)}{again}"
    )
    paths_here, old_paths = _from_root(samples.path, root, old_root), {*stored.path}
    known = samples.frame_start[:-1][is_known].tolist()
    findings.there += [(paths_here[image], digests[image]) for image in known if paths_here[image] not in old_paths]
    _tell_moved(file_digests(stored.path, kept.digests), file_digests(paths_here, digests), old_root, findings)
    _tell_otherwise(*otherwise, findings)
    findings.warnings += [*_alike(stored, everything), *_lacking(stored, new)]
    _tell_encounters([(name, now) for name, now in encounters.items() if now in brought], findings)
    _tell_overlapping(np.where(is_partly & (share < 1), 0, share), findings)
    _tell_held(int(((goes_on >= 0) & is_new).sum()), int((is_partly & (share < 1)).sum()), findings)
    rows = rows[images]
    return Addition(
        samples=everything.take(order),
        path=_at(images, paths),
        stored=np.where(rows < len(stored.path), rows, -1),
        source=KeptSource(old_root, _at(images, all_digests)),
    )


def _there(same: list[int], goes_on: int) -> list[int]:
    return same if goes_on < 0 else [goes_on]


def _at(rows: Int64Array, texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(texts.__getitem__, rows.tolist()))


def _root_now(before: Artifact, kept: KeptSource, paths: tuple[str, ...], findings: Findings) -> Path:
    """The folder that `paths` of the dataset `before` start from: where it was, or where its pictures are now."""
    if any((kept.root / path).is_file() for path in paths):
        return kept.root
    try:
        found = find_pictures(before, paths, by_content=False).root
    except UsageError:
        found = kept.root
    if found == kept.root:
        findings.warnings.append(
            f"none of the pictures that the run has are in {kept.root} any more, and paths of new ones start from there; "
            "exports of pictures need that folder, or another as `root`"
        )
    else:
        findings.notes.append(f"the pictures that the run has were in {kept.root}, and are in {found} now")
    return found


def _alike(before: Samples, now: Samples) -> list[str]:
    """A line for each column of names some of which differ little, if that was not so `before`."""
    lines = []
    for name, texts, _ in NAMED:
        line = alike_note(set(getattr(now, texts)), kind=f"names of {name}")
        if line and line != alike_note(set(getattr(before, texts)), kind=f"names of {name}"):
            lines.append(line)
    return lines


def _of_other_pictures(
    samples: Samples, digests: Sequence[str], stored: Sequence[str], is_new: BoolArray, findings: Findings
) -> BoolArray:
    """(n_samples) True for pictures of which the run has no boxes yet; warns of whole pictures in a run of boxes."""
    there = {digest_of_file(digest) for digest in stored}
    others = np.array([digests[image] not in there for image in samples.frame_start[:-1].tolist()], dtype=np.bool_)
    for n, told in (
        ((is_new & others).sum(), "are taken whole"),
        ((is_new & ~others).sum(), "are left out: their boxes are there"),
    ):
        if n:
            findings.warnings.append(f"pictures without boxes, in a run of boxes, that {told}: {n}")
    return others


def _lacking(before: Samples, new: Samples) -> list[str]:
    """Lines about `new` samples without what most of `before` have, and about those if none has what `new` ones do."""
    of_new, of_before = [], []
    for name, texts, smallest in NAMED[1:]:
        old, now = (texts_of(samples, name, texts, smallest).count("") for samples in (before, new))
        if now and 2 * old < len(before):
            of_new.append(f"{texts.removesuffix('_name')} of {now}")
        if old == len(before) and now < len(new):
            of_before.append(f"{texts.removesuffix('_name')} of {old}")
    by, lines = "a table, a pattern for paths or `encounter_gap`", []
    if of_new:
        lines.append(
            f"new samples without what most of the run have: {', '.join(of_new)}; to say it, take this back by `new_dataset` "
            f"with the first SOURCE and its flags, then add it with {by}"
        )
    if of_before:
        lines.append(
            f"samples of the run without what SOURCE gives: {', '.join(of_before)}; to say it, ingest the first SOURCE by "
            f"`new_dataset` with {by}, then add the others again"
        )
    return lines


def _tell_moved(old: dict[str, str], new: dict[str, str], root: Path, findings: Findings) -> None:
    """Tell of files with one content, by path, whose `old` path is no file below `root` any more."""
    place_of = {digest: path for path, digest in old.items() if digest}
    renamed = [(place_of[digest], path) for path, digest in new.items() if digest in place_of and path not in old]
    moved = [(shown(before), shown(now)) for before, now in renamed if not (root / before).is_file()]
    if moved:
        findings.notes.append(
            f"pictures of the run that lie elsewhere in SOURCE now: {len(moved)}, the first {moved[0][0]} as {moved[0][1]}; "
            "they keep their path in the run, and exports find them by their content below the folder that was ingested first"
        )


def _tell_otherwise(otherwise: Counter[str], first: str, findings: Findings) -> None:
    """Tell of how many known samples each column says something else, with the `first`."""
    if otherwise:
        columns = ", ".join(f"{column} of {n}" for column, n in otherwise.items())
        findings.warnings.append(
            f"SOURCE says otherwise of samples that are there already, which is not taken: {columns}, the first {first}; "
            "correct it by an ingest of the first SOURCE with `new_dataset`, to which the others are added again"
        )


def _tell_encounters(renamed: Sequence[tuple[str, str]], findings: Findings) -> None:
    """Tell of encounters that were told apart, by their names in the source and here."""
    if renamed:
        old, new = map(shown, renamed[0])
        findings.notes.append(
            f"encounters of SOURCE with the name of others of the run: {len(renamed)}, the first {old}, here {new}; "
            "those of both that are one belong into one table, ingested with `new_dataset`"
        )


def _tell_overlapping(share: Float64Array, findings: Findings) -> None:
    """Tell of samples all or some of whose boxes, a `share` (n_samples), overlap boxes that are there."""
    if n_all := int((share == 1).sum()):
        findings.warnings.append(
            "boxes left out, because boxes of the same pictures that are there overlap them by more than half: "
            f"{n_all}; to take them instead, ingest into a new `run`"
        )
    if n_partly := int(((share > 0) & (share < 1)).sum()):
        findings.warnings.append(
            "tracklets some of whose boxes overlap boxes of the same frames that are there by more than half: "
            f"{n_partly}; they may be there twice now"
        )


def _tell_held(n_grown: int, n_partly: int, findings: Findings) -> None:
    """Tell of tracks of the run that go on, and of other samples some of whose images samples of the run hold."""
    if n_grown:
        findings.notes.append(
            f"tracks of the run that go on in SOURCE, which are longer now and no new ones: {n_grown}"
        )
    if n_partly:
        findings.warnings.append(
            f"samples that share images with others of the run, which keep them: {n_partly}; if SOURCE cuts tracks "
            "otherwise than the run, ingest all of them with `new_dataset`"
        )


def _sample_digests(samples: Samples, digests: list[str] | tuple[str, ...]) -> list[tuple[str, ...]]:
    starts = samples.frame_start.tolist()
    return [tuple(digests[start:stop]) for start, stop in pairwise(starts)]


def _from_root(paths: tuple[str, ...], root: Path, old_root: Path) -> tuple[str, ...]:
    """`paths` below `root`, as seen from `old_root`: if that is a link, `..` leads to where the folder behind it lies."""
    way = Path(os.path.relpath(root.absolute(), old_root)).as_posix()
    if old_root.is_dir() and not ((old_root / way).exists() and (old_root / way).samefile(root)):
        way = Path(os.path.relpath(root.absolute(), os.path.realpath(old_root))).as_posix()
    return paths if way == "." else tuple(f"{way}/{path}" for path in paths)


def _refuse_changed(
    named: dict[str, str],
    old_paths: tuple[str, ...],
    old_digests: tuple[str, ...],
    paths: tuple[str, ...],
    digests: list[str],
) -> None:
    before = file_digests(old_paths, old_digests)
    for path, digest in file_digests(paths, digests).items():
        if digest and path in before and before[path] != digest:
            raise UsageError(
                f"{plain(named[path])} was ingested before with other content; give the new file another name, or ingest all "
                "into a new `run`"
            )
