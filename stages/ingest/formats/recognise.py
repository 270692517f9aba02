"""Which layout a source has, told by its folders and files; what is inside is for the reader of that layout to judge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from schemas.choices import DatasetFormat
from stages.errors import UsageError
from stages.ingest.formats import dukemtmc_reid, dukemtmc_videoreid, mars, msmt17, veri776
from stages.ingest.formats.find_table import tables_in
from stages.ingest.formats.format import Format
from stages.ingest.formats.layout import is_there
from stages.ingest.formats.named_files import MARKET_FOLDERS
from stages.ingest.formats.names import first_names, plain, shown

_LOOKED_AT = 20


@dataclass(frozen=True)
class Recognised:
    """The `format` taken, and `why` in a line; `others` may be meant instead."""

    format: DatasetFormat
    why: str
    others: tuple[str, ...] = ()


def recognise(source: Path, formats: Iterable[Format]) -> Recognised:
    """The format of `source`, a file or a folder.

    A published layout comes first, then what those of `formats` recognise that can, a table, a folder of pictures. UsageError
    if several tables could be that of the pictures.
    """
    fitting = [
        Recognised(each.name, why) for each in formats if each.recognise is not None and (why := each.recognise(source))
    ]
    if source.is_file():
        if not fitting or source.suffix.lower() != ".json":
            fitting.append(Recognised("csv", "SOURCE is a file"))
    else:
        fitting = [each for each in (_published(source), *fitting) if each]
        fitting += _by_tables(source, is_known=bool(fitting))
    return replace(fitting[0], others=tuple(each.format for each in fitting[1:] if each.format != fitting[0].format))


def _published(source: Path) -> Recognised | None:
    if _holds(source, *mars.ENTRIES):
        return Recognised("mars", "bbox_train, bbox_test and info are there")
    if _holds(source, *msmt17.LISTS):
        return Recognised("msmt17", f"{', '.join(msmt17.LISTS)} are there")
    if _holds(source, *(f"{folder}/" for folder in veri776.VERI776.folders)):
        return Recognised("veri776", f"{', '.join(veri776.VERI776.folders)} are there")
    market = tuple(f"{folder}/" for folder in MARKET_FOLDERS)
    boxes = [kind for kind in ("labeled", "detected") if _holds(source / kind, *market)]
    if boxes or (source.name in ("labeled", "detected") and _holds(source, *market)):
        return Recognised("cuhk03-np", f"{', '.join(MARKET_FOLDERS)} are there, in labeled or detected")
    if _holds(source, *market):
        duke = dukemtmc_reid.DUKEMTMC_REID.pattern
        names = _some_names(source / next(iter(MARKET_FOLDERS)), "*.*")
        if names and all(duke.match(name) for name in names):
            return Recognised("dukemtmc-reid", "the folders of Market-1501 are there, and names have frame numbers")
        return Recognised("market1501", f"{', '.join(MARKET_FOLDERS)} are there")
    if _holds(source, *(f"{folder}/" for folder in dukemtmc_videoreid.FOLDERS)):
        names = _some_names(source / "train", "*/*/*.*")
        if names and all(dukemtmc_videoreid.is_frame_name(name) for name in names):
            return Recognised("dukemtmc-videoreid", "train, query and gallery hold tracklets of named frames")
    return None


def _by_tables(source: Path, *, is_known: bool) -> list[Recognised]:
    """The formats csv, if there is one table of pictures, and folder; UsageError for several if nothing `is_known` of it."""
    tables = tables_in(source)
    found = [file for file in tables.likely if file in tables.with_path]
    if len(found) > 1 and not is_known:
        raise UsageError(
            f"{shown(source)} holds {len(found)} tables with a column path ({first_names(found)}); give one of them as the "
            "source, or `format='folder'` to read none"
        )
    unread = first_names(tables.not_utf8)
    others = first_names([file for file in tables.others[:5] if file not in tables.not_utf8])
    reasons = (f"no column path in {others}" if others else "", f"not in UTF-8: {unread}" if unread else "")
    told = ", ".join(filter(None, (*reasons, tables.passed_over)))
    no_table = "there is no table of pictures" + (f" ({told})" if told else "")
    fallback = Recognised("folder", f"{no_table} and no published layout")
    table = [Recognised("csv", f"{plain(file.name)} there has a column path") for file in found[:1]]
    return [*table, fallback]


def _holds(source: Path, *entries: str) -> bool:
    return all(is_there(source, entry) for entry in entries)


def _some_names(folder: Path, pattern: str) -> list[str]:
    return [file.name for file in islice(folder.glob(pattern), _LOOKED_AT) if not file.name.startswith(".")]
