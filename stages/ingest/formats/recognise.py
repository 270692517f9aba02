"""Which layout a source has, told by its folders and files; what is inside is for the reader of that layout to judge."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from schemas.choices import DatasetFormat
from stages.errors import DbcError, UsageError
from stages.ingest.decode.image_file import image_suffixes
from stages.ingest.formats import dukemtmc_reid, dukemtmc_videoreid, mars, msmt17, veri776
from stages.ingest.formats.cuhk03_np import BOXES
from stages.ingest.formats.find_table import tables_in
from stages.ingest.formats.format import Format
from stages.ingest.formats.json_file import find_json, load_json
from stages.ingest.formats.layout import is_there
from stages.ingest.formats.listing import subfolders, suffix_of
from stages.ingest.formats.megadetector import why_results
from stages.ingest.formats.mot import refuse_deep_sequences
from stages.ingest.formats.named_files import MARKET_FOLDERS
from stages.ingest.formats.yolo import refuse_bad_labels
from stages.wording import first_names, plain, shortened, shown

_LOOKED_AT = 20
_FOR_EACH_PICTURE = frozenset({"labelme", "voc"})
"""Formats of a file for each picture, which come after those with one for all and before a folder of pictures."""
_MOST_SETS = 20
"""Folders of a level that are looked at for published layouts: folders of identities are more, and have none."""
_LONGEST = 40
"""Letters of a key of a document that a message shows."""
_MARKET = tuple(f"{folder}/" for folder in MARKET_FOLDERS)
_VERI = tuple(f"{folder}/" for folder in veri776.VERI776.folders)
_VIDEOREID = tuple(f"{folder}/" for folder in dukemtmc_videoreid.FOLDERS)


@dataclass(frozen=True)
class Recognised:
    """The `format` taken, and `why` in a line; `others` may be meant instead."""

    format: DatasetFormat
    why: str
    others: tuple[str, ...] = ()


def recognise(source: Path, formats: Collection[Format]) -> Recognised:
    """The format of `source`, a file or a folder.

    A published layout comes first, then what those of `formats` recognise that can, a table, a folder of pictures. UsageError
    if several tables could be that of the pictures, or if parts of a published layout are missing, or labels are wrong, and
    nothing else fits.
    """
    fitting = [
        Recognised(each.name, why) for each in formats if each.recognise is not None and (why := each.recognise(source))
    ]
    if source.is_file():
        if not fitting:
            _refuse_no_table(source)
        if not fitting or source.suffix.lower() != ".json":
            fitting.append(Recognised("csv", "SOURCE is a file"))
    else:
        beside = [each for each in fitting if each.format in _FOR_EACH_PICTURE]
        fitting = [each for each in (_published(source), *fitting) if each and each not in beside]
        fitting += _by_tables(source, formats, is_known=bool(fitting))
        if fitting[0].format in ("folder", "video"):
            if not beside:
                _refuse_layouts_below(source, whole=fitting[0].format)
            refuse_deep_sequences(source, whole=fitting[0].format)
        if fitting[0].format == "folder":
            _require_whole(source)
            refuse_bad_labels(source)
            if why := why_results(source):
                fitting.insert(0, Recognised("megadetector", why))
        # the folder is the last
        fitting[-1:-1] = beside
    return replace(fitting[0], others=tuple(each.format for each in fitting[1:] if each.format != fitting[0].format))


def _refuse_no_table(file: Path) -> None:
    """Raise UsageError if `file`, which no format recognises, is a picture, JSON or XML, and so no table."""
    suffix = suffix_of(file.name)
    if suffix in image_suffixes():
        raise UsageError(f"{shown(file)} is a picture; give the folder that holds it, or a table of pictures")
    if suffix == ".xml":
        raise UsageError(
            f"{shown(file)} is XML; of Pascal VOC, a file for each picture, give the folder; in CVAT, export MOT, COCO or VOC"
        )
    if suffix == ".json":
        document = load_json(file)
        one = document[0] if isinstance(document, list) and document else document
        found = "a list of objects with" if one is not document else "an object with"
        names = [shown(str(name)[:_LONGEST]) for name in one] if isinstance(one, dict) else []
        found = f"{found} {shortened(names) or 'nothing in it'}" if isinstance(one, dict) else "no object"
        raise UsageError(
            f"{shown(file)} is JSON of no format that is read here, {found}; MegaDetector's has images and "
            "detection_categories, SpeciesNet's predictions, COCO's images and annotations; "
            "of LabelMe give the folder; other labelling tools, such as Label Studio, export COCO or YOLO"
        )


def _as_source(file: Path) -> str:
    """How to have a file beside pictures read that is a source of its own."""
    return f"{plain(file.name)} says what is in pictures, and is not read: `dbc ingest {shown(file)}` reads it"


def _unread_json(source: Path, formats: Collection[Format]) -> str:
    """What is the matter with the only JSON file of a folder that no format recognises; empty if there is no such file."""
    try:
        file = find_json(source)
    except (UsageError, OSError):
        return ""
    try:
        load_json(file)
    except DbcError as error:
        return f"not JSON, or not all of it: {plain(file.name)}" if isinstance(error, UsageError) else ""
    if any(each.recognise and each.recognise(file) for each in formats):
        return _as_source(file)
    return f"JSON of no format that is read here: {plain(file.name)}"


def _published(source: Path) -> Recognised | None:
    if _holds(source, *mars.ENTRIES):
        return Recognised("mars", "bbox_train, bbox_test and info are there")
    if _holds(source, *msmt17.LISTS):
        return Recognised("msmt17", f"{', '.join(msmt17.LISTS)} are there")
    if _holds(source, *_VERI):
        return Recognised("veri776", f"{', '.join(veri776.VERI776.folders)} are there")
    has_boxes = any(_holds(source / kind, *_MARKET) for kind in BOXES)
    if has_boxes or (source.name in BOXES and _holds(source, *_MARKET)):
        return Recognised("cuhk03-np", f"{', '.join(MARKET_FOLDERS)} are there, in labeled or detected")
    if _holds(source, *_MARKET):
        duke = dukemtmc_reid.DUKEMTMC_REID.pattern
        names = _some_names(source / next(iter(MARKET_FOLDERS)), "*.*")
        if names and all(duke.match(name) for name in names):
            return Recognised("dukemtmc-reid", "the folders of Market-1501 are there, and names have frame numbers")
        return Recognised("market1501", f"{', '.join(MARKET_FOLDERS)} are there")
    if _holds(source, *_VIDEOREID) and _has_named_frames(source):
        return Recognised("dukemtmc-videoreid", "train, query and gallery hold tracklets of named frames")
    return None


def _refuse_layouts_below(source: Path, *, whole: DatasetFormat) -> None:
    """Raise UsageError if folders in `source`, or in these, have published layouts, as these are not looked into.

    An archive has a folder of its own, which may lie in another. `whole` is the format that takes all pictures of `source`.
    """
    tops = subfolders(source)[:_MOST_SETS]
    found = [(folder, known) for folder in tops if (known := _published(folder))]
    if not found:
        below = [folder for top in tops for folder in subfolders(top)[:_MOST_SETS]]
        found = [(folder, known) for folder in below if (known := _published(folder))]
    if not found:
        return
    told = shortened([f"{plain(folder.relative_to(source).as_posix())} ({known.format})" for folder, known in found])
    first = found[0][0]
    one = f"give it as the source: {shown(first)}"
    if len(found) > 1:
        one = f"give one of them as the source, such as {shown(first)}, and each a run of its own"
    raise UsageError(
        f"{shown(source)} holds {'the published layout' if len(found) == 1 else 'published layouts'} {told}; {one}, or say "
        f"`format='{whole}'` to take all {'videos' if whole == 'video' else 'pictures'} in {shown(source)} as they lie"
    )


def _require_whole(source: Path) -> None:
    """Raise UsageError if `source` has folders or lists of a published layout and lacks others."""
    own = {f"{folder}/" for folder in ("bounding_box_train", "bounding_box_test")}
    halves = next((pair for pair in msmt17.FOLDERS if (source / pair[0]).is_dir()), msmt17.FOLDERS[0])
    msmt = (*msmt17.LISTS, *(f"{half}/" for half in halves))
    is_msmt = any(map(msmt17.is_image_name, _some_names(source / halves[0], "*/*.*")))
    # what says so, and all that has to be there
    layouts: list[tuple[str, Collection[str], Sequence[str]]] = [
        ("mars", {"bbox_train/", "bbox_test/"}, mars.ENTRIES),
        ("msmt17", {f"{half}/" for half in halves} if is_msmt else msmt17.LISTS.keys(), msmt),
        ("veri776", _VERI, _VERI),
        ("market1501", own, _MARKET),
        *(("cuhk03-np", {f"{kind}/{each}" for each in own}, [f"{kind}/{each}" for each in _MARKET]) for kind in BOXES),
        ("dukemtmc-videoreid", {"train/"} if _has_named_frames(source) else (), _VIDEOREID),
    ]
    for name, telling, entries in layouts:
        found = [entry for entry in entries if entry in telling and is_there(source, entry)]
        missing = [entry.rstrip("/") for entry in entries if not is_there(source, entry)]
        if found and missing:
            raise UsageError(
                f"{shown(source)} looks like {name}, as {found[0].rstrip('/')} is there, but lacks {', '.join(missing)}; "
                f"restore what is missing, or say `format='folder'` if it is not {name}"
            )


def _by_tables(source: Path, formats: Collection[Format], *, is_known: bool) -> list[Recognised]:
    """The formats csv, if there is one table of pictures, and folder; UsageError for several if nothing `is_known` of it."""
    tables = tables_in(source)
    found = [file for file in tables.likely if file in tables.with_path]
    if len(found) > 1 and not is_known:
        raise UsageError(
            f"{shown(source)} holds {len(found)} tables with a column path ({first_names(found)}); give one of them as the "
            "source, or `format='folder'` to read none"
        )
    unread = first_names(tables.not_utf8)
    xml = sorted(source.glob("*.xml"))
    others = first_names([file for file in tables.others[:5] if file not in (*tables.not_utf8, *tables.of_programs)])
    reasons = (
        f"no column path in {others}" if others else "",
        f"not in UTF-8: {unread}" if unread else "",
        *map(_as_source, tables.of_programs),
        "" if is_known else _unread_json(source, formats),
        f"XML that is not read: {first_names(xml)}" if xml and not is_known else "",
    )
    told = ", ".join(filter(None, (*reasons, tables.passed_over)))
    no_table = "there is no table of pictures" + (f" ({told})" if told else "")
    fallback = Recognised("folder", f"{no_table} and no published layout")
    table = [Recognised("csv", f"{plain(file.name)} there has a column path") for file in found[:1]]
    return [*table, fallback]


def _holds(source: Path, *entries: str) -> bool:
    return all(is_there(source, entry) for entry in entries)


def _has_named_frames(source: Path) -> bool:
    """Whether the first files in `train` have names as the published frames of DukeMTMC-VideoReID."""
    names = _some_names(source / "train", "*/*/*.*")
    return bool(names) and all(map(dukemtmc_videoreid.is_frame_name, names))


def _some_names(folder: Path, pattern: str) -> list[str]:
    return [file.name for file in islice(folder.glob(pattern), _LOOKED_AT) if not file.name.startswith(".")]
