"""MegaDetector's results, in both dialects, and SpeciesNet's: boxes in pictures, or in frames of videos."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.box_checks import wanted_categories, why_left_out
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.detections import samples_of
from stages.ingest.formats.format import BOXES, NAMING, Findings, Format
from stages.ingest.formats.json_file import find_json, forget_json, load_json, peek_json
from stages.ingest.formats.listing import list_images
from stages.ingest.formats.numbers import box_of, frame_of, number_of, score_of, text_of
from stages.ingest.formats.relative_paths import path_below
from stages.plain_files import beginning
from stages.samples import Samples
from stages.wording import counted, plain, shortened, shown, so_many, with_first

_LOOKED_AT = 20
_NAMED = 5
"""Species that a warning names."""
_NO_ANIMALS = frozenset({"human", "person", "vehicle"})
_NO_SPECIES = _NO_ANIMALS | frozenset({"", "animal", "blank", "empty", "unknown", "no cv result"})
"""What classifiers say in place of a species."""
OWN_CLASSIFIER = "dbc-reid"
SPECIESNET_CATEGORIES = {"1": "animal", "2": "human", "3": "vehicle"}


def read_megadetector(source: Path, root: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The samples of a file that MegaDetector wrote, or of a folder that holds it.

    An object (agentmorris/MegaDetector, lila.science/megadetector-output-format) has relative boxes [left, top, width,
    height] with `conf`, and names its categories in `detection_categories`; a category that is not there is no detection. A
    list (microsoft/MegaDetector) has boxes [left, top, right, bottom] in pixels with `confidence` and names of categories.
    SpeciesNet's `predictions` (google/cameratrapai) are read as an object with `SPECIESNET_CATEGORIES`.
    A box is of the species that a classifier guesses first if `category` names it; of SpeciesNet that is the `prediction` of
    its picture. Boxes with `frame_number` are of frames of a video. Pictures that the detector failed on are told. Files in
    several folders (`results_in`) are read as one, and pictures that none of them lists are told. Raises `UsageError`, with
    the place in the file, for what is neither, and if two files list one picture.
    """
    files = results_in(source)
    if not files or (len(files) > 1 and files[0].parent == source):
        files = [find_json(source)]
    without: dict[str, bool] = {}
    rows: list[tuple[Detection, str]] = []
    file_of: dict[str, str] = {}
    for file in files:
        base = "" if file == source else file.relative_to(source).as_posix()[: -len(file.name)]
        failed: dict[str, bool] = {}
        found = list(_detections(file, _of_speciesnet(load_json(file)), base, root, failed))
        forget_json()
        for path in (*failed, *(row.path for row, _ in found)):
            if (other := file_of.setdefault(path, base + file.name)) != base + file.name:
                raise UsageError(
                    f"{plain(other)} and {plain(base + file.name)} both list {shown(path)}; keep one of them, or give "
                    "it as the source"
                )
        rows += found
        without |= failed
    if files != [source] and (len(files) > 1 or base):
        _tell_files(
            list(dict.fromkeys(file_of.values())), set(list_images(root, recursive=True)) - file_of.keys(), findings
        )
    n_failed = sum(without.values())
    n_empty = len(without) - n_failed
    if without and not rows:
        raise UsageError(
            f"{shown(files[0])} has no box to take: {so_many(n_empty, 'picture')} without one, {n_failed} that the detector "
            "could not read; give another file"
        )
    taken = _with_species(rows, parameters, findings)
    samples = samples_of(taken, source=files[0], root=root, parameters=parameters, findings=findings)
    if n_failed:
        findings.warnings.append(f"pictures that the detector could not read, left out: {n_failed}")
    if n_empty:
        findings.notes.append(f"pictures without a box: {n_empty}")
    return samples


def _tell_files(files: Sequence[str], unlisted: Collection[str], findings: Findings) -> None:
    """Tell which `files` in folders are read as one, and how many pictures are `unlisted` there."""
    findings.notes.append(
        f"results in folders, read as one: {len(files)} ({shortened([plain(file) for file in files])}); "
        "`camera_pattern='^([^/]+)/'` takes the first folders for cameras"
    )
    if unlisted:
        findings.warnings.append(f"pictures that no file of results lists, left out: {with_first(sorted(unlisted))}")


def _with_species(
    rows: Sequence[tuple[Detection, str]], parameters: IngestParameters, findings: Findings
) -> list[Detection]:
    """The rows, each with the species that a classifier guesses as its category if `category` names that species.

    It is told of which species those are that are taken, and warned of several that are not asked for.
    """
    wanted = wanted_categories(parameters)
    asked = {guess for _, guess in rows if guess and wanted is not None and guess in wanted}
    named = [row._replace(category=guess) if guess in asked else row for row, guess in rows]
    found = Counter(
        guess
        for row, (_, guess) in zip(named, rows, strict=True)
        if guess and why_left_out(row.score, row.category, wanted, parameters) is None
    )
    if asked:
        told = counted(Counter({name: found[name] for name in asked}))
        findings.notes.append(f"species by the first guess of a classifier: {told}")
    others = Counter({name: n for name, n in found.items() if name not in asked})
    if len(others) > 1:
        first = Counter(dict(others.most_common(_NAMED)))
        more = f" and {len(others) - len(first)} more" if len(others) > len(first) else ""
        findings.warnings.append(
            f"species that a classifier names are not told apart, and all are compared with each other: {counted(first)}"
            f"{more}; `category` takes those that you name"
        )
    return named


def results_in(source: Path) -> list[Path]:
    """The JSON files of the folder `source` that begin as results do or, if there are none, those in the folders below it."""
    if not source.is_dir():
        return []
    paths = list_images(source, recursive=True, suffixes=frozenset({".json"}))
    found = [source / path for path in paths if _begins_as_results(source / path)]
    return [file for file in found if file.parent == source] or found


def _begins_as_results(file: Path) -> bool:
    head = beginning(file)
    return any(word in head for word in (b'"detections"', b'"detection_categories"', b'"predictions"'))


def why_results(source: Path) -> str | None:
    """Why the folder `source` holds results of a detector beside other JSON files, or in its folders; None if it does not."""
    with suppress(DbcError):
        for file in results_in(source):
            if why := recognise_megadetector(file):
                return f"{plain(file.relative_to(source).as_posix())} has results of a detector: {why}"
    return None


def recognise_megadetector(source: Path) -> str | None:
    """Why `source` is, or holds, results of MegaDetector; None if it is not."""
    document = peek_json(source)
    if _is_speciesnet(document):
        return "it has predictions of pictures, as SpeciesNet writes them"
    images = document.get("images") if isinstance(document, dict) else document
    if not isinstance(images, list):
        return None
    if isinstance(document, dict) and "detection_categories" in document:
        return "it has images and detection_categories"
    looked_at = images[:20]
    if looked_at and all(isinstance(image, dict) and {"file", "detections"} <= image.keys() for image in looked_at):
        return "it lists pictures with their detections"
    return None


def _is_speciesnet(document: Any) -> bool:
    is_object = isinstance(document, dict) and "images" not in document
    predictions = document.get("predictions") if is_object else None
    return isinstance(predictions, list) and all(
        isinstance(each, dict) and "filepath" in each for each in predictions[:20]
    )


def _of_speciesnet(document: Any) -> Any:
    """The predictions of SpeciesNet as MegaDetector writes its results; any other document as it is."""
    if not _is_speciesnet(document):
        return document
    predictions = document["predictions"]
    images = [
        {
            "file": each.get("filepath"),
            "detections": each.get("detections"),
            "prediction": each.get("prediction"),
            "failure": "detector" if "DETECTOR" in str(each.get("failures")) else None,
        }
        if isinstance(each, dict)
        else each
        for each in predictions
    ]
    said = {str(each.get("prediction") or "") for each in predictions if isinstance(each, dict)}
    names = {name: name.rpartition(";")[2] for name in said}
    return {"images": images, "detection_categories": SPECIESNET_CATEGORIES, "classification_categories": names}


def _detections(
    file: Path, document: Any, base: str, root: Path, without: dict[str, bool]
) -> Iterator[tuple[Detection, str]]:
    """The rows of a document, and what a classifier says; pictures without a box go to `without`, with whether that failed.

    Paths in it are relative to the folder `base` (`card1/`, or empty) of `root`, or to `root` if no picture is there.
    """
    is_object = isinstance(document, dict)
    images, categories = document, {}
    if is_object:
        images, categories = document.get("images"), document.get("detection_categories")
    if not isinstance(images, list) or not isinstance(categories, dict):
        raise UsageError(
            f"{shown(file)} is no result of MegaDetector: expected an object with a list images and an object "
            "detection_categories, a list of pictures, or SpeciesNet's predictions; give another file or `format`"
        )
    names = _names_of_species(document) if is_object else {}
    top = PurePosixPath(root.absolute().as_posix())
    first = [image.get("file") for image in images[:_LOOKED_AT] if base and isinstance(image, dict)]
    below = base if any(os.path.isfile(root / base / _slashed(str(path))) for path in first) else ""  # noqa: PTH113 — raises nothing
    for number, image in enumerate(images, start=1):
        origin = f"{base}{file.name} image {number}"
        found = _boxes_of(image, origin)
        written, time = _slashed(image["file"]), text_of(image.get("datetime"), origin, name="datetime")
        path = path_below(written if written.startswith("/") else f"{below}{written}", top, origin)
        if not found:
            without[path] = found is None
            continue
        for place, detection in enumerate(found, start=1):
            row = f"{origin} detection {place}"
            box = _relative(detection, path, row, categories) if is_object else _in_pixels(detection, path, row)
            guesses = detection.get("classifications", [[image.get("prediction")]])
            guess = guesses[0] if isinstance(guesses, list) and guesses else None
            species = str(names.get(str(guess[0]), "")) if isinstance(guess, list) and guess else ""
            if box.category.casefold() in _NO_ANIMALS or species.casefold() in _NO_SPECIES:
                species = ""
            yield box._replace(frame=_frame(detection, path, row), timestamp=time), species


def _names_of_species(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the classes of a classifier are called; nothing for individuals, which `dbc export clusters` writes as classes."""
    info, names = document.get("info"), document.get("classification_categories")
    is_own = isinstance(info, dict) and info.get("classifier") == OWN_CLASSIFIER
    return names if isinstance(names, dict) and not is_own else {}


def _slashed(path: str) -> str:
    """`path` with slashes: Windows writes backslashes."""
    return path if "/" in path else path.replace("\\", "/")


def _boxes_of(image: Any, origin: str) -> Sequence[Any] | None:
    """The detections of a picture; None if the detector failed on it."""
    if not isinstance(image, dict) or not isinstance(image.get("file"), str):
        raise UsageError(f"{origin} names no file; write the results anew with MegaDetector")
    found = image.get("detections")
    if (found is None and image.get("failure") is not None) or (found == [] and image.get("failure")):
        return None
    if not isinstance(found, list):
        raise UsageError(f"{origin}: {shown(image['file'])} has no list of detections; write the results anew")
    return found


def _relative(detection: Any, path: str, origin: str, categories: Mapping[str, Any]) -> Detection:
    """A box of the dialect that is an object."""
    left, top, width, height = _numbers(detection, origin, score="conf", other="confidence")
    category = categories.get(str(detection.get("category")))
    return Detection(
        path,
        origin,
        (left, top, width, height),
        is_relative=True,
        score=score_of(detection["conf"], origin),
        category=f"{detection.get('category')} (not listed)"
        if category is None
        else text_of(category, origin, name="category"),
    )


def _in_pixels(detection: Any, path: str, origin: str) -> Detection:
    """A box of the dialect that is a list."""
    left, top, right, bottom = _numbers(detection, origin, score="confidence", other="conf")
    if max(right, bottom) <= 1:
        raise UsageError(
            f"{origin}: box {detection['bbox']} should be in pixels, as in every list of MegaDetector, and seems to be in "
            "shares of the picture; check which program wrote the file"
        )
    return Detection(
        path,
        origin,
        (left, top, right - left, bottom - top),
        score=score_of(detection["confidence"], origin),
        category=text_of(detection.get("category"), origin, name="category"),
    )


def _numbers(detection: Any, origin: str, *, score: str, other: str) -> tuple[float, float, float, float]:
    """The four numbers of a box; UsageError unless it is one of the dialect that has `score`."""
    said = detection.get(score) if isinstance(detection, dict) else None
    # of NaN `min_confidence` decides
    is_nan = isinstance(said, float) and math.isnan(said)
    if not isinstance(detection, dict) or isinstance(said, str) or (number_of(said) is None and not is_nan):
        is_other = isinstance(detection, dict) and other in detection
        told = f" has {other} and no {score}: it mixes the dialects of" if is_other else " is no detection of"
        if isinstance(detection, dict) and score in detection:
            told = f": {score} {shown(str(detection[score]))} is not a number, as in each detection of"
        raise UsageError(f"{origin}{told} MegaDetector; write the results anew")
    if not (is_nan or 0 <= detection[score] <= 1):
        raise UsageError(f"{origin}: {score} {detection[score]} is not from 0 to 1; check which program wrote the file")
    box = box_of(detection.get("bbox"), origin, name="bbox", meaning="four numbers")
    if box is None:
        raise UsageError(f"{origin} has no bbox; write the results anew")
    return box


def _frame(detection: Mapping[str, Any], path: str, origin: str) -> int:
    """The number of the frame that a box is in, −1 if the file is no video."""
    frame = frame_of(detection.get("frame_number"), origin, name="frame_number")
    if frame < 0 and is_video(path):
        raise UsageError(f"{origin} names no frame_number of the video {shown(path)}; write the results anew")
    return frame


FORMAT = Format(
    name="megadetector",
    description="Results (.json) of MegaDetector or SpeciesNet beside the pictures, or with `root` for pictures elsewhere.",
    read_table=read_megadetector,
    recognise=recognise_megadetector,
    options=NAMING | BOXES,
)
