"""The table of synthetic samples, and the file names that say which picture is which."""

from __future__ import annotations

import re

import numpy as np

from schemas.parameters import SyntheticParameters
from stages.errors import UsageError
from stages.ingest.synthetic.chance import SPLIT, generator
from stages.ingest.synthetic.image import draw_image
from stages.samples import GALLERY, QUERY, TRAIN, UNKNOWN, Samples
from stages.typing import UInt8Array

_FOLDERS = {TRAIN: "bounding_box_train", QUERY: "query", GALLERY: "bounding_box_test"}
_IMAGE_NAME = re.compile(r"(\d{4,})_c(\d+)s1_(\d{6})_00\.png")
_FRAME_NAME = re.compile(r"(\d{4,})C(\d+)T(\d{4,})F(\d{3,})\.png")


def synthetic_samples(parameters: SyntheticParameters, *, seed: int, test_fraction: float) -> Samples:
    """The samples in order of identity, camera and shot; identities and cameras count from 1.

    `test_fraction` of the identities, drawn with `seed`, are for testing (at least one if it is above 0, and at least
    one stays for training); the first shot of a test identity before each camera is a query, the others are gallery.
    With one shot a camera, only the first camera's is a query. With `frames_per_tracklet`, a sample is a tracklet of
    so many frames. Raises UsageError for a test half that one camera sees alone: no query could have a match.
    """
    if test_fraction > 0 and parameters.cameras < 2:
        raise UsageError(
            f"synthetic data with {parameters.cameras} camera has no match in another camera for its queries; "
            "ask for at least 2 cameras or `test_fraction=0`"
        )
    tested = _test_identities(parameters.identities, seed=seed, test_fraction=test_fraction)
    frames = parameters.frames_per_tracklet
    path: list[str] = []
    rows: list[tuple[int, int, int, int]] = []
    for pid in range(1, parameters.identities + 1):
        for camid in range(1, parameters.cameras + 1):
            for shot in range(1, parameters.images_per_camera + 1):
                split = TRAIN if pid not in tested else _test_split(parameters, camid=camid, shot=shot)
                rows.append((pid, camid, shot if frames else UNKNOWN, split))
                path.extend(_names(_FOLDERS[split], pid, camid, shot, frames=frames))
    columns = np.asarray(rows, dtype=np.int32)
    return Samples(
        path=tuple(path),
        frame_start=np.arange(len(rows) + 1, dtype=np.int64) * max(frames, 1),
        pid=columns[:, 0].copy(),
        camid=columns[:, 1].copy(),
        tracklet=columns[:, 2].copy(),
        split=columns[:, 3].astype(np.uint8),
    )


def draw_path(parameters: SyntheticParameters, path: str, *, seed: int, height: int, width: int) -> UInt8Array:
    """The picture (height, width, 3), uint8, that a path of `synthetic_samples` names; its folder does not matter."""
    name = path.rsplit("/", 1)[-1]
    match = _IMAGE_NAME.fullmatch(name) or _FRAME_NAME.fullmatch(name)
    if match is None:
        raise UsageError(
            f"{path!r} names no synthetic picture: expected a name such as 0001_c1s1_000001_00.png or "
            "0001C1T0001F001.png; take the paths from the synthetic table"
        )
    pid, camid, shot, *frame = (int(part) for part in match.groups())
    return draw_image(
        parameters,
        seed=seed,
        pid=pid,
        camid=camid,
        shot=shot,
        frame=frame[0] - 1 if frame else 0,
        height=height,
        width=width,
    )


def _names(folder: str, pid: int, camid: int, shot: int, *, frames: int) -> list[str]:
    if frames == 0:
        return [f"{folder}/{pid:04d}_c{camid}s1_{shot:06d}_00.png"]
    stem = f"{folder}/{pid:04d}C{camid}T{shot:04d}"
    return [f"{stem}F{frame:03d}.png" for frame in range(1, frames + 1)]


def _test_identities(identities: int, *, seed: int, test_fraction: float) -> frozenset[int]:
    if test_fraction == 0:
        return frozenset()
    wanted = min(max(round(identities * test_fraction), 1), identities - 1)
    order = np.argsort(generator(seed, SPLIT).random(identities), kind="stable")
    return frozenset(int(index) + 1 for index in order[:wanted])


def _test_split(parameters: SyntheticParameters, *, camid: int, shot: int) -> int:
    if parameters.images_per_camera == 1:
        return QUERY if camid == 1 else GALLERY
    return QUERY if shot == 1 else GALLERY
