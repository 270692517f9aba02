"""The layout of VeRi-776: vehicles, in three folders of its own names."""

from __future__ import annotations

import re
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.ingest.formats.format import Findings, Format
from stages.ingest.formats.named_files import NamedFiles
from stages.samples import GALLERY, QUERY, TRAIN, Samples

VERI776 = NamedFiles(
    name="veri776",
    pattern=re.compile(r"(?P<pid>[0-9]{1,9})_c(?P<camid>[0-9]{1,9})_[0-9]+_[0-9]+", re.ASCII),
    shape="PID_cCAMERA_TIME_NUMBER",
    example="0002_c002_00030600_0.jpg",
    folders={"image_train": TRAIN, "image_query": QUERY, "image_test": GALLERY},
)


def read_veri776(source: Path, _parameters: IngestParameters, findings: Findings) -> Samples:
    """The samples of VeRi-776, each image for itself; its XML and lists are not needed."""
    return VERI776.read(source, findings)


FORMAT = Format(name="veri776", description="VeRi-776: image_train/, image_query/, image_test/.", read=read_veri776)
