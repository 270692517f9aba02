"""Ingest of image files: one artifact whatever the workers, bad images closed up over, nothing half made."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.decode import pixels
from stages.ingest.decode.block import ImageSize
from stages.ingest.decode.pixels import Files
from stages.ingest.formats.listing import told_left_out
from stages.ingest.leaks import repeated_pictures, told_queries
from stages.ingest.stage import ingest
from stages.reporting import Silent
from stages.runs.context import Context
from stages.runs.making import Made
from stages.runs.run_directory import RunDirectory
from stages.runs.store import grid
from stages.samples import GALLERY, QUERY, TRAIN, Samples

SIZE = {"height": 16, "width": 8}
IMAGE_BYTES = 16 * 8 * 3


def write_images(folder: Path, n_images: int) -> list[Path]:
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = [folder / f"{i:03}.png" for i in range(n_images)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(path)
    return paths


def read(root: Path, source: Path, *, workers: int, **parameters: object) -> Made:
    asked = IngestParameters(format="folder", **SIZE, **parameters)  # type: ignore[arg-type]
    return ingest(RunDirectory(root), source=source, parameters=asked, context=Context(workers=workers))


def check(outcome: Made, source: Path) -> None:
    """Every image stored is the one that its path names."""
    assert outcome.artifact is not None
    assert outcome.artifact.damaged() == ()
    images, paths = outcome.artifact.read("images"), outcome.artifact.read("path")
    assert len(images) == len(paths)
    for image, path in zip(images, paths, strict=True):
        assert image.tobytes() == Files(source).pixels(path, **SIZE)


# shards of 40 images: blocks of 32 end within them, and some shards end with a block
@pytest.fixture(params=[1, 40, 64], ids=["one image a shard", "blocks cut by shards", "blocks that fill shards"])
def images_per_shard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    chunk = 1 if request.param == 1 else 4
    monkeypatch.setattr(grid, "CHUNK_BYTES", 4 * chunk * IMAGE_BYTES)
    monkeypatch.setattr(grid, "SHARD_BYTES", request.param * IMAGE_BYTES)
    return int(request.param)


MANY = [pytest.param(1, n_images, marks=pytest.mark.slow) for n_images in (64, 128, 130)]
"""Files of one image each take longest to write, and 40 of them are more than a block already."""


@pytest.mark.parametrize(
    ("images_per_shard", "n_images"),
    [*itertools.product((40, 64), (1, 5, 40, 64, 128, 130)), *itertools.product((1,), (1, 5, 40)), *MANY],
    indirect=["images_per_shard"],
)
def test_the_artifact_does_not_depend_on_workers(tmp_path: Path, images_per_shard: int, n_images: int) -> None:
    write_images(tmp_path / "images", n_images)
    outcomes = [read(tmp_path / str(n), tmp_path / "images", workers=n) for n in (0, 1, 2)]
    for outcome in outcomes:
        check(outcome, tmp_path / "images")
    assert len({outcome.artifact.manifest.id for outcome in outcomes if outcome.artifact}) == 1
    files = [sorted(p.relative_to(tmp_path / str(n)) for p in (tmp_path / str(n)).rglob("*")) for n in (0, 1, 2)]
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_images_are_closed_up_over(tmp_path: Path, images_per_shard: int, workers: int) -> None:
    paths = write_images(tmp_path / "images", 130)
    for number in (0, 1, 39, 40, 64, 65, 66, 100, 129):
        paths[number].write_bytes(b"no image" * number)
    outcome = read(tmp_path / "run", tmp_path / "images", workers=workers, on_bad_image="skip")
    check(outcome, tmp_path / "images")
    assert outcome.artifact is not None
    assert len(outcome.artifact.read("images")) == 121
    assert len(outcome.artifact.manifest.summary.skipped) == 9  # type: ignore[union-attr]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_image_that_may_not_be_skipped_leaves_nothing(tmp_path: Path, workers: int) -> None:
    write_images(tmp_path / "images", 70)[33].write_bytes(b"")
    with pytest.raises(DbcError, match=r"1 of 70 images cannot be read: 033.png is empty \(0 bytes\); mend or remove"):
        read(tmp_path / "run", tmp_path / "images", workers=workers)
    assert not (tmp_path / "run").exists()


def test_bad_images_are_counted_by_what_is_wrong_with_them(tmp_path: Path) -> None:
    paths = write_images(tmp_path / "images", 40)
    for path in paths[:9]:
        path.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    paths[20].write_bytes(b"")
    with pytest.raises(DbcError) as caught:
        read(tmp_path / "run", tmp_path / "images", workers=0)
    assert str(caught.value).startswith("10 of 40 images cannot be read: ")
    assert ".png and 4 more, each of which is not an image that Pillow reads but a pointer of Git LFS" in str(
        caught.value
    )
    assert "020.png is empty (0 bytes)" in str(caught.value)


def test_only_bad_images_leave_nothing(tmp_path: Path) -> None:
    for path in write_images(tmp_path / "images", 40):
        path.write_bytes(b"")
    with pytest.raises(DbcError, match="none of 40 images can be read; first: "):
        read(tmp_path / "run", tmp_path / "images", workers=2, on_bad_image="skip")
    assert not (tmp_path / "run").exists()


def test_a_worker_out_of_memory_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "images", 70)

    def fail(*_: object, **__: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(pixels, "decode_image", fail)
    with pytest.raises(DbcError) as caught:
        read(tmp_path / "run", tmp_path / "images", workers=2)
    assert str(caught.value).startswith("out of memory while decoding '")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_pattern_of_views_that_fits_nothing_is_refused_unless_pictures_join(tmp_path: Path) -> None:
    write_images(tmp_path / "left", 2)
    write_images(tmp_path / "more", 1)
    with pytest.raises(UsageError, match=r"`view_pattern` '/\(lft\)/' gives no picture a view; correct it, as in"):
        read(tmp_path / "run", tmp_path / "left", workers=0, view_pattern="/(lft)/")
    asked = IngestParameters(format="folder", **SIZE, view_pattern="(left)/")  # type: ignore[arg-type]
    run = RunDirectory(tmp_path / "run")
    for source, add in (("left", False), ("more", True)):
        assert ingest(run, source=tmp_path / source, parameters=asked, add=add, context=Context(workers=0)).artifact


def test_the_number_of_workers_that_ran_is_recorded(tmp_path: Path) -> None:
    write_images(tmp_path / "images", 3)
    outcome = read(tmp_path / "run", tmp_path / "images", workers=2)
    assert outcome.artifact is not None
    assert outcome.artifact.manifest.execution.workers == 2


class Heard(Silent):
    """A reporter that keeps notes and warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.mark.parametrize(
    ("header", "told"),
    [("path,pid", None), ("Path, PID ,frame,", None), ("path,person,cam\\d", r"'person', 'cam\d'")],
)
def test_unknown_columns_of_a_table_are_told_in_one_line(tmp_path: Path, header: str, told: str | None) -> None:
    paths = write_images(tmp_path / "images", 4)
    rows = [",".join([path.name, *"1" * header.count(",")]) for path in paths]
    (tmp_path / "images" / "samples.csv").write_text("\n".join([header, *rows]))
    heard = Heard()
    parameters = IngestParameters(format="csv", test_fraction=0, **SIZE)  # type: ignore[arg-type]
    run, source = RunDirectory(tmp_path / "run"), tmp_path / "images"
    ingest(run, source=source, parameters=parameters, context=Context(workers=0, reporter=heard))
    expected = f"'{source / 'samples.csv'}': ignoring the columns {told}; known are path, pid, camid, "
    assert [warning[: len(expected)] for warning in heard.warnings] == ([] if told is None else [expected])


@pytest.mark.parametrize(
    ("header", "views", "told", "ignored"),
    [
        ("path,flank", ("left", "right"), "the column 'flank' is read as view", None),
        ("path,orientation,viewpoint", ("1", "1"), "the column 'viewpoint' is read as view", "'orientation'"),
        ("path,flank,view", ("1", "1"), None, "'flank'"),
    ],
)
def test_other_names_of_a_view_are_read_and_told(
    tmp_path: Path, header: str, views: tuple[str, str], told: str | None, ignored: str | None
) -> None:
    paths = write_images(tmp_path / "images", 2)
    n_others = header.count(",") - 1
    rows = [",".join([path.name, cell, *["1"] * n_others]) for path, cell in zip(paths, ("left", "right"), strict=True)]
    (tmp_path / "images" / "samples.csv").write_text("\n".join([header, *rows]))
    heard, made = heard_from(tmp_path, tmp_path / "images", format="csv", test_fraction=0)
    assert made.artifact is not None
    assert tuple(made.artifact.read("view_name")) == views
    assert [note.endswith(told) for note in heard.notes if "read as view" in note] == [True] * (told is not None)
    assert [
        warning for warning in heard.warnings if "ignoring" in warning and str(ignored) in warning
    ] or ignored is None


def test_a_block_is_never_longer_than_the_images_of_four_megabytes() -> None:
    for side in (1, 100, 1000, 5000):
        size = ImageSize(height=side, width=side)
        assert size.images_per_block == 1 or size.images_per_block * size.n_bytes <= 4 << 20


def heard_from(tmp_path: Path, source: Path, **parameters: object) -> tuple[Heard, Made]:
    heard = Heard()
    asked = IngestParameters(**SIZE, **parameters)  # type: ignore[arg-type]
    context = Context(workers=0, reporter=heard, command=("dbc", "ingest", str(source), "--run", "r"))
    run = RunDirectory(tmp_path / "run")
    return heard, ingest(run, source=source, parameters=asked, context=context)


def test_leaks_and_a_single_test_camera_are_warned_of_once_each_and_recorded(tmp_path: Path) -> None:
    source = tmp_path / "images"
    a, b, c, d, e = write_images(source, 5)
    b.write_bytes(a.read_bytes())
    (source / "samples.csv").write_text(
        "path,pid,camid,split\n"
        f"{a.name},x,1,train\n{b.name},y,west,query\n{c.name},y,west,gallery\n{d.name},y,1,train\n{e.name},,nan,gallery\n"
    )
    heard, outcome = heard_from(tmp_path, source, format="csv")
    assert [warning.partition(":")[0] for warning in heard.warnings] == [
        "identities that are in train and also in query or gallery",
        "pictures that are there under several identities, byte for byte",
        "pictures that are in train and also in query or gallery, byte for byte",
        "all query and gallery images are of camera west",
    ]
    assert f": 1, the first '{a.name}' as 'x' and '{b.name}' as 'y'; correct the labels, or leave" in heard.warnings[1]
    assert outcome.artifact is not None
    manifest = outcome.artifact.manifest
    assert manifest.notes == tuple(heard.warnings)
    assert manifest.summary.leaks == {  # type: ignore[union-attr]
        "shared_identities": 1,
        "pictures_of_two_identities": 1,
        "pictures_in_train_and_test": 1,
    }
    assert manifest.summary.missing == {"pid": 1, "camid": 1}  # type: ignore[union-attr]
    assert "missing values: pid 1, camid 1 of 5 images" in heard.notes


def test_copies_of_a_picture_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    source = tmp_path / "images"
    a, b, c, _ = write_images(source, 4)
    for copy in (b, c):
        copy.write_bytes(a.read_bytes())
    heard, outcome = heard_from(tmp_path, source, format="folder")
    told = f"pictures that are there before, byte for byte: 2, the first '{b.name}', the same as '{a.name}'; each is a sample"
    assert [warning.startswith(told) for warning in heard.warnings] == [True]
    assert outcome.artifact is not None
    assert len(outcome.artifact.read("pid")) == 4


@pytest.mark.parametrize(
    ("camid", "split", "is_told"),
    [((2, 2), "qg", False), ((2, 3), "qg", True), ((-1, -1), "qg", True), ((2, 2), "gg", True)],
)
def test_a_query_that_is_in_the_gallery_of_its_camera_is_no_copy(
    camid: tuple[int, int], split: str, is_told: bool
) -> None:
    paths = ["q/1.jpg", "t/1.jpg"]
    samples = Samples.of_images(paths, [5, 5], camid, [{"q": QUERY, "g": GALLERY}[each] for each in split])
    assert (repeated_pictures(samples, paths, ["same", "same"])[1] is not None) == is_told


def test_pictures_that_no_table_names_are_called_pictures() -> None:
    assert told_left_out(Counter({".jpg": 20, ".txt": 1})) == [
        "pictures left out, because the table or layout does not name them: 20 .jpg",
        "files left out, because they are not images of the data set: 1 .txt",
    ]
    counts = Counter({".jpg": 20})
    assert told_left_out(counts, Counter({"gallery": 20}))[0].endswith("name them: 20 .jpg, all in 'gallery'")
    assert told_left_out(counts, Counter({"gallery": 18, "": 2}))[0].endswith("name them: 20 .jpg, 18 in 'gallery'")


def test_what_leaks_into_the_test_is_named_and_splits_that_were_changed_about_are_told() -> None:
    """Seen in a published set: 5,207 queries, 212 gallery pictures, and one black picture in all splits."""
    paths = ["q/1.jpg", "q/2.jpg", "q/3.jpg", "t/1.jpg", "t/2.jpg"]
    samples = Samples.of_images(paths, [5, 6, 7, 5, 6], [1] * 5, [QUERY, QUERY, QUERY, TRAIN, GALLERY])
    named, _ = repeated_pictures(samples, paths, ["same", "", "", "same", ""])
    assert named == {"pictures_in_train_and_test": ", the first 't/1.jpg', 'q/1.jpg'"}
    assert told_queries(samples)[0].startswith(
        "there are 3 queries and 1 gallery images, and mostly it is the other way"
    )
    assert told_queries(samples.take(np.array([0, 1, 3, 4]))) == []


def test_what_is_left_out_is_said_in_one_line_and_recorded(tmp_path: Path) -> None:
    source = tmp_path / "images"
    write_images(source, 3)
    (source / "notes.txt").write_text("x")
    heard, _ = heard_from(tmp_path, source, format="folder")
    assert not heard.warnings
    assert "files left out, because they are not images of the data set: 1 .txt" in heard.notes
    assert not any("has dataset v1 already" in note for note in heard.notes)
    heard, _ = heard_from(tmp_path, source, format="folder", seed=1)
    assert any("has dataset v1 already, and this is another one" in note for note in heard.notes)
    heard, _ = heard_from(tmp_path / "third", source, format="folder", test_fraction=0.5)
    assert heard.warnings[0].startswith("`test_fraction` has no effect")
    for name in ("a.heic", "b.heic"):
        (source / name).write_text("x")
    heard, outcome = heard_from(tmp_path / "again", source, format="folder")
    assert heard.warnings == [
        "pictures left out, because their kind cannot be read here: 2 .heic; save them as JPEG",
        "files left out, because they are not images of the data set: 1 .txt",
    ]
    assert outcome.artifact is not None
    assert outcome.artifact.manifest.summary.left_out == {".heic": 2, ".txt": 1}  # type: ignore[union-attr]


def test_an_anonymous_dataset_holds_no_name_of_its_source(tmp_path: Path) -> None:
    source = tmp_path / "secret place"
    paths = write_images(source, 12)
    for number, path in enumerate(paths):
        path.rename(path.with_name(f"secret{number}.png"))
    (source / "secret3.png").unlink()
    (source / "secret.heic").write_bytes(b"")
    (source / "samples.csv").write_text(
        "path,pid,secret\n" + "".join(f"secret{i}.png,secret{i // 4},1\n" for i in range(12))
    )
    plain, _ = heard_from(tmp_path / "plain", source, format="csv", on_bad_image="skip")
    heard, outcome = heard_from(tmp_path, source, format="csv", anonymize=True, on_bad_image="skip")
    assert heard.warnings == plain.warnings
    assert any(note.endswith("12 pictures or frames, of which 1 do not exist and are left out") for note in plain.notes)
    assert outcome.artifact is not None
    assert outcome.artifact.read("path").tolist() == [f"image-{number:02}" for number in range(1, 12)]
    assert outcome.artifact.manifest.command == ("dbc", "ingest", "SOURCE", "--run", "r")
    stored = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert stored
    assert not any(b"secret" in content for content in stored)


def test_texts_are_stored_unless_anonymous_and_a_fraction_that_decides_nothing_keeps_old_keys(tmp_path: Path) -> None:
    write_images(tmp_path / "flat", 2)
    (tmp_path / "named").mkdir()
    for name in ("Ada", "Zola"):
        write_images(tmp_path / "named" / name, 2)
    flat = read(tmp_path / "a", tmp_path / "flat", workers=0)
    named = read(tmp_path / "b", tmp_path / "named", workers=0)
    hidden = read(tmp_path / "c", tmp_path / "named", workers=0, anonymize=True)
    assert flat.artifact is not None
    assert named.artifact is not None
    assert hidden.artifact is not None
    assert ("test_fraction" in flat.parameters, named.parameters["test_fraction"]) == (False, 0.0)
    assert flat.artifact.manifest.parameters.test_fraction == 0.5  # type: ignore[union-attr]
    assert named.artifact.read("split").tolist() == [0] * 4
    stored = zip(named.artifact.read("path"), named.artifact.read("identity"), strict=True)
    assert all(path.startswith(f"{identity}/") for path, identity in stored)
    for artifact in (flat.artifact, hidden.artifact):
        assert not {"identity", "camera"} & set(artifact.names())
