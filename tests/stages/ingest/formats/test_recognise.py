"""Layouts are told apart by what lies in a source."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.errors import UsageError
from stages.ingest.formats import recognise_source

MARKET = ["bounding_box_train/0002_c1s1_000451_03.jpg", "query/0003_c1s1_000451_03.jpg", "bounding_box_test/x.jpg"]
DUKE = [name.replace("0002_c1s1_000451_03", "0001_c2_f0046182") for name in MARKET]
LAYOUTS = {
    "market1501": MARKET,
    "dukemtmc-reid": DUKE,
    "cuhk03-np": [f"labeled/{name}" for name in MARKET],
    "msmt17": ["list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt", "train/a.jpg", "test/a.jpg"],
    "veri776": ["image_train/a.jpg", "image_query/a.jpg", "image_test/a.jpg"],
    "mars": [
        "bbox_train/0001/0001C1T0001F001.jpg",
        "bbox_test/0000/0000C1T0001F001.jpg",
        *(
            f"info/{name}"
            for name in ("train_name.txt", "test_name.txt", "tracks_train_info.mat", "tracks_test_info.mat")
        ),
        "info/query_IDX.mat",
    ],
    "dukemtmc-videoreid": [f"{split}/0001/0003/0001_C6_F0099_X30823.jpg" for split in ("train", "query", "gallery")],
    "csv": ["samples.csv", "a.jpg"],
    "folder": ["Zola/1.jpg", "Ada/2.jpg"],
}


def make(folder: Path, files: list[str]) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("path,pid\na.jpg,1\n" if name.endswith(".csv") else "")
    return folder


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_recognised(tmp_path: Path, layout: str) -> None:
    found = recognise_source(make(tmp_path / "source", LAYOUTS[layout]))
    assert found.format == layout
    assert found.why


def test_splits_of_named_individuals_are_a_folder_and_the_folder_of_boxes_is_cuhk03(tmp_path: Path) -> None:
    own = [f"{split}/Zola/1.jpg" for split in ("train", "query", "gallery")]
    assert recognise_source(make(tmp_path / "own", own)).format == "folder"
    assert recognise_source(make(tmp_path / "detected", MARKET)).format == "cuhk03-np"


def test_a_table_without_paths_or_one_of_many_is_no_table_of_pictures(tmp_path: Path) -> None:
    make(tmp_path / "a", ["1.jpg"])
    (tmp_path / "a" / "results.csv").write_text("animal,count\nhare,3\n")
    assert recognise_source(tmp_path / "a").format == "folder"
    assert recognise_source(make(tmp_path / "b", ["one.csv", "two.csv", "a.jpg"])).format == "folder"
    assert recognise_source(make(tmp_path / "c", ["one.csv", "a.jpg"])).format == "csv"
    assert recognise_source(tmp_path / "c" / "one.csv").format == "csv"


def test_no_source_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        recognise_source(tmp_path / "no")
