"""Grey pictures, as cameras take them in infrared light at night, among coloured ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stages.reporting import Reporter
from stages.runs.run_directory import compared_cameras
from stages.runs.store import Artifact
from stages.samples import TRAIN, UNKNOWN, took_few
from stages.typing import BoolArray, Int32Array, Int64Array, UInt8Array
from stages.wording import shown

MOST_LOOKED_AT = 1000
"""Samples that stand for all: the first, since they are stored in an order that only content decides."""
GREY = 0.03
"""Between the brightest and the darkest channel of a pixel, as a share of the brightest, or of 100 of 255 levels where
that is less, in the mean over a picture's lit pixels: those of infrared have less. Cars on asphalt, the least coloured of
nine sets by day, have 3.0 levels or more; pictures of people and antelopes 3.5 % or more, however dark they are."""
COLOURED = 5
"""Levels between those channels of a pixel that has a colour: infrared pictures have hardly any, and pale ones by day, as of
seals on mud, have a hundredth or more."""
DARK = 24
"""The brightest channel of a pixel whose colour tells nothing."""
LEAST_LIT = 0.05
"""Of its pixels: a picture with less is black, or of one colour, and neither grey nor coloured."""
_LIKE_CORNER = 2
STRIP = 0.1
"""Of the rows, at the top and at the foot each: not looked at, as cameras write times and a coloured logo there."""
A_GOOD_PART = 0.05
FAR_BELOW_CHANCE = 1 / 3
OF_LIGHT = (2**30 + 1, 2**30)
"""The cameras that coloured and grey samples are compared as of, where these have one of their own."""
_LEAST_PAIRS = 10
_AT_ONCE = 100


Pictures = Callable[[Int64Array], UInt8Array]
"""Gives the images (n, H, W, 3) at ascending places (n,)."""
Kinds = tuple[BoolArray, BoolArray, BoolArray]
"""Whether each image is grey, whether coloured, and whether black."""


def grey_coloured_black(pictures: Pictures, places: Int64Array) -> Kinds:
    """Whether each of the `pictures` at `places` (n,) is grey, whether coloured, and whether black.

    It is neither grey nor coloured if hardly a pixel counts: those that are dark, or like a corner, as a border that pads it
    is, do not, nor those of a `STRIP`.
    """
    found = [np.zeros((3, 0), dtype=np.bool_)]
    for start in range(0, len(places), _AT_ONCE):
        images = pictures(places[start : start + _AT_ONCE])
        strip = round(STRIP * images.shape[1])
        # channel by channel: np.ptp along them takes twenty times as long
        red, green, blue = np.moveaxis(images[:, strip : images.shape[1] - strip], 3, 0)
        light = np.maximum(np.maximum(red, green), blue)
        spread = light - np.minimum(np.minimum(red, green), blue)
        counts = light > DARK
        is_black = ~counts.any(axis=(1, 2))
        for corner in (0, -1):
            counts &= _differ(light, corner) | _differ(spread, corner)
        n_counted = counts.sum(axis=(1, 2))
        levels, of_light = (np.where(counts, each, 0).sum(axis=(1, 2)) for each in (spread, light))
        is_grey = levels < GREY * np.minimum(of_light, 100 * n_counted)
        is_grey &= (counts & (spread >= COLOURED)).sum(axis=(1, 2)) < 0.01 * n_counted
        is_lit = n_counted >= LEAST_LIT * light[0].size
        found.append(np.stack([is_grey & is_lit, ~is_grey & is_lit, is_black]))
    is_grey, is_coloured, is_black = np.concatenate(found, axis=1)
    return is_grey, is_coloured, is_black


def _differ(values: UInt8Array, corner: int) -> BoolArray:
    """Which of `values` (n, height, width) are not about that of the first, or last (-1), pixel of their picture."""
    own = values[:, corner, corner][:, None, None]
    differ: BoolArray = np.maximum(values, own) - np.minimum(values, own) > _LIKE_CORNER
    return differ


def cameras_by_light(
    pictures: Pictures, first: Int64Array, camid: Int32Array, split: UInt8Array, before: Artifact | None = None
) -> tuple[Int32Array | None, Kinds]:
    """The camera (n,) that each sample is compared as of if cameras took grey `pictures` and coloured ones; None if not.

    And of what kind the first samples, `MOST_LOOKED_AT` at most, are.

    `first` (n,) are the places of the first image of each sample. Those of the rarer kind among the train samples share one
    camera, so that enough are there to even out what its light does; the others keep theirs, `camid` (n,), or share one too
    if cameras are not known or took few. With a dataset `before`, those kinds have a camera that have one there.
    """
    # features that were there before are of cameras as they were then
    has_own = None if before is None else _have_own(before)
    kinds = grey_coloured_black(pictures, first[:MOST_LOOKED_AT])
    if not (_took_both(camid, *kinds[:2]) if has_own is None else has_own.any()):
        return None, kinds
    is_grey = grey_coloured_black(pictures, first)[0]
    if has_own is None:
        train = camid[split == TRAIN]
        has_own = np.full(2, took_few(train) or bool((train == UNKNOWN).all()))
        has_own[int(2 * int(is_grey[split == TRAIN].sum()) <= len(train))] = True
    return _by_kind(camid, is_grey, has_own), kinds


def camera_of_pictures(dataset: Artifact, pictures: UInt8Array, camid: int) -> Int32Array:
    """The camera that each of other `pictures` (n, H, W, 3), taken by `camid` of `dataset`, is compared as of."""
    is_grey = grey_coloured_black(pictures.__getitem__, np.arange(len(pictures)))[0]
    return _by_kind(np.full(len(pictures), camid, dtype=np.int32), is_grey, _have_own(dataset))


def _have_own(dataset: Artifact) -> BoolArray:
    """Whether coloured samples of `dataset` have a camera of their own, and whether grey ones do."""
    return np.isin(OF_LIGHT, compared_cameras(dataset))


def _by_kind(camid: Int32Array, is_grey: BoolArray, has_own: BoolArray) -> Int32Array:
    """`camid` (n,), but the camera of their own of those kinds that have one."""
    kind = is_grey.astype(int)
    cameras: Int32Array = np.where(has_own[kind], np.array(OF_LIGHT, dtype=np.int32)[kind], camid)
    return cameras


def kinds_of_samples(dataset: Artifact, samples: Int64Array) -> Kinds:
    """`grey_coloured_black` of the first images of `samples` (n,), as they are stored."""
    return grey_coloured_black(dataset.rows("images").__getitem__, dataset.read("frame_start")[:-1][samples])


def tell_light(dataset: Artifact, reporter: Reporter, kinds: Kinds | None = None) -> None:
    """Say if pictures of `dataset` are black, and if cameras took a good part in grey and others in colour.

    `kinds` are those of its first samples, if they are known already.
    """
    n_samples = len(dataset.read("camid"))
    n = min(n_samples, MOST_LOOKED_AT)
    is_grey, is_coloured, is_black = kinds_of_samples(dataset, np.arange(n)) if kinds is None else kinds
    of = f"of {n} pictures{' looked at' if n_samples > n else ''}"
    if is_black.any():
        first = dataset.read("path")[dataset.read("frame_start")[np.flatnonzero(is_black)[0]]]
        reporter.warn(
            f"{int(is_black.sum())} {of} {'is' if is_black.sum() == 1 else 'are'} black or nearly so, and taken as any other, "
            f"the first {shown(first)}: `exclude` leaves out what shows nothing"
        )
    if _took_both(dataset.read("camid"), is_grey, is_coloured):
        grey = f"{int(is_grey.sum())} {of} are grey, as infrared ones of the night are"
        own = _have_own(dataset)
        if own.any():
            has_own = "both kinds have" if own.all() else f"the {'grey' if own[1] else 'coloured'} ones have"
            reporter.note(f"{grey}: where features are compared by cameras, {has_own} one of their own (`by_light`)")
        else:
            reporter.warn(
                f"{grey}: features may keep them apart from coloured ones, so that an individual counts twice; "
                "`by_light=True`, the default, evens that out in a new dataset: dbc ingest --new-dataset"
            )


def _took_both(camid: Int32Array, is_grey: BoolArray, is_coloured: BoolArray) -> bool:
    """Whether cameras `camid` (n,) took a good part of the first samples in grey, and others in colour."""
    # cameras that took few are ignored
    camid = (np.full_like(camid, UNKNOWN) if took_few(camid) else camid)[: len(is_grey)]
    # of each camera the fewer ones: none if grey pictures have cameras of their own
    of_both = [min(is_grey[own].sum(), is_coloured[own].sum()) for own in (camid == each for each in np.unique(camid))]
    return bool(sum(of_both) >= max(A_GOOD_PART * len(camid), 1))


def told_apart(dataset: Artifact, labels: Int64Array) -> str | None:
    """A line if clusters `labels` (n_train,) hold grey and coloured pictures far more rarely than chance; else None."""
    train = np.flatnonzero(dataset.read("split") == TRAIN)[:MOST_LOOKED_AT]
    is_grey, is_coloured, _ = kinds_of_samples(dataset, train)
    is_either = is_grey | is_coloured
    rare = rarely_mixed(labels[: len(is_grey)][is_either], is_grey[is_either])
    return rare and (
        f"{rare} of a grey and a coloured picture: individuals may be in one cluster by day and in another by night, and "
        "count twice; join them by dbc review"
    )


def told_views_apart(dataset: Artifact, labels: Int64Array) -> str | None:
    """A line if clusters `labels` (n_train,) hold two views far more rarely than chance; else None."""
    if "view" not in dataset.names():
        return None
    view = dataset.read("view")[dataset.read("split") == TRAIN]
    rare = rarely_mixed(labels[view != UNKNOWN], view[view != UNKNOWN])
    return rare and (
        f"{rare} of two views: individuals may have a cluster a view, and count several times; join them by dbc review, or, "
        "where views look alike as sides of a face do, ingest them as column camera, which evens out what they do to features"
    )


def rarely_mixed(labels: Int64Array, kind: Int64Array | BoolArray) -> str | None:
    """What share of the pairs in clusters `labels` (n,) is of two `kind` (n,), in words, if far below chance; else None."""

    def pairs(of: Int64Array) -> int:
        size = np.unique_counts(of).counts
        return int((size * (size - 1)).sum()) // 2

    n_all, n_pairs, kind = len(labels) * (len(labels) - 1) // 2, pairs(labels), np.unique_inverse(kind).inverse_indices
    chance = 1 - pairs(kind) / max(n_all, 1)
    n_mixed = n_pairs - pairs(labels * (len(kind) + 1) + kind)
    if chance * n_pairs < _LEAST_PAIRS or n_mixed >= FAR_BELOW_CHANCE * chance * n_pairs:
        return None
    return f"{n_mixed / n_pairs:.0%} of the pairs in clusters, {chance:.0%} by chance, are"
