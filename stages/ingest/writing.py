"""The images of a dataset on their way from files into the array `images`, and which of them are bad."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import compress, islice, repeat, tee

import numpy as np

from schemas.parameters import IngestParameters
from schemas.summaries import BadImage
from stages.errors import DbcError
from stages.ingest.decode.block import Block, Cuts, FilledCuts, ImageSize, write_into
from stages.ingest.decode.crops import Corners, Region
from stages.ingest.decode.pixels import Files, ImageSource, is_video
from stages.ingest.decode.workers import decode_all, decode_cuts
from stages.reporting import Reporter
from stages.runs.run_directory import source_boxes
from stages.runs.store import Artifact, RowFiles, Writer
from stages.samples import Samples
from stages.typing import BoolArray, Int32Array, Int64Array
from stages.wording import plain, shortened, shown

_REASONS_TOLD = 20
"""Reasons why images cannot be read that an error tells."""
_FEW = 4
"""So many more boxes beyond their pictures than within them may be an animal that stands there."""


@dataclass
class Written:
    """What became of the images: `good` (n_images) are stored, `bad` are named once a file, or once a box.

    `rectangle` (n_images, 4; int32) is left, top, width and height of what was cut out of each good picture, if boxes were,
    `unpadded` that without `pad`; `clipped` (n_images) says whose boxes reached beyond their picture, and `is_new` which of
    them were looked at.
    """

    good: BoolArray
    bad: list[BadImage] = field(default_factory=list)
    rectangle: Int32Array | None = None
    unpadded: Int32Array | None = None
    clipped: BoolArray = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    is_new: BoolArray = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    @property
    def n_clipped(self) -> int:
        """How many boxes reached beyond their picture."""
        return int(self.clipped.sum())

    def tell_clipped(self, path: Sequence[str], reporter: Reporter) -> None:
        """Say how many boxes of images, which lie at `path`, were clipped; warn if most of a folder or video were."""
        excess = Counter[str]()
        for each, is_clipped in compress(zip(path, self.clipped.tolist(), strict=True), self.is_new.tolist()):
            excess[each if is_video(each) else each.rpartition("/")[0] or "."] += 1 if is_clipped else -1
        told = f"boxes that reach beyond their picture, clipped to it: {self.n_clipped}"
        doubtful = [shown(place) for place, more in sorted(excess.items()) if more > _FEW]
        if doubtful:
            reporter.warn(
                f"{told}, most of those in {shortened(doubtful)}; see whether right and bottom are given for width and "
                "height, or boxes of larger pictures"
            )
        elif self.n_clipped:
            reporter.note(told)


@dataclass(frozen=True)
class Stored:
    """Images that need no decoding: `row` (n_images) is the row of each in the dataset `before`, −1 for a new one."""

    before: Artifact
    row: Int64Array


def write_images(
    writer: Writer,
    source: ImageSource,
    samples: Samples,
    parameters: IngestParameters,
    workers: int,
    reporter: Reporter,
    *,
    stored: Stored | None = None,
) -> Written:
    """Have the readable images of `samples` written in their order; DbcError for bad ones unless these are to be skipped.

    Those that are `stored` are copied, the others decoded; nothing is written if none of these is good.
    """
    n_images = len(samples.path)
    size = ImageSize(parameters.height, parameters.width)
    is_new = np.ones(n_images, dtype=np.bool_) if stored is None else stored.row < 0
    written = Written(np.ones(n_images, dtype=np.bool_), clipped=np.zeros(n_images, dtype=np.bool_), is_new=is_new)
    origins: list[str] = []
    n_new = int(is_new.sum())
    with (
        reporter.task("images", total=n_new, unit="images") as advance,
        writer.row_files("images", row_shape=(size.height, size.width, 3), max_rows=n_images) as rows,
    ):
        is_cut = are_cut(samples)
        is_in_pieces = is_cut or stored is not None
        if is_cut and isinstance(source, Files):
            pictures = _pictures(samples, is_new)
            cuts = (_cuts(samples, images, rows) for images in pictures)
            written.rectangle, written.unpadded = np.zeros((2, n_images, 4), dtype=np.int32)
            if len(samples.box) and stored is not None:
                written.rectangle[~is_new] = samples.box[~is_new]
                written.unpadded[~is_new] = source_boxes(stored.before)[stored.row[~is_new]]
            with closing(decode_cuts(source, cuts, size=size, workers=workers)) as done:
                for images, filled in zip(pictures, done, strict=True):
                    origins += _take(filled, images, samples, written)
                    advance(len(images), _n_bad(written))
        else:
            # both are read a little ahead of what is done
            spans, again = tee(_spans(is_new, rows, size))
            blocks = (_block(samples.path, span, rows) for span in spans)
            with closing(decode_all(source, blocks, size=size, workers=workers)) as filled_blocks:
                for (start, _), (block, reasons) in zip(again, filled_blocks, strict=True):
                    written.bad += [BadImage(path=block.paths[i], reason=reason) for i, reason in reasons.items()]
                    written.good[[start + i for i in reasons]] = False
                    if not is_in_pieces and _go_on(written, parameters):
                        rows.keep(len(block.paths), without=reasons)
                    advance(len(block.paths), _n_bad(written))
        if is_in_pieces and written.good[is_new].any() and _go_on(written, parameters):
            if stored is not None:
                _copy(stored, rows, size)
            _take_in(rows, written.good)
        if written.bad and parameters.on_bad_image == "fail":
            raise DbcError(
                f"{int((~written.good).sum())} of {n_new} images cannot be read: {named(written.bad, origins)}; "
                "mend or remove them, or leave them out with `on_bad_image='skip'`"
            )
    return written


def _go_on(written: Written, parameters: IngestParameters) -> bool:
    return parameters.on_bad_image == "skip" or bool(written.good.all())


def are_cut(samples: Samples) -> bool:
    """Whether images are cut out of pictures or taken out of videos, so that one file may give several."""
    return bool(len(samples.box)) or any(map(is_video, samples.path))


def named(bad: list[BadImage], origins: list[str] | None = None) -> str:
    """The first bad images, after the rows of the source that they come from, and how many more have their reason."""
    names_of: dict[str, list[str]] = {}
    for image, origin in zip(bad, origins or repeat(""), strict=False):
        names_of.setdefault(image.reason, []).append(f"{origin}: {plain(image.path)}" if origin else plain(image.path))
    texts = [
        f"{shortened(names)}, each of which {reason}" if len(names) > 1 else f"{names[0]} {reason}"
        for reason, names in islice(names_of.items(), _REASONS_TOLD)
    ]
    more = sum(map(len, islice(names_of.values(), _REASONS_TOLD, None)))
    return "; ".join(texts) + (f" and {more} more" if more else "")


def _n_bad(written: Written) -> str:
    return f"{int((~written.good).sum())} bad" if written.bad else ""


def _copy(stored: Stored, rows: RowFiles, size: ImageSize) -> None:
    """Put the pixels of all stored images into their places, a run of neighbours at a time."""
    images = stored.before.rows("images")
    places = np.flatnonzero(stored.row >= 0)
    for span in np.array_split(places, max(-(-len(places) // size.images_per_block), 1)):
        pixels = images[stored.row[span]]
        for i, row in enumerate(span.tolist()):
            place = rows.place(row)
            write_into(place.path, pixels[i].tobytes(), place.offset)


def _spans(is_new: BoolArray, rows: RowFiles, size: ImageSize) -> Iterator[tuple[int, int]]:
    """Where blocks of new images start and stop, each of which lies in one file."""
    edges = np.flatnonzero(np.diff(is_new, prepend=False, append=False))
    for first, last in edges.reshape(-1, 2).tolist():
        start = first
        while start < last:
            stop = min(last, start + min(size.images_per_block, rows.place(start).n_rows))
            yield start, stop
            start = stop


def _block(paths: tuple[str, ...], span: tuple[int, int], rows: RowFiles) -> Block:
    place = rows.place(span[0])
    return Block(paths[span[0] : span[1]], str(place.path), place.offset)


def _pictures(samples: Samples, wanted: BoolArray) -> list[Int64Array]:
    """The `wanted` images (indices) of each picture or video, ascending by frame; pictures in order of path."""
    frame = samples.frame_number if len(samples.frame_number) else np.zeros(len(samples.path), dtype=np.int64)
    _, picture = np.unique(np.array(samples.path, dtype=object), return_inverse=True)
    order = np.lexsort((np.arange(len(picture)), frame, picture))
    order = order[wanted[order]]
    return np.split(order, np.flatnonzero(np.diff(picture[order])) + 1)


def _cuts(samples: Samples, images: Int64Array, rows: RowFiles) -> Cuts:
    places = [rows.place(image) for image in images.tolist()]
    regions = tuple(_region(samples, image) for image in images.tolist())
    files, offsets = tuple(str(place.path) for place in places), tuple(place.offset for place in places)
    return Cuts(samples.path[images[0]], regions, files, offsets)


def _region(samples: Samples, image: int) -> Region:
    frame = int(samples.frame_number[image]) if len(samples.frame_number) else -1
    if not len(samples.box) or math.isnan(samples.box[image, 0]):
        return Region(frame=frame)
    left, top, width, height = samples.box[image].tolist()
    return Region((left, top, width, height), bool(samples.is_relative[image]), frame)


def _take(filled: FilledCuts, images: Int64Array, samples: Samples, written: Written) -> list[str]:
    """Note in `written` what became of the `images` of one picture; the rows of the source that bad ones come from."""
    if written.rectangle is not None and written.unpadded is not None:
        for i, window in filled.windows.items():
            written.rectangle[images[i]] = _box(window.rectangle)
            written.unpadded[images[i]] = _box(window.unpadded)
    written.clipped[images[[i for i, window in filled.windows.items() if window.is_clipped]]] = True
    written.good[images[list(filled.bad)]] = False
    # a bad picture is named once, with its first row
    told = dict(list(filled.bad.items())[:1]) if filled.is_whole else filled.bad
    written.bad += [BadImage(path=filled.cuts.path, reason=reason) for reason in told.values()]
    return [samples.origin[images[i]] for i in told] if samples.origin else []


def _box(rectangle: Corners) -> tuple[int, int, int, int]:
    left, top, right, bottom = rectangle
    return left, top, right - left, bottom - top


def _take_in(rows: RowFiles, good: BoolArray) -> None:
    """Take in all rows, in pieces, without those that are not `good`."""
    for start in range(0, len(good), 1024):
        piece = good[start : start + 1024]
        rows.keep(len(piece), without=set(np.flatnonzero(~piece).tolist()))
