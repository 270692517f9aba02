"""Identities that come in a table after the pictures were ingested: path and identity."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import filterfalse
from pathlib import Path

import numpy as np

from stages.errors import UsageError
from stages.ingest.formats.csv_file import CsvFile, read_csv_file
from stages.ingest.formats.names import doubts, is_missing, numbers_of, one_number, whole_number, without_several
from stages.ingest.formats.wildlife_datasets import UNKNOWN_NAME
from stages.ingest.named_pictures import NamedPictures
from stages.runs.source_names import BOX, places, tracklet_names
from stages.runs.store import Artifact
from stages.samples import UNKNOWN
from stages.typing import Int32Array, Int64Array
from stages.wording import shown, so_many, with_first

IDENTITIES = ("identity", "pid")
NEW = "new"
"""What stands for the individual of pictures that were assigned to none, in CSV and as the name of their folder."""
PLACES = ("frame", *BOX)
"""Columns that tell the boxes of one picture, or the frames of one video, apart, as tables of clusters have them."""

TRACKLET = "tracklet"
"""The column that tells the tracklets of one video apart."""

_BY_PLACE = f"give the path alone, and its place in the columns {', '.join(PLACES)}, as dbc export clusters lists them"


@dataclass(frozen=True)
class KnownLater:
    """The `pid` (n_samples, int32) of each sample, `UNKNOWN` if the table has none; a `digest` of it; what is to be said.

    `names` (n_samples) are the identities as they are written, "" for none.
    """

    pid: Int32Array
    digest: str
    note: str
    names: list[str]


def read_known_later(file: Path, dataset: Artifact, newest: Artifact | None = None) -> KnownLater:
    """The identities that `file`, a table with the columns path and identity (or pid), gives the samples of `dataset`.

    Which picture a path means says `NamedPictures`.
    'unknown' is nobody, as in the tables of wildlife-datasets, and so is 'new', which is told. Columns of `PLACES` say which
    box or frame of it is meant, or a `TRACKLET` which tracklet, if several are in one file. Rows about pictures that only the
    `newest` dataset has are left out, and counted.
    UsageError if the table has no identities, names no picture of the data set or several samples by one row, or gives one
    sample two identities.
    """
    table = read_csv_file(file, columns=("path", *IDENTITIES, *PLACES, TRACKLET), are_ingested=True)
    column = next((name for name in IDENTITIES if name in table.cells), None)
    if column is None:
        raise UsageError(f"{shown(file)} has no column 'identity'; name the column of identities so")
    if all(name in table.cells for name in IDENTITIES):
        raise UsageError(f"{shown(file)} has the columns identity and pid, which may differ; keep one of them")
    paths = dataset.read("path").tolist()
    pictures = _Pictures(paths, later=[] if newest is None else newest.read("path").tolist())
    text_of, lost = _texts(table, column, pictures, dataset)
    later = list(filter(pictures.is_later, lost))
    left_out = f"pictures that were added after these clusters were made: {with_first(later)}" if later else ""
    if not text_of and later:
        raise UsageError(f"{shown(file)} names {left_out}; dbc run takes them")
    if not text_of:
        first = next(filter(pictures.is_backslashed, lost), lost[0] if lost else "")
        why = pictures.why_none(first) if lost else f"has no identity in the column {shown(column)}; fill it in"
        raise UsageError(f"{shown(file)} {why}")
    if number := one_number(set(text_of.values())):
        raise UsageError(f"{shown(file)} has the identities {' and '.join(map(shown, number))}; write them alike")
    one, told_several = without_several(list(text_of.values()))
    text_of = {image: text for image, text in zip(text_of, one, strict=True) if text}
    texts = _of_samples(file, text_of, dataset.read("frame_start"), paths)
    pid = np.asarray(numbers_of(texts, smallest=1), dtype=np.int32)
    n_known = int((pid != UNKNOWN).sum())
    strange = pictures.told_lost(filterfalse(set(later).__contains__, lost))
    strange += "".join(f"; {told}" for told in table.short)
    strange += f"; {left_out}, left out here; dbc run takes them" if later else ""
    n_new = sum(identity.casefold() == NEW for identity in table.cells[column])
    strange += f"; rows that say {NEW!r}, which is nobody: {n_new}" if n_new else ""
    strange += "".join(f"; {told}" for told in pictures.told_meant(table.cells["path"]))
    named = so_many(len(set(pid[pid > 0].tolist())), "identity")
    note = f"identities by {file.name}: {n_known} of {so_many(len(pid), 'sample')}, {named}{strange}"
    note += "".join(f"; {doubt}" for doubt in (*told_several, *doubts(set(texts), kind="identities")))
    return KnownLater(pid, hashlib.sha256("\0".join(texts).encode()).hexdigest(), note, texts)


class _Pictures(NamedPictures):
    """The pictures of a data set, and what is wrong with rows that name none of them."""

    def named(self, path: str) -> list[int]:
        """The images of the one picture that `path` means, none if there is no such picture, or several fit."""
        fitting = self.that_fit(path)
        return self.images_of[fitting[0]] if len(fitting) == 1 else []

    def told_lost(self, paths: Iterable[str]) -> str:
        """What is to be said of the `paths` of rows that name none of the pictures, each kind after a semicolon."""
        kinds: dict[str, list[str]] = {}
        for path in paths:
            kinds.setdefault(self._why_lost(path), []).append(path)
        return "".join(f"; rows {kind}: {with_first(those)}" for kind, those in sorted(kinds.items()))

    def _why_lost(self, path: str) -> str:
        if self._is_numbered(path):
            return f"that name a box by its number, left out ({_BY_PLACE})"
        n_fitting = len(self.that_fit(path))
        if n_fitting > 1:
            return "that fit several pictures"
        if self.is_backslashed(path):
            return "with backslashes in place of /, left out (write / in all paths)"
        return f"that name {'a box or frame that the data set has not' if n_fitting else 'no picture of the data set'}"

    def _is_numbered(self, path: str) -> bool:
        """Whether `path` is that of a picture and the number of one of its boxes, as in files of answers: `herd.jpg#1`."""
        picture, _, number = path.rpartition("#")
        return number.isdecimal() and bool(self.that_fit(picture))

    def why_none(self, path: str) -> str:
        """What is wrong with a table none of whose rows names a picture, `path` being the first."""
        as_listed = "give paths as dbc export clusters lists them"
        fitting = self.that_fit(path)
        if len(fitting) > 1:
            example = ", ".join(map(shown, fitting[:2]))
            return f"names {shown(path)}, which fits {len(fitting)} pictures of the data set, such as {example}; {as_listed}"
        if fitting:
            return f"names boxes or frames of {shown(path)} that the data set has not; {as_listed.replace('paths', 'them')}"
        if self._is_numbered(path):
            return f"names a box by its number, as answers do: {shown(path)}; {_BY_PLACE}"
        return f"names {self.not_there(path)}"


def _texts(table: CsvFile, column: str, pictures: _Pictures, dataset: Artifact) -> tuple[dict[int, str], list[str]]:
    """The identity of images, by their place, without missing ones; and the paths of rows that name none, or several."""
    n_images = np.diff(dataset.read("frame_start"))
    sample_of = np.repeat(np.arange(len(n_images)), n_images).tolist()
    known = [(name, values.tolist()) for name, values in places(dataset).items() if name in table.cells]
    tracklets = tracklet_names(dataset)[0] if TRACKLET in table.cells else []
    found: dict[int, str] = {}
    said_in: dict[int, int] = {}
    lost: list[str] = []
    for row, (path, identity) in enumerate(zip(table.cells["path"], table.cells[column], strict=True)):
        wanted = [
            (values, _whole(table, row, name)) for name, values in known if not is_missing(table.cells[name][row])
        ]
        images = [image for image in pictures.named(path) if all(values[image] == number for values, number in wanted)]
        if len({sample_of[image] for image in images}) > 1 and TRACKLET in table.cells:
            meant = table.cells[TRACKLET][row]
            if not is_missing(meant):
                called = {meant, whole_number(meant)} - {None}
                images = [image for image in images if tracklets[sample_of[image]] in called]
        if len({sample_of[image] for image in images}) > 1:
            raise UsageError(
                f"{table.at(row)} names {len(images)} boxes or frames of {shown(path)}; say which one in the columns "
                f"{', '.join(PLACES)}, or {TRACKLET}, as dbc export clusters lists them"
            )
        if not images:
            lost.append(path)
        elif not is_missing(identity) and identity.casefold() not in (UNKNOWN_NAME, NEW):
            other = next((image for image in images if found.get(image, identity) != identity), None)
            if other is not None:
                raise UsageError(
                    f"{table.at(row)} says {shown(identity)} of {shown(path)}, and line {table.line[said_in[other]]} says "
                    f"{shown(found[other])}; correct one"
                )
            found.update(dict.fromkeys(images, identity))
            said_in.update(dict.fromkeys(images, row))
    return found, lost


def _whole(table: CsvFile, row: int, name: str) -> int:
    cell = table.cells[name][row]
    number = whole_number(cell)
    if number is None:
        raise UsageError(f"{table.at(row)}: {name} {shown(cell)} is not a whole number; correct it")
    return number


def _of_samples(file: Path, text_of: dict[int, str], frame_start: Int64Array, paths: Sequence[str]) -> list[str]:
    texts = []
    for start, stop in zip(frame_start[:-1].tolist(), frame_start[1:].tolist(), strict=True):
        known = {text_of[frame]: frame for frame in range(start, stop) if frame in text_of}
        if len(known) > 1:
            first, second = list(known.items())[:2]
            raise UsageError(
                f"{shown(file)} says {shown(first[0])} of {shown(paths[first[1]])} and {shown(second[0])} of "
                f"{shown(paths[second[1]])}, which are frames of one tracklet; correct one"
            )
        texts.append(next(iter(known), ""))
    return texts
