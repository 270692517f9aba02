"""What makes retrieval metrics look better, or worse, than they are: shared identities, repeated pictures, one camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from stages.samples import GALLERY, QUERY, TRAIN, Samples
from stages.wording import plain, shown

FAR_MORE = 2
LEAKS = {
    "shared_identities": "identities that are in train and also in query or gallery: {n}; metrics will look too good",
    "pictures_of_two_identities": "pictures that are there under several identities, byte for byte: {n}; correct the labels, "
    "or leave folders of copies out with `exclude`",
    "pictures_in_train_and_test": (
        "pictures that are in train and also in query or gallery, byte for byte: {n}; metrics will look too good"
    ),
}
"""What is said of each kind of leak."""


def find_leaks(samples: Samples, digests: Sequence[str]) -> dict[str, int]:
    """Leaks counted by kind; kinds without any are left out. `digests` (n_images) are of the images' files.

    Empty digests, of files that cannot be read, are like no other.
    """
    is_train = samples.split == TRAIN
    known = samples.pid > 0
    pid, in_train = samples.pid.tolist(), is_train.tolist()
    alike = [{sample for _, sample in images} for images in _alike(samples, digests)]
    counts = {
        "shared_identities": len(np.intersect1d(samples.pid[is_train & known], samples.pid[~is_train & known])),
        "pictures_of_two_identities": sum(len({pid[each] for each in own if pid[each] > 0}) > 1 for own in alike),
        "pictures_in_train_and_test": sum(len({in_train[each] for each in own}) > 1 for own in alike),
    }
    return {kind: n for kind, n in counts.items() if n}


def _alike(samples: Samples, digests: Sequence[str]) -> list[list[tuple[int, int]]]:
    """The images that hold the same, of several samples: the number of each, and of its sample."""
    sample_of = np.repeat(np.arange(len(samples)), np.diff(samples.frame_start)).tolist()
    n_of = Counter(digests)
    images_of: dict[str, list[tuple[int, int]]] = {}
    for image, (digest, sample) in enumerate(zip(digests, sample_of, strict=True)):
        if digest and n_of[digest] > 1:
            images_of.setdefault(digest, []).append((image, sample))
    return [images for images in images_of.values() if len({sample for _, sample in images}) > 1]


def repeated_pictures(
    samples: Samples, paths: Sequence[str], digests: Sequence[str]
) -> tuple[dict[str, str], str | None]:
    """The first of the repeated pictures that `find_leaks` counts, by kind, and a line about other repeated ones, or None.

    `paths` and `digests` (n_images) tell where images lie and what they hold. Frames of one tracklet may be alike, and
    pictures that are in train and also in query or gallery are told as leaks.
    """
    several, copies, leaked = [], [], []
    for images in _alike(samples, digests):
        found = sorted((paths[image], int(samples.pid[sample]), sample) for image, sample in images)
        of_pid = {pid: (path, sample) for path, pid, sample in found if pid > 0}
        of_part = {samples.split[sample] == TRAIN: path for path, _, sample in reversed(found)}
        leaked += [(of_part[True], of_part[False])] if len(of_part) > 1 else []
        if len(of_pid) > 1:
            several.append(sorted(of_pid.values()))
        elif len(of_part) == 1 and not _is_query(samples, images):
            copies.append([path for path, _, _ in found])
    told = None
    if copies:
        first, second = min(copies)[:2]
        same = "listed twice" if first == second else f"the same as {shown(first)}"
        told = (
            f"pictures that are there before, byte for byte: {sum(map(len, copies)) - len(copies)}, the first "
            f"{shown(second)}, {same}; each is a sample of its own, so take them out if they are not meant"
        )
    named = {}
    if leaked:
        first, second = min(leaked)
        named["pictures_in_train_and_test"] = (
            f", the first {shown(first)}{'' if first == second else f', {shown(second)}'}"
        )
    if several:
        (first, a), (second, b) = min(several)[:2]
        other = "" if first == second else f"{shown(second)} as "
        named["pictures_of_two_identities"] = (
            f", the first {shown(first)} as {shown(_identity(samples, a))} and {other}{shown(_identity(samples, b))}"
        )
    return named, told


def _is_query(samples: Samples, images: Sequence[tuple[int, int]]) -> bool:
    """Whether `images` are a query and its copy in the gallery, of its camera, as in VeRi-776: no evaluation counts that."""
    own = [sample for _, sample in images]
    splits, pids, cameras = (set(column[own].tolist()) for column in (samples.split, samples.pid, samples.camid))
    is_one = len(own) == 2 and len(pids) == len(cameras) == 1
    return is_one and splits == {QUERY, GALLERY} and min(pids) > 0 and min(cameras) >= 0


def _identity(samples: Samples, sample: int) -> str:
    return (samples.identity[sample] if samples.identity else "") or str(samples.pid[sample])


def told_queries(samples: Samples) -> list[str]:
    """A line if there are far more queries than gallery images; such as if the two folders were changed about."""
    n_query, n_gallery = (int((samples.split == split).sum()) for split in (QUERY, GALLERY))
    if not 0 < FAR_MORE * n_gallery < n_query:
        return []
    return [
        f"there are {n_query} queries and {n_gallery} gallery images, and mostly it is the other way round: look whether "
        "query and gallery were changed about"
    ]


def one_camera(samples: Samples) -> str | None:
    """One line if all test samples with an identity are of one camera, so that no query can have a match; else None."""
    test = (samples.split != TRAIN) & (samples.pid > 0)
    cameras = np.unique(samples.camid[test])
    if len(cameras) != 1 or cameras[0] < 0 or not (samples.split == QUERY).any():
        return None
    name = (samples.camera[int(np.flatnonzero(test)[0])] if samples.camera else "") or str(cameras[0])
    return (
        f"all query and gallery images are of camera {plain(name)}: matches of a query's own camera do not count, so no query "
        "has a match; leave the cameras out if they are not known"
    )
