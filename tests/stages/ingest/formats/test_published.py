"""Published image layouts, each on a miniature of it: Market-1501, DukeMTMC-reID, CUHK03-NP, VeRi-776, MSMT17."""

from __future__ import annotations

import random
from pathlib import Path
from typing import get_args

import pytest
from box_sources import read_as, refusal, touch

from dbc_cli.commands.ingest import INGEST
from schemas.choices import DatasetFormat
from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.formats import FORMATS, read_samples
from stages.ingest.formats.format import Findings
from stages.samples import GALLERY, QUERY, TRAIN, UNKNOWN, Samples

MARKET = {
    "bounding_box_train/0002_c1s1_000451_03.jpg": (2, 1, TRAIN),
    "bounding_box_train/0007_c3s3_077419_03.PNG": (7, 3, TRAIN),
    "query/0001_c1s1_001051_00.jpg": (1, 1, QUERY),
    # without a sequence
    "query/0005_c2_f0046985.jpg": (5, 2, QUERY),
    "bounding_box_test/0001_c2s1_001976_01.webp": (1, 2, GALLERY),
    "bounding_box_test/0000_c4s2_000151_01.bmp": (0, 4, GALLERY),
    "bounding_box_test/-1_c6s1_000401_03.jpeg": (-1, 6, GALLERY),
}
DUKE = {
    "bounding_box_train/0001_c2_f0046182.jpg": (1, 2, TRAIN),
    "bounding_box_train/0007_c8_f0000042.jpg": (7, 8, TRAIN),
    "query/0005_c2_f0046985.jpg": (5, 2, QUERY),
    "bounding_box_test/0005_c5_f0051781.jpg": (5, 5, GALLERY),
    "bounding_box_test/7140_c1_f0105023.jpg": (7140, 1, GALLERY),
}
CUHK = {
    "bounding_box_train/0003_c1_21.png": (3, 1, TRAIN),
    "query/0001_c1_1.png": (1, 1, QUERY),
    "bounding_box_test/0001_c2_6.png": (1, 2, GALLERY),
}
VERI = {
    "image_train/0001_c001_00016450_0.jpg": (1, 1, TRAIN),
    "image_train/0776_c020_00085125_0.jpg": (776, 20, TRAIN),
    "image_query/0002_c002_00030600_0.jpg": (2, 2, QUERY),
    "image_test/0002_c003_00084280_0.jpg": (2, 3, GALLERY),
}
MSMT_LISTS = {
    "list_train.txt": ["0000/0000_000_01_0303morning_0015_1.jpg 0", "0002/0002_001_14_0303noon_0152_2.jpg 2"],
    "list_val.txt": ["0000/0000_045_12_0303morning_0006_2_ex.jpg 0"],
    "list_query.txt": ["0000/0000_002_01_0303morning_0016_2.jpg 0", "0001/0001_003_05_0114noon_1558_1.jpg 1"],
    "list_gallery.txt": ["0000/0000_007_04_0303morning_0020_0.jpg 0"],
}


def read(root: Path, name: str) -> Samples:
    return read_samples(root, parameters=IngestParameters(format=name))  # type: ignore[arg-type]


def found(samples: Samples) -> dict[str, tuple[int, int, int]]:
    assert samples.frame_start.tolist() == list(range(len(samples) + 1))
    assert set(samples.tracklet.tolist()) == {UNKNOWN}
    columns = zip(samples.pid.tolist(), samples.camid.tolist(), samples.split.tolist(), strict=True)
    return dict(zip(samples.path, columns, strict=True))


def write_msmt(root: Path, folders: tuple[str, str], lists: dict[str, list[str]] = MSMT_LISTS) -> None:
    for name, lines in lists.items():
        folder = folders[0] if name in ("list_train.txt", "list_val.txt") else folders[1]
        touch(root, [f"{folder}/{line.split()[0]}" for line in lines])
        (root / name).write_text("".join(f"{line}\n" for line in lines))


def test_the_command_and_the_readers_know_the_same_formats() -> None:
    flag = next(flag for flag in INGEST if flag.name == "format")
    assert set(get_args(flag.kind)) - {"auto"} == set(get_args(DatasetFormat)) == {*FORMATS, "synthetic"}


@pytest.mark.parametrize(
    ("name", "files"),
    [("market1501", MARKET), ("dukemtmc-reid", DUKE), ("cuhk03-np", CUHK), ("veri776", VERI)],
    ids=lambda value: str(value)[:12],
)
def test_names_and_folders_give_pid_camera_and_split(
    tmp_path: Path, name: str, files: dict[str, tuple[int, int, int]]
) -> None:
    touch(tmp_path, random.Random(0).sample([*files, "readme.txt", "CITATION.txt"], len(files) + 2))
    samples = read(tmp_path, name)
    assert found(samples) == files
    assert samples.path == tuple(sorted(files))


@pytest.mark.parametrize(
    ("name", "files", "example"),
    [
        ("market1501", MARKET, "0002_c1s1_000451_03.jpg"),
        ("dukemtmc-reid", DUKE, "_f0046182.jpg"),
        ("cuhk03-np", CUHK, "0001_c1_1.png"),
        ("veri776", VERI, "_00030600_0"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_another_layout_is_told_by_what_was_found_and_what_was_expected(
    tmp_path: Path, name: str, files: dict[str, tuple[int, int, int]], example: str
) -> None:
    touch(tmp_path / "a", ["elsewhere/x.jpg"])
    folders = dict.fromkeys(path.split("/")[0] for path in files)
    assert f"lacks {', '.join(folders)}: {name} wants" in refusal(tmp_path / "a", name)
    assert "found elsewhere" in refusal(tmp_path / "a", name)
    other = "holiday.jpg" if name == "market1501" else "0002_c1s1_000451_03.jpg"
    touch(tmp_path / "b", [*files, f"{next(iter(folders))}/{other}"])
    text = refusal(tmp_path / "b", name)
    assert other in text
    assert example in text
    touch(tmp_path / "c", [path for path in files if not path.startswith(next(iter(folders)))])
    (tmp_path / "c" / next(iter(folders))).mkdir()
    assert "holds no image files" in refusal(tmp_path / "c", name)
    (tmp_path / "file").write_bytes(b"")
    assert "is not a folder" in refusal(tmp_path / "file", name)


def test_boxes_of_cuhk03_are_found_in_their_folder_and_both_kinds_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, [f"labeled/{path}" for path in CUHK])
    assert found(read(tmp_path, "cuhk03-np")) == {f"labeled/{path}": said for path, said in CUHK.items()}
    touch(tmp_path, [f"detected/{path}" for path in CUHK])
    assert "holds both labeled and detected" in refusal(tmp_path, "cuhk03-np")
    assert found(read(tmp_path / "detected", "cuhk03-np")) == CUHK


def test_identities_counted_from_0_are_no_distractors_where_there_are_none(tmp_path: Path) -> None:
    touch(tmp_path, ["bounding_box_train/0000_c1_1.png", "query/0767_c1_1.png", "bounding_box_test/0767_c2_2.png"])
    assert [pid for pid, _, _ in found(read(tmp_path, "cuhk03-np")).values()] == [768, 1, 768]


@pytest.mark.parametrize("folders", [("train", "test"), ("mask_train_v2", "mask_test_v2")], ids="/".join)
def test_lists_of_msmt17_give_identities_that_are_never_both_train_and_test(
    tmp_path: Path, folders: tuple[str, str]
) -> None:
    write_msmt(tmp_path, folders)
    train, test = folders
    assert found(read(tmp_path, "msmt17")) == {
        f"{train}/0000/0000_000_01_0303morning_0015_1.jpg": (1, 1, TRAIN),
        f"{train}/0000/0000_045_12_0303morning_0006_2_ex.jpg": (1, 12, TRAIN),
        f"{train}/0002/0002_001_14_0303noon_0152_2.jpg": (3, 14, TRAIN),
        f"{test}/0000/0000_002_01_0303morning_0016_2.jpg": (4, 1, QUERY),
        f"{test}/0000/0000_007_04_0303morning_0020_0.jpg": (4, 4, GALLERY),
        f"{test}/0001/0001_003_05_0114noon_1558_1.jpg": (5, 5, QUERY),
    }


def test_what_is_wrong_with_msmt17_is_told_in_one_line(tmp_path: Path) -> None:
    write_msmt(tmp_path, ("train", "test"))
    (tmp_path / "test/0000/0000_007_04_0303morning_0020_0.jpg").unlink()
    text = refusal(tmp_path, "msmt17")
    assert "list_gallery.txt' lists 1 of 1 images that do not exist" in text
    assert "'test/0000/0000_007_04_0303morning_0020_0.jpg'" in text
    assert "or leave these out with `on_bad_image='skip'`" in text
    parameters = IngestParameters(format="msmt17", on_bad_image="skip")
    samples = read_samples(tmp_path, parameters=parameters, findings=(findings := Findings()))
    assert len(samples) == 5
    (warning,) = findings.warnings
    assert warning.endswith("the first 'test/0000/0000_007_04_0303morning_0020_0.jpg'; they are left out")
    for line in ("0000/0000_000_01_0303morning_0015_1.jpg", "0000/holiday.jpg 0", "0000/0000_000_x_1.jpg 1"):
        (tmp_path / "list_query.txt").write_text(f"\n{line}\n")
        assert f"list_query.txt' line 1: '{line}' is not PATH PID" in refusal(tmp_path, "msmt17")
    (tmp_path / "list_query.txt").write_bytes(b"\xff\n")
    assert "cannot read" in refusal(tmp_path, "msmt17", kind=DbcError)
    (tmp_path / "list_val.txt").unlink()
    text = refusal(tmp_path, "msmt17")
    assert "lacks list_val.txt: msmt17 wants list_train.txt" in text
    assert "found list_gallery.txt" in text
    write_msmt(tmp_path / "none", ("train", "test"))
    for file in (tmp_path / "none" / "train").rglob("*.jpg"):
        file.unlink()
    with pytest.raises(UsageError, match=r"none of the images that '.*list_train\.txt' lists is there; restore them"):
        read_samples(tmp_path / "none", parameters=parameters)


def test_an_image_of_msmt17_twice_is_refused_and_a_folder_of_two_identities_is_told(tmp_path: Path) -> None:
    write_msmt(tmp_path, ("train", "test"))
    train = tmp_path / "list_train.txt"
    train.write_text(f"{MSMT_LISTS['list_train.txt'][0].rpartition(' ')[0]} 3\n{MSMT_LISTS['list_train.txt'][1]}\n")
    _, findings = read_as(tmp_path, "msmt17")
    (told,) = findings.warnings
    assert "'train/0000/0000_045_12_0303morning_0006_2_ex.jpg' has 0 (1 in all), where 1 of its folder have 3" in told
    train.write_text("".join(f"{line}\n" for line in [*MSMT_LISTS["list_train.txt"], MSMT_LISTS["list_val.txt"][0]]))
    assert "list_train.txt and list_val.txt of" in refusal(tmp_path, "msmt17")
    assert "0303morning_0006_2_ex.jpg' is listed 2 times; keep one line of it" in refusal(tmp_path, "msmt17")


def test_an_msmt17_without_train_images_is_refused(tmp_path: Path) -> None:
    write_msmt(tmp_path, ("train", "test"))
    for name in ("list_train.txt", "list_val.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match=r"list_train.txt' lists no images"):
        read(tmp_path, "msmt17")
