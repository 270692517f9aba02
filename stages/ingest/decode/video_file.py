"""Frames of a video file, in order, by PyAV."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from PIL import Image

from stages.errors import UsageError
from stages.ingest.decode.crops import BadImageError, Crop, Region, crops_of
from stages.ingest.decode.no_image import VIDEO, known_kind
from stages.plain_files import plain_file
from stages.wording import one_line, so_many

_BYTES_LOOKED_AT = 4096


def frame_seconds(file: Path) -> list[float]:
    """The time of every frame in seconds from the first one, read from the file's packets without decoding.

    UsageError without PyAV; `BadImageError` if `file` is no video or has no frames.
    """
    with _opened(file) as container:
        stream = container.streams.video[0]
        packets = container.demux(stream)
        seconds = sorted(float(packet.pts * stream.time_base) for packet in packets if packet.pts is not None)
    if not seconds:
        raise BadImageError("has no frames")
    return [each - seconds[0] for each in seconds]


def video_crops(
    file: Path, regions: Sequence[Region], *, pad: float, height: int, width: int
) -> Iterator[Crop | BadImageError]:
    """The `regions` of a video, ascending by frame, in order, or what is wrong with each; the video is decoded once.

    UsageError without PyAV; `BadImageError` if the video cannot be read.
    """
    frames = groupby(regions, key=lambda region: max(region.frame, 0))
    wanted = sorted({max(region.frame, 0) for region in regions})
    for (_, own), picture in zip(frames, read_frames(file, wanted), strict=True):
        if isinstance(picture, BadImageError):
            yield from (picture for _ in own)
        else:
            yield from crops_of(picture, list(own), pad=pad, height=height, width=width)


def read_frames(file: Path, wanted: Iterable[int]) -> Iterator[Image.Image | BadImageError]:
    """The frames with the numbers `wanted`, from 0 and ascending, as upright RGB images; an error for one beyond the end.

    The video is decoded once, up to the last of them. Raises as `frame_seconds`.
    """
    left = deque(wanted)
    n_frames = 0
    with _opened(file) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            if not left:
                return
            if n_frames == left[0]:
                # both libraries count degrees against the clock
                image = frame.to_image()
                yield image.rotate(frame.rotation, expand=True) if frame.rotation else image
                left.popleft()
            n_frames += 1
    for number in left:
        yield BadImageError(f"has {so_many(n_frames, 'frame')}, of which {number + 1} is out of range")


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        import av
    except ImportError as error:
        raise UsageError(f'{file.name} is a video, which needs PyAV: pip install ".[video]"') from error
    try:
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise BadImageError("has no pictures, only other streams")
            yield container
    except av.error.FFmpegError as error:
        # the number and the name of the file say nothing more
        why = (
            f"cannot be decoded as a video: {one_line(error).partition('] ')[2].partition(': ')[0] or one_line(error)}"
        )
        with suppress(OSError), open(file, "rb", opener=plain_file) as content:
            head = content.read(_BYTES_LOOKED_AT)
            kind = known_kind(head)
            why = "is empty (0 bytes)" if not head else f"is not a video but {kind}" if kind and kind != VIDEO else why
        raise BadImageError(why) from error
