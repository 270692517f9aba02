"""The published layouts a dataset may come in: one module a format, found by its name in `FORMATS`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.cuhk03_np import read_cuhk03_np
from stages.ingest.formats.dukemtmc_reid import read_dukemtmc_reid
from stages.ingest.formats.dukemtmc_videoreid import read_dukemtmc_videoreid
from stages.ingest.formats.folder import read_folder
from stages.ingest.formats.market1501 import read_market1501
from stages.ingest.formats.mars import read_mars
from stages.ingest.formats.msmt17 import read_msmt17
from stages.ingest.formats.names import shown
from stages.ingest.formats.table import ignored_columns, read_table
from stages.ingest.formats.veri776 import read_veri776
from stages.samples import Samples

FORMATS: dict[str, Callable[[Path, IngestParameters], Samples]] = {
    "market1501": read_market1501,
    "folder": read_folder,
    "csv": read_table,
    "dukemtmc-reid": read_dukemtmc_reid,
    "msmt17": read_msmt17,
    "cuhk03-np": read_cuhk03_np,
    "veri776": read_veri776,
    "mars": read_mars,
    "dukemtmc-videoreid": read_dukemtmc_videoreid,
}


def read_samples(source: Path, *, parameters: IngestParameters) -> Samples:
    """The samples under `source`, in an order and with splits that no order of files or rows can change.

    Paths are POSIX paths relative to `image_root(source)`. Raises `UsageError` where the layout is not the one
    `parameters.format` names, or where `parameters` holds an option that this format would ignore.
    """
    if parameters.format not in FORMATS:
        raise UsageError(f"format '{parameters.format}' reads no files; use one of {', '.join(FORMATS)}")
    if parameters.camera_pattern is not None and parameters.format != "folder":
        raise UsageError(
            f"--camera-pattern {shown(parameters.camera_pattern)} has no use with --format {parameters.format}, "
            "whose files give the camera themselves; leave it out or use --format folder"
        )
    if not source.exists():
        raise UsageError(f"source '{source}' does not exist; give the folder that holds the images")
    return FORMATS[parameters.format](source, parameters)


def ignored(source: Path, *, parameters: IngestParameters) -> str | None:
    """What of a source that `read_samples` has read it took no notice of, on one line; None where there is nothing."""
    return ignored_columns(source) if parameters.format == "csv" else None


def image_root(source: Path) -> Path:
    """The folder that sample paths are relative to: `source`, or the folder of the table that `source` is."""
    return source.parent if source.is_file() else source
