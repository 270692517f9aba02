"""The layout of DukeMTMC-VideoReID: a folder a split, in it one an identity, in it one a tracklet."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.format import Findings, Format
from stages.ingest.formats.layout import require_layout
from stages.ingest.formats.listing import list_images, no_images
from stages.ingest.formats.names import nobody_notes, whole_number
from stages.samples import GALLERY, QUERY, TRAIN, Samples
from stages.wording import shown

FOLDERS = {"train": TRAIN, "query": QUERY, "gallery": GALLERY}

_EXAMPLE = "0001/0003/0001_C6_F0099_X30823.jpg"
# the set was published with and without underscores
_NAME = re.compile(r"[0-9]+_?C(?P<camid>[0-9]{1,9})_?F(?P<frame>[0-9]{1,9})_?X[0-9]+", re.ASCII)


def is_frame_name(name: str) -> bool:
    """Whether a file has a name as the published frames have."""
    return _NAME.match(name) is not None


def read_dukemtmc_videoreid(source: Path, _parameters: IngestParameters, findings: Findings) -> Samples:
    """The tracklets of the three folders, sorted by path, frames in order of their number.

    pid and tracklet are the names of the folders, camid is in the files' names. Raises UsageError for a folder that is
    not there, a path that does not parse, or a tracklet of two cameras.
    """
    require_layout(source, name="dukemtmc-videoreid", entries=[f"{folder}/" for folder in FOLDERS])
    frames: list[list[str]] = []
    rows: list[tuple[int, int, int, int]] = []
    for folder, split in FOLDERS.items():
        paths = list_images(source / folder, recursive=True)
        if split == TRAIN and not paths:
            raise no_images(source / folder)
        for (pid, tracklet), found in _grouped(folder, paths).items():
            found.sort()
            if len({camid for _, _, camid in found}) > 1:
                raise UsageError(
                    f"tracklet '{folder}/{pid:04}/{tracklet:04}' has frames of two cameras, expected one; "
                    "restore the published folder"
                )
            frames.append([path for _, path, _ in found])
            rows.append((pid, found[0][2], tracklet, split))
    pid, _, _, kinds = np.array(rows).T
    findings.notes += nobody_notes(pid, kinds, kind="tracklets")
    return Samples.of_tracklets(frames, rows)


def _grouped(folder: str, paths: list[str]) -> dict[tuple[int, int], list[tuple[int, str, int]]]:
    """(frame number, path, camid) of the frames of each (pid, tracklet)."""
    groups: dict[tuple[int, int], list[tuple[int, str, int]]] = {}
    for path in paths:
        parts = path.split("/")
        numbers = [whole_number(part) for part in parts[:-1]]
        name = _NAME.match(parts[-1])
        if len(numbers) != 2 or numbers[0] is None or numbers[1] is None or name is None:
            raise UsageError(
                f"{shown(f'{folder}/{path}')} is not PID/TRACKLET/PID_CCAMERA_FFRAME_X… (as {_EXAMPLE}); "
                "rename or remove it, or use another `format`"
            )
        key = (numbers[0], numbers[1])
        groups.setdefault(key, []).append((int(name["frame"]), f"{folder}/{path}", int(name["camid"])))
    return groups


FORMAT = Format(
    name="dukemtmc-videoreid",
    description="DukeMTMC-VideoReID: {train,query,gallery}/<identity>/<tracklet>/.",
    read=read_dukemtmc_videoreid,
)
