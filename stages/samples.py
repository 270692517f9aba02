"""The table of samples: which images belong to which sample, and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from stages.typing import BoolArray, Float32Array, Float64Array, Int32Array, Int64Array, UInt8Array

UNKNOWN = -2
"""A pid, camid or tracklet that the data does not give."""
JUNK, DISTRACTOR = -1, 0
"""A pid of images that evaluation ignores, and one of gallery images of nobody. No identity has either number."""

LEAST_IN_CAMERA = 16
"""Train samples that a camera must have taken for a whitening, or statistics, of its own."""

TRAIN, QUERY, GALLERY = 0, 1, 2
SPLIT_NAMES = ("train", "query", "gallery")

IMAGE_COLUMNS = ("path", "box", "is_relative", "frame_number", "timestamp", "score", "category", "origin")
"""The columns of `Samples` with a row for each image."""
SAMPLE_COLUMNS = (
    *("pid", "camid", "tracklet", "split", "encounter", "view"),
    *("identity", "camera", "tracklet_name", "encounter_name", "view_name"),
)
"""The columns of `Samples` with a row for each sample."""
TEXT_COLUMNS = ("identity", "camera", "tracklet_name", "timestamp", "encounter_name", "view_name", "category")
"""Those of both that hold what the source says in words; `path` and `origin` say where it says so."""


@dataclass(frozen=True)
class Samples:
    """A table of samples; an image sample has one frame, a video tracklet several.

    `path` (n_images) names the images, tracklet by tracklet; sample i owns images
    `frame_start[i]` to `frame_start[i + 1]` (n_samples + 1, int64). `pid`, `camid`, `tracklet` (n_samples, int32) are
    `UNKNOWN` if the data does not say; `split` (n_samples, uint8) is `TRAIN`, `QUERY` or `GALLERY`.

    Every other column is empty if the source has no such thing. Of each image: `box` (n_images, 4) is left, top, width and
    height in pixels of the picture as it is shown (EXIF orientation applied), or in shares of its width and height (0 to 1)
    if `is_relative`; a row of NaN is the whole picture. `frame_number` counts the frames of a video or sequence, −1 if
    unknown; if `path` is a video, it says which frame of it the image is, from 0. `timestamp` is ISO 8601, `score` the
    confidence of a detector (NaN if unknown), `category` what it found (empty if unknown), `origin` the row of the source
    that the image comes from, for messages.

    Of each sample: `identity` and `camera` are what the source calls them; `encounter` (sightings that belong together) and
    `view` (from which side) are numbers, `UNKNOWN` if not said, and `encounter_name`, `view_name` their texts. Texts that
    are not known are empty. `tracklet_name` is what the source calls tracklets, if these are not their numbers.
    """

    path: tuple[str, ...]
    frame_start: Int64Array
    pid: Int32Array
    camid: Int32Array
    tracklet: Int32Array
    split: UInt8Array
    identity: tuple[str, ...] = ()
    camera: tuple[str, ...] = ()
    tracklet_name: tuple[str, ...] = ()
    box: Float64Array = field(default_factory=lambda: np.zeros((0, 4), dtype=np.float64))
    is_relative: BoolArray = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    frame_number: Int64Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    timestamp: tuple[str, ...] = ()
    score: Float32Array = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    category: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()
    encounter: Int32Array = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    view: Int32Array = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    encounter_name: tuple[str, ...] = ()
    view_name: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pid)

    @staticmethod
    def of_images(
        path: list[str], pid: list[int], camid: list[int], split: list[int], tracklet: list[int] | None = None
    ) -> Samples:
        """A table in which every image is a sample of its own; all lists have length n_images."""
        n_images = len(path)
        return Samples(
            path=tuple(path),
            frame_start=np.arange(n_images + 1, dtype=np.int64),
            pid=np.asarray(pid, dtype=np.int32),
            camid=np.asarray(camid, dtype=np.int32),
            tracklet=np.asarray([UNKNOWN] * n_images if tracklet is None else tracklet, dtype=np.int32),
            split=np.asarray(split, dtype=np.uint8),
        )

    @staticmethod
    def of_tracklets(frames: Sequence[Sequence[str]], rows: Sequence[tuple[int, int, int, int]]) -> Samples:
        """A table of tracklets, sorted by first frame: their frames' paths, and (pid, camid, tracklet, split) of each."""
        order = sorted(range(len(frames)), key=lambda i: frames[i][0])
        columns = np.asarray([rows[i] for i in order], dtype=np.int32).reshape(-1, 4)
        return Samples(
            path=tuple(path for i in order for path in frames[i]),
            frame_start=np.cumsum([0, *(len(frames[i]) for i in order)], dtype=np.int64),
            pid=columns[:, 0].copy(),
            camid=columns[:, 1].copy(),
            tracklet=columns[:, 2].copy(),
            split=columns[:, 3].astype(np.uint8),
        )

    def take(self, order: Int64Array) -> Samples:
        """The samples `order` (n_kept, int64 indices) in that order, each with its frames."""
        frame_start = np.concatenate([[0], np.cumsum(np.diff(self.frame_start)[order])]).astype(np.int64)
        images = self.images_of(order)
        kept: dict[str, Any] = {name: _rows(getattr(self, name), images) for name in IMAGE_COLUMNS}
        kept |= {name: _rows(getattr(self, name), order) for name in SAMPLE_COLUMNS}
        return Samples(frame_start=frame_start, **kept)

    @property
    def owners(self) -> Int64Array:
        """The sample of each image (n_images)."""
        return np.repeat(np.arange(len(self)), np.diff(self.frame_start))

    def images_of(self, order: Int64Array) -> Int64Array:
        """The images (indices) of the samples `order`, in that order."""
        return consecutive(self.frame_start[:-1][order], np.diff(self.frame_start)[order])

    def with_images(self, kept: BoolArray) -> Samples:
        """The samples with those of their images that are `kept` (n_images), without samples that have none left."""
        if kept.all():
            return self
        n_kept = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        images: dict[str, Any] = {name: _rows(getattr(self, name), np.flatnonzero(kept)) for name in IMAGE_COLUMNS}
        frame_start = n_kept[self.frame_start]
        return replace(self, frame_start=frame_start, **images).take(np.flatnonzero(np.diff(frame_start)))

    def with_images_of(self, owner: Int64Array) -> tuple[Samples, Int64Array]:
        """The samples with the images of each behind those of its `owner` (n_samples), and the rows that the images had.

        Samples that are not their own owners are left out.
        """
        of_image = owner[self.owners]
        rows = np.argsort(of_image, kind="stable")
        images: dict[str, Any] = {name: _rows(getattr(self, name), rows) for name in IMAGE_COLUMNS}
        n_images = np.bincount(of_image, minlength=len(self))
        frame_start = np.concatenate([[0], np.cumsum(n_images)]).astype(np.int64)
        return replace(self, frame_start=frame_start, **images).take(np.unique(owner)), rows

    def named(self, *, identity: Sequence[str], camera: Sequence[str], tracklet: Sequence[str] = ()) -> Samples:
        """The samples with the texts (n_samples) that the source has for them; only those whose number is known are kept.

        Texts of `tracklet` are kept if one of them is another than its number (`7`, or `7.0` as pandas writes it).
        """
        tracks = list(zip(tracklet, self.tracklet.tolist(), strict=True)) if tracklet else []
        are_named = any(number >= 0 and text not in (f"{number}", f"{number}.0") for text, number in tracks)
        identities = tuple(text if number > 0 else "" for text, number in zip(identity, self.pid, strict=True))
        cameras = tuple(text if number >= 0 else "" for text, number in zip(camera, self.camid, strict=True))
        return replace(
            self,
            identity=identities if any(identities) else (),
            camera=cameras if any(cameras) else (),
            tracklet_name=tuple(text if number >= 0 else "" for text, number in tracks) if are_named else (),
        )


def _rows(column: Any, rows: Int64Array) -> Any:
    """The `rows` of a column, an array or a tuple; an empty column stays empty."""
    if not len(column):
        return column
    return tuple(map(column.__getitem__, rows.tolist())) if isinstance(column, tuple) else column[rows]


def consecutive(first: Int64Array, count: Int64Array) -> Int64Array:
    """first[i], first[i] + 1, … of `count[i]` numbers each, one i after the other."""
    # the first number of each, less its place here, once for each of its numbers
    return np.repeat(first - (np.cumsum(count) - count), count) + np.arange(count.sum())


def cameras_with_enough(camid: Int32Array) -> list[int]:
    """The known cameras, ascending, that took `LEAST_IN_CAMERA` samples of `camid` (n,) or more."""
    cameras, count = np.unique(camid[camid != UNKNOWN], return_counts=True)
    return [int(camera) for camera in cameras[count >= LEAST_IN_CAMERA]]


def took_few(camid: Int32Array) -> bool:
    """Whether most samples of known cameras `camid` (n,) are of one that took fewer than `LEAST_IN_CAMERA`."""
    known = camid[camid != UNKNOWN]
    return 2 * int(np.isin(known, cameras_with_enough(known)).sum()) < len(known)
