"""The layout of VeRi-776: vehicles, in three folders of its own names; its XML and lists are not needed."""

from __future__ import annotations

import re

from stages.ingest.formats.format import Format
from stages.ingest.formats.named_files import NamedFiles
from stages.samples import GALLERY, QUERY, TRAIN

VERI776 = NamedFiles(
    name="veri776",
    pattern=re.compile(r"(?P<pid>[0-9]{1,9})_c(?P<camid>[0-9]{1,9})_[0-9]+_[0-9]+", re.ASCII),
    shape="PID_cCAMERA_TIME_NUMBER",
    example="0002_c002_00030600_0.jpg",
    folders={"image_train": TRAIN, "image_query": QUERY, "image_test": GALLERY},
)


FORMAT = Format(name="veri776", description="VeRi-776: image_train/, image_query/, image_test/.", read=VERI776.read)
