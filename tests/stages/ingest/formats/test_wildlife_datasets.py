"""The table of the package wildlife-datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from box_sources import pictures, read, read_as, refusal, text

from stages.samples import UNKNOWN

HEADER = "image_id,identity,path,bbox,date,orientation,species"


def table(root: Path, *rows: str, header: str = HEADER) -> Path:
    pictures(root, "im/a.png", "im/b.png")
    text(root / "metadata.csv", "\n".join([header, *rows]) + "\n")
    return root


def test_every_column_that_is_known_is_kept(tmp_path: Path) -> None:
    source = table(
        tmp_path,
        '0,Zola,im/a.png,"[1.5, 2, 10, 20]",2012-06-01,left,zebra',
        "1,unknown,im/b.png,,2012-06-02 07:08:09,right,zebra",
        '2,Ada,im/a.png,"[ 3.  4. 10. 10.]",,,zebra',
    )
    samples, findings = read(source, "wildlife-datasets")
    assert samples.path == ("im/a.png", "im/a.png", "im/b.png")
    assert samples.identity == ("Zola", "Ada", "")
    assert samples.pid[2] == UNKNOWN
    np.testing.assert_array_equal(samples.box, [[1.5, 2, 10, 20], [3, 4, 10, 10], [np.nan] * 4])
    assert samples.view_name == ("left", "", "right")
    assert samples.timestamp == ("2012-06-01T00:00:00", "", "2012-06-02T07:08:09")
    assert findings.missing == {"pid": 1, "view": 1, "timestamp": 1}
    assert any("columns not read: 'species'" in note for note in findings.notes)


def test_cameras_and_encounters_are_taken_if_they_are_there(tmp_path: Path) -> None:
    source = table(tmp_path, "a,im/a.png,north,7", "b,im/b.png,,8", header="identity,path,camera,encounter_id")
    samples, _ = read(source, "wildlife-datasets")
    assert samples.camera == ("north", "")
    assert samples.encounter_name == ("7", "8")


def test_pictures_that_no_row_names_are_told(tmp_path: Path) -> None:
    source, told = table(tmp_path, "a,im/a.png", header="identity,path"), "nothing is taken: 1 .png"
    assert any(told in line for line in read(source, "wildlife-datasets")[1].warnings)
    text(source / "metadata.csv", "path,left,top,width,height\nim/a.png,1,2,9,9\n")
    assert any(told in line for line in read(source, "csv")[1].notes)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("0,Zola,,,,,", "line 2 has path ''"),
        ("0,Zola,im/a.png,,,,\n1,Zola,im/a.png,,,,", "are the same picture 'im/a.png'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, row: str, told: str) -> None:
    assert told in refusal(table(tmp_path, row), "wildlife-datasets")


def test_a_table_without_identities_or_with_our_columns_is_another(tmp_path: Path) -> None:
    source = table(tmp_path, "im/a.png", header="path")
    assert "has no column 'identity'" in refusal(source, "wildlife-datasets")
    read(source, "csv")
    read(table(tmp_path, "im/a.png,1,2", header="path,pid,identity"), "csv")


@pytest.mark.parametrize("layout", ["csv", "wildlife-datasets"])
def test_other_names_of_columns_are_read_and_told(tmp_path: Path, layout: Literal["csv", "wildlife-datasets"]) -> None:
    header, row = "path;Identity;Station;DateTime;Flank;Orientation 2", "im/{}.png;{};north;2012-06-01;left;x"
    source = table(tmp_path, row.format("a", "Zola"), row.format("b", "Ada"), header=header)
    samples, findings = read_as(source, layout, test_fraction=0)
    assert (samples.identity, samples.camera) == (("Zola", "Ada"), ("north", "north"))
    assert (samples.timestamp, samples.view_name) == (("2012-06-01T00:00:00",) * 2, ("left", "left"))
    told = [note.rpartition(": the column ")[2] for note in findings.notes if " is read as " in note]
    csv = ["'identity' is read as pid", "'station' is read as camid", "'datetime' is read as timestamp"]
    wildlife = ["'flank' is read as orientation", "'station' is read as camera", "'datetime' is read as date"]
    assert told == ([*csv, "'flank' is read as view"] if layout == "csv" else wildlife)


def test_views_were_called_position_and_absolute_paths_start_from_the_root(tmp_path: Path) -> None:
    pictures(tmp_path / "pictures", "im/a.png")
    file = text(tmp_path / "t.csv", f"identity,path,position\na,{tmp_path}/pictures/im/a.png,left\n")
    samples, _ = read(file, "wildlife-datasets", root=tmp_path / "pictures")
    assert (samples.path, samples.view_name) == (("im/a.png",), ("left",))


@pytest.mark.parametrize(
    ("header", "layout"),
    [
        ("path,identity", "wildlife-datasets"),
        ("path,identity,left,top", "wildlife-datasets"),
        ("path,identity,left,top,width,height", "csv"),
        ("path,identity,left,top,width,height,date", "csv"),
        ("path,identity,xmin,ymin,xmax,ymax", "csv"),
        ("path,identity,split", "csv"),
        ("path,identity,score", "csv"),
        ("path,identity,split,image_id,date", "wildlife-datasets"),
        ("path,identity,bbox,left,top,width,height", "wildlife-datasets"),
    ],
)
def test_a_table_whose_boxes_or_splits_would_be_lost_is_read_as_csv(tmp_path: Path, header: str, layout: str) -> None:
    cells = {"left": "1", "top": "2", "width": "3", "height": "4", "xmin": "1", "ymin": "2", "xmax": "4", "ymax": "6"}
    cells |= {"path": "im/a.png", "identity": "Zola", "split": "train"}
    row = ",".join(cells.get(name, "") for name in header.split(","))
    samples, findings = read(table(tmp_path, row, header=header), layout)
    has_box = layout == "csv" and ("left" in header or "xmin" in header)
    assert samples.box.tolist() == ([[1, 2, 3, 4]] if has_box else [])
    assert samples.identity == ("Zola",)
    is_lost = layout != "csv" and ("split" in header or "height" in header)
    assert any("would be read with `format='csv'`" in warning for warning in findings.warnings) == is_lost
