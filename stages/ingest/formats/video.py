"""Videos without boxes: whole frames, one every so many seconds or frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.decode.crops import BadImageError
from stages.ingest.decode.pixels import VIDEO_SUFFIXES, is_video
from stages.ingest.decode.video_file import frame_seconds
from stages.ingest.formats.boxes_file import unread_boxes
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.detections import samples_of
from stages.ingest.formats.format import NAMING, STEPS, Findings, Format
from stages.ingest.formats.layout import folder_of
from stages.ingest.formats.listing import first_files, left_out, list_images, subfolders
from stages.ingest.formats.yolo import frame_labels, why_frames
from stages.samples import Samples
from stages.wording import shown, so_many

EVERY_SECONDS = 1.0
"""Seconds from one frame to the next if nothing is said."""
_LEVELS, _LOOKED_THROUGH = 3, 500
"""How deep labels of frames are looked for, and in how many folders."""
_UNREAD = "videos that cannot be read"


def read_videos(source: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """A sample a frame of `source`, a video or a folder of videos; each video is a camera.

    Of every `every_seconds` the first frame is taken, or one of `every_frames`. UsageError if both are given, without PyAV,
    and for a video that cannot be read (left out if bad images are skipped).
    """
    if parameters.every_seconds is not None and parameters.every_frames is not None:
        raise UsageError("give `every_seconds` or `every_frames`, not both")
    root = folder_of(source)
    paths = [source.name] if source.is_file() else list_images(source, recursive=True, suffixes=VIDEO_SUFFIXES)
    if not paths:
        raise UsageError(f"{shown(source)} holds no video files; give a video or the folder that holds videos")
    found: list[Detection] = []
    for path in paths:
        try:
            seconds = frame_seconds(root / path)
        except BadImageError as error:
            if parameters.on_bad_image != "skip":
                raise UsageError(
                    f"{shown(path)} {error}; mend or remove it, or leave it out with `on_bad_image='skip'`"
                ) from error
            findings.boxes[_UNREAD] += 1
            continue
        frames = frames_taken(seconds, parameters)
        camera = path.rpartition(".")[0]
        found += [Detection(path, f"{shown(path)} frame {frame + 1}", frame=frame, camera=camera) for frame in frames]
    step = so_many(parameters.every_seconds or EVERY_SECONDS, "second")
    if parameters.every_frames is not None:
        step = so_many(parameters.every_frames, "frame")
    findings.notes.append(f"whole frames of {so_many(len(paths) - findings.boxes[_UNREAD], 'video')}, one every {step}")
    findings.warnings += unread_boxes(root, paths)
    labels = [file for own in frame_labels(root, paths).values() for file in own.values()]
    if labels:
        findings.warnings.append(
            f"files called like a video and a number, which are not read: {len(labels)}, the first "
            f"{shown(min(labels).relative_to(root))}; if they have boxes of YOLO, give the folder with `format='yolo'`"
        )
    elif source.is_dir() and (apart := _labels_below(root, paths)) is not None:
        findings.warnings.append(
            f"files in {shown(apart)} are called like a video and a number, and are not read; if they have boxes of YOLO, "
            f"give that folder as the source and {shown(root)} as `root`, with `format='yolo'`"
        )
    samples = samples_of(found, source=source, root=root, parameters=parameters, findings=findings)
    if source.is_dir():
        findings.left_out = left_out(source, taken=set(paths))
    return samples


def _labels_below(root: Path, videos: Sequence[str]) -> Path | None:
    """A folder below `root`, as `runs/track/labels` is, with files called like one of the `videos` and a number."""
    names, folders = {PurePosixPath(video).stem for video in videos}, [root]
    for folder in folders:
        files = first_files(folder, "*_[0-9]*.txt") if folder != root else []
        if any(file.stem.rpartition("_")[0] in names for file in files):
            return folder
        if len(folder.relative_to(root).parts) < _LEVELS:
            folders += subfolders(folder)[: _LOOKED_THROUGH - len(folders)]
    return None


def frames_taken(seconds: list[float], parameters: IngestParameters) -> list[int]:
    """The numbers, from 0, of the frames that are taken of those shown after `seconds`."""
    if parameters.every_frames is not None:
        return list(range(0, len(seconds), parameters.every_frames))
    step = parameters.every_seconds or EVERY_SECONDS
    taken: list[int] = []
    for frame, second in enumerate(seconds):
        # times are sums of fractions: a frame a hair too early is in time
        if not taken or second - seconds[taken[0]] >= len(taken) * step - 1e-6:
            taken.append(frame)
    return taken


def why_video(source: Path) -> str | None:
    """One line if `source` is a video, or a folder with videos and neither pictures nor labels of their frames; else None."""
    if source.is_file():
        return f"{source.suffix} is a video" if is_video(source.name) else None
    try:
        has_videos = bool(list_images(source, recursive=False, suffixes=VIDEO_SUFFIXES))
        is_bare = has_videos and not list_images(source, recursive=False) and why_frames(source) is None
        return "there are videos and no pictures" if is_bare else None
    except DbcError:
        return None


FORMAT = Format(
    name="video",
    description="A video or a folder of videos, without boxes: whole frames, every --every-seconds or --every-frames.",
    read=read_videos,
    recognise=why_video,
    options=NAMING | STEPS,
)
