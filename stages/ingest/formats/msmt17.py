"""The layout of MSMT17, versions 1 and 2: lists of paths and identities beside two folders of images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.format import Findings, Format
from stages.ingest.formats.layout import missing_files, require_layout
from stages.ingest.formats.listing import list_images
from stages.ingest.formats.text_files import read_lines
from stages.samples import GALLERY, QUERY, TRAIN, Samples
from stages.wording import shown, so_many

LISTS = {"list_train.txt": TRAIN, "list_val.txt": TRAIN, "list_query.txt": QUERY, "list_gallery.txt": GALLERY}
FOLDERS = (("train", "test"), ("mask_train_v2", "mask_test_v2"))

_LINE = re.compile(r"(?P<path>\S.*?)\s+(?P<pid>[0-9]{1,9})", re.ASCII)
# 0000_000_01_0303morning_0015_1.jpg: identity, number, camera, day and time of day, …
_NAME = re.compile(r"[0-9]+_[0-9]+_(?P<camid>[0-9]{1,9})_", re.ASCII)
PUBLISHED_NAME = r"[0-9]{4}_[0-9]{3}_[0-9]{2}_[0-9]{4}(?:morning|noon|afternoon)_"
"""How the published images are called, and few others."""


def is_image_name(name: str) -> bool:
    """Whether a file has a name as the published images have, and few others."""
    return re.match(PUBLISHED_NAME, name, re.ASCII) is not None


def read_msmt17(source: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The samples that the four lists name, sorted by path; camid is the third field of a file's name.

    Train and val images, both of the 1,041 train identities, are the train split. Identities of the lists count
    from 0 in train and once more in test: here they count on from 1, so that none is both. A warning tells of a folder with
    two identities. Raises UsageError for a list or folder that is not there, a line that does not parse, or an image that is
    listed and not there, unless these are skipped, or listed twice in a split.
    """
    train, test = next((pair for pair in FOLDERS if (source / pair[0]).is_dir()), FOLDERS[0])
    require_layout(source, name="msmt17", entries=(*LISTS, f"{train}/", f"{test}/"))
    rows: list[tuple[str, int, int, int]] = []
    for name, split in LISTS.items():
        folder = train if split == TRAIN else test
        rows += [(path, pid, camid, split) for path, pid, camid in _listed(source, name, folder, parameters, findings)]
    twice = Counter((path, split) for path, _, _, split in rows).most_common(1)
    if twice and twice[0][1] > 1:
        (image, kind), n = twice[0]
        lists = " and ".join(name for name, own in LISTS.items() if own == kind)
        raise UsageError(f"{lists} of {shown(source)}: {shown(image)} is listed {n} times; keep one line of it")
    findings.warnings += _contradictions(rows)
    n_train = 1 + max((pid for _, pid, _, split in rows if split == TRAIN), default=-1)
    if not n_train:
        file = source / "list_train.txt"
        if read_lines(file):
            raise UsageError(f"none of the images that {shown(file)} lists is there; restore them")
        raise UsageError(f"{shown(file)} lists no images, expected PATH PID in each line; restore it")
    offset = {TRAIN: 1, QUERY: 1 + n_train, GALLERY: 1 + n_train}
    rows = sorted((path, pid + offset[split], camid, split) for path, pid, camid, split in rows)
    path, pids, camids, splits = map(list, zip(*rows, strict=True))
    return Samples.of_images(path, pids, camids, splits)


def _contradictions(rows: Sequence[tuple[str, int, int, int]]) -> list[str]:
    """A line if images of one folder have several pids: the published lists give each folder one."""
    pids: dict[str, Counter[int]] = {}
    for path, pid, _, _ in rows:
        pids.setdefault(path.rpartition("/")[0], Counter())[pid] += 1
    mixed = {folder: counts.most_common() for folder, counts in sorted(pids.items()) if len(counts) > 1}
    if not mixed:
        return []
    folder, counts = next(iter(mixed.items()))
    pid, n = counts[-1]
    path = min(path for path, own, _, _ in rows if own == pid and path.startswith(f"{folder}/"))
    others = f", and images of {so_many(len(mixed) - 1, 'other folder')}" if len(mixed) > 1 else ""
    return [
        f"lists give images of one folder different identities, which are taken as they are: {shown(path)} has {pid} "
        f"({n} in all), where {counts[0][1]} of its folder have {counts[0][0]}{others}"
    ]


def _listed(
    source: Path, name: str, folder: str, parameters: IngestParameters, findings: Findings
) -> list[tuple[str, int, int]]:
    """(path, pid, camid) of each line of a list, without those whose image is missing and skipped."""
    rows = []
    for number, line in enumerate(read_lines(source / name), start=1):
        match = _LINE.fullmatch(line.strip())
        camera = match and _NAME.match(match["path"].rsplit("/", 1)[-1])
        if not match or not camera:
            raise UsageError(
                f"{shown(source / name)} line {number}: {shown(line)} is not PATH PID "
                "(as 0000/0000_000_01_0303morning_0015_1.jpg 0); restore the published list"
            )
        rows.append((f"{folder}/{match['path']}", int(match["pid"]), int(camera["camid"])))
    there = (f"{folder}/{path}" for path in list_images(source / folder, recursive=True))
    missing = missing_files(
        (row[0] for row in rows),
        there,
        list_name=shown(source / name),
        name="msmt17",
        parameters=parameters,
        findings=findings,
    )
    return [row for row in rows if row[0] not in missing]


FORMAT = Format(
    name="msmt17",
    description="MSMT17: list_{train,val,query,gallery}.txt beside train/ and test/.",
    read=read_msmt17,
    tables=tuple(LISTS),
)
