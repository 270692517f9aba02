"""The layout of CUHK03 under the new protocol (Zhong et al., CVPR 2017): labeled or detected boxes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.format import Findings, Format
from stages.ingest.formats.layout import entries_of
from stages.ingest.formats.named_files import MARKET_FOLDERS, NamedFiles
from stages.samples import Samples
from stages.wording import shown

BOXES = ("detected", "labeled")

CUHK03_NP = NamedFiles(
    name="cuhk03-np",
    pattern=re.compile(r"(?P<pid>[0-9]{1,9})_c(?P<camid>[0-9]{1,9})_[0-9]+", re.ASCII),
    shape="PID_cCAMERA_NUMBER",
    example="0001_c1_1.png",
    folders=MARKET_FOLDERS,
)


def read_cuhk03_np(source: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The samples of one kind of boxes: `source` is `labeled` or `detected`, or a folder that holds one of the two.

    Raises UsageError if it holds both, which are one set seen twice, or neither.
    """
    if any((source / folder).is_dir() for folder in CUHK03_NP.folders):
        return CUHK03_NP.read(source, parameters, findings)
    boxes = [name for name in BOXES if (source / name).is_dir()]
    if len(boxes) == 2:
        raise UsageError(
            f"{shown(source)} holds both labeled and detected boxes; give {shown(source / 'labeled')} or …/detected"
        )
    if not boxes and source.is_dir():
        raise UsageError(
            f"{shown(source)} lacks {', '.join(CUHK03_NP.folders)}: cuhk03-np wants them in its folder labeled or detected, "
            f"found {entries_of(source)}; give the folder that holds them or use another `format`"
        )
    inside = {f"{name}/{folder}": split for name in boxes for folder, split in CUHK03_NP.folders.items()}
    return replace(CUHK03_NP, folders=inside or CUHK03_NP.folders).read(source, parameters, findings)


FORMAT = Format(
    name="cuhk03-np",
    description="CUHK03, new protocol: labeled/ or detected/ with the folders of Market-1501.",
    read=read_cuhk03_np,
)
