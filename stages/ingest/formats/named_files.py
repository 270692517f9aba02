"""Folders of images, one a split, whose file names say identity and camera: the shape that Market-1501 set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.format import Findings
from stages.ingest.formats.layout import require_layout
from stages.ingest.formats.listing import list_images, no_images
from stages.ingest.formats.names import identities_from_one, shown
from stages.samples import GALLERY, JUNK, QUERY, TRAIN, Samples

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
        rows = []
        for folder, split in self.folders.items():
            for name in list_images(source / folder, recursive=False):
                pid, camid = self.parse(name, folder=folder)
                if not (split == TRAIN and pid == JUNK):
                    rows.append((f"{folder}/{name}", pid, camid, split))
        rows.sort()
        if all(row[3] != TRAIN for row in rows):
            raise no_images(source / next(folder for folder, split in self.folders.items() if split == TRAIN))
        path, pids, camids, splits = map(list, zip(*rows, strict=True))
        counted = identities_from_one(np.asarray(pids), np.asarray(splits)).tolist()
        if counted != pids:
            findings.notes.append("identities are counted from 1 here: train or query has pid 0, so it is an identity")
        return Samples.of_images(path, counted, camids, splits)

    def parse(self, name: str, *, folder: str) -> tuple[int, int]:
        """(pid, camid) of a file name; `folder` is named in the error."""
        match = self.pattern.match(name)
        if match is None:
            raise UsageError(
                f"file name {shown(f'{folder}/{name}')} is not {self.shape} (as {self.example}); "
                "rename or remove it, or use another `format`"
            )
        return int(match["pid"]), int(match["camid"])
