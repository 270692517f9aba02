"""What holds for every format: nothing is left out, misread or shown raw without a word."""

from __future__ import annotations

import os
import re
import socket
import string
import tempfile
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest
from box_sources import BOX_FORMATS, refusal
from box_sources import read_as as read
from hypothesis import given, settings
from hypothesis import strategies as st
from miniatures import BUILDERS, build, write

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.decode.image_file import image_suffixes
from stages.ingest.formats import FORMATS, path_patterns, read_samples
from stages.ingest.formats.format import Findings
from stages.ingest.formats.listing import RUN
from stages.ingest.formats.names import MISSING, is_missing, numbers_of, one_individual_note, twins_note, whole_number
from stages.samples import GALLERY, QUERY, TRAIN, UNKNOWN

LISTED = {
    "ai-city": ("track1.txt", "1 7", "\x1b[31m 7"),
    "camtrap-dp": ("media.csv", "media/1", "media/\x1b[31m1"),
    "coco": ("coco.json", "im/1", "im/\\u001b[31m1"),
    "kitti": ("label_02/0000.txt", "0 5", "\x1b[31m 5"),
    "labelme": ("1.json", '"zebra"', '["\\u001b[31m"]'),
    "mot": ("gt/gt.txt", "1,4", "\x1b[31m,4"),
    "wildlife-datasets": ("metadata.csv", "im/1", "im/\x1b[31m1"),
    "yolo": ("labels/1.txt", "0.5", "\x1b[31m"),
}
"""What of the file of a format is replaced by what, to be a name with control characters."""
NAMING_VALUES = dict.fromkeys(("camera_pattern", "identity_pattern", "view_pattern"), r"(\w)\d*\.")
NAMING_VALUES["folder_identities"] = False
SAY_ANIMAL = {"megadetector"}
"""Formats whose miniatures have boxes of the category animal."""
BOX_VALUES = {"min_confidence": 0.5, "category": "animal", "pad": 0.25}
every_format = pytest.mark.parametrize("name", sorted(FORMATS))
every_missing_word = pytest.mark.parametrize("word", sorted(MISSING), ids=lambda word: word or "empty")


def table(root: Path, text: str) -> Path:
    write(root, [f"{letter}.png" for letter in "abcd"])
    (root / "samples.csv").write_text(text, encoding="utf-8")
    return root


def test_every_format_has_a_miniature_and_a_line_about_it() -> None:
    assert BUILDERS.keys() == FORMATS.keys()
    assert all(each.name == name and each.description.endswith(".") for name, each in FORMATS.items())


@every_format
def test_what_is_not_taken_is_counted_by_suffix(tmp_path: Path, name: str) -> None:
    source = build(tmp_path, name)
    clean, findings = read(source, name)
    assert not findings.left_out
    assert not findings.warnings
    beside = (source / clean.path[0]).parent
    for other in ("a.heic", "b.HEIC", "clip.mp4", "noext", ".DS_Store", "._a.jpg", "Thumbs.db"):
        if not (name == "video" and other == "clip.mp4"):
            (beside / other).write_bytes(b"x")
    samples, findings = read(source, name)
    assert samples.path == clean.path
    # a source of boxes lists what is meant
    others = {".heic": 2, ".mp4": 1, "without suffix": 1, "hidden": 3}
    if name == "video":
        del others[".mp4"]
    assert findings.left_out == ({} if name in BOX_FORMATS and name != "video" else others)


@every_format
def test_the_folder_of_a_run_is_no_part_of_a_source(tmp_path: Path, name: str) -> None:
    source = build(tmp_path, name)
    clean, _ = read(source, name)
    for run in (source / "runs" / "a", source / "b"):
        (run / "dataset" / "v1.zarr").mkdir(parents=True)
        (run / "plots").mkdir()
        for picture in (run, run / "plots"):
            copyfile(source / clean.path[0], (picture / "x").with_suffix(Path(clean.path[0]).suffix))
    samples, findings = read(source, name)
    assert samples.path == clean.path
    assert samples.pid.tolist() == clean.pid.tolist()
    # lists of pictures say what is meant
    assert findings.left_out in ([{RUN: 2}] if name == "folder" else [{}, {RUN: 2}])
    assert not findings.warnings


@every_format
@pytest.mark.parametrize("suffix", [".tif", ".TIFF", ".Gif", ".webp", ".jp2", ".ppm", ".bmp"])
def test_every_kind_of_image_is_taken_whatever_the_case_of_its_suffix(tmp_path: Path, name: str, suffix: str) -> None:
    assert suffix.lower() in image_suffixes()
    plain, _ = read(build(tmp_path / "plain", name), name)
    other, findings = read(build(tmp_path / "other", name, suffix=suffix), name)
    assert [path.replace(suffix, ".jpg") for path in other.path] == list(plain.path)
    assert other.split.tolist() == plain.split.tolist()
    assert not findings.left_out


@every_format
def test_a_source_that_blocks_is_refused_by_its_kind(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is a named pipe" in refusal(tmp_path / "pipe", name)
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    assert "is a named pipe" in refusal(tmp_path / "link", name)
    assert "is a device" in refusal(Path("/dev/zero"), name)
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{short}/s")
        assert "is a socket" in refusal(Path(short) / "s", name)


@every_format
def test_pipes_and_devices_among_images_are_not_opened(tmp_path: Path, name: str) -> None:
    source = build(tmp_path, name)
    clean, _ = read(source, name)
    beside = (source / clean.path[0]).parent
    os.mkfifo(beside / "pipe.jpg")
    (beside / "device.jpg").symlink_to("/dev/zero")
    samples, _ = read(source, name)
    assert samples.path == clean.path


@every_format
def test_a_place_that_does_not_exist_is_shown_without_control_characters(tmp_path: Path, name: str) -> None:
    assert "does not exist" in refusal(tmp_path / "a\x1b[31m\nb", name)
    assert "cannot be read" in refusal(tmp_path / ("n" * 300), name)


@every_format
def test_an_unfit_file_name_is_shown_without_control_characters(tmp_path: Path, name: str) -> None:
    if name == "csv":
        source = table(tmp_path, 'path\n"gone\x1b[31m.jpg"\n')
    elif name == "mars":
        source = build(tmp_path, name)
        (source / "info/test_name.txt").write_text("0002C1T0001F001.jpg\n\x1b[31m.jpg\n")
    elif name == "megadetector":
        source = build(tmp_path, name)
        results = source / "results.json"
        results.write_text(results.read_text().replace("site1/1", "\\u001b[31m"))
    elif name == "msmt17":
        source = build(tmp_path, name)
        (source / "list_query.txt").write_text("\x1b[31m.jpg\n")
    elif name == "folder":
        source = build(tmp_path, name)
        write(source, ["\x1b[31m.jpg"])
    elif name == "voc":
        source = build(tmp_path, name)
        (source / "Annotations" / "1.xml").rename(source / "Annotations" / "\x1b[31m.xml")
        (source / "JPEGImages" / "1.jpg").unlink()
    elif name in LISTED:
        source = build(tmp_path, name)
        file = source / LISTED[name][0]
        file.write_text(file.read_text().replace(*LISTED[name][1:], 1))
    elif name == "video":
        source = build(tmp_path, name)
        (source / "\x1b[31m.mp4").write_bytes(b"x")
    else:
        source = build(tmp_path, name)
        folder = next(path for path in sorted(source.rglob("*.jpg"))).parent
        write(folder, ["\x1b[31m.jpg"])
    assert "\\x1b[31m" in refusal(source, name)


# --- what is missing ------------------------------------------------------------------------------


@every_missing_word
@pytest.mark.parametrize("column", ["pid", "camid", "tracklet", "split", "frame", "junk", "distractor"])
def test_a_missing_word_is_missing_in_every_column_of_a_table(tmp_path: Path, word: str, column: str) -> None:
    said, findings = read(table(tmp_path, f"path,{column}\na.png,{word}\nb.png, {word} \n"), "csv")
    unsaid, _ = read(table(tmp_path, "path\na.png\nb.png\n"), "csv")
    for array in ("pid", "camid", "tracklet", "split"):
        assert getattr(said, array).tolist() == getattr(unsaid, array).tolist()
    assert findings.missing == ({column: 2} if column in ("pid", "camid", "tracklet") else {})


@pytest.mark.parametrize("word", sorted({word for word in MISSING if word and "/" not in word} | {"NA", "NaN", "None"}))
def test_a_missing_word_is_missing_as_a_folder_and_as_a_camera(tmp_path: Path, word: str) -> None:
    write(tmp_path, [f"{word}/x_cam1.png", "rex/x_cam2.png", f"tom/x_cam{word}.png"])
    samples, findings = read(tmp_path, "folder", camera_pattern="cam(.*).png", test_fraction=0)
    found = dict(zip(samples.path, zip(samples.pid.tolist(), samples.camid.tolist(), strict=True), strict=True))
    assert found == {f"{word}/x_cam1.png": (UNKNOWN, 1), "rex/x_cam2.png": (1, 2), f"tom/x_cam{word}.png": (2, UNKNOWN)}
    assert findings.missing == {"pid": 1, "camid": 1}


@given(st.lists(st.text() | st.sampled_from(["0", "-1", "7", "007", "7.0", "12", *MISSING])), st.integers(0, 1))
@settings(max_examples=200, deadline=None)
def test_numbers_are_equal_for_equal_texts_only_and_unknown_for_missing_ones(texts: list[str], smallest: int) -> None:
    numbers = numbers_of(texts, smallest=smallest)
    assert [number == UNKNOWN for number in numbers] == [is_missing(text) for text in texts]
    kept = {(text, number) for text, number in zip(texts, numbers, strict=True) if number != UNKNOWN}
    assert len(kept) == len({text for text, _ in kept}) == len({number for _, number in kept})
    assert all(number >= smallest for _, number in kept)
    # texts that write numbers, no two the same, keep them
    written = [whole_number(text) for text, _ in kept]
    if all(number is not None and number >= smallest for number in written) and len(set(written)) == len(written):
        assert all(whole_number(text) == number for text, number in kept)


def test_words_that_may_be_names_are_taken_for_names_and_told_and_broken_formulas_are_refused(tmp_path: Path) -> None:
    words = ["#N/A", "Na", "(blank)", "N/a"]
    rows = "".join(f"{letter}.png,{word}\n" for letter, word in zip("abcd", words, strict=True))
    samples, findings = read(table(tmp_path, f"path,pid\n{rows}"), "csv", test_fraction=0)
    assert samples.identity == ("", "Na", "(blank)", "")
    assert any("'(blank)', 'Na' is taken for a name like any other" in warning for warning in findings.warnings)
    assert "line 2: pid #REF! is an error of a formula; mend it" in refusal(
        table(tmp_path, "path,pid\na.png,#REF!\n"), "csv"
    )


# --- what identities and splits are ---------------------------------------------------------------


def test_identity_texts_stay_texts(tmp_path: Path) -> None:
    names = ["0", "-1", "007", "7"]
    rows = "".join(f"{letter}.png,{pid}\n" for letter, pid in zip("abcd", names, strict=True))
    samples, findings = read(table(tmp_path / "csv", f"path,pid\n{rows}"), "csv", test_fraction=0)
    assert len(set(samples.pid.tolist())) == 4
    assert min(samples.pid) > 0
    assert any("pid -1 is an identity like any other" in warning for warning in findings.warnings)
    write(tmp_path / "folder", [f"{name}/x.png" for name in names])
    samples, findings = read(tmp_path / "folder", "folder", test_fraction=0)
    assert sorted(samples.pid.tolist()) == [1, 2, 3, 4]
    assert any("folder -1 is an identity like any other" in warning for warning in findings.warnings)
    # as the table of two columns that `auto` takes for one of wildlife-datasets
    _, findings = read(table(tmp_path / "wild", f"path,identity\n{rows}"), "wildlife-datasets", test_fraction=0)
    assert [warning for warning in findings.warnings if "-1" in warning] == [one_individual_note(names)]


def test_identities_from_0_to_3_are_all_divided_by_identity(tmp_path: Path) -> None:
    rows = [f"{pid}_{i}.png" for pid in range(4) for i in range(3)]
    write(tmp_path, rows)
    (tmp_path / "samples.csv").write_text("path,pid\n" + "".join(f"{row},{row[0]}\n" for row in rows))
    samples, findings = read(tmp_path, "csv", test_fraction=0.5)
    assert (samples.split == TRAIN).sum() == 6
    assert findings.notes == ["splits: 6 of 12 samples are query and gallery, which are not clustered"]


def test_all_photographs_are_train_unless_a_split_is_there_or_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "folder", [f"{name}/{i}.png" for name in "ABCD" for i in range(3)])
    sources = (
        read(tmp_path / "folder", "folder"),
        read(table(tmp_path / "csv", "path,pid\na.png,x\nb.png,x\nc.png,y\nd.png,y\n"), "csv"),
    )
    for samples, findings in sources:
        assert (samples.split == TRAIN).all()
        assert findings.draws_splits
        assert any(note.startswith(f"splits: all {len(samples)} samples are train") for note in findings.notes)
    samples, findings = read(table(tmp_path / "own", "path,pid,split\na.png,x,train\nb.png,x,query\n"), "csv")
    assert samples.split.tolist() == [TRAIN, QUERY]
    assert not findings.draws_splits


def test_texts_of_identities_and_cameras_are_kept_where_they_are_known(tmp_path: Path) -> None:
    text = "path,pid,camid,tracklet,junk\na.png,Zola,north,1,\nb.png,Zola,north,1,\nc.png,NA,south,2,\nd.png,Ada,,3,1\n"
    samples, _ = read(table(tmp_path / "csv", text), "csv")
    assert (samples.identity, samples.camera) == (("Zola", "", ""), ("north", "south", ""))
    turned = samples.take(np.array([2, 0]))
    assert (turned.identity, turned.camera) == (("", "Zola"), ("", "north"))
    write(tmp_path / "folder", ["Zola/c1_1.png", "Ada/c2_1.png"])
    samples, _ = read(tmp_path / "folder", "folder", camera_pattern=r"/(c\d)")
    assert (samples.identity, samples.camera) == (("Ada", "Zola"), ("c2", "c1"))
    samples, _ = read(tmp_path / "folder", "folder", folder_identities=False)
    assert (samples.identity, samples.camera) == ((), ())


@pytest.mark.parametrize("mark", ["1", "true", "TRUE", "1.0", "yes"])
def test_a_column_makes_junk_and_distractors_and_nothing_else_does(tmp_path: Path, mark: str) -> None:
    text = f"path,pid,junk,distractor\na.png,5,{mark},\nb.png,,,{mark}\nc.png,5,0,false\nd.png,6,,no\n"
    samples, findings = read(table(tmp_path, text), "csv", test_fraction=0)
    assert samples.pid.tolist() == [-1, 0, 5, 6]
    assert not findings.warnings


def test_folders_of_splits_are_splits_and_not_identities(tmp_path: Path) -> None:
    files = [
        f"{top}/{pid}/{i}.png"
        for top, pid in (("Train", "a"), ("val", "b"), ("test", "c"), ("test", "d"))
        for i in "xy"
    ]
    write(tmp_path, files)
    samples, findings = read(tmp_path, "folder")
    names = {"a": TRAIN, "b": TRAIN}
    for path, pid, split in zip(samples.path, samples.pid.tolist(), samples.split.tolist(), strict=True):
        name = path.split("/")[1]
        assert pid == "abcd".index(name) + 1
        assert split == names.get(name, split)
    assert sorted(samples.split.tolist()) == [TRAIN] * 4 + [QUERY] * 2 + [GALLERY] * 2
    (told,) = (
        note for note in findings.notes if note.startswith("splits: by the folders Train, test, val; val is train, too")
    )
    assert "; of 4 pictures in test 2 are queries and 2 gallery, and none is clustered" in told
    assert "give test to dbc assign" in told


def test_given_queries_are_searched_in_test(tmp_path: Path) -> None:
    write(tmp_path, ["train/1.png", "query/a/1.png", "test/a/2.png", "test/b/3.png"])
    samples, _ = read(tmp_path, "folder")
    assert dict(zip(samples.path, samples.split.tolist(), strict=True)) == {
        "query/a/1.png": QUERY,
        "test/a/2.png": GALLERY,
        "test/b/3.png": GALLERY,
        "train/1.png": TRAIN,
    }
    assert samples.pid.tolist() == [1, 1, 2, UNKNOWN]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["train/a/1.png", "rex/2.png"], "holds train beside 'rex'"),
        (["test/a/1.png", "2.png"], "holds test beside '2.png'"),
        (["station1/1.png", "station2/2.png"], "'station1', 'station2', which may be no identities"),
        (["2024-05-01/1.png", "2024-05-02/2.png"], "which may be no identities"),
        (["MOT-02/img1/1.png", "MOT-04/img1/1.png"], "which may be no identities, because img1 in each holds frames"),
        (["train/a/img1/1.png"], "camera_pattern='^[^/]+/([^/]+)/'` if they are cameras"),
        (["a.mp4/1.png", "b.mp4/1.png"], "which may be no identities, because videos are called so"),
        (["images/1.png", "images/2.png"], "sorts its images into 'images'"),
        (["train/cam1/1.png", "train/cam2/2.png"], "which may be no identities"),
        (["rex/1.png", "Station A/2.png", "St_03/3.png"], "into 'St_03', 'Station A', which may be no identities"),
        (["100RECNX/1.png", "101_BTCF/2.png"], "which may be no identities"),
        (["rex/1.png", "SD1/2.png", "card A/3.png"], "into 'SD1', 'card A', which may be no identities; say"),
        (
            ["rex/1.png", "River Hill Waterhole/2.png", "north_cam2/3.png"],
            "into 'River Hill Waterhole', 'north_cam2', which",
        ),
        (["left/1.png", "Right/2.png"], "which may be no identities; say"),
        (
            ["rex/DCIM/100RECNX/1.png", "S1/100MEDIA/1.png", "tom/1.png"],
            "into 'S1', 'rex', which may be no identities, because they hold folders that a camera makes; say",
        ),
        (
            ["rex/IMG_0001.JPG", "rex/IMG_0002.JPG", "tom/IMG_0001.JPG", "tom/IMG_0003.JPG"],
            "into 'rex', 'tom', which may be no identities, because several hold pictures that a camera called alike, such as "
            "'IMG_0001.JPG'; say",
        ),
    ],
)
def test_doubtful_folders_are_asked_about_and_the_flag_decides(tmp_path: Path, files: list[str], told: str) -> None:
    write(tmp_path, files)
    text = refusal(tmp_path, "folder")
    assert told in text
    assert "`folder_identities=True`" in text
    assert "`folder_identities=False`" in text
    without, _ = read(tmp_path, "folder", folder_identities=False)
    assert set(without.pid.tolist()) == {UNKNOWN}
    if all("/" in file for file in files):
        samples, _ = read(tmp_path, "folder", folder_identities=True, test_fraction=0)
        assert len(set(samples.pid.tolist())) == len({file.split("/")[0] for file in files})


def test_test_folders_without_train_are_refused(tmp_path: Path) -> None:
    write(tmp_path, ["test/a/1.png", "test/b/2.png"])
    assert "no train images" in refusal(tmp_path, "folder")


@every_format
@pytest.mark.parametrize("option", sorted({**NAMING_VALUES, **BOX_VALUES}))
def test_an_option_is_used_or_refused(tmp_path: Path, name: str, option: str) -> None:
    source = build(tmp_path, name)
    given = {option: {**NAMING_VALUES, **BOX_VALUES}[option]}
    if option == "category" and option in FORMATS[name].options and name not in SAY_ANIMAL:
        assert re.search(r"has no (column category|(row|box) to take: \d of category)", refusal(source, name, **given))
    elif option in FORMATS[name].options:
        samples, _ = read(source, name, **given)
        column = {"camera_pattern": samples.camid, "view_pattern": samples.view}.get(option, samples.pid)
        is_known = column != UNKNOWN
        assert option in BOX_VALUES or is_known.all() == (option != "folder_identities")
        assert option in BOX_VALUES or is_known.any() == is_known.all()
    else:
        assert f"`{option}" in (told := refusal(source, name, **given))
        assert "has no effect" in told


@pytest.mark.parametrize("name", ["coco", "csv", "megadetector", "wildlife-datasets"])
def test_pictures_may_lie_elsewhere_than_the_table_that_lists_them(tmp_path: Path, name: str) -> None:
    source = build(tmp_path / "pictures", name)
    clean, _ = read(source, name)
    (table,) = (entry for entry in source.iterdir() if entry.is_file())
    moved = table.rename(tmp_path / table.name)
    findings = Findings()
    asked = IngestParameters(format=name)  # type: ignore[arg-type]
    assert read_samples(moved, root=source, parameters=asked, findings=findings).path == clean.path
    assert not findings.left_out
    assert "as `root`" in refusal(moved, name) or "table's folder" in refusal(moved, name)
    with pytest.raises(UsageError, match=r"`root` '.*' is not a folder"):
        read_samples(moved, root=tmp_path / "none", parameters=asked)


@every_format
def test_folders_are_identities_in_a_folder_alone(tmp_path: Path, name: str) -> None:
    if name != "folder":
        source = build(tmp_path, name)
        assert "`folder_identities=True` has no effect" in refusal(source, name, folder_identities=True)


@every_format
def test_a_root_is_refused_by_formats_without_tables(tmp_path: Path, name: str) -> None:
    if FORMATS[name].read_table is None:
        source = build(tmp_path / "pictures", name)
        with pytest.raises(UsageError, match="`root` has no effect"):
            read_samples(source, root=tmp_path, parameters=IngestParameters(format=name))  # type: ignore[arg-type]


def test_a_market_folder_that_counts_from_0_says_so(tmp_path: Path) -> None:
    source = build(tmp_path, "market1501")
    write(source, ["bounding_box_train/0000_c1s1_000001_00.jpg"])
    samples, findings = read(source, "market1501")
    assert 0 not in samples.pid
    assert any("all pids are one more here" in note for note in findings.notes)


# --- names that look alike, tables of other programs, endless patterns -----------------------------

NFC, NFD = "Jos\u00e9", "Jose\u0301"


def test_names_that_look_alike_are_told_apart_by_their_letters(tmp_path: Path) -> None:
    assert twins_note(["Jose", NFC, NFC], kind="names") is None
    write(tmp_path / "folder", [f"{NFC}/1.png", f"{NFD}/2.png"])
    samples, findings = read(tmp_path / "folder", "folder", test_fraction=0)
    assert sorted(samples.pid.tolist()) == [1, 2]
    assert any(r"'Jose\u0301' and 'Jos\xe9'" in warning for warning in findings.warnings)
    for column in ("pid", "camid", "tracklet"):
        _, findings = read(
            table(tmp_path / column, f"path,{column}\na.png,{NFC}\nb.png,{NFD}\n"), "csv", test_fraction=0
        )
        assert any(f"names of {column} written in two ways" in warning for warning in findings.warnings)


def test_the_one_file_that_a_path_names_in_the_other_form_is_taken(tmp_path: Path) -> None:
    """Of tables and pictures one may come from a Mac; a person sees no difference, and could restore nothing."""
    write(tmp_path, [f"{NFD}.png", f"{NFC} 2/{NFD}.png", f"{NFD} 2/a.png"])
    rows = f"path,pid\n{NFC}.png,1\n{NFC} 2/{NFC}.png,2\n{NFD} 2/a.png,3\n"
    (tmp_path / "samples.csv").write_text(rows, encoding="utf-8")
    samples, findings = read(tmp_path, "csv", test_fraction=0)
    assert samples.path == (f"{NFD} 2/a.png", f"{NFD}.png", f"{NFC} 2/{NFD}.png")
    (told,) = [note for note in findings.notes if "Unicode" in note]
    assert told.endswith(r"which are taken: 2, the first 'Jos\xe9 2/Jos\xe9.png' for 'Jos\xe9 2/Jose\u0301.png'")
    assert not findings.left_out
    (tmp_path / "samples.csv").write_text(f"path\n{NFC}.png\n{NFD}.png\n", encoding="utf-8")
    assert "are the same picture" in refusal(tmp_path, "csv")
    (tmp_path / "samples.csv").write_text(f"path\n.\\{NFD}.png\n", encoding="utf-8")
    assert "write / in all paths" in refusal(tmp_path, "csv")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("cards\\DSC_1", "it is there as 'cards/DSC_1.JPG', so write / and endings in all paths as they are there"),
        ("cards/dsc_1", "so write endings and capital and small letters in all paths"),
        ("Cards/DSC_1.JPG", "so write capital and small letters in all paths"),
        ("cards\\dsc_1.jpg", "so write / and capital and small letters in all paths"),
        ("1-2\\DSC_1", "it has no ending such as .jpg"),
    ],
)
def test_a_path_as_databases_write_it_is_told_how_the_file_is_called(tmp_path: Path, path: str, told: str) -> None:
    write(tmp_path, ["cards/DSC_1.JPG"])
    (tmp_path / "samples.csv").write_text(f"path\n{path}\n", encoding="utf-8")
    assert told in refusal(tmp_path, "csv")


def test_names_for_nobody_are_told(tmp_path: Path) -> None:
    text = "path,pid,camid,encounter,view\na.png,Unknown,1,?,left\nb.png,x,1,2,unknown\n"
    _, findings = read(table(tmp_path, text), "csv", test_fraction=0)
    told = [warning.partition(" is taken")[0] for warning in findings.warnings]
    assert told == ["names of pid: 'Unknown'", "names of encounter: '?'", "names of view: 'unknown'"]


@pytest.mark.parametrize("text", ["path;pid,camid\na.png;x,1\n", "path\tpid;camid\na.png\tx;1\n"])
def test_a_header_with_two_separators_is_refused(tmp_path: Path, text: str) -> None:
    assert "use one of them throughout" in refusal(table(tmp_path, text), "csv")


@pytest.mark.parametrize(("delimiter", "told"), [(",", None), (";", "semicolons"), ("\t", "tabs")])
def test_a_table_may_have_semicolons_or_tabs_and_it_is_said(tmp_path: Path, delimiter: str, told: str | None) -> None:
    text = '\ufeff"path",pid,camid\n"a.png",x,1\nb.png,x,2\n'.replace(",", delimiter)
    samples, findings = read(table(tmp_path, text), "csv", test_fraction=0)
    assert samples.pid.tolist() == [1, 1]
    assert samples.camid.tolist() == [1, 2]
    notes = [note for note in findings.notes if not note.startswith("splits: all 2 samples are train")]
    assert [note.rpartition(" ")[2] for note in notes] == ([told] if told else [])


def test_a_pattern_may_find_the_name_of_a_single_card(tmp_path: Path) -> None:
    card = tmp_path / "ST02"
    write(card, ["IMG_1.png", "IMG_2.png"])
    (card / "samples.csv").write_text("path\nIMG_1.png\nIMG_2.png\n")
    for layout in ("folder", "csv"):
        samples, findings = read(card, layout, camera_pattern="([^/]+)/[^/]+$", test_fraction=0)
        assert samples.camera == ("ST02", "ST02")
        assert any("with that name in front, as in 'ST02/IMG_1.png': 'ST02'" in note for note in findings.notes)
    # where it fits some paths, others are no card
    write(card, ["below/IMG_3.png"])
    assert "'IMG_1.png' does not match" in refusal(card, "folder", camera_pattern="([^/]+)/[^/]+$")


def test_a_pattern_that_backtracks_for_ever_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path_patterns, "SECONDS", 1)
    write(tmp_path, [f"{'a' * 60}.png"])
    assert "for more than 1 seconds" in refusal(tmp_path, "folder", camera_pattern="(a+)+b")


# --- anything at all -------------------------------------------------------------------------------

cells = st.text(alphabet=string.printable + "é\u0301\u202e\ufeff\0", max_size=8)
words = st.sampled_from(
    ["a.png", "b.png", "./a.png", "../x", "/etc", "path", "pid", "junk", "split", "train", "1", "nan", ";"]
)


@given(st.lists(st.lists(words | cells, max_size=4), max_size=5), st.sampled_from([",", ";", "\t"]))
@settings(max_examples=80, deadline=None)
def test_any_table_is_read_or_refused_in_one_line(rows: list[list[str]], delimiter: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, ["a.png", "b.png"])
        body = "\n".join(delimiter.join(row) for row in rows)
        (root / "samples.csv").write_text(f"path{delimiter}{body}", encoding="utf-8", newline="")
        try:
            samples, _ = read(root, "csv")
        except UsageError as error:
            assert str(error).isprintable()  # noqa: PT017
        else:
            assert set(samples.path) <= {"a.png", "b.png"}
            assert len(samples) > 0


file_names = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12
)


@given(st.lists(file_names, min_size=1, max_size=3, unique=True))
@settings(max_examples=30, deadline=None)
def test_any_file_name_is_read_or_refused_in_one_line(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in names:
            (root / f"{name}.png").write_bytes(b"x") if name.strip(".") else None
        try:
            samples, _ = read(root, "folder", camera_pattern="(.)")
        except UsageError as error:
            assert str(error).isprintable()  # noqa: PT017
        else:
            assert {f"{name}.png" for name in names if not name.startswith(".")} == set(samples.path)
