"""The table of samples: which images belong to which sample, and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.typing import Int32Array, Int64Array, UInt8Array

UNKNOWN = -2
"""A pid, camid or tracklet that the data does not give."""
JUNK, DISTRACTOR = -1, 0
"""A pid of images that evaluation ignores, and one of gallery images of nobody. No identity has either number."""

TRAIN, QUERY, GALLERY = 0, 1, 2
SPLIT_NAMES = ("train", "query", "gallery")


@dataclass(frozen=True)
class Samples:
    """A table of samples; an image sample has one frame, a video tracklet several.

    `path` (n_images) names the images, tracklet by tracklet; sample i owns images
    `frame_start[i]` to `frame_start[i + 1]` (n_samples + 1, int64). `pid`, `camid`, `tracklet` (n_samples, int32) are
    `UNKNOWN` if the data does not say; `split` (n_samples, uint8) is `TRAIN`, `QUERY` or `GALLERY`. `identity` and `camera`
    (n_samples, or empty) are what the source calls them, empty texts if it does not say.
    """

    path: tuple[str, ...]
    frame_start: Int64Array
    pid: Int32Array
    camid: Int32Array
    tracklet: Int32Array
    split: UInt8Array
    identity: tuple[str, ...] = ()
    camera: tuple[str, ...] = ()

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
        lengths = np.diff(self.frame_start)[order]
        path = tuple(
            self.path[frame]
            for sample in order
            for frame in range(self.frame_start[sample], self.frame_start[sample + 1])
        )
        return Samples(
            path=path,
            frame_start=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            pid=self.pid[order],
            camid=self.camid[order],
            tracklet=self.tracklet[order],
            split=self.split[order],
            identity=tuple(self.identity[sample] for sample in order) if self.identity else (),
            camera=tuple(self.camera[sample] for sample in order) if self.camera else (),
        )

    def named(self, *, identity: Sequence[str], camera: Sequence[str]) -> Samples:
        """The samples with the texts (n_samples) that the source has for them; only those whose number is known are kept."""
        identities = tuple(text if number > 0 else "" for text, number in zip(identity, self.pid, strict=True))
        cameras = tuple(text if number >= 0 else "" for text, number in zip(camera, self.camid, strict=True))
        return replace(self, identity=identities if any(identities) else (), camera=cameras if any(cameras) else ())
