"""COCO: pictures and boxes in one JSON file, with what COCO Camera Traps and Wild Me add to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.boxes_file import NO_TRACK
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.detections import samples_of
from stages.ingest.formats.format import BOXES, NAMING, Findings, Format
from stages.ingest.formats.json_file import forget_json, load_json
from stages.ingest.formats.layout import only_one
from stages.ingest.formats.numbers import box_of, frame_of, is_unsaid, number_of, score_of, size_of, text_of
from stages.ingest.formats.picture_files import FIELDS, has_signs, key_of
from stages.ingest.formats.relative_paths import path_below
from stages.ingest.formats.whole_pictures import each_picture_once
from stages.samples import Samples
from stages.wording import counted, plain, shown, with_first

UNKNOWN_NAME = "____"
"""What Wild Me calls an individual that is not known."""
NOBODY = frozenset({"empty", "blank", "__ignore__"})
"""Categories of COCO Camera Traps that are no animals."""
PICTURE_FOLDERS = ("", "images/", "images/{split}/", "{split}/")
"""Where pictures may lie under the root; the split is what the name of the file ends in, as in `instances_train2022.json`."""
ANNOTATIONS = "annotations"
OF_VIDEO = ("frame_id", "frame_index")
"""What COCO-VID calls the frame of a picture."""


def read_coco(source: Path, root: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The boxes of a COCO file, in pixels; an annotation without a box is the whole picture.

    `source` is the file, or the folder that holds it. `location` of a picture is its camera, `seq_id` its encounter,
    `datetime` or `date_captured` its time, `frame_num` its frame (of a video, from 0). `name` of an annotation (or the only
    one of `individual_ids`) is the individual, `viewpoint` the view, `score` or `conf` the confidence, `track_id` the
    tracklet in its `video_id` (−1 is none). Of COCO-VID, whose pictures have a `video_id`, `name` or `file_name` in `videos`,
    else that number, is the camera where there is no location, `instance_id` a tracklet as well, `frame_id` or `frame_index`
    the frame, from 0 if a picture has 0, else from 1. `width` and `height` are of the picture that boxes are of. UsageError
    names the annotation that is wrong.
    """
    file = find_coco(source)
    content = read_object(file)
    left_out = Counter[str]()
    unlisted: list[str] = []
    annotations = _by_id(file, content, "annotations", needed="image_id")
    findings.warnings += _told_annotations(annotations.values())
    images = _by_id(file, content, "images", needed="file_name")
    if n_without := len(images.keys() - {str(row["image_id"]) for row in annotations.values()}):
        findings.notes.append(f"pictures without an annotation: {n_without}")
    if parameters.on_bad_image == "skip":
        listed = {number: row for number, row in annotations.items() if str(row["image_id"]) in images}
        left_out["of pictures that are not listed"] += len(annotations) - len(listed)
        annotations = listed
    rows = _detections(file, root, content, images, annotations, left_out, unlisted, findings)
    found = each_picture_once(rows, left_out, parameters)
    forget_json()
    if unlisted:
        findings.warnings.append(
            f"annotations of a category_id that `categories` does not list, and so of none: {with_first(unlisted, str)}"
        )
    if +left_out:
        findings.notes.append(f"annotations left out: {counted(+left_out)}")
    if not found:
        raise UsageError(f"{shown(file)} has no annotations of animals; give a file with boxes or identities")
    findings.notes.append(f"boxes and pictures from {shown(file)}")
    if _videos(content):
        findings.notes.append(
            "videos are the cameras of pictures without a location, and track_id or instance_id their tracks"
        )
    return samples_of(found, source=file, root=root, parameters=parameters, findings=findings)


def find_coco(source: Path) -> Path:
    """`source` itself if it is a file, else the only JSON file in it or in its folder `annotations` that looks like COCO."""
    if source.is_file():
        return source
    return only_one(coco_files(source), source, wanted="one COCO file", advice="; give the file itself")


def coco_files(folder: Path) -> list[Path]:
    """The JSON files in `folder`, else in its folder `annotations`, that look like COCO, sorted."""
    found = sorted(file for file in folder.glob("*.json") if looks_like_coco(file))
    return found or sorted(file for file in folder.glob(f"{ANNOTATIONS}/*.json") if looks_like_coco(file))


def why_coco(source: Path) -> str | None:
    """One line if `source` is a COCO file or a folder that holds one; else None."""
    files = coco_files(source) if source.is_dir() else [source][: looks_like_coco(source)]
    return f"{plain(files[0].name)} has images and annotations" if files else None


def looks_like_coco(file: Path) -> bool:
    """Whether `file` names lists of images and annotations, as JSON does; it is not parsed."""
    return has_signs(file, (rb'"images"\s*:\s*\[', rb'"annotations"\s*:\s*\['))


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in `file`; UsageError if it is none, DbcError if it cannot be read."""
    content = load_json(file)
    if not isinstance(content, dict):
        raise UsageError(
            f"{shown(file)} holds a JSON {type(content).__name__}, expected an object with images and annotations"
        )
    return content


def _detections(
    file: Path,
    root: Path,
    content: Mapping[str, Any],
    images: Mapping[str, dict[str, Any]],
    annotations: Mapping[str, dict[str, Any]],
    left_out: Counter[str],
    unlisted: list[str],
    findings: Findings,
) -> Iterator[Detection]:
    """The `annotations` of animals; others are counted in `left_out`. `unlisted` are those of a category that has no name.

    `images` and `annotations` are the objects of `content` by their ids.
    """
    videos = _videos(content)
    frames = _frame_fields(images, findings)
    are_told_apart = len(set(videos.values())) == len(videos)
    categories = {key: str(row["name"]) for key, row in _by_id(file, content, "categories", needed="name").items()}
    folder, absolute = _picture_folder(file, root, images), PurePosixPath(root.absolute().as_posix())
    name = shown(file)
    for number, annotation in annotations.items():
        origin = f"{name} annotation {number!r}"
        image = images.get(str(annotation["image_id"]))
        if image is None:
            raise UsageError(
                f"{origin} is of image {annotation['image_id']!r}, which `images` does not list; correct it, or leave such "
                "annotations out with `on_bad_image='skip'`"
            )
        kind = annotation.get("category_id")
        category = categories.get(str(kind), "")
        if categories and kind is not None and str(kind) not in categories:
            unlisted.append(f"{origin} of {kind!r}")
        if category.casefold() in NOBODY:
            left_out[f"of category {category}"] += 1
            continue

        def said(row: Mapping[str, Any], *names: str, origin: str = origin) -> str:
            """The first of `names` that is not missing in `row`."""
            return next(filter(None, (text_of(row.get(name), origin, name=name) for name in names)), "")

        # without a video, instances may count within each picture
        is_frame = image.get("video_id") is not None
        video = videos.get(str(image["video_id"]), "") if is_frame else ""
        track = said(annotation, "track_id", *["instance_id"][:is_frame])
        track = "" if number_of(track) == NO_TRACK else track
        frame, first = frames[str(annotation["image_id"])]
        yield Detection(
            path=path_below(f"{folder}{image['file_name']}", absolute, origin),
            origin=origin,
            box=box_of(annotation.get("bbox"), origin, name="bbox", meaning="[left, top, width, height] in pixels"),
            frame=frame_of(image.get(frame), origin, name=frame) - first,
            tracklet=f"{(are_told_apart and video) or image.get('video_id', '')}/{track}" if track else "",
            timestamp=said(image, "datetime", "date_captured"),
            score=score_of(annotation.get("score", annotation.get("conf")), origin),
            identity=_individual(origin, annotation),
            camera=said(image, "location") or video,
            encounter=said(image, "seq_id"),
            view=said(annotation, "viewpoint"),
            category=category,
            size=size_of(image.get("width"), image.get("height")),
        )


def _told_annotations(annotations: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lines to warn with of crowds, of outlines without a box, and of fields that may say who it is and are not read."""
    told, unread = Counter[str](), Counter[str]()
    for row in annotations:
        told["with iscrowd, as of several animals at once, each taken for one"] += row.get("iscrowd") == 1
        told["with an outline and no bbox, taken for whole pictures"] += bool(
            row.get("segmentation") and not row.get("bbox")
        )
        attributes = row.get("attributes")
        own = (
            {f"attributes.{name}": value for name, value in attributes.items()} if isinstance(attributes, dict) else {}
        )
        for name, value in (*row.items(), *own.items()):
            unread[name] += _is_unread(name) and not is_unsaid(value)
    lines = [f"annotations {what}: {n}" for what, n in (+told).items()]
    if +unread:
        lines.append(
            f"fields of annotations that are not read: {counted(+unread)}; `dbc ingest` reads name (the individual), "
            "viewpoint and track_id beside bbox"
        )
    return lines


@cache
def _is_unread(name: str) -> bool:
    """Whether the field of an annotation says who it is, by its name, and is not read."""
    return name not in ("viewpoint", "track_id") and key_of(name.rpartition(".")[2]) in FIELDS


def _videos(content: Mapping[str, Any]) -> dict[str, str]:
    """The name of each video of COCO-VID, else its file without suffix, else its number, by its id; empty without any."""
    rows = content.get("videos")
    found = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict):
            file = text_of(row.get("file_name"), "videos", name="file_name")
            file = file.rpartition(".")[0] if is_video(file) else file
            found[str(row.get("id"))] = text_of(row.get("name"), "videos", name="name") or file or str(row.get("id"))
    return found


def _frame_fields(images: Mapping[str, Mapping[str, Any]], findings: Findings) -> dict[str, tuple[str, int]]:
    """The field that has the number of each frame, and what the first frame has there, which is 0 in a video itself.

    Of pictures of COCO-VID that is 0, in all videos, if one has it, else 1, which is told.
    """
    fields: dict[str, str] = {}
    words: list[str] = []
    for key, image in images.items():
        names = ("frame_num", *OF_VIDEO) if image.get("video_id") is not None else ("frame_num",)
        said = {name: image[name] for name in names if not is_unsaid(image.get(name))}
        odd = [name for name in OF_VIDEO if isinstance(said.get(name), str) and number_of(said[name]) is None]
        words += [said.pop(name) for name in odd]
        fields[key] = next(iter(said), "frame_num")
    if words:
        findings.warnings.append(
            f"frames of pictures that are no numbers, taken for missing: {len(words)}, such as {shown(words[0])}"
        )
    of_pictures = {key for key, name in fields.items() if name in OF_VIDEO and not is_video(images[key]["file_name"])}
    # what is no number is refused with the annotation
    least = min((number_of(images[key][fields[key]]) or 0 for key in of_pictures), default=0)
    if least >= 1:
        told = f"no picture has frame 0, the least is {least:.0f}, so frames are taken to count from 1, in all videos"
        (findings.notes if least == 1 else findings.warnings).append(told)
    return {key: (name, int(least >= 1 and key in of_pictures)) for key, name in fields.items()}


def _by_id(file: Path, content: Mapping[str, Any], name: str, *, needed: str) -> dict[Any, dict[str, Any]]:
    """The objects of the list `name` by their id; UsageError for one without id or `needed`, or with an earlier one's id.

    An id is taken as text: one program writes 1 and another '1' for the same.
    """
    rows = content.get(name)
    if not isinstance(rows, list):
        if name == "categories":
            return {}
        raise UsageError(f"{shown(file)} has no list `{name}`; COCO has images, annotations and categories")
    found: dict[Any, dict[str, Any]] = {}
    for place, row in enumerate(rows):
        if not isinstance(row, dict) or row.get("id") is None or row.get(needed) is None:
            raise UsageError(f"{shown(file)} {name}[{place}] lacks `id` or `{needed}`; correct it")
        if needed == "file_name" and not isinstance(row[needed], str):
            raise UsageError(f"{shown(file)} {name}[{place}] has a `file_name` that is no text; correct it")
        if found.setdefault(str(row["id"]), row) is not row:
            raise UsageError(
                f"{shown(file)} {name}[{place}] has id {row['id']!r} like an earlier one; give each its own"
            )
    return found


def _picture_folder(file: Path, root: Path, images: Mapping[Any, Mapping[str, Any]]) -> str:
    first = next(iter(images.values()), None)
    if first is not None:
        for pattern in PICTURE_FOLDERS:
            folder = pattern.format(split=file.stem.rpartition("_")[2])
            if (root / f"{folder}{first['file_name']}").is_file():
                return folder
    return ""


def _individual(origin: str, annotation: Mapping[str, Any]) -> str:
    name = text_of(annotation.get("name"), origin, name="name")
    if not name:
        several = annotation.get("individual_ids")
        if isinstance(several, list) and len(several) > 1:
            raise UsageError(f"{origin} has {len(several)} individual_ids; give each individual a box of its own")
        name = text_of(several[0], origin, name="individual_ids") if isinstance(several, list) and several else ""
    return "" if name == UNKNOWN_NAME else name


FORMAT = Format(
    name="coco",
    description="A COCO file, also of COCO Camera Traps (location, seq_id, datetime) and Wild Me (name, viewpoint).",
    read_table=read_coco,
    recognise=why_coco,
    options=NAMING | BOXES,
)
