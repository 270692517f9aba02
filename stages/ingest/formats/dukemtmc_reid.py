"""The layout of DukeMTMC-reID: the folders of Market-1501, with frame numbers in the names."""

from __future__ import annotations

import re
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.ingest.formats.format import Findings, Format
from stages.ingest.formats.named_files import MARKET_FOLDERS, NamedFiles
from stages.samples import Samples

DUKEMTMC_REID = NamedFiles(
    name="dukemtmc-reid",
    pattern=re.compile(r"(?P<pid>[0-9]{1,9})_c(?P<camid>[0-9]{1,9})_f[0-9]+", re.ASCII),
    shape="PID_cCAMERA_fFRAME",
    example="0001_c2_f0046182.jpg",
    folders=MARKET_FOLDERS,
)


def read_dukemtmc_reid(source: Path, _parameters: IngestParameters, findings: Findings) -> Samples:
    """The samples of DukeMTMC-reID; its 408 distractors are identities of their own, seen in the gallery alone."""
    return DUKEMTMC_REID.read(source, findings)


FORMAT = Format(
    name="dukemtmc-reid",
    description="DukeMTMC-reID: the folders of Market-1501, names such as 0001_c2_f0046182.jpg.",
    read=read_dukemtmc_reid,
)
