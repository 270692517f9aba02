"""The layout of Market-1501 and of the many data sets published in its shape: `-1_c…` is junk, `0000_c…` a distractor."""

from __future__ import annotations

import re

from stages.ingest.formats.format import Format
from stages.ingest.formats.named_files import MARKET_FOLDERS, NamedFiles

MARKET1501 = NamedFiles(
    name="market1501",
    # sets in this shape often leave the sequence out
    pattern=re.compile(r"(?P<pid>-1|[0-9]{1,9})_c(?P<camid>[0-9]{1,9})(?:s[0-9]+)?_", re.ASCII),
    shape="PID_cCAMERAsSEQUENCE_…",
    example="0002_c1s1_000451_03.jpg",
    folders=MARKET_FOLDERS,
)


FORMAT = Format(
    name="market1501",
    description="Market-1501 and sets in its shape: bounding_box_train/, query/, bounding_box_test/.",
    read=MARKET1501.read,
)
