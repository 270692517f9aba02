"""Layouts are told apart by what lies in a source."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from dbc_cli.commands.assign import FIELDS
from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.export import members
from stages.ingest.formats import read_samples, recognise_source
from stages.ingest.formats.format import Findings, Format
from stages.ingest.formats.recognise import recognise

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


@pytest.mark.parametrize(
    ("layout", "without", "told"),
    [
        ("market1501", "query/", "as bounding_box_train is there, but lacks query; restore what is missing"),
        ("dukemtmc-reid", "bounding_box_test/", "lacks bounding_box_test; "),
        ("cuhk03-np", "labeled/query/", "looks like cuhk03-np, as labeled/bounding_box_train is there"),
        ("veri776", "image_query/", "looks like veri776, as image_train is there, but lacks image_query"),
        ("mars", "info/query", "looks like mars, as bbox_train is there, but lacks info/query_IDX.mat"),
        ("mars", "info/", "lacks info/train_name.txt, "),
        ("msmt17", "list_val", "looks like msmt17, as list_train.txt is there, but lacks list_val.txt"),
        ("dukemtmc-videoreid", "gallery/", "looks like dukemtmc-videoreid, as train is there, but lacks gallery"),
    ],
)
def test_a_published_layout_with_parts_missing_is_no_folder_of_identities(
    tmp_path: Path, layout: str, without: str, told: str
) -> None:
    source = make(tmp_path / "source", [name for name in LAYOUTS[layout] if not name.startswith(without)])
    with pytest.raises(UsageError) as caught:
        recognise_source(source)
    assert told in str(caught.value)
    assert "or say `format='folder'` if it is not" in str(caught.value)
    make(source, ["samples.csv"])
    assert recognise_source(source).format == "csv"


def test_published_layouts_in_folders_of_the_source_are_named_and_no_identities(tmp_path: Path) -> None:
    """As downloads lie side by side, and as an archive lies in the folder that it was unpacked in."""
    sets = {"Market-1501": "market1501", "MSMT17_V1": "msmt17", "veri": "veri776", "with/cuhk03-np": "cuhk03-np"}
    for name, layout in sets.items():
        make(tmp_path / "sets" / name, LAYOUTS[layout])
    with pytest.raises(UsageError) as caught:
        recognise_source(tmp_path / "sets")
    assert str(caught.value).partition(" holds ")[2] == (
        "published layouts MSMT17_V1 (msmt17), Market-1501 (market1501), veri (veri776); give one of them as the source, "
        f"such as '{tmp_path}/sets/MSMT17_V1', and each a run of its own, or say `format='folder'` to take all pictures in "
        f"'{tmp_path}/sets' as they lie"
    )
    for outer in ("sets/with", "one/two"):
        make(tmp_path / "one/two/Market-1501-v15.09.15", MARKET)
        inner = next((tmp_path / outer).iterdir())
        with pytest.raises(UsageError, match=f"holds the published layout .*; give it as the source: '{inner}', or"):
            recognise_source(tmp_path / outer)
    with pytest.raises(UsageError, match=r"two/Market-1501-v15.09.15 \(market1501\); give it as the source"):
        recognise_source(tmp_path / "one")


def test_msmt17_without_any_list_is_known_by_its_names(tmp_path: Path) -> None:
    names = ["train/0000/0000_000_01_0303morning_0015_1.jpg", "test/0000/0000_007_04_0303noon_0020_0.jpg"]
    with pytest.raises(UsageError, match=r"looks like msmt17, as train is there, but lacks list_train\.txt, list_val"):
        recognise_source(make(tmp_path / "a", names))
    others = ["train/Zola/1.jpg", "test/Zola/2.jpg"]
    assert recognise_source(make(tmp_path / "b", others)).format == "folder"


def tables(folder: Path, headers: dict[str, str]) -> Path:
    make(folder, ["a.jpg"])
    for name, header in headers.items():
        (folder / name).write_text(f"{header}\na.jpg{',1' * header.count(',')}\n")
    return folder


CLUSTERS, ASSIGNED = ",".join((*members.COLUMNS, "x")), ",".join((*FIELDS, "frame"))


@pytest.mark.parametrize(
    ("headers", "layout", "told"),
    [
        (
            {"results.csv": "animal,count"},
            "folder",
            "there is no table of pictures (no column path in results.csv) and",
        ),
        ({"one.csv": "path,pid"}, "csv", "one.csv there has a column path"),
        ({"ONE.CSV": "path,pid", "counts.csv": "animal,count"}, "csv", "ONE.CSV"),
        ({"one.csv": "path,pid", "samples.csv": "path,camid"}, "csv", "samples.csv"),
        ({"c.csv": CLUSTERS}, "folder", "no table of pictures (passed over, because dbc wrote it: c.csv)"),
        ({"samples.csv": CLUSTERS, "photos.csv": "path,pid"}, "csv", "photos.csv"),
        ({"a.csv": ASSIGNED, "c.csv": CLUSTERS, "table.csv": "path,identity"}, "wildlife-datasets", "table.csv"),
    ],
)
def test_the_table_of_a_folder_has_paths_and_is_no_list_that_dbc_wrote(
    tmp_path: Path, headers: dict[str, str], layout: Literal["folder", "csv", "wildlife-datasets"], told: str
) -> None:
    source = tables(tmp_path / "source", headers)
    found, findings = recognise_source(source), Findings()
    assert found.format == layout
    assert told in found.why
    samples = read_samples(source, parameters=IngestParameters(format=layout, test_fraction=0), findings=findings)
    assert samples.path == ("a.jpg",)
    is_own = [name for name, header in headers.items() if header in (CLUSTERS, ASSIGNED)]
    passed_over = f"passed over, because dbc wrote it: {', '.join(is_own)}"
    assert (passed_over in findings.notes) == (bool(is_own) and layout != "folder")


def test_a_list_that_dbc_wrote_is_read_if_it_is_given_itself_and_one_of_several_tables_is_asked_for(
    tmp_path: Path,
) -> None:
    source = tables(tmp_path / "source", {"c.csv": CLUSTERS, "one.csv": "path,pid", "two.csv": "path"})
    assert recognise_source(source / "c.csv").format == "csv"
    assert recognise_source(source / "two.csv").format == "csv"
    with pytest.raises(UsageError, match=r"holds 2 tables with a column path \(one\.csv, two\.csv\); give one of them"):
        recognise_source(source)
    with pytest.raises(
        UsageError, match=r"found 2 \(one\.csv, two\.csv\); passed over, .* c\.csv; give the table itself"
    ):
        read_samples(source, parameters=IngestParameters(format="csv"))
    assert recognise_source(make(source, MARKET)).format == "market1501"


def test_json_beside_pictures_that_a_format_reads_as_a_file_alone_is_told_so(tmp_path: Path) -> None:
    source = make(tmp_path / "source", ["a.jpg"])
    (source / "export.json").write_text("[{}]")
    assert "JSON of no format that is read here: export.json" in recognise(source, []).why
    added = Format("coco", "Boxes.", recognise=lambda file: "it is" if file.suffix == ".json" else None)
    assert f"export.json says what is in pictures, and is not read: `dbc ingest {source}/export.json` reads it" in (
        recognise(source, [added]).why.replace("'", "")
    )


def test_files_of_boxes_beside_a_published_layout_are_still_read(tmp_path: Path) -> None:
    make(tmp_path, ["a/1.jpg", *(f"Market-1501/{name}" for name in MARKET)])
    with pytest.raises(UsageError, match=r"holds the published layout Market-1501 \(market1501\)"):
        recognise_source(tmp_path)
    (tmp_path / "a" / "1.xml").write_text(
        "<annotation><filename>1.jpg</filename><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>8</xmax>"
        "<ymax>8</ymax></bndbox></object></annotation>"
    )
    assert recognise_source(tmp_path).format == "voc"


def test_no_source_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        recognise_source(tmp_path / "no")


def test_an_address_is_called_so() -> None:
    with pytest.raises(UsageError, match="is an address; download it, and give the folder"):
        recognise_source(Path("https://x.org/a.zip"))
