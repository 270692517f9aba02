"""Names that a parameter may take, where commands offer the same ones; without pydantic, for help that comes at once."""

from __future__ import annotations

from typing import Literal

DatasetFormat = Literal[
    "market1501",
    "folder",
    "csv",
    "synthetic",
    "dukemtmc-reid",
    "msmt17",
    "cuhk03-np",
    "veri776",
    "mars",
    "dukemtmc-videoreid",
]
Metric = Literal["sqeuclidean", "euclidean", "cosine", "jaccard"]
