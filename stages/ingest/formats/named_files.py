"""Folders of images, one a split, whose file names say identity and camera: the shape that Market-1501 set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.format import Findings
from stages.ingest.formats.layout import require_layout
from stages.ingest.formats.listing import left_out, list_images, no_images
from stages.ingest.formats.names import identities_from_one, nobody_notes
from stages.samples import GALLERY, JUNK, QUERY, TRAIN, Samples
from stages.wording import shown, so_many

MARKET_FOLDERS: Mapping[str, int] = {"bounding_box_train": TRAIN, "query": QUERY, "bounding_box_test": GALLERY}


@dataclass(frozen=True)
class NamedFiles:
    """A data set's folders by split, and the names of its files.

    `pattern` has the groups `pid` and `camid` and matches from the start of a name; `shape` and `example` say the same
    to people. A pid 0 that is in the gallery alone is a distractor; one in train or query is an identity.
    """

    name: str
    pattern: re.Pattern[str]
    shape: str
    example: str
    folders: Mapping[str, int]

    def read(self, source: Path, _parameters: IngestParameters, findings: Findings) -> Samples:
        """The images of the folders, sorted by path: pid and camid from the names, split from the folder.

        Junk (pid −1) is kept in the gallery, where evaluation ignores it, and left out of the train split. If
        train or query has pid 0, all pids are counted from 1. Raises `UsageError` for a folder that is not there or a name
        that does not parse.
        """
        require_layout(source, name=self.name, entries=[f"{folder}/" for folder in self.folders])
        rows: list[tuple[str, int, int, int]] = []
        junk: list[tuple[str, int, int, int]] = []
        for folder, split in self.folders.items():
            for name in list_images(source / folder, recursive=False):
                pid, camid = self.parse(name, folder=folder)
                is_left_out = split == TRAIN and pid == JUNK
                (junk if is_left_out else rows).append((f"{folder}/{name}", pid, camid, split))
        rows.sort()
        if all(row[3] != TRAIN for row in rows):
            raise no_images(source / next(folder for folder, split in self.folders.items() if split == TRAIN))
        path, pids, camids, splits = map(list, zip(*rows, strict=True))
        split_of = np.asarray(splits)
        counted = identities_from_one(np.asarray(pids), split_of)
        _tell(rows, findings, are_shifted=counted.tolist() != pids)
        findings.notes += nobody_notes(counted, split_of, kind="images", n_left_out=len(junk))
        if junk:
            findings.left_out = left_out(source, taken={*path, *(row[0] for row in junk)}, places=findings.left_out_in)
        return Samples.of_images(path, counted.tolist(), camids, splits)

    def parse(self, name: str, *, folder: str) -> tuple[int, int]:
        """(pid, camid) of a file name; `folder` is named in the error."""
        match = self.pattern.match(name)
        if match is None:
            raise UsageError(
                f"file name {shown(f'{folder}/{name}')} is not {self.shape} (as {self.example}); "
                "rename or remove it, or use another `format`"
            )
        return int(match["pid"]), int(match["camid"])


def _tell(rows: Sequence[tuple[str, int, int, int]], findings: Findings, *, are_shifted: bool) -> None:
    """Say whether the pids are one more than in the names, and whether there are no queries."""
    zeros = {
        split: [path for path, pid, _, own in rows if pid == 0 and own == split] for split in (TRAIN, QUERY, GALLERY)
    }
    if are_shifted:
        named = (zeros[QUERY] or zeros[TRAIN])[0]
        told = f"pid 0 is an identity like any other, because {shown(named)} has it: all pids are one more here than in names"
        if zeros[GALLERY] and not zeros[QUERY]:
            findings.warnings.append(
                f"{told}; images of the gallery with pid 0 are of it and no distractors, too: {len(zeros[GALLERY])}; if they "
                f"are distractors, take the {so_many(len(zeros[TRAIN]), 'image')} with pid 0 out of train"
            )
        else:
            findings.notes.append(told)
    if all(split != QUERY for _, _, _, split in rows):
        findings.warnings.append("there are no queries, so nothing can be searched for in the gallery")
