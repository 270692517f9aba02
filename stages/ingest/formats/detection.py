"""A box in a picture or frame, or a whole picture, as a row of a source says it."""

from __future__ import annotations

import math
from typing import NamedTuple

from stages.samples import DISTRACTOR, JUNK

MARKS = {"junk": JUNK, "distractor": DISTRACTOR}
"""What rows of the gallery may be marked as, and the pid that says so."""


class Detection(NamedTuple):
    """A box in a picture, or a whole picture, and what a source says of it. What it does not say has the default.

    `path` names the picture relative to the root (`relative_path`), or a video, of which `frame` is the number of the frame
    from 0; of pictures in a sequence `frame` is their number in it. `box` is left, top, width and height: in pixels of the
    picture as it is shown, or in shares of its size (0 to 1) if `is_relative`; None is the whole picture. `tracklet` names
    the boxes that one sample is made of, and is no tracklet's of another sequence. Texts that are missing words count as
    not said. `split` is `TRAIN`, `QUERY` or `GALLERY`, for all rows or for none. `mark` is one of `MARKS` or empty, and goes
    before the identity. `size` is the width and height of the picture that a box in pixels is of, as the source says them.
    `origin` begins errors about the row: `boxes.json image 3 detection 2`.
    """

    path: str
    origin: str
    box: tuple[float, float, float, float] | None = None
    is_relative: bool = False
    frame: int = -1
    score: float = math.nan
    category: str = ""
    identity: str = ""
    camera: str = ""
    tracklet: str = ""
    timestamp: str = ""
    encounter: str = ""
    view: str = ""
    split: int | None = None
    mark: str = ""
    size: tuple[float, float] | None = None

    @property
    def place(self) -> tuple[str, int, tuple[float, ...]]:
        """The picture, frame and box: the order of rows."""
        return self.path, self.frame, self.box or ()
