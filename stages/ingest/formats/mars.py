"""The layout of MARS: frames in folders by identity, tracklets and queries in the tables of `info`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.formats.format import Findings, Format
from stages.ingest.formats.layout import missing_files, require_layout
from stages.ingest.formats.listing import list_images
from stages.ingest.formats.names import nobody_notes
from stages.ingest.formats.text_files import read_lines
from stages.samples import GALLERY, JUNK, QUERY, TRAIN, Samples
from stages.typing import Int64Array
from stages.wording import one_line, shown

ENTRIES = (
    "bbox_train/",
    "bbox_test/",
    "info/train_name.txt",
    "info/test_name.txt",
    "info/tracks_train_info.mat",
    "info/tracks_test_info.mat",
    "info/query_IDX.mat",
)

# 0065C1T0002F0016.jpg; junk lies in the folder 00-1
_NAME = re.compile(r"(?P<person>00-1|[0-9]{4})C(?P<camera>[0-9])T[0-9]+F[0-9]+", re.ASCII)


def read_mars(source: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The tracklets of `info/tracks_{train,test}_info.mat`, each row a first and last frame, a pid and a camid.

    A row's first and last frame are lines, from 1, of `info/{train,test}_name.txt`; `info/query_IDX.mat` numbers, from
    1, the test rows that are queries, and the other test rows are the gallery. pid −1 is junk, kept in the gallery, which
    evaluation ignores, and 0 a distractor. `tracklet` is the number of the row. Raises UsageError for a file that is
    not there or tables that do not fit one another, DbcError for one that cannot be read.
    """
    require_layout(source, name="mars", entries=ENTRIES)
    train_frames, train = _tracks(source, "train", parameters, findings)
    test_frames, test = _tracks(source, "test", parameters, findings)
    split = np.full(len(test), GALLERY)
    split[_queries(source, n_tracks=len(test))] = QUERY
    rows = [(pid, camid, row, TRAIN) for row, (_, _, pid, camid) in enumerate(train.tolist(), start=1)]
    rows += [
        (pid, camid, row, int(kind))
        for row, ((_, _, pid, camid), kind) in enumerate(zip(test.tolist(), split, strict=True), start=1)
    ]
    frames = train_frames + test_frames
    junk = {i for i, (pid, _, _, kind) in enumerate(rows) if kind == TRAIN and pid == JUNK}
    # all frames of a tracklet may be missing and skipped
    kept = [i for i in range(len(rows)) if i not in junk and frames[i]]
    pid, _, _, kinds = np.array([rows[i] for i in kept], dtype=np.int64).reshape(-1, 4).T
    findings.notes += nobody_notes(pid, kinds, kind="tracklets", n_left_out=len(junk))
    return Samples.of_tracklets([frames[i] for i in kept], [rows[i] for i in kept])


def _tracks(
    source: Path, half: str, parameters: IngestParameters, findings: Findings
) -> tuple[list[list[str]], Int64Array]:
    """The paths of the frames of each tracklet, without those that are missing and skipped, and its row: first frame, last
    frame, pid, camid.
    """
    table, name_list = source / f"info/tracks_{half}_info.mat", source / f"info/{half}_name.txt"
    names = [line.strip() for line in read_lines(name_list)]
    for number, name in enumerate(names, start=1):
        if _NAME.match(name) is None:
            raise UsageError(
                f"{shown(name_list)} line {number}: {shown(name)} is not PIDCCAMERATTRACKLETFFRAME "
                "(as 0065C1T0002F0016.jpg); restore the published list"
            )
    tracks = _matrix(table)
    if tracks.shape[1] != 4 or not len(tracks):
        raise UsageError(
            f"{shown(table)} has a table of shape {tracks.shape}, expected one row a tracklet and four columns (first frame, "
            "last frame, pid, camid); restore the published file"
        )
    for row, (first, last, _, _) in enumerate(tracks.tolist(), start=1):
        if not 1 <= first <= last <= len(names) or len({_owner(name) for name in names[first - 1 : last]}) > 1:
            raise UsageError(
                f"{shown(table)} row {row} has frames {first} to {last}, expected frames of one person and camera among "
                f"the {len(names)} of {name_list.name}; restore the published files"
            )
    paths = [f"bbox_{half}/{name[:4]}/{name}" for name in names]
    there = (f"bbox_{half}/{path}" for path in list_images(source / f"bbox_{half}", recursive=True))
    frames = [paths[first - 1 : last] for first, last, _, _ in tracks.tolist()]
    missing = missing_files(
        (path for own in frames for path in own),
        there,
        list_name=shown(name_list),
        name="mars",
        parameters=parameters,
        findings=findings,
    )
    return [[path for path in own if path not in missing] for own in frames], tracks


def _matrix(path: Path) -> Int64Array:
    """(rows, columns) the whole numbers of the only variable in `path`, whatever its name; DbcError if it has none."""
    from scipy.io import loadmat

    try:
        content = loadmat(path)
    except Exception as error:
        # SciPy's reader lets anything through (ValueError, zlib.error, struct.error, …) on damaged files
        raise DbcError(
            f"{shown(path)} is not a MATLAB file (up to version 7): {one_line(error)}; restore the published file"
        ) from error
    found = {name: value for name, value in content.items() if not name.startswith("__")}
    values = [value for value in found.values() if isinstance(value, np.ndarray) and value.dtype.kind in "iuf"]
    if len(values) != 1 or values[0].ndim != 2 or not np.isfinite(values[0]).all() or (values[0] % 1 != 0).any():
        raise DbcError(
            f"{shown(path)} holds {', '.join(sorted(found)) or 'nothing'}, expected one matrix of whole numbers; "
            "restore the published file"
        )
    return values[0].astype(np.int64)


def _owner(name: str) -> tuple[str, str]:
    """The person and camera that a frame's name says."""
    return name[:4], name[5]


def _queries(source: Path, *, n_tracks: int) -> Int64Array:
    """(n_queries) the indices, from 0, of the test tracklets that are queries."""
    table = source / "info/query_IDX.mat"
    numbers = _matrix(table).ravel()
    if not len(numbers) or numbers.min() < 1 or numbers.max() > n_tracks:
        found = f"{numbers.min()} to {numbers.max()}" if len(numbers) else "none"
        raise UsageError(
            f"{shown(table)} has query numbers {found}, expected some from 1 to {n_tracks}; restore the file"
        )
    return numbers - 1


FORMAT = Format(
    name="mars",
    description="MARS: bbox_train/, bbox_test/ and info/ of MARS-evaluation.",
    read=read_mars,
    tables=tuple(entry for entry in ENTRIES if not entry.endswith("/")),
)
