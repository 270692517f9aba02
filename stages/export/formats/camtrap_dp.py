"""Camtrap DP 1.0: observations with `individualID` filled, and the media and deployments that they are of."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from stages.errors import DbcError, UsageError
from stages.export.formats.filled_packages import animals_in_files, filled, paths_of_files
from stages.export.formats.format import (
    ANIMAL,
    ExportFormat,
    IngestedSource,
    Layout,
    category_of,
    counts,
    decimal,
    in_order,
)
from stages.export.members import Member
from stages.export.tables import csv_text
from stages.ingest.decode.pixels import is_video
from stages.ingest.encounters import seconds, years_away
from stages.ingest.formats.camtrap_dp import ENTRIES, OBSERVATIONS
from stages.ingest.formats.csv_file import read_csv_file
from stages.ingest.formats.names import is_missing
from stages.ingest.formats.numbers import number_of, pointed
from stages.ingest.formats.times import iso_time
from stages.wording import shortened, shown, with_first

SCHEMAS = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2"
NO_CAMERA = "unknown"
_COLUMNS = {
    "deployments": """
        deploymentID locationID locationName latitude longitude coordinateUncertainty deploymentStart
        deploymentEnd setupBy cameraID cameraModel cameraDelay cameraHeight cameraDepth cameraTilt
        cameraHeading detectionDistance timestampIssues baitUse featureType habitat deploymentGroups
        deploymentTags deploymentComments
    """,
    "media": """
        mediaID deploymentID captureMethod timestamp filePath filePublic fileName fileMediatype exifData
        favorite mediaComments
    """,
    "observations": """
        observationID deploymentID mediaID eventID eventStart eventEnd observationLevel observationType
        cameraSetupType scientificName count lifeStage sex behavior individualID individualPositionRadius
        individualPositionAngle individualSpeed bboxX bboxY bboxWidth bboxHeight classificationMethod
        classifiedBy classificationTimestamp classificationProbability observationTags observationComments
    """,
}
COLUMNS = {name: columns.split() for name, columns in _COLUMNS.items()}
"""Every column of each table, in the order that its schema wants them."""
_TYPES = {"person": "human", "human": "human", "vehicle": "vehicle"}
"""Types of observations by category; all others are animals, with the species of a package, or a comment that says which."""
_LASTS = ("deploymentStart", "deploymentEnd")
_OF_PACKAGE = (
    "created, contributors and spatial, and samplingDesign and captureMethod of the project, in datapackage.json"
)
"""What the profile of a package requires and no source says."""
DAY = 86400
SEASON = 90
"""Days without a picture after which a camera was likely away."""
_MEDIATYPES = {"jpg": "jpeg", "jpe": "jpeg", "tif": "tiff"}


def layout(rows: Sequence[Member], source: IngestedSource) -> Layout:
    """The package that was ingested, and those of pictures that were added, with `individualID` filled; or a new package."""
    if source.parameters.format == "camtrap-dp" and (source.root / OBSERVATIONS).is_file():
        if source.deployments is not None:
            raise UsageError("`deployments` has no use here: the package that was ingested has its own; leave it out")
        return filled(rows, source)
    return _new(rows, source)


def _new(rows: Sequence[Member], source: IngestedSource) -> Layout:
    """A package: datapackage.json, deployments.csv (a row a camera), media.csv (a picture), observations.csv (a box).

    An individual's ID is its title; boxes that are in no cluster have none. The one species of a package that was ingested,
    which the dataset does not keep, is read there once more. Deployments have what the table `deployments`
    says of them. A picture without a time has that of its EXIF. Of a video the tags of each observation tell frame (from 0)
    and second. What nobody says (coordinates, times) stays empty, and a note
    says that it must be filled in before the package is valid.
    """
    ordered, notes = source.with_times(in_order(rows))
    if source.parameters.format == "camtrap-dp":
        ordered, about = _with_species(ordered, source)
        notes += about
    media = {path: f"m{number}" for number, path in enumerate(dict.fromkeys(row.path for row in ordered), start=1)}
    first = {row.path: row for row in reversed(ordered)}
    places, about = ({}, ()) if source.deployments is None else _told(source.deployments)
    notes += about
    unknown = sorted(places.keys() - set(map(_deployment, ordered)))
    if unknown:
        notes += (f"rows of `deployments` that name no camera of the run: {with_first(unknown)}",)
    pictures = [first[path] for path in media]
    notes += tuple(years_away([*map(_deployment, pictures)], [row.timestamp for row in pictures]))
    tables = {
        "deployments": _deployments(ordered, places),
        "media": [_medium(media[row.path], row, source) for row in pictures],
        "observations": [_observation(f"o{n}", media[row.path], row, source) for n, row in enumerate(ordered, 1)],
    }
    lacking = _lacking(tables["deployments"])
    notes += _told_of_times(tables["deployments"], pictures)
    if any(not row.timestamp for row in ordered):
        lacking.append("times of pictures")
    times = [row.timestamp for row in ordered if row.timestamp]
    times += filter(iso_time, (str(row.get(name) or "") for row in tables["deployments"] for name in _LASTS))
    if not all(map(_has_zone, times)):
        lacking.append("time zones")
    lacking.append(_OF_PACKAGE)
    files = {f"{name}.csv": csv_text(_table(name, found)) for name, found in tables.items()}
    package = json.dumps(_package(tables["deployments"], tables["observations"]), indent=2, ensure_ascii=False) + "\n"
    told = f"not said by the source, to be filled in before the package is valid: {', '.join(lacking)}"
    return Layout({"datapackage.json": package, **files}, (*notes, told))


def _with_species(rows: Sequence[Member], source: IngestedSource) -> tuple[list[Member], tuple[str, ...]]:
    """The rows with the species that the package has of their pictures, if it has but one, and notes of what is lost."""
    species = _species(rows, source) if any(row.category is None for row in rows) else {}
    sure = {path: said.pop() for path, said in species.items() if len(said) == 1}
    found = [row if row.category else replace(row, category=sure.get(row.path) or None) for row in rows]
    n_lost = sum(row.category is None and row.path not in species for row in found)
    advice = (
        "this is a new package, with IDs of its own, because the tables of the one that was ingested are not beside its "
        f"pictures; to fill those, copy {', '.join(ENTRIES)} to {shown(str(source.root))}"
    )
    n_unsure = sum(row.category is None and row.path in species.keys() - sure.keys() for row in found)
    told = counts(
        (n_lost, "observations whose scientificName is in tables that were not found"),
        (n_unsure, "observations without scientificName, because packages say different ones of their picture"),
    )
    return found, (*told, advice)


def _species(rows: Sequence[Member], source: IngestedSource) -> dict[str, set[str]]:
    """The species that the packages which commands named have of each picture, by its path."""
    found: dict[str, set[str]] = {}
    with suppress(UsageError):
        path_of = paths_of_files(rows, source)
        top = os.path.realpath(source.root)
        path_of = {os.path.normpath(f"{top}/{row.path}"): row.path for row in rows} | path_of
        for folder, root in source.named:
            # the folder that was ingested first may lie elsewhere now
            is_first = source.was_at is not None and os.path.abspath(root) == os.path.abspath(source.was_at)  # noqa: PTH100
            said: dict[str, str] = {}
            with suppress(DbcError):
                if (folder / OBSERVATIONS).is_file():
                    there = animals_in_files(folder, source.root if is_first else root)
                    said = {path_of[file]: animal.category for _, animal, file in there if file in path_of}
            for path, category in said.items():
                found.setdefault(path, set()).add(category)
    return found


def _deployment(row: Member) -> str:
    return row.camera or NO_CAMERA


def _has_zone(time: str) -> bool:
    return datetime.fromisoformat(time).tzinfo is not None


_OF_WILDLIFE_INSIGHTS = {
    **{"deploymentid": ["deployment_id"], "locationname": ["placename"], "cameraid": ["camera_id"]},
    **{"setupby": ["recorded_by"], "deploymentstart": ["start_date"], "deploymentend": ["end_date"]},
    "deploymentcomments": ["remarks"],
}
"""Its columns of deployments, which mean the same as those of a package."""


_NUMBERS = {
    "latitude",
    "longitude",
    "coordinateUncertainty",
    "cameraDelay",
    "cameraHeight",
    "cameraDepth",
    "cameraTilt",
    "cameraHeading",
    "detectionDistance",
}
"""Columns of numbers of deployments."""


def _told(file: Path) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """The columns of deployments that the table `file` has, by their name there; UsageError, which names file and row.

    Its columns are those of a package's deployments.csv, whatever their case, or Wildlife Insights'; `deploymentID` is needed.
    Decimal commas become points, of which there is a note.
    """
    columns = {name.lower(): name for name in COLUMNS["deployments"]}
    table = read_csv_file(file, columns=tuple(columns), synonyms=_OF_WILDLIFE_INSIGHTS)
    found: dict[str, dict[str, str]] = {}
    with_commas = set[str]()
    for row, name in enumerate(table.cells["deploymentid"]):
        if is_missing(name) or name in found:
            raise UsageError(f"{table.at(row)}: deploymentID must be a name of its own, got {shown(name)}; correct it")
        said = {columns[column]: cells[row] for column, cells in table.cells.items() if not is_missing(cells[row])}
        numbers = {column: pointed(said[column]) for column in _NUMBERS & said.keys()}
        with_commas |= {column for column, number in numbers.items() if number != said[column]}
        found[name] = {**said, **numbers}
        for column in _LASTS:
            if time := found[name].get(column):
                found[name][column] = iso_time(time) or time
        for coordinate, most in (("latitude", 90), ("longitude", 180)):
            degrees = found[name].get(coordinate, "0")
            number = number_of(degrees)
            if number is None or abs(number) > most:
                raise UsageError(
                    f"{table.at(row)}: {coordinate} must be decimal degrees from -{most} to {most}, got {shown(degrees)}"
                )
    told = f"commas in {', '.join(sorted(with_commas))} of `deployments` are taken for decimal points"
    return found, (told,) if with_commas else ()


def _deployments(rows: Sequence[Member], told: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    found = []
    for name in sorted(set(map(_deployment, rows))):
        times = sorted((row.timestamp for row in rows if _deployment(row) == name and row.timestamp), key=seconds)
        start, end = (times[0], times[-1]) if times else (None, None)
        seen = {"deploymentID": name, "deploymentStart": start, "deploymentEnd": end}
        found.append({**seen, **told.get(name, {})})
    return found


def _told_of_times(deployments: Sequence[dict[str, Any]], rows: Sequence[Member]) -> tuple[str, ...]:
    """Notes on `deployments`: unreadable times, pictures outside their times, cameras without pictures for a season."""
    unread, outside, seasons = [], [], []
    at: dict[str, list[str]] = {}
    for row in rows:
        if row.timestamp:
            at.setdefault(_deployment(row), []).append(row.timestamp)
    for each in deployments:
        name, times = shown(each["deploymentID"]), sorted(at.get(each["deploymentID"], []), key=seconds)
        start, end = (each.get(column) or "" for column in _LASTS)
        unread += [f"{name} has {shown(time)}" for time in (start, end) if time and not iso_time(time)]
        ends = ((start, -math.inf), (end, math.inf))
        first, last = (seconds(time) if iso_time(time) else never for time, never in ends)
        # a day without a time ends a day later, and zones may differ
        outside += [f"{time} of {name}" for time in times if not first - DAY <= seconds(time) <= last + DAY]
        away = [pair for pair in pairwise(times) if seconds(pair[1]) - seconds(pair[0]) > SEASON * DAY]
        gaps = [f"{name} from {one[:10]} to {two[:10]}" for one, two in away]
        seasons += gaps[:1]
    found = (
        (unread, "times in `deployments` that are none as 2026-04-03T10:00:00, written as they are"),
        (outside, "pictures taken more than a day outside of the times of their deployment"),
        (seasons, f"cameras that took no picture for more than {SEASON} days, whose seasons are one deployment here"),
    )
    return tuple(f"{what}: {with_first(lines, str)}" for lines, what in found if lines)


def _lacking(deployments: Sequence[dict[str, Any]]) -> list[str]:
    """Required fields that some `deployments` lack, with the name of the first such deployment."""
    found = []
    for what, columns in (("coordinates", ("latitude", "longitude")), ("times", _LASTS)):
        names = [row["deploymentID"] for row in deployments if any(not row.get(column) for column in columns)]
        if names:
            found.append(f"{what} of deployments ({shortened([*map(shown, names)], most=1)})")
    return found


def _medium(name: str, row: Member, source: IngestedSource) -> dict[str, Any]:
    place = source.place(row.path)
    suffix = place.rpartition(".")[2].lower()
    kind = "video" if is_video(row.path) else "image"
    return {
        "mediaID": name,
        "deploymentID": _deployment(row),
        "timestamp": row.timestamp,
        "filePath": place,
        "filePublic": "false",
        "fileName": place.rpartition("/")[2],
        "fileMediatype": f"{kind}/{_MEDIATYPES.get(suffix, suffix)}",
    }


def _observation(name: str, medium: str, row: Member, source: IngestedSource) -> dict[str, Any]:
    kind = _TYPES.get(category_of(row).casefold(), ANIMAL)
    left, top, width, height = (None,) * 4 if row.box is None else map(decimal, source.shares(row))
    # categories of other sources are no scientific names
    said = "scientificName" if source.parameters.format == "camtrap-dp" else "observationComments"
    return {
        "observationID": name,
        "deploymentID": _deployment(row),
        "mediaID": medium,
        "eventID": row.encounter,
        "eventStart": row.timestamp,
        "eventEnd": row.timestamp,
        "observationLevel": "media",
        "observationType": kind,
        "individualID": None if row.individual is None else row.title,
        "bboxX": left,
        "bboxY": top,
        "bboxWidth": width,
        "bboxHeight": height,
        "classificationMethod": "machine",
        "classifiedBy": "dbc-reid",
        "observationTags": _tags(row, source),
        said: row.category if kind == ANIMAL else None,
    }


def _tags(row: Member, source: IngestedSource) -> str | None:
    """Which frame of a video it is, and at which second, as the format writes tags: `frame:36 | second:1.44`."""
    if row.frame is None or not is_video(row.path):
        return None
    second = source.second(row.path, row.frame)
    return f"frame:{row.frame}" + ("" if second is None else f" | second:{decimal(round(second, 3))}")


def _table(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    return {column: [row.get(column) for row in rows] for column in COLUMNS[name]}


def _package(deployments: Sequence[dict[str, Any]], observations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    names = sorted({each["scientificName"] for each in observations if each.get("scientificName")})
    # the days where the cameras are, in whatever zones, so that none ends before it starts
    starts, ends = (
        sorted(filter(None, (iso_time(each.get(column) or "")[:10] for each in deployments))) for column in _LASTS
    )
    return {
        "profile": f"{SCHEMAS}/camtrap-dp-profile.json",
        "name": "individuals",
        "contributors": [],
        "project": {
            "title": "Individuals found by dbc-reid",
            "individualAnimals": True,
            "observationLevel": ["media"],
        },
        "temporal": {"start": starts[0], "end": ends[-1]} if starts and ends else {},
        "taxonomic": [{"scientificName": name} for name in names],
        "resources": [
            {
                "name": name,
                "path": f"{name}.csv",
                "profile": "tabular-data-resource",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "schema": f"{SCHEMAS}/{name}-table-schema.json",
            }
            for name in COLUMNS
        ],
    }


FORMAT = ExportFormat(name="camtrap-dp", suffix="", layout=layout)
