"""Whether the folders and files of a published layout are there, and the one line that says which are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.format import Findings
from stages.wording import first_names, plain, shortened, shown


def folder_of(source: Path) -> Path:
    """`source`, or the folder of the file that it is."""
    return source.parent if source.is_file() else source


def require_layout(source: Path, *, name: str, entries: Sequence[str]) -> None:
    """Raise UsageError unless `source` holds `entries`, folders written with a slash at the end: `query/`."""
    wanted = ", ".join(entry.rstrip("/") for entry in entries)
    if not source.is_dir():
        raise UsageError(f"{shown(source)} is not a folder; {name} wants a folder with {wanted}")
    missing = [entry.rstrip("/") for entry in entries if not is_there(source, entry)]
    if missing:
        raise UsageError(
            f"{shown(source)} lacks {', '.join(missing)}: {name} wants {wanted}, found {entries_of(source)}; "
            "give the folder that holds them or use another `format`"
        )


def entries_of(source: Path) -> str:
    """The first folders and files of `source`, for an error."""
    found = sorted(plain(entry.name) for entry in source.iterdir() if not entry.name.startswith("."))
    return shortened(found) or "nothing"


def only_one(found: Sequence[Path], source: Path, *, wanted: str, advice: str) -> Path:
    """The only one of the files `found` in `source`; UsageError if there are others or none of what is `wanted`."""
    if len(found) != 1:
        names = first_names(found) or "none"
        raise UsageError(f"{shown(source)} should hold {wanted}, found {len(found)} ({names}){advice}")
    return found[0]


def missing_files(
    wanted: Iterable[str],
    there: Iterable[str],
    *,
    list_name: str,
    name: str,
    parameters: IngestParameters,
    findings: Findings,
) -> frozenset[str]:
    """The paths that the file `list_name` of the data set `name` lists and that are not `there`, which is said.

    UsageError if there are some, unless bad images are skipped.
    """
    present = set(there)
    listed = list(wanted)
    missing = sorted(path for path in listed if path not in present)
    if not missing:
        return frozenset()
    told = f"{list_name} lists {len(missing)} of {len(listed)} images that do not exist, the first {shown(missing[0])}"
    if parameters.on_bad_image != "skip":
        raise UsageError(
            f"{told}; unpack {name} whole, with its lists beside its images, or leave these out with `on_bad_image='skip'`"
        )
    findings.warnings.append(f"{told}; they are left out")
    return frozenset(missing)


def is_there(source: Path, entry: str) -> bool:
    """Whether `source` holds the file `entry`, or the folder if it ends in a slash."""
    path = source / entry
    return path.is_dir() if entry.endswith("/") else path.is_file()
