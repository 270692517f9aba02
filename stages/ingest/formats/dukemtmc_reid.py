"""The layout of DukeMTMC-reID: the folders of Market-1501, with frame numbers in the names.

Its 408 distractors are identities of their own, seen in the gallery alone.
"""

from __future__ import annotations

import re

from stages.ingest.formats.format import Format
from stages.ingest.formats.named_files import MARKET_FOLDERS, NamedFiles

DUKEMTMC_REID = NamedFiles(
    name="dukemtmc-reid",
    pattern=re.compile(r"(?P<pid>[0-9]{1,9})_c(?P<camid>[0-9]{1,9})_f[0-9]+", re.ASCII),
    shape="PID_cCAMERA_fFRAME",
    example="0001_c2_f0046182.jpg",
    folders=MARKET_FOLDERS,
)


FORMAT = Format(
    name="dukemtmc-reid",
    description="DukeMTMC-reID: the folders of Market-1501, names such as 0001_c2_f0046182.jpg.",
    read=DUKEMTMC_REID.read,
)
