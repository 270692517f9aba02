"""The layout of Market-1501 and of the many data sets published in its shape."""

from __future__ import annotations

import re
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.data.formats.listing import list_images, no_images
from stages.data.samples import GALLERY, QUERY, TRAIN, Samples
from stages.errors import UsageError

FOLDERS = {"bounding_box_train": TRAIN, "query": QUERY, "bounding_box_test": GALLERY}
JUNK = -1

# DukeMTMC-reID writes `0005_c2_f0046985.jpg`, without the sequence, so the sequence is optional.
_NAME = re.compile(r"(?P<pid>-1|[0-9]{1,9})_c(?P<camid>[0-9]{1,9})(?:s[0-9]+)?_", re.ASCII)


def read_market1501(source: Path, _parameters: IngestParameters) -> Samples:
    """The images of the three folders, sorted by path: pid and camid from the names, split from the folder.

    `-1_c…` is junk, kept in the gallery (where evaluation ignores it) and left out of the train split; `0000_c…`
    is a distractor. Raises `UsageError` for a folder that is not there or a name that does not parse.
    """
    _check_folders(source)
    rows = []
    for folder, split in FOLDERS.items():
        for name in list_images(source / folder, recursive=False):
            pid, camid = parse_name(name, folder=folder)
            if not (split == TRAIN and pid == JUNK):
                rows.append((f"{folder}/{name}", pid, camid, split))
    rows.sort()
    if all(row[3] != TRAIN for row in rows):
        raise no_images(source / "bounding_box_train")
    path, pids, camids, splits = map(list, zip(*rows, strict=True))
    return Samples.of_images(path, pids, camids, splits)


def parse_name(name: str, *, folder: str) -> tuple[int, int]:
    """(pid, camid) of a file name such as `0002_c1s1_000451_03.jpg`; `folder` is told in the error."""
    match = _NAME.match(name)
    if match is None:
        raise UsageError(
            f"file name {f'{folder}/{name}'!r} is not PID_cCAMERAsSEQUENCE_… (as 0002_c1s1_000451_03.jpg); "
            "rename or remove it, or use another --format"
        )
    return int(match["pid"]), int(match["camid"])


def _check_folders(source: Path) -> None:
    missing = [folder for folder in FOLDERS if not (source / folder).is_dir()]
    if not missing:
        return
    if not source.is_dir():
        raise UsageError(f"'{source}' is not a folder; market1501 wants a folder with {', '.join(FOLDERS)}")
    found = sorted(entry.name for entry in source.iterdir() if entry.is_dir())
    shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    raise UsageError(
        f"'{source}' lacks {', '.join(missing)}: market1501 wants the folders {', '.join(FOLDERS)}, "
        f"found {shown or 'no folders'}; give the folder that holds them or use another --format"
    )
