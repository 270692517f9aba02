"""The AI City Challenge: one text of the boxes of many cameras, each line of which begins with the number of its camera."""

from __future__ import annotations

import re
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.decode.pixels import VIDEO_SUFFIXES
from stages.ingest.formats.boxes_file import AI_CITY, Row, begins_with_cameras, read_track_rows
from stages.ingest.formats.format import NAMING, Findings, Format
from stages.ingest.formats.layout import only_one
from stages.ingest.formats.listing import first_files, list_images, subfolders
from stages.ingest.formats.mot import Sequence, samples_of_rows, why_mot
from stages.samples import Samples
from stages.wording import plain, shortened, shown


def read_ai_city(source: Path, root: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The boxes of `source`, such a text or the folder that holds one; each camera is a sequence as of `read_mot`.

    Camera 8 is the folder or video in `root`, or in a folder there, in whose name 8 is the last number (`c008`, `S02/c008`).
    Pixels count from 0; frames from 0 if there is a frame 0, else from 1, which is told. UsageError for a camera that is not
    there (its boxes are left out and counted if bad images are skipped), and for two of one number.
    """
    texts = [source] if source.is_file() else _texts(source) or sorted(source.glob("*.txt"))
    file = only_one(texts, source, wanted="one text whose lines begin with a camera", advice="; give the file itself")
    is_skipped = parameters.on_bad_image == "skip"
    rows: dict[int, list[Row]] = {}
    for row in read_track_rows(file, AI_CITY, is_truth=False, may_repeat=is_skipped)[0]:
        rows.setdefault(row.camera, []).append(row)
    cameras = _cameras(root, file)
    lost = sorted(rows.keys() - cameras.keys())
    if lost and not (is_skipped and len(lost) < len(rows)):
        raise UsageError(
            f"{shown(file)}: cameras without frames: {shortened([str(number) for number in lost])}; {shown(root)} has no "
            f"folder or video in whose name {lost[0]} is the last number, such as c{lost[0]:03}; give the folder of cameras "
            "as `root`, or leave boxes of others out with `on_bad_image='skip'`"
        )
    for number in lost:
        findings.boxes["of cameras that are not there"] += len(rows.pop(number))
    for number in sorted(rows):
        if len(cameras[number]) > 1:
            one, other = (shown(each.frames) for each in cameras[number][:2])
            raise UsageError(f"{shown(file)}: camera {number} may be {one} or {other}; give a `root` with one of them")
    sequences = {number: cameras[number][0] for number in sorted(rows)}
    return samples_of_rows(
        list(sequences.values()), [rows[number] for number in sequences], source, root, parameters, findings
    )


def _texts(folder: Path) -> list[Path]:
    """The first texts in `folder` that may be of this format."""
    return [file for file in first_files(folder) if begins_with_cameras(file) is not False]


def _cameras(root: Path, file: Path) -> dict[int, list[Sequence]]:
    """The sequences in `root` and in its folders that have no frames themselves, by number, with boxes in `file`."""
    found: dict[int, list[Sequence]] = {}
    for folder in (root, *(each for each in subfolders(root) if _frames(each) is None)):
        videos = [folder / name for name in list_images(folder, recursive=False, suffixes=VIDEO_SUFFIXES)]
        places = [(each.stem, each) for each in videos]
        places += [(each.name, frames) for each in subfolders(folder) if (frames := _frames(each)) is not None]
        for name, frames in places:
            for number in re.findall(r"[0-9]+", name)[-1:]:
                found.setdefault(int(number), []).append(Sequence(name, file, frames, form=AI_CITY))
    return found


def _frames(folder: Path) -> Path | None:
    """The frames of a camera: `img1` in `folder`, the pictures there, or the only video, beside one picture at most."""
    pictures = list_images(folder, recursive=False)
    videos = list_images(folder, recursive=False, suffixes=VIDEO_SUFFIXES)
    if (folder / "img1").is_dir():
        return folder / "img1"
    if len(videos) == 1 >= len(pictures):
        return folder / videos[0]
    return folder if pictures else None


def why_ai_city(source: Path) -> str | None:
    """One line if `source` is a text whose lines begin with a camera, or a folder that holds one; else None.

    A folder that `why_mot` recognises is none. UsageError if the text, or one in a folder of texts alone, may be of
    MOTChallenge as well.
    """
    are_alone = source.is_file() or all(each.suffix == ".txt" for each in source.glob("[!.]*"))
    for file in [source] if source.is_file() else _texts(source):
        begins = begins_with_cameras(file) if file.suffix == ".txt" else False
        if begins and not (source.is_dir() and why_mot(source)):
            return f"{plain(file.name)} begins each line with a camera, as the AI City Challenge does"
        if begins is None and are_alone:
            raise UsageError(
                f"{shown(file)} may be of MOTChallenge (frame, id, left, …) or of the AI City Challenge (camera, id, frame, "
                "left, …), as hardly any id is in it twice; say `format='mot'` or `format='ai-city'`"
            )
    return None


FORMAT = Format(
    name="ai-city",
    description="A text of the AI City Challenge beside its cameras (c001/, camera_0001/): camera, id, frame, box.",
    read_table=read_ai_city,
    recognise=why_ai_city,
    options=NAMING | {"pad"},
)
