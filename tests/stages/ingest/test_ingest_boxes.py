"""Ingest of boxes: every crop in its place, each picture read once, whatever the workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest import stage
from stages.ingest.decode import pixels
from stages.ingest.formats.format import Findings
from stages.ingest.stage import ingest
from stages.ingest.writing import Written
from stages.runs.context import Context
from stages.runs.making import Made
from stages.runs.run_directory import RunDirectory
from stages.samples import Samples

N_PICTURES = 12


def sizes() -> list[tuple[int, int]]:
    rng = np.random.default_rng(3)
    return [(int(width), int(height)) for width, height in rng.integers(30, 60, (N_PICTURES, 2))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    root.mkdir()
    rng = np.random.default_rng(0)
    for place, (width, height) in enumerate(sizes()):
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(root / f"{place:02}.png")
    return root


def boxes() -> Samples:
    """Three boxes of every picture, one of which reaches beyond it."""
    rng = np.random.default_rng(1)
    path, box = [], []
    for place, (width, height) in enumerate(sizes()):
        path += [f"{place:02}.png"] * 3
        inside = rng.integers(1, 20, (2, 4)).tolist()
        box += [*inside, [width - 5, height - 5, 20, 20]]
    n = len(path)
    samples = Samples.of_images(path, [1] * n, [1] * n, [0] * n)
    # in another order than that of paths
    order = rng.permutation(n)
    boxed = replace(samples, box=np.array(box, dtype=np.float64), is_relative=np.zeros(n, dtype=np.bool_))
    return replace(boxed, origin=tuple(f"table row {row}" for row in range(n))).take(order)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Callable[..., Made]:
    def ingest_boxes(
        run: Path, *, samples: Samples | None = None, workers: int = 0, add: bool = False, **parameters: Any
    ) -> Made:
        def give(*_: Any, findings: Findings, **__: Any) -> Samples:
            findings.left_out = Counter()
            return boxes() if samples is None else samples

        monkeypatch.setattr(stage, "read_samples", give)
        asked = IngestParameters(format="csv", height=16, width=8, **parameters)
        return ingest(RunDirectory(run), source=folder, parameters=asked, add=add, context=Context(workers=workers))

    return ingest_boxes


def test_every_row_holds_the_box_that_its_array_says(tmp_path: Path, folder: Path, read: Callable[..., Made]) -> None:
    made = [read(tmp_path / str(workers), workers=workers).artifact for workers in (0, 3)]
    assert made[0] is not None
    assert made[1] is not None
    assert made[0].manifest.id == made[1].manifest.id
    images, paths, box = made[0].read("images"), made[0].read("path"), made[0].read("box")
    assert (len(images), box.dtype) == (36, np.int32)
    for image, path, (left, top, width, height) in zip(images, paths, box.tolist(), strict=True):
        with Image.open(folder / path) as picture:
            part = picture.crop((left, top, left + width, top + height))
        np.testing.assert_array_equal(image, np.asarray(part.resize((8, 16), Image.Resampling.BILINEAR)))
    asked = {(path, *row[:2]) for path, row in zip(boxes().path, boxes().box.tolist(), strict=True)}
    assert {(path, *row[:2]) for path, row in zip(paths, box.tolist(), strict=True)} == asked
    assert made[0].manifest.summary.boxes == {"clipped to their picture": 12}  # type: ignore[union-attr]
    assert made[0].damaged() == ()


def test_every_picture_is_read_once(tmp_path: Path, read: Callable[..., Made], monkeypatch: pytest.MonkeyPatch) -> None:
    reads: Counter[str] = Counter()
    read_bytes = pixels.read_bytes

    def counting(path: str) -> bytes:
        reads[Path(path).name] += 1
        return read_bytes(path)

    monkeypatch.setattr(pixels, "read_bytes", counting)
    read(tmp_path / "run")
    assert reads == {f"{place:02}.png": 1 for place in range(N_PICTURES)}


def test_boxes_and_pad_and_columns_decide_the_key(tmp_path: Path, read: Callable[..., Made]) -> None:
    moved = replace(boxes(), box=boxes().box + np.array([0, 0, 1, 0]))
    timed = replace(boxes(), timestamp=("2024-01-01T00:00:00",) * 36, category=("fox",) * 36)
    made = [
        read(tmp_path / "0"),
        read(tmp_path / "1", samples=moved),
        read(tmp_path / "2", samples=timed),
        read(tmp_path / "3", pad=0.1),
    ]
    assert len({each.artifact.manifest.key for each in made if each.artifact}) == 4
    assert made[2].artifact is not None
    assert made[2].artifact.read("category").tolist() == ["fox"] * 36


def test_bad_pictures_and_boxes_are_named_with_their_rows_and_nothing_is_written(
    tmp_path: Path, folder: Path, read: Callable[..., Made]
) -> None:
    (folder / "03.png").write_bytes(b"text")
    samples = boxes()
    outside = samples.path.index("05.png")
    samples.box[outside] = 500, 0, 5, 5
    with pytest.raises(DbcError, match="4 of 36 images cannot be read") as caught:
        read(tmp_path / "run", samples=samples)
    first = samples.origin[samples.path.index("03.png")]
    assert "table row" in first
    assert "03.png is not an image" in str(caught.value)
    assert f"{samples.origin[outside]}: 05.png is of" in str(caught.value)
    assert str(caught.value).count("03.png") == 1
    assert not (tmp_path / "run" / "dataset").exists()


def test_bad_ones_are_skipped_and_counted(tmp_path: Path, folder: Path, read: Callable[..., Made]) -> None:
    (folder / "03.png").write_bytes(b"text")
    samples = boxes()
    samples.box[samples.path.index("05.png")] = 500, 0, 5, 5
    artifact = read(tmp_path / "run", samples=samples, on_bad_image="skip", workers=2).artifact
    assert artifact is not None
    summary = artifact.manifest.summary
    assert (summary.n_images, len(artifact.read("box")), len(artifact.read("images"))) == (32, 32, 32)  # type: ignore[union-attr]
    assert [image.path for image in summary.skipped] == ["03.png", "05.png"]  # type: ignore[union-attr]
    assert summary.boxes["in pictures that cannot be read, or outside them"] == 4  # type: ignore[union-attr]
    for image, path, (left, top, width, height) in zip(
        artifact.read("images"), artifact.read("path"), artifact.read("box").tolist(), strict=True
    ):
        with Image.open(folder / path) as picture:
            part = picture.crop((left, top, left + width, top + height))
        np.testing.assert_array_equal(image, np.asarray(part.resize((8, 16), Image.Resampling.BILINEAR)))


def test_boxes_that_are_added_lie_where_they_would_at_once(tmp_path: Path, read: Callable[..., Made]) -> None:
    everything = boxes()
    half = np.arange(0, len(everything), 2)
    read(tmp_path / "run", samples=everything.take(half), pad=0.25)
    added = read(tmp_path / "run", add=True).artifact
    at_once = read(tmp_path / "other", pad=0.25).artifact
    unpadded = read(tmp_path / "unpadded").artifact
    assert added is not None
    assert at_once is not None
    assert unpadded is not None
    for name in ("images", "path", "box", "source_box"):
        np.testing.assert_array_equal(added.read(name), at_once.read(name), err_msg=name)
    assert added.version == 2
    assert sorted(added.read("source_box").tolist()) == sorted(unpadded.read("box").tolist())
    assert "source_box" not in unpadded.names()
    whole = Samples.of_images(["01.png"], [1], [1], [0])
    read(tmp_path / "whole", samples=whole)
    with pytest.raises(UsageError, match="this run holds whole pictures, and SOURCE gives boxes"):
        read(tmp_path / "whole", add=True)


def test_a_folder_most_boxes_of_which_reach_beyond_its_pictures_is_named() -> None:
    n = 8
    path = ["a/1.jpg", "b/1.jpg"] * n
    is_any = np.ones(2 * n, dtype=np.bool_)
    written = Written(is_any, clipped=np.array([False, True] * n), is_new=is_any.copy())
    told = Mock()
    written.tell_clipped(path, told)
    written.clipped[1::4] = False
    written.tell_clipped(path, told)
    begin = "boxes that reach beyond their picture, clipped to it"
    assert told.warn.call_args.args[0].startswith(f"{begin}: 8, most of those in 'b'; see whether right and bottom")
    told.note.assert_called_once_with(f"{begin}: 4")
    # boxes that were there before say nothing of those that are added
    written.clipped[:], written.is_new[:10] = np.arange(2 * n) >= 10, False
    written.tell_clipped(["b/1.jpg"] * 2 * n, told)
    assert told.warn.call_args.args[0].startswith(f"{begin}: 6, most of those in 'b';")
