"""A table of attributes is read by the names of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from stages.compare.baselines.attributes_file import read_attributes
from stages.errors import UsageError
from stages.runs.store import Artifact
from stages.typing import Float32Array


class Dataset:
    def read(self, name: str) -> Any:
        paths = ["x/caf\u00e9.png", "x/b.png", "x/c.png"]
        return {"path": np.array(paths, dtype=object), "frame_start": np.array([0, 1, 3])}[name]


def attributes(folder: Path, rows: str) -> Float32Array:
    (folder / "attributes.csv").write_text(f"path,hat,bag\n{rows}", encoding="utf-8")
    return read_attributes(folder / "attributes.csv", cast(Artifact, Dataset()))


def test_samples_are_found_by_the_path_or_file_name_of_their_first_image_in_any_form_of_unicode(tmp_path: Path) -> None:
    assert attributes(tmp_path, "b.png,yes,0\nx/c.png,1,1\nx/cafe\u0301.png,0,True\n").tolist() == [[0, 1], [1, 0]]


def test_a_sample_without_a_row_or_with_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not name 'x/b\.png' \(1 such pictures\)"):
        attributes(tmp_path, "x/caf\u00e9.png,1,0\n")
    with pytest.raises(UsageError, match=r"line 3 names 'b\.png', as line 2; keep one"):
        attributes(tmp_path, "x/b.png,1,0\nb.png,1,0\n")
