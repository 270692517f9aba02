"""The layout of Market-1501 and of the many data sets published in its shape."""

from __future__ import annotations

import re
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.ingest.formats.format import Findings, Format
from stages.ingest.formats.named_files import MARKET_FOLDERS, NamedFiles
from stages.samples import Samples

MARKET1501 = NamedFiles(
    name="market1501",
    # sets in this shape often leave the sequence out
    pattern=re.compile(r"(?P<pid>-1|[0-9]{1,9})_c(?P<camid>[0-9]{1,9})(?:s[0-9]+)?_", re.ASCII),
    shape="PID_cCAMERAsSEQUENCE_…",
    example="0002_c1s1_000451_03.jpg",
    folders=MARKET_FOLDERS,
)


def read_market1501(source: Path, _parameters: IngestParameters, findings: Findings) -> Samples:
    """The samples of a folder in the shape of Market-1501: `-1_c…` is junk, `0000_c…` a distractor."""
    return MARKET1501.read(source, findings)


FORMAT = Format(
    name="market1501",
    description="Market-1501 and sets in its shape: bounding_box_train/, query/, bounding_box_test/.",
    read=read_market1501,
)
