"""A file of answers, `path_a,path_b,answer`, as pairs of train samples; what it cannot mean is refused with its row."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import get_args

import numpy as np

from schemas.choices import Answer
from stages.constraints.contradictions import Contradiction, first_contradiction
from stages.constraints.sample_names import sample_names, samples_by_path
from stages.errors import UsageError
from stages.ingest.formats.csv_file import CsvFile, read_csv_file
from stages.ingest.formats.names import whole_number
from stages.ingest.named_pictures import NamedPictures
from stages.runs.kept_source import KeptSource, digest_of_file, read_source
from stages.runs.source_names import tracklet_names
from stages.runs.store import Artifact
from stages.samples import TRAIN
from stages.typing import BoolArray, Int64Array
from stages.wording import shown

COLUMNS = ("path_a", "path_b", "answer")
_LONGEST_CHAIN = 12
"""Links of a chain that a message spells out."""
_GONE = -1
"""The place of a picture that only an earlier dataset of the run had."""


@dataclass(frozen=True)
class AnsweredPairs:
    """What a file says: `pairs` (p, 2) of train samples, by their place among train samples, and `is_same` (p,); `lines` (p,).

    Rows that say "unsure" are only counted, by `n_unsure` and in `unsure` (u, 2); those about pictures that were added to
    the run later are left out and counted in `n_later`, those about pictures that were taken out in `n_gone`. `meant` are
    lines about names that might mean other pictures than they do; `renamed` are names whose picture has another name now, and
    `reused` those that were another picture's in an earlier dataset of the run.
    """

    pairs: Int64Array
    is_same: BoolArray
    lines: Int64Array
    unsure: Int64Array
    n_later: int = 0
    n_gone: int = 0
    meant: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()

    @property
    def n_unsure(self) -> int:
        """How many rows say "unsure"."""
        return len(self.unsure)

    def digest(self) -> str:
        """SHA-256 of what is said, which the order of rows and of the two paths does not change; "" if nothing is."""
        rows = canonical(self.pairs, self.is_same)
        return hashlib.sha256(rows.tobytes()).hexdigest() if len(rows) else ""


NO_ANSWERS = AnsweredPairs(
    pairs=np.empty((0, 2), dtype=np.int64),
    is_same=np.empty(0, dtype=bool),
    lines=np.empty(0, dtype=np.int64),
    unsure=np.empty((0, 2), dtype=np.int64),
)


def canonical(pairs: Int64Array, is_same: BoolArray) -> Int64Array:
    """(smaller sample, larger sample, 0 same or 1 different) (p, 3) int64, sorted, each once."""
    rows = np.concatenate([np.sort(pairs, axis=1), ~is_same[:, None]], axis=1).astype(np.int64)
    return np.unique(rows, axis=0)


class NamedSamples:
    """The train samples of a dataset by what a file may call them.

    `newest` is the dataset with pictures that were added to it: a file may name these, too. `before` are earlier datasets of
    the run that were ingested by themselves: pictures that only they name are found by their content.
    """

    def __init__(self, dataset: Artifact, newest: Artifact | None = None, before: Sequence[Artifact] = ()) -> None:
        split, paths, frame_start = dataset.read("split"), dataset.read("path").tolist(), dataset.read("frame_start")
        place = np.cumsum(split == TRAIN) - 1
        self.n_samples = int((split == TRAIN).sum())
        self._by_path = samples_by_path(dataset)
        names = sample_names(dataset, self._by_path)
        self.names = [names[sample] for sample in np.flatnonzero(split == TRAIN).tolist()]
        self._place_of: list[int | None] = [int(p) if s == TRAIN else None for p, s in zip(place, split, strict=True)]
        self._own_names = names
        self._by_name = {name: sample for sample, name in enumerate(names)}
        self.pictures = NamedPictures(paths)
        self._later = None if newest is None else NamedSamples(newest)
        self._dataset, self._frame_start = dataset, frame_start.tolist()
        self._before = [NamedSamples(each) for each in before]

    def place(self, name: str, *, at: str) -> int | None:
        """The place among train samples of the one that `name` means, None if it was added later.

        −1 if it was taken out: an earlier dataset of the run had it. UsageError, beginning with `at`, unless it is one.
        """
        found = self._find(name)
        if found is None and (before := self._before_as(name)) is not None:
            known, how_well = self._place_by_content(name), before[0]._fit(name)[0]
            if known != _GONE or self._later is None or self._later._fit(name)[0] < how_well:
                return known
        if found is None and self._later is not None:
            self._later.place(name, at=at)
            return None
        if found is None:
            raise UsageError(f"{at} names {self.pictures.not_there(name, next(iter(self.names), None))}")
        if len(found) > 1:
            several = ", ".join(shown(self._own_names[sample]) for sample in found[:3])
            raise UsageError(
                f"{at} names {shown(name)}, which fits {len(found)} samples ({several}, …); name one of them"
            )
        place = self._place_of[found[0]]
        if place is None:
            raise UsageError(f"{at} names {shown(name)}, which is no train picture; only those are clustered")
        return place

    def is_renamed(self, name: str) -> bool:
        """Whether no picture has this `name` now, and one of an earlier dataset is there by another."""
        return self._find(name) is None and self._place_by_content(name) != _GONE

    def is_reused(self, name: str) -> bool:
        """Whether `name` is a sample's, and was another's in an earlier dataset, as far as the content of files is known.

        A box that was corrected is the same one, unless its box of now or of then is that of another sample.
        """
        found, before = self._find(name), self._before_as(name)
        if not found or before is None:
            return False
        earlier, sample = before
        now, then = self._contents(found[0]), earlier._contents(sample)
        if self._kept is None or earlier._kept is None or set(now) & set(then):
            return False
        return (
            not set(map(digest_of_file, now)) & set(map(digest_of_file, then))
            or any(image in self._by_content for image in then)
            or any(image in earlier._by_content for image in now)
        )

    def _place_by_content(self, name: str) -> int:
        """The place of the train sample that has an image which `name` had before, or is alone in its file as that was;
        `_GONE` if there is none.
        """
        before = self._before_as(name)
        if before is None:
            return _GONE
        earlier, sample = before
        images = earlier._contents(sample)
        samples = [self._by_content[image] for image in images if image in self._by_content]
        for file in map(digest_of_file, images):
            if len(earlier._by_file_content[file]) == 1:
                samples += only if len(only := self._by_file_content.get(file, set())) == 1 else ()
        return next((place for each in samples if (place := self._place_of[each]) is not None), _GONE)

    def _before_as(self, name: str) -> tuple[NamedSamples, int] | None:
        """The newest earlier dataset that knows `name`, and the sample that it meant there; None if none does."""
        for earlier in self._before:
            found = earlier._find(name)
            if found is not None and len(found) == 1:
                return earlier, found[0]
        return None

    def _contents(self, sample: int) -> Sequence[str]:
        return self._digests[self._frame_start[sample] : self._frame_start[sample + 1]]

    @cached_property
    def _kept(self) -> KeptSource | None:
        return read_source(self._dataset)

    @cached_property
    def _digests(self) -> Sequence[str]:
        """What tells each image from others by its content; its place and dataset where that was not kept."""
        n_images = self._frame_start[-1]
        return [f"{id(self)}-{image}" for image in range(n_images)] if self._kept is None else self._kept.digests

    @cached_property
    def _by_content(self) -> dict[str, int]:
        """The sample that has an image, by its digest."""
        return {
            digest: sample
            for sample in reversed(range(len(self._frame_start) - 1))
            for digest in self._contents(sample)
        }

    @cached_property
    def _by_file_content(self) -> dict[str, set[int]]:
        """The samples that have an image in a file, by its digest."""
        found: dict[str, set[int]] = {}
        for sample in range(len(self._frame_start) - 1):
            for digest in self._contents(sample):
                found.setdefault(digest_of_file(digest), set()).add(sample)
        return found

    def _find(self, name: str) -> list[int] | None:
        """The samples that `name` may mean, unless it fits one of another dataset better: a path or its end, either with #n,
        or what the source calls a tracklet.
        """
        how_well, samples = self._fit(name)
        others = () if how_well == math.inf else (self._later, *self._before)
        return None if any(each is not None and each._fit(name)[0] > how_well for each in others) else samples

    def _fit(self, name: str) -> tuple[float, list[int] | None]:
        """How well `name` fits, as `Fit` has it, and the samples of this dataset that it may mean."""
        if name in self._by_name:
            return math.inf, [self._by_name[name]]
        found = self.pictures.fit(name)
        if found.paths:
            return found.n_letters, self._samples_in(found.paths)
        picture, _, number = name.rpartition("#")
        place = (whole_number(number) or 0) - 1
        found = self.pictures.fit(picture)
        inside = [self._by_path[path] for path in found.paths]
        same = sorted({samples[place] for samples in inside if 0 <= place < len(samples)})
        if same:
            return found.n_letters, same
        tracklet = self._by_tracklet.get(name)
        return (0, None) if tracklet is None else (math.inf, tracklet)

    @cached_property
    def _by_tracklet(self) -> dict[str, list[int]]:
        """The sample of each tracklet that has a name, by it, as `dbc export` writes it."""
        is_named = "tracklet_name" in self._dataset.names()
        names = tracklet_names(self._dataset)[0] if is_named else []
        return {str(name): [sample] for sample, name in enumerate(names) if name is not None}

    def _samples_in(self, paths: Sequence[str]) -> list[int]:
        return sorted({sample for path in paths for sample in self._by_path[path]})


def read_answers_table(file: Path) -> CsvFile:
    """The rows of a file of answers as they are, the answers in small letters; UsageError if it is no such table."""
    table = read_csv_file(file, columns=COLUMNS, may_be_empty=True)
    missing = [name for name in COLUMNS if name not in table.cells]
    if missing:
        raise UsageError(f"{shown(file)} has no column '{missing[0]}'; give it the columns {', '.join(COLUMNS)}")
    answers = [answer.casefold() for answer in table.cells["answer"]]
    for row, answer in enumerate(answers):
        if answer not in get_args(Answer):
            told = shown(table.cells["answer"][row])
            raise UsageError(f"{table.at(row)}: answer must be same, different or unsure, got {told}")
    return replace(table, cells={**table.cells, "answer": answers})


def read_answers(file: Path, samples: NamedSamples) -> AnsweredPairs:
    """The answers in `file` about `samples`; UsageError, one line with file and row, for what cannot be meant."""
    table = read_answers_table(file)
    pairs = np.zeros((len(table), 2), dtype=np.int64)
    is_same, is_unsure, is_left_out = np.zeros((3, len(table)), dtype=bool)
    n_gone = 0
    for row, (first, second, answer) in enumerate(zip(*(table.cells[name] for name in COLUMNS), strict=True)):
        places = [place for name in (first, second) if (place := samples.place(name, at=table.at(row))) is not None]
        is_left_out[row] = len(places) < 2 or _GONE in places
        n_gone += _GONE in places
        if is_left_out[row]:
            continue
        pairs[row] = places
        is_same[row], is_unsure[row] = answer == "same", answer == "unsure"
        if answer == "different" and pairs[row, 0] == pairs[row, 1]:
            raise UsageError(
                f"{table.at(row)} says that {shown(first)} and {shown(second)} differ, which are one sample"
            )
    told = ~is_unsure & ~is_left_out & (pairs[:, 0] != pairs[:, 1])
    lines = np.asarray(table.line, dtype=np.int64)
    names = dict.fromkeys((*table.cells["path_a"], *table.cells["path_b"]))
    answers = AnsweredPairs(
        pairs[told],
        is_same[told],
        lines[told],
        pairs[is_unsure & ~is_left_out],
        n_later=int(is_left_out.sum()) - n_gone,
        n_gone=n_gone,
        meant=tuple(samples.pictures.told_meant(names)),
        renamed=tuple(filter(samples.is_renamed, names)),
        reused=tuple(filter(samples.is_reused, names)),
    )
    require_no_contradiction(answers, samples.names, file)
    return answers


def require_no_contradiction(answers: AnsweredPairs, names: list[str], file: Path) -> None:
    """Raise UsageError with the chain of paths if the answers in `file` cannot all be right."""
    found = first_contradiction(len(names), answers.pairs, answers.is_same)
    if found is not None:
        first, last = shown(names[found.samples[0]]), shown(names[found.samples[-1]])
        raise UsageError(
            f"{shown(file)} line {answers.lines[found.different]} says that {first} and {last} differ, but "
            f"{chain_told(found, names, answers.lines)}; correct one of these rows"
        )


def chain_told(found: Contradiction, names: list[str], lines: Int64Array) -> str:
    """The chain by which the samples are the same, as `a = b (line 3), b = c (labels)`, its middle left out if it is long.

    `lines` are those of the file of answers, 0 for what labels say.
    """
    links = [
        f"{shown(names[a])} = {shown(names[b])} ({f'line {lines[place]}' if lines[place] else 'labels'})"
        for place, a, b in zip(found.chain, found.samples[:-1], found.samples[1:], strict=True)
    ]
    if len(links) > _LONGEST_CHAIN:
        half = _LONGEST_CHAIN // 2
        links[half:-half] = [f"{len(links) - 2 * half} more"]
    return ", ".join(links)
