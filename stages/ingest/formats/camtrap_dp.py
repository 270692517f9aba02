"""Camtrap DP 1.0: media, observations and deployments of camera traps, in tables beside a datapackage.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from schemas.parameters import ANY_CATEGORY, IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.camera_folders import CameraFolders, of_shared_files
from stages.ingest.formats.coco import read_object
from stages.ingest.formats.csv_file import CsvFile, read_csv_file
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.detections import samples_of
from stages.ingest.formats.format import NAMING, Findings, Format
from stages.ingest.formats.layout import folder_of, require_layout
from stages.ingest.formats.names import is_missing
from stages.ingest.formats.numbers import box_of
from stages.ingest.formats.programs import told_herds
from stages.ingest.formats.relative_paths import relative_path
from stages.ingest.formats.whole_pictures import each_picture_once
from stages.samples import Samples
from stages.wording import counted, shown

OBSERVATIONS = "observations.csv"
ENTRIES = ("datapackage.json", "media.csv", OBSERVATIONS, "deployments.csv")
_MEDIA = ("mediaid", "deploymentid", "timestamp", "filepath", "filemediatype", "filename")
_BOX = ("bboxx", "bboxy", "bboxwidth", "bboxheight")
_OBSERVED = (
    *("observationid", "deploymentid", "mediaid", "eventid", "observationlevel", "observationtype", "individualid"),
    "scientificname",
    *_BOX,
)


_COUNTED = ("observationlevel", "observationtype", "bboxx", "count")


def read_camtrap_dp(source: Path, root: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The animals of the observations of single pictures (`observationLevel` media), each with its box or the whole picture.

    The deployment is the camera, `individualID` the individual, `eventID` the encounter, and `scientificName` the category if
    there are several; the picture's time is kept.
    Of a picture on a server (filePath is a URL) the file called fileName under `root` is taken, and if there is none, the
    one below a folder called as the deployment. Observations of events, people, vehicles, blanks and videos are counted and
    left out. UsageError names the file and line of what is wrong, and of media that come to one file.
    """
    left_out = Counter[str]()
    folder = folder_of(source)
    taken = animals(folder, root, left_out, findings.warnings)
    found = each_picture_once((animal for _, animal in taken), left_out, parameters)
    if left_out:
        findings.notes.append(f"observations left out: {counted(left_out)}")
    if not found:
        raise UsageError(
            f"{shown(folder / OBSERVATIONS)} has no animals in single pictures ({counted(left_out)}); "
            "give observations with observationLevel media and a mediaID"
        )
    if any(row.box is None for row in found):
        table = read_csv_file(folder / OBSERVATIONS, columns=(*_OBSERVED[:1], *_COUNTED))
        rows = zip(*map(table.column, _COUNTED), strict=True)
        is_whole = ("media", "animal", True)
        counts = [
            count for level, kind, box, count in rows if (level.lower(), kind.lower(), is_missing(box)) == is_whole
        ]
        findings.warnings += told_herds(table, counts)
    if parameters.category == ANY_CATEGORY and len({row.category for row in found}) == 1:
        # ids are as before species were read
        found = [row._replace(category="") for row in found]
    return samples_of(found, source=folder / OBSERVATIONS, root=root, parameters=parameters, findings=findings)


def animals(source: Path, root: Path, left_out: Counter[str], warnings: list[str]) -> Iterator[tuple[int, Detection]]:
    """The animals in single pictures of the package in the folder `source`, each after its row (from 0) of observations.csv.

    Other rows are counted in `left_out` by what they are. Rows without any cell do not count. `warnings` gains a line if
    files of pictures with an animal may be those of pictures without one.
    """
    require_layout(source, name="camtrap-dp", entries=ENTRIES[1:])
    if (source / ENTRIES[0]).is_file():
        _check_version(source / ENTRIES[0])
    media = read_csv_file(source / "media.csv", columns=_MEDIA, is_whole=True)
    observations = read_csv_file(source / OBSERVATIONS, columns=_OBSERVED, is_whole=True)
    deployments = read_csv_file(source / "deployments.csv", columns=("deploymentid",), is_whole=True)
    _require(media, _MEDIA[:5])
    _require(observations, _OBSERVED[:6])
    return _detections(media, observations, set(deployments.cells["deploymentid"]), root, left_out, warnings)


def why_camtrap_dp(source: Path) -> str | None:
    """One line if `source` is a folder with the tables of Camtrap DP, or its datapackage.json; else None."""
    is_package = source.is_dir() or source.name in ENTRIES
    is_there = is_package and all((folder_of(source) / entry).is_file() for entry in ENTRIES[1:])
    return "media.csv, observations.csv and deployments.csv are there" if is_there else None


def _check_version(file: Path) -> None:
    profile = str(read_object(file).get("profile", ""))
    if "camtrap-dp" in profile and not any(f"camtrap-dp/1.{minor}" in profile for minor in range(10)):
        raise UsageError(f"{shown(file)} says {shown(profile)}, expected Camtrap DP 1; convert the package to it")


def _require(table: CsvFile, columns: tuple[str, ...]) -> None:
    lacking = [name for name in columns if name not in table.cells]
    if lacking:
        raise UsageError(f"{shown(table.file)} lacks the columns {', '.join(lacking)} of Camtrap DP 1; add them")


def _detections(
    media: CsvFile,
    observations: CsvFile,
    deployments: Collection[str],
    root: Path,
    left_out: Counter[str],
    warnings: list[str],
) -> Iterator[tuple[int, Detection]]:
    row_of = _unique(media, "mediaid")
    _unique(observations, "observationid")
    columns = [observations.column(name) for name in _OBSERVED]
    columns[4:6] = [[word.casefold() for word in words] for words in columns[4:6]]
    of_animals = zip(columns[2], *columns[4:6], strict=True)
    with_animal = {row_of[medium] for medium, *kind in of_animals if kind == ["media", "animal"] and medium in row_of}
    paths = _paths(media, root, with_animal, warnings)
    for row, (_, deployment, medium, event, level, kind, individual, species, *box) in enumerate(
        zip(*columns, strict=True)
    ):
        origin = observations.at(row)
        if level != "media":
            left_out["of events" if level == "event" else f"of level {level or 'none'}"] += 1
            continue
        if kind != "animal":
            left_out[f"of type {kind or 'none'}"] += 1
            continue
        picture = row_of.get(medium)
        if picture is None:
            raise UsageError(
                f"{origin} is of mediaID {shown(medium)}, which {media.file.name} does not list; correct it"
            )
        if media.cells["filemediatype"][picture].startswith("video"):
            left_out["of videos"] += 1
            continue
        if deployment not in deployments:
            raise UsageError(
                f"{origin} is of deploymentID {shown(deployment)}, which deployments.csv does not list; correct it"
            )
        path = paths[picture]
        if isinstance(path, UsageError):
            raise path
        detection = Detection(
            path=path,
            origin=origin,
            box=box_of(box, origin, name="bboxX, bboxY, bboxWidth, bboxHeight", meaning="four numbers"),
            is_relative=True,
            timestamp=media.cells["timestamp"][picture],
            category=species,
            identity=individual,
            camera=deployment,
            encounter=event,
        )
        yield row, detection


def _unique(table: CsvFile, column: str) -> dict[str, int]:
    """The row of each text of a column of ids; UsageError for one that is there twice."""
    found: dict[str, int] = {}
    for row, name in enumerate(table.cells[column]):
        first = found.setdefault(name, row)
        if first != row:
            raise UsageError(f"{table.at(row)} has {column} {shown(name)}, as line {table.line[first]}; keep one")
    return found


def _paths(media: CsvFile, root: Path, with_animal: Collection[int], warnings: list[str]) -> list[str | UsageError]:
    """The path below `root` of each medium that is no video, or why it has none.

    UsageError if several pictures that are rows `with_animal` come to one file; `warnings` gains a line if one of them and
    others do. Media of one deployment and filePath are one picture.
    """
    folders, absolute = CameraFolders(root), PurePosixPath(root.absolute().as_posix())
    found: list[str | UsageError] = []
    pictures: list[tuple[str, tuple[str, str], int]] = []
    columns = map(media.column, ("deploymentid", "filemediatype", "filepath"))
    for row, (deployment, kind, place) in enumerate(zip(*columns, strict=True)):
        try:
            named = _path(media, row, absolute)
        except UsageError as why:
            found.append(why)
            continue
        path = folders.place(named, deployment)
        found.append(path)
        if not kind.startswith("video"):
            pictures.append((path, (deployment, place if "://" in place else named), row))
    twins, alone = of_shared_files(pictures, with_animal, folders.has)
    advice = "as by putting the pictures of each deployment into a folder called as its deploymentID below `root`"
    if twins:
        first, row = twins[0][:2]
        one, other = (
            f"{shown(media.cells['mediaid'][each])} of deployment {shown(media.cells['deploymentid'][each])}"
            for each in (first, row)
        )
        raise UsageError(
            f"{media.at(row)}: media {one} and {other} come to one file, {shown(str(found[row]))}, and so do "
            f"{sum(map(len, twins))} of the {len(media)} media; give each a file of its own, {advice}"
        )
    if alone:
        warnings.append(
            f"{shown(media.file)}: pictures with an animal whose file is that of a medium without one, too: {len(alone)}, "
            f"the first {shown(str(found[alone[0]]))}; if they are not the same, give each a file of its own, {advice}"
        )
    return found


def _path(media: CsvFile, row: int, root: PurePosixPath) -> str:
    path = media.cells["filepath"][row]
    if "://" in path:
        name = media.column("filename")[row]
        if is_missing(name):
            raise UsageError(
                f"{media.at(row)}: filePath {shown(path)} is a URL, and there is no fileName; fetch the picture"
            )
        path = name
    found = None if is_missing(path) else relative_path(path, root)
    if found is None:
        raise UsageError(f"{media.at(row)}: filePath {shown(path)} is no path below {shown(str(root))}; correct it")
    return found


FORMAT = Format(
    name="camtrap-dp",
    description="Camtrap DP 1: media.csv, observations.csv, deployments.csv; the deployment is the camera.",
    read_table=read_camtrap_dp,
    recognise=why_camtrap_dp,
    options=NAMING | {"category", "pad"},
    tables=ENTRIES,
)
