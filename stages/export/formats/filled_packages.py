"""Packages of Camtrap DP that were ingested, with `individualID` filled where it was empty."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.errors import UsageError
from stages.export.formats.format import IngestedSource, Layout, counts
from stages.export.members import Member
from stages.ingest.decode.crops import Region, window
from stages.ingest.formats.camtrap_dp import ENTRIES, OBSERVATIONS, animals
from stages.ingest.formats.csv_file import read_csv_file
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.listing import in_other_form
from stages.ingest.formats.names import is_missing
from stages.ingest.formats.numbers import number_of
from stages.output_files import rows_as_csv
from stages.wording import shown, so_many, with_first


@dataclass
class _Package:
    """The package in `folder`, `place` in what is written: the cells of its observations, and what is known of its animals.

    `number` is the individual of each line, from 0, that is an animal in a picture, None if it is in no cluster. `files` are
    their pictures; `elsewhere` counts animals in a picture that the run has, of the same size, from another folder.
    """

    folder: Path
    place: str
    delimiter: str
    header: list[str]
    lines: list[list[str]]
    number: Mapping[int, int | None]
    files: frozenset[str]
    elsewhere: int

    @property
    def column(self) -> int:
        """The place of individualID among the cells of a line."""
        return self._names.index("individualid")

    @property
    def _names(self) -> list[str]:
        return [name.strip().lower() for name in self.header]

    def is_herd(self, line: int) -> bool:
        """Whether an observation is of several animals."""
        return "count" in self._names and (number_of(self.lines[line][self._names.index("count")]) or 1) > 1

    @property
    def written(self) -> dict[str, str]:
        """Its files as texts, by their places."""
        texts = {name: self.folder / name for name in ENTRIES if (self.folder / name).is_file()}
        found = {name: file.read_text(encoding="utf-8-sig") for name, file in texts.items()}
        found[OBSERVATIONS] = rows_as_csv([self.header, *self.lines], delimiter=self.delimiter)
        return {f"{self.place}{name}": text for name, text in found.items()}


def filled(rows: Sequence[Member], source: IngestedSource) -> Layout:
    """The tables of the package in the root as they are, but for the individuals: those that had none get their title.

    So do those of the packages that hold pictures of `rows` outside of the root, in folders of their names. A title that is
    the ID of other animals there becomes `dbc-7`.
    """
    path_of = paths_of_files(rows, source)
    packages, notes = _packages(rows, source, path_of)
    # an ID in a package may be of pictures that are in no cluster
    there: set[str] = set()
    had: dict[int, set[str]] = {}
    for package in packages:
        cells = [cells[package.column].strip() for cells in package.lines]
        there |= {cell for cell in cells if not is_missing(cell)}
        for line, each in package.number.items():
            if each is not None and not is_missing(cells[line]):
                had.setdefault(each, set()).add(cells[line])
    title = {row.individual: row.title for row in rows if row.individual is not None}
    known = {each for package in packages for each in package.number.values() if each is not None}
    name = {each: _free_id(each, title[each], there, own=had.get(each, set())) for each in known}
    kept = n_several = 0
    filled = Counter[int]()
    for package in packages:
        for line, found in package.number.items():
            if found is None:
                continue
            if is_missing(package.lines[line][package.column]):
                package.lines[line][package.column] = name[found]
                filled[found] += 1
                n_several += package.is_herd(line)
            else:
                kept += 1
    told = f"individualID of {so_many(filled.total(), 'observation')} filled; {kept} keep the one that they had"
    notes = (told, *notes, *_told_of_ids(name, title, had, filled))
    notes += counts((n_several, "observations of several animals (count) that got one individualID"))
    return Layout({place: text for package in packages for place, text in package.written.items()}, notes)


def paths_of_files(rows: Iterable[Member], source: IngestedSource) -> dict[str, str]:
    """The path of the row by the file, absolute, that its picture is now.

    As seen from the folder of an added package, `media/1.jpg` of the first and `../package2/media/1.jpg` are one file, which
    is that of the latter.
    """
    root, elsewhere = os.path.realpath(source.root), source.pictures.elsewhere
    paths = sorted({row.path for row in rows}, key=lambda path: path.startswith(os.pardir))
    return {os.path.normpath(f"{root}/{elsewhere.get(path, path)}"): path for path in paths}


def _packages(
    rows: Sequence[Member], source: IngestedSource, path_of: Mapping[str, str]
) -> tuple[list[_Package], tuple[str, ...]]:
    """The package in the root and those that hold other pictures, and notes of these and of pictures that are in none."""
    root = Path(os.path.realpath(source.root))
    found, notes = [_package(root, "", rows, source, path_of)], list[str]()
    folders = {_folder_of_package(folder) for folder in {os.path.dirname(file) for file in path_of}}  # noqa: PTH120
    for folder in sorted(filter(None, folders - {str(root)})):
        parts = [part for part in PurePosixPath(os.path.relpath(folder, root)).parts if part != os.pardir]
        place = f"{'/'.join(parts) or Path(folder).name}/"
        while place in {each.place for each in found}:
            place = f"{place[:-1]}_/"
        try:
            package = _package(Path(folder), place, rows, source, path_of)
        except UsageError as why:
            notes.append(f"a package that is not filled: {why}")
            continue
        if not package.number:
            continue
        found.append(package)
        notes.append(f"the package of pictures that were added, {shown(folder)}, is in {shown(place)}")
        if package.elsewhere:
            notes.append(
                f"observations there whose pictures seem to be those of {shown(str(root))}, and are filled there alone: "
                f"{package.elsewhere}; to have them in {shown(place)}, give {shown(folder)} as `root`"
            )
    lost = sorted(set(path_of.values()) - {path_of[file] for package in found for file in package.files})
    if lost:
        notes.append(
            f"pictures of no package, and left out: {with_first(lost)}; the other formats hold them, and so does a new "
            "package, if `root` is a folder above them all"
        )
    return found, tuple(notes)


def _folder_of_package(folder: str) -> str | None:
    """The first of `folder` and those above it that has the tables of a package; None if none has."""
    for each in (Path(folder), *Path(folder).parents):
        if all((each / name).is_file() for name in ENTRIES[1:]):
            return str(each)
    return None


def _package(
    folder: Path, place: str, rows: Sequence[Member], source: IngestedSource, path_of: Mapping[str, str]
) -> _Package:
    """The package in `folder` with the individuals of its animals by `rows`; UsageError if it cannot be read."""
    individual = {(row.path, row.cut_out): row.individual for row in rows}
    is_cut = any(row.box for row in rows)
    number: dict[int, int | None] = {}
    files = set[str]()
    elsewhere = 0
    for line, animal, file in animals_in_files(folder, folder):
        path = path_of.get(file)
        if path is None:
            elsewhere += bool(place) and _is_alike(animal.path, file, source, path_of)
            continue
        files.add(file)
        number[line] = individual.get((path, _cut(animal._replace(path=path), source, is_cut=is_cut)))
    table = read_csv_file(folder / OBSERVATIONS, columns=("observationid",))
    # rows without any cell are left out, as readers do
    header, *lines = table.written()
    lines = [cells + [""] * (len(header) - len(cells)) for cells in lines]
    if "individualid" not in [name.strip().lower() for name in header]:
        header, lines = [*header, "individualID"], [[*cells, ""] for cells in lines]
    return _Package(folder, place, table.delimiter, header, lines, number, frozenset(files), elsewhere)


def animals_in_files(folder: Path, root: Path) -> list[tuple[int, Detection, str]]:
    """The animals of the package in `folder`, each after its row and before its file below `root`, as `paths_of_files` has it.

    Names of files may have another Unicode form than the package, as when it was ingested.
    """
    found = [*animals(folder, root, Counter(), [])]
    there = in_other_form(root, dict.fromkeys(animal.path for _, animal in found))
    top = os.path.realpath(root)
    return [(row, animal, os.path.normpath(f"{top}/{there.get(animal.path, animal.path)}")) for row, animal in found]


def _is_alike(path: str, file: str, source: IngestedSource, path_of: Mapping[str, str]) -> bool:
    """Whether the run has a picture of this `path` and the size of `file` in its root."""
    own = os.path.normpath(f"{os.path.realpath(source.root)}/{path}")
    try:
        return own in path_of and Path(own).stat().st_size == Path(file).stat().st_size
    except OSError:
        return False


def _free_id(number: int, title: str, there: set[str], *, own: set[str]) -> str:
    """The `title` of an individual as an ID, or with as many `dbc-` before it as it takes to be none of other animals.

    These have the IDs `there`, of which neither the title nor the number alone may be one, unless it is the only one that the
    individual's observations have as their `own`.
    """
    for found in (title, str(number)):
        if own == {found}:
            return found
    before = ""
    while not there.isdisjoint((f"{before}{title}", f"{before}{number}")):
        before += "dbc-"
    return f"{before}{title}"


def _told_of_ids(
    name: Mapping[int, str], title: Mapping[int, str], had: Mapping[int, set[str]], filled: Counter[int]
) -> tuple[str, ...]:
    """Notes of the titles of individuals that are IDs of others in the package, and of individuals with several IDs now."""
    renamed = sorted(number for number in filled if name[number] not in (title[number], str(number)))
    several = sorted(number for number in had if len(had[number] | ({name[number]} if filled[number] else set())) > 1)
    notes = []
    if renamed:
        notes.append(
            "numbers of individuals that the package has as individualID of others, so that they get another: "
            f"{len(renamed)}, the first {renamed[0]} as {shown(name[renamed[0]])}"
        )
    if several:
        first = several[0]
        ids = ", ".join(map(shown, sorted(had[first])[:3]))
        notes.append(
            f"individuals some of whose observations had an individualID, which is not given to the others: {len(several)}, "
            f"the first {first}, where it is {ids}; look at them, and make one ID of what is one animal"
        )
    return tuple(notes)


def _cut(animal: Detection, source: IngestedSource, *, is_cut: bool) -> tuple[int, int, int, int] | None:
    """What ingest cut out of the picture for `animal`; None if it took whole pictures."""
    if not is_cut or animal.path in source.pictures.lost:
        return None
    width, height = source.size(animal.path)
    region = Region(animal.box, animal.is_relative)
    left, top, right, bottom = window(region, width=width, height=height, pad=source.parameters.pad).rectangle
    return left, top, right - left, bottom - top
