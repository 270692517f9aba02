"""Images in one folder for each identity, in folders for each split, or in a flat folder without identities."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence, Set
from itertools import compress
from pathlib import Path

import numpy as np

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.boxes_file import unread_annotations
from stages.ingest.formats.excluded import is_excluded
from stages.ingest.formats.folder_levels import (
    camera_and_individual,
    individuals_in,
    told_cameras,
    told_mixed,
    told_splits,
)
from stages.ingest.formats.folder_names import is_by_camera, is_no_name, is_place, times_or_cards
from stages.ingest.formats.format import NAMING, Findings, Format
from stages.ingest.formats.listing import list_images, no_images
from stages.ingest.formats.msmt17 import PUBLISHED_NAME
from stages.ingest.formats.names import doubts, has_minus_one, is_missing, numbers_of, without_several
from stages.ingest.formats.path_patterns import SIDES, texts_in
from stages.ingest.formats.sample_columns import with_names
from stages.ingest.formats.splits import divide_test, own_splits
from stages.samples import GALLERY, QUERY, TRAIN, UNKNOWN, Samples
from stages.typing import Int32Array, UInt8Array
from stages.wording import shortened, shown, so_many, with_first

TEST = -1
"""Stands for the split of a folder `test`, whose samples are divided into query and gallery."""
SPLIT_FOLDERS = {"train": TRAIN, "val": TRAIN, "test": TEST, "query": QUERY, "gallery": GALLERY}

_CLASS = (
    "person people pedestrian human animal vehicle car truck bus van motorcycle motorbike bicycle train boat airplane bird "
    "cat dog horse sheep cow elephant bear zebra giraffe"
)
_CLASSES = frozenset(_CLASS.split())
"""What detectors tell apart: doubtful if all folders have such names."""
_ULTRALYTICS = re.compile(r"(?:predict|track|exp)[0-9]*")
"""Folders of Ultralytics' results, whose `crops` holds a folder for each class."""
_NUMBERED = re.compile(r"c[0-9]+", re.I)
"""Cameras of vehicles, or codes of individuals: doubtful if all folders have such names and hold folders of tracks."""
_FRAME = re.compile(r"(?:(?:frame|out|output)[-_]?(?=[0-9]{3})|(?:image|img)?[-_]?(?=[0-9]{4}))([0-9]+)\.\w+", re.I)
"""Frames of a video as programs number them."""
_NAMED_BY_CAMERA = re.compile(
    r"(?:IMG|DSC|DSCF|DSCN|IMAG|IMGP|PICT|RCNX|MFDC|SUNP|SYFW|CDY|STC|WCT|EK|P[0-9]{3})[-_]*[0-9]{4,}\.\w+"
)
"""Files as cameras name them: those of two cards are called alike, those of two individuals hardly ever."""


_PUBLISHED_NAMES = (
    # mostly PID_cCAMERAsSEQUENCE_…, as in the sets in this shape
    ("market1501", r"(?:-1|[0-9]{1,9})_c[0-9]{1,9}(?:s[0-9]+)?_", "([^/_]+)_c[0-9]", "_c([0-9]+)"),
    ("msmt17", PUBLISHED_NAME, "([0-9]+)_[0-9]+_[0-9]+_[0-9]{4}[a-z]", "_([0-9]+)_[0-9]{4}[a-z]"),
    ("mars", r"(?:00-1|[0-9]{4})C[0-9]T[0-9]+F[0-9]+", "([0-9-]{4})C[0-9]T", "C([0-9])T[0-9]+F"),
    ("dukemtmc-videoreid", r"[0-9]+_?C[0-9]{1,9}_?F[0-9]{1,9}_?X[0-9]+", "([0-9]+)_?C[0-9]", "C([0-9]+)_?F"),
)
"""Names of files as published sets have them: whose, how they begin, and the patterns of identity and camera in them."""


class DoubtfulFoldersError(UsageError):
    """Folders may be individuals, splits or none of them, and `folder_identities` does not say."""


def read_folder(source: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The images under `source`, sorted by path.

    If all folders in `source` are called train, val, test, query or gallery, they are splits (`test` is divided into
    query and gallery), else splits are drawn by identity (`assign_splits`). The next folder of a path is its identity,
    however deep the file lies; identities are numbered 1..n in sorted order. Images that lie in no such folder, or in one
    whose name is a missing word, have no identity. With `identity_pattern` that decides, and no folder does. Pictures that
    `exclude` names count for numbers and splits, and nothing else is asked of them.
    Raises `UsageError` if there are no images, if images lie beside
    folders of identities, if folders may be no identities and `parameters.folder_identities` does not say, or for a
    `camera_pattern` that does not fit.
    """
    paths = list_images(source, recursive=True)
    if not paths:
        raise no_images(source)
    is_kept = ~is_excluded(paths, parameters.exclude)
    kept, spared = list(compress(paths, is_kept)), set(compress(paths, ~is_kept))
    texts = texts_in(paths, "camera", root=source, parameters=parameters, findings=findings)
    camid = np.asarray(numbers_of(texts, smallest=0), dtype=np.int32)
    if parameters.camera_pattern is not None:
        findings.missing["camid"] = sum(map(is_missing, compress(texts, is_kept)))
    by_folder = parameters.folder_identities if parameters.identity_pattern is None else False
    in_splits, names = _splits_and_names(source, paths, spared, folder_identities=by_folder)
    if parameters.identity_pattern is not None:
        names = texts_in(paths, "identity", root=source, parameters=parameters, findings=findings)
    names, of_several = without_several(names, known=findings.individuals)
    findings.warnings += of_several
    folders = {
        path.rpartition("/")[0]: text
        for path, text in zip(paths, texts, strict=True)
        if _is_of_track(path) and path not in spared
    }
    numbered = sorted(folder for folder, text in folders.items() if text != folder.rpartition("/")[2])
    if numbered and not in_splits and parameters.identity_pattern is None:
        findings.notes.append(
            f"folders of numbers within others, whose pictures are taken and whose numbers are not: "
            f"{with_first(numbered)}; if they are tracks, list the pictures in a table with the columns path, camera and "
            "tracklet"
        )
    if by_folder and not any(compress(names, is_kept)):
        findings.notes.append("`folder_identities=True` has no effect: no picture lies in a folder")
    pid = identities(names)
    if parameters.identity_pattern is None and any(compress(names, is_kept)):
        findings.missing["pid"] = int((pid[is_kept] == UNKNOWN).sum())
        known = [shown(name) for name in sorted({name for name in compress(names, is_kept) if not is_missing(name)})]
        told = f"identities: the names of {so_many(len(known), 'folder')} ({shortened(known)})"
        findings.notes.append(
            f"{told}, for figures alone unless a merge has `labels='identities'`; `folder_identities=False` if they are none"
        )
        own = {path.rpartition("/")[0]: name for path, name in compress(zip(paths, names, strict=True), is_kept)}
        findings.notes += told_mixed(own)
        if by_folder is None:
            below = [path.split("/", 1)[1] if in_splits and "/" in path else path for path in kept]
            findings.warnings += told_splits([name for name in compress(names, is_kept) if name])
            findings.warnings += told_cameras(below, _is_no_name, in_splits=in_splits)
            findings.warnings += _told_frames(kept)
    # False says that no name is one
    is_said = parameters.identity_pattern is not None or parameters.folder_identities is False
    has_identities = is_said or any(compress(names, is_kept))
    findings.warnings += _told_names(
        kept, has_identities=has_identities, has_cameras=parameters.camera_pattern is not None
    )
    findings.warnings += doubts(list(compress(names, is_kept)), kind="identities")
    if has_minus_one(compress(names, is_kept)):
        kind = "folder" if parameters.identity_pattern is None else "identity"
        findings.warnings.append(
            f"{kind} -1 is an identity like any other; if it holds junk, or what another program left out of its clusters, "
            "leave it out with `exclude`"
        )
    if in_splits:
        split = _given_splits(source, paths, pid, camid, seed=parameters.seed)
        _tell_splits(kept, pid[is_kept], split[is_kept], findings)
    else:
        split = own_splits(pid, camid, parameters, findings)
    samples = Samples.of_images(paths, pid.tolist(), camid.tolist(), split.tolist())
    samples = samples.named(identity=names, camera=texts)
    views = texts_in(paths, "view", root=source, parameters=parameters, findings=findings)
    return with_names(samples, findings, encounter=[""] * len(views), view=views)


def names_by_folder(source: Path, parameters: IngestParameters) -> list[str]:
    """The different names, sorted, that folders give the individuals of the images under `source`; errors as `read_folder`."""
    paths = list_images(source, recursive=True)
    spared = set(compress(paths, is_excluded(paths, parameters.exclude)))
    _, names = _splits_and_names(source, paths, spared, folder_identities=parameters.folder_identities)
    return sorted({name for name in names if not is_missing(name)})


def identities(names: Sequence[str]) -> Int32Array:
    """(n_images, int32) the pid of each image: the rank, from 1, of the `name` of its identity; `UNKNOWN` if missing."""
    rank = {name: number for number, name in enumerate(sorted({n for n in names if not is_missing(n)}), start=1)}
    return np.asarray([rank.get(name, UNKNOWN) for name in names], dtype=np.int32)


def _is_of_track(path: str) -> bool:
    """Whether a picture lies in a folder of a number, in another folder."""
    folders = path.split("/")[:-1]
    return len(folders) > 1 and folders[-1].isdecimal()


def _top_folders(paths: Sequence[str]) -> list[str]:
    return sorted({path.split("/", 1)[0] for path in paths if "/" in path})


def _splits_and_names(
    source: Path, paths: Sequence[str], spared: Set[str], *, folder_identities: bool | None
) -> tuple[bool, list[str]]:
    """Whether the first folders of `paths` are splits, and the folder that names the identity of each path."""
    # without identities, what is left out decides about splits as with all
    asked = [path for path in paths if path not in spared] if folder_identities is None else paths
    in_splits = _has_splits(source, asked, folder_identities=folder_identities)
    return in_splits, _identity_names(source, paths, spared, folder_identities=folder_identities, in_splits=in_splits)


def _has_splits(source: Path, paths: Sequence[str], *, folder_identities: bool | None) -> bool:
    """Whether the first folders of `paths`, all that is looked at in `source`, are splits."""
    tops = _top_folders(paths)
    splits = [top for top in tops if top.casefold() in SPLIT_FOLDERS]
    if not splits or folder_identities:
        return False
    others = [top for top in tops if top not in splits] or [path for path in paths if "/" not in path]
    if others and folder_identities is None:
        raise DoubtfulFoldersError(
            f"{shown(source)} holds {shortened(splits)} beside {shortened([shown(each) for each in others])}: these may be "
            "splits or identities; leave the others out with `exclude` if they are splits, or say `folder_identities=True` if "
            "all are identities, `folder_identities=False` if none is and all images are train"
        )
    return not others


def _identity_names(
    source: Path, paths: Sequence[str], spared: Set[str], *, folder_identities: bool | None, in_splits: bool
) -> list[str]:
    """The folder that names the identity of each path, empty if there is none. Nothing is asked of the paths `spared`."""
    if folder_identities is False:
        return [""] * len(paths)
    below = [tuple(path.split("/", 1)) if in_splits and "/" in path else ("", path) for path in paths]
    names = [rest.split("/", 1)[0] if "/" in rest else "" for _, rest in below]
    every = [(name, top, rest) for name, (top, rest) in zip(names, below, strict=True)]
    kept = [each for each, path in zip(every, paths, strict=True) if path not in spared]
    for top in sorted({top for _, top, _ in kept}):
        flat = [rest for name, own, rest in kept if own == top and not name]
        n_images = sum(own == top for _, own, _ in kept)
        if flat and len(flat) < n_images:
            raise UsageError(
                f"image {shown(flat[0])} lies beside the identity folders of {shown(source / top)} ({len(flat)} of "
                f"{n_images} images); move it into the folder of its identity, or leave it out with `exclude`"
            )
        inner = sorted({name for name, own, _ in kept if own == top and name.casefold() in SPLIT_FOLDERS})
        if in_splits and inner:
            raise DoubtfulFoldersError(
                f"{shown(source / top)} holds {shortened([shown(name) for name in inner])}, where folders are identities: "
                f"if these are splits, move them beside {shown(top)} and leave what else it holds out with `exclude`; "
                "`folder_identities=False` if no folder is an identity"
            )
    doubtful, why = _doubtful(source, [(name, rest) for name, _, rest in kept])
    # others that are left out do not make doubtful what is not so with them
    if not _doubtful(source, [(name, rest) for name, _, rest in every])[0]:
        doubtful, why = [], ""
    unread = unread_annotations(source, surely=not doubtful) if folder_identities is None else []
    doubtful = doubtful or (sorted({name for name, *_ in kept if name}) if unread else [])
    if folder_identities is None and doubtful:
        tables = "; for tracks in them, list pictures in a table with the columns path, camera and tracklet"
        tables = tables if all(path in spared or _is_of_track(path) for path in paths) and not in_splits else ""
        kinds = ["view", "camera"] if {name.lower() for name in doubtful} <= SIDES else ["camera"]
        first = "'^[^/]+/([^/]+)/'" if in_splits else "'^([^/]+)/'"
        patterns = ", ".join(f"`{kind}_pattern={first}` if they are {kind}s" for kind in kinds)
        inner = individuals_in([rest for _, _, rest in kept], _is_no_name)
        if inner and unread == []:
            both = camera_and_individual(in_splits=in_splits)
            such = f"folders in them such as {shown(inner[0])} individuals"
            tables = f"; if they are cameras, and {such}, give {both} instead{tables}"
        inside = "" if in_splits or why or len(doubtful) > 1 else _sole_folder([path for _, _, path in kept])
        instead = f"give {shown(source / inside)} if the folders in it sort them, or " if inside else ""
        raise DoubtfulFoldersError(
            f"{shown(source)} sorts its images into {shortened([shown(name) for name in doubtful])}, which may be no "
            f"identities{why}; {instead}say `folder_identities=True` if they are, `folder_identities=False` if not "
            f"(and {patterns}){''.join([tables, *(f'; {line}' for line in unread)])}"
        )
    return names


def _sole_folder(paths: Sequence[str]) -> str:
    """The folder that all `paths` are in, and whose own folders sort them by split or name; empty if there is none."""
    folder = os.path.commonpath([path.rpartition("/")[0] for path in paths])
    inner = {path[len(folder) + 1 :].partition("/")[0] for path in paths}
    is_sorted = all(path.count("/", len(folder) + 1) for path in paths)
    return folder if is_sorted and any(name in SPLIT_FOLDERS or not _is_no_name(name) for name in inner) else ""


def _is_no_name(folder: str) -> bool:
    """Whether a folder is called as individuals are not, but places, dates, views, splits or what detectors tell apart."""
    return is_no_name(folder, _CLASSES, SPLIT_FOLDERS)


def _doubtful(source: Path, files: Sequence[tuple[str, str]]) -> tuple[Sequence[str], str]:
    """The folders that may be no identities, and why, if their names do not say it.

    `files` are the folder and the path, from that folder's parent, of each picture in `source`.
    """
    names = sorted({name for name, _ in files if not is_missing(name)})
    here = source.absolute()
    is_crops = here.name.lower() == "crops" and _ULTRALYTICS.fullmatch(here.parent.name)
    if names and (is_crops or {name.lower() for name in names} <= _CLASSES):
        return names, (
            ", because a detector sorts pictures by such classes; its boxes are better than what it cut out, as they know "
            "frames and tracks: give the video with labels/ beside it, which Ultralytics writes (save_txt), if there are any"
        )
    if doubtful := list(filter(is_place, names)) or times_or_cards(names):
        return doubtful, ""
    if len(names) == 1 or {name.lower() for name in names} <= SIDES:
        return names, ""
    if names and all(map(is_video, names)):
        return names, ", because videos are called so"
    if names and all(path.split("/")[1:-1] == ["img1"] for _, path in files):
        return names, ", because img1 in each holds frames of a sequence, as in MOTChallenge"
    if all(map(_NUMBERED.fullmatch, names)) and all(_is_of_track(path) for _, path in files):
        return names, ", because they hold folders of numbers, as cameras hold tracks"
    cards = {name for name, path in files if name and any(map(is_by_camera, path.split("/")[1:-1]))}
    if cards:
        return sorted(cards), ", because they hold folders that a camera makes"
    file_names = [path.rpartition("/")[2] for _, path in files]
    folders_of: dict[str, set[str]] = {}
    for file, (name, _) in zip(file_names, files, strict=True):
        folders_of.setdefault(file, set()).add(name)
    alike = {file for file, own in folders_of.items() if len(own) > 1 and _NAMED_BY_CAMERA.fullmatch(file)}
    if alike and 2 * sum(file in alike for file in file_names) >= len(file_names):
        return names, f", because several hold pictures that a camera called alike, such as {shown(min(alike))}"
    return [], ""


def _told_frames(paths: Sequence[str]) -> list[str]:
    """A line to warn with if the pictures of each folder are numbered from 0 or 1, as frames of a video are."""
    numbers: dict[str, list[int]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        found = _FRAME.fullmatch(name)
        numbers.setdefault(folder, []).append(int(found[1]) if found else -1)
    every = [sorted(own) for own in numbers.values()]
    if len(every) < 2 or any(
        own[0] not in (0, 1) or own != [*range(own[0], own[-1] + 1)] or len(own) < 2 for own in every
    ):
        return []
    return [
        f"pictures of each folder are numbered one after the other, such as {shown(paths[0])}, as frames of a video are: if "
        "folders are videos and no identities, say `folder_identities=False`, and `camera_pattern` if each is of a camera"
    ]


def _told_names(paths: Sequence[str], *, has_identities: bool, has_cameras: bool) -> list[str]:
    """A line to warn with if all names say identity and camera as those of a published set, and one of them is not read."""
    files = [path.rpartition("/")[2] for path in paths]
    for name, begins, identity, camera in _PUBLISHED_NAMES:
        if not files or (has_identities and has_cameras) or not all(map(re.compile(begins, re.ASCII).match, files)):
            continue
        lacks = [f"`identity_pattern={identity!r}`"] * (not has_identities) + [f"`camera_pattern={camera!r}`"] * (
            not has_cameras
        )
        what = " and ".join(["identities"] * (not has_identities) + ["cameras"] * (not has_cameras))
        return [
            f"all names are as in {name}, such as {shown(files[0])}, and the {what} that they say are not read: give the "
            f"folder that the whole data set lies in, or {' and '.join(lacks)}"
        ]
    return []


def _tell_splits(paths: Sequence[str], pid: Int32Array, split: UInt8Array, findings: Findings) -> None:
    """Tell of the splits by folders, of what `val` and `test` were taken for, and if there are no queries."""
    tops = _top_folders(paths)
    told = f"splits: by the folders {', '.join(tops)}"
    val = next((top for top in tops if top.casefold() == "val"), None)
    if val is not None:
        told += f"; {val} is train, too"
        told += "" if (split != TRAIN).any() else ", so there are no queries: call it test to search in it"
    in_test = split[[path.split("/", 1)[0].casefold() == "test" for path in paths]]
    if len(in_test):
        told += (
            f"; of {len(in_test)} pictures in test {(in_test == QUERY).sum()} are queries and {(in_test == GALLERY).sum()} "
            "gallery, and none is clustered: to recognise new pictures, ingest train alone and give test to dbc assign"
        )
    findings.notes.append(told)
    gallery = np.flatnonzero(split == GALLERY)
    if len(gallery) and QUERY not in split:
        why = "no identity there has pictures of two cameras, or two pictures if no camera is known"
        if "test" not in map(str.casefold, tops):
            why = "there is neither a folder query nor test"
        elif (pid[gallery] <= 0).all():
            named = f"such as {shown(paths[gallery[0]])}, if they hold them"
            why = f"no picture there has an identity; `identity_pattern` takes identities from names {named}"
        findings.warnings.append(f"there are no queries, so nothing can be searched for in the gallery: {why}")


def _given_splits(source: Path, paths: Sequence[str], pid: Int32Array, camid: Int32Array, *, seed: int) -> UInt8Array:
    """(n_images, uint8) the split of each image, from what its folder says."""
    # what is left out need not lie in such a folder
    given = np.asarray([SPLIT_FOLDERS.get(path.split("/", 1)[0].casefold(), GALLERY) for path in paths])
    if TRAIN not in given:
        raise UsageError(f"{shown(source)} has folders of test images and no train images; add the folder train")
    test = given == TEST
    split = np.where(test, GALLERY, given).astype(np.uint8)
    # with queries of their own, test images are what these are searched in
    if QUERY not in given:
        split[test] = divide_test(pid[test], camid[test], seed=seed)
    return split


FORMAT = Format(
    name="folder",
    description="<identity>/<image>, with folders train, val, test, query, gallery around them or not; or a flat folder.",
    read=read_folder,
    options=NAMING,
)
