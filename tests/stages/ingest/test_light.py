"""Grey pictures among coloured ones are told of, and clusters that keep both apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import IngestParameters
from stages.errors import DbcWarning, UsageError
from stages.ingest.light import OF_LIGHT, camera_of_pictures, cameras_by_light, tell_light, told_apart, told_views_apart
from stages.ingest.stage import ingest
from stages.reporting import SILENT, Keeping
from stages.runs.run_directory import RunDirectory, compared_cameras, dataset_manifest
from stages.runs.store import Artifact
from stages.typing import UInt8Array


def pictures(is_grey: Sequence[bool]) -> UInt8Array:
    """Pictures that are grey, with the noise of compression, or coloured."""
    draw = np.random.default_rng(0).integers
    grey = draw(60, 160, (len(is_grey), 12, 8, 1)) + draw(0, 3, (len(is_grey), 12, 8, 3))
    colour = draw(60, 160, (len(is_grey), 12, 8, 1)) * np.array([0.9, 1.0, 0.7])
    return np.where(np.array(is_grey)[:, None, None, None], grey, colour).astype(np.uint8)


def dataset(is_grey: Sequence[bool], camid: Sequence[int] = (), *, images: UInt8Array | None = None) -> Artifact:
    arrays = {
        "images": pictures(is_grey) if images is None else images,
        "frame_start": np.arange(len(is_grey) + 1),
        "split": np.zeros(len(is_grey), dtype=np.uint8),
        "camid": np.array(camid or [-2] * len(is_grey)),
        "pid": np.zeros(len(is_grey)),
        "path": [f"{number}.jpg" for number in range(len(is_grey))],
    }

    class Stored:
        def read(self, name: str) -> Any:
            return arrays[name]

        rows = read

        def names(self) -> tuple[str, ...]:
            return tuple(arrays)

    return cast("Artifact", Stored())


def warned(found: Artifact) -> list[str]:
    kept = Keeping(SILENT)
    tell_light(found, kept)
    return kept.warned


def test_grey_pictures_of_cameras_that_took_coloured_ones_too_are_told() -> None:
    (told,) = warned(dataset([True, False, False, True] * 5))
    assert told.startswith("10 of 20 pictures are grey, as infrared ones of the night are")
    assert "`by_light=True`" in told
    # cameras that took few pictures are sightings, and ignored
    assert warned(dataset([True, False, False, True] * 5, [*range(20)])) == [told]


@pytest.mark.parametrize(
    ("is_grey", "camid"),
    [([True] * 20, ()), ([False] * 20, ()), ([True] + [False] * 39, ()), ([True, False] * 20, [1, 2] * 20)],
)
def test_one_kind_a_few_greys_and_cameras_of_one_kind_are_not_told(is_grey: list[bool], camid: list[int]) -> None:
    assert warned(dataset(is_grey, camid)) == []


def padded(images: UInt8Array, level: int) -> UInt8Array:
    """`images` in the middle third of the picture, with borders of `level` left and right."""
    held = np.full_like(images, level)
    held[:, :, 3:6] = images[:, :, 3:6]
    return held


@pytest.mark.parametrize(
    "change",
    [
        *(partial(padded, level=level) for level in (0, 114, 255)),
        lambda images: (images * 0.2).astype(np.uint8),
        np.zeros_like,
        lambda images: np.full_like(images, 200),
    ],
    ids=["black borders", "grey borders", "white borders", "dark", "black", "blank"],
)
def test_coloured_pictures_with_borders_and_dark_or_blank_ones_are_not_grey(
    change: Callable[[UInt8Array], UInt8Array],
) -> None:
    """A published set of people pads its pictures in black, and 33 of 969 were taken for infrared."""
    images = pictures([False] * 40)
    images[::2] = change(images[::2])
    changed = dataset([False] * 40, images=images)
    assert all("are black" in line for line in warned(changed))
    assert told_apart(changed, np.arange(40) % 8) is None


def test_pale_pictures_by_day_are_not_grey() -> None:
    """Seals on mud: hardly any colour in the mean, and a hundredth of the pixels has some."""
    images = pictures([True, False] * 20)
    images[::2, 5, :2] = (120, 114, 110)
    assert warned(dataset([False] * 40, images=images)) == []


def test_black_pictures_are_told() -> None:
    images = pictures([False] * 40)
    images[3::8] = 9
    (told,) = warned(dataset([False] * 40, images=images))
    assert told.startswith("5 of 40 pictures are black or nearly so, and taken as any other, the first '3.jpg': ")


@pytest.mark.parametrize("level", [0, 114, 255])
def test_infrared_pictures_are_told_with_borders_too_and_where_they_are_dark(level: int) -> None:
    is_grey = [True, False] * 20
    found = dataset(is_grey, images=padded(pictures(is_grey), level))
    (told,) = warned(found)
    assert told.startswith("20 of 40 pictures are grey")
    assert told_apart(found, np.arange(40) % 8) is not None
    assert warned(dataset(is_grey, images=(pictures(is_grey) * 0.3).astype(np.uint8))) == [told]


def test_clusters_of_one_kind_are_told_and_mixed_ones_are_not() -> None:
    is_grey = [True, False] * 20
    told = told_apart(dataset(is_grey), np.arange(40) % 8)
    assert told is not None
    assert told.startswith("0% of the pairs in clusters, 51% by chance, are of a grey and a coloured picture: ")
    assert told.endswith("join them by dbc review")
    assert told_apart(dataset(is_grey), np.arange(40) // 5) is None
    assert told_apart(dataset(is_grey), np.arange(40)) is None
    assert told_apart(dataset([False] * 40), np.arange(40) % 8) is None


def test_clusters_of_one_view_are_told_and_mixed_ones_are_not() -> None:
    """Seen with ears, left and right: 8 % of the pairs, 50 % by chance, so most people had a cluster for each ear."""

    def told(view: Any, labels: Any) -> str | None:
        read = {"view": view, "split": np.zeros(len(view))}
        return told_views_apart(cast("Artifact", SimpleNamespace(names=lambda: read, read=read.__getitem__)), labels)

    views, place = np.array([-2] * 8 + [0, 1, 2, 3] * 10), np.arange(48)
    apart = told(views, place % 8)
    assert apart is not None
    assert apart.startswith("0% of the pairs in clusters, 77% by chance, are of two views: ")
    assert told(views, place // 4) is None
    assert told(views, place) is None
    assert told(np.full(48, 1), place % 8) is None
    assert told_views_apart(dataset([False] * 8), np.zeros(8, dtype=np.int64)) is None


@pytest.mark.parametrize("edge", [slice(1), slice(-1, None)])
def test_a_coloured_strip_of_the_camera_does_not_hide_infrared(edge: slice) -> None:
    """Bushnell's has a coloured logo: no picture of 192 with one was told."""
    is_grey = [True, False] * 20
    images = pictures(is_grey)
    images[:, edge] = (255, 200, 0)
    (told,) = warned(dataset(is_grey, images=images))
    assert told.startswith("20 of 40 pictures are grey")


def by_light(
    is_grey: Sequence[bool], camid: Sequence[int], *, split: Sequence[int] = (), before: Artifact | None = None
) -> list[int] | None:
    found, _ = cameras_by_light(
        pictures(is_grey).__getitem__,
        np.arange(len(is_grey)),
        np.array(camid, dtype=np.int32),
        np.array(split or [0] * len(is_grey), dtype=np.uint8),
        before,
    )
    return None if found is None else found.tolist()


COLOURED, GREY = OF_LIGHT


def test_the_rarer_kind_of_cameras_that_took_both_has_a_camera_of_its_own() -> None:
    is_grey, camid = [True, False, False] * 20, [1, 2] * 30
    assert by_light(is_grey, camid) == [GREY if grey else own for grey, own in zip(is_grey, camid, strict=True)]
    mostly_grey = [not grey for grey in is_grey]
    expected = [own if grey else COLOURED for grey, own in zip(mostly_grey, camid, strict=True)]
    assert by_light(mostly_grey, camid) == expected
    # which kind is rare is for train samples to say
    split = [2 if grey and number > 20 else 0 for number, grey in enumerate(mostly_grey)]
    assert by_light(mostly_grey, camid, split=split)[0:3] == [1, GREY, GREY]  # type: ignore[index]


@pytest.mark.parametrize("camid", [[-2] * 60, [*range(60)]], ids=["unknown cameras", "cameras of few pictures"])
def test_both_kinds_have_a_camera_if_cameras_say_nothing(camid: list[int]) -> None:
    is_grey = [True, False, False] * 20
    assert by_light(is_grey, camid) == [GREY if grey else COLOURED for grey in is_grey]


@pytest.mark.parametrize(("is_grey", "camid"), [([False] * 40, [1, 2] * 20), ([True, False] * 20, [1, 2] * 20)])
def test_cameras_that_took_one_kind_stay_as_they_are(is_grey: list[bool], camid: list[int]) -> None:
    assert by_light(is_grey, camid) is None


def stored(folder: Path, is_grey: Sequence[bool], *, first: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(pictures(is_grey)):
        Image.fromarray(picture).resize((16, 24)).save(folder / f"{first + number:03}_c{number % 2}.png")
    return folder


def test_a_dataset_keeps_cameras_by_light_and_an_added_picture_is_compared_so(tmp_path: Path) -> None:
    is_grey = [number % 3 == 0 for number in range(48)]
    source, run = stored(tmp_path / "pictures", is_grey), RunDirectory(tmp_path / "run")
    asked = IngestParameters(format="folder", height=24, width=16, camera_pattern="_c([0-9])", folder_identities=False)
    made = ingest(run, source=source, parameters=asked)
    assert made.artifact is not None
    assert any("the grey ones have one of their own" in note for note in made.notes)
    names = made.artifact.read("path").tolist()
    kinds = np.array([is_grey[int(name[:3])] for name in names])
    cameras, camid = compared_cameras(made.artifact), made.artifact.read("camid")
    assert (cameras[kinds] == GREY).all()
    assert np.array_equal(cameras[~kinds], camid[~kinds])
    asked_about = pictures([True, False])
    assert camera_of_pictures(made.artifact, asked_about, 1).tolist() == [GREY, 1]

    # most of those added are grey, which stay the kind of before
    stored(source, [True] * 60, first=100)
    added = ingest(run, source=source, parameters=asked, add=True).artifact
    assert added is not None
    assert (compared_cameras(added) == GREY).sum() == 76

    together = ingest(
        RunDirectory(tmp_path / "other"), source=source, parameters=asked.model_copy(update={"by_light": False})
    )
    assert together.artifact is not None
    assert np.array_equal(compared_cameras(together.artifact), together.artifact.read("camid"))


def test_pictures_added_to_a_dataset_without_cameras_by_light_are_compared_as_those_before(tmp_path: Path) -> None:
    """Features of before have the norm and the whitening of their place: those of added pictures must have them, too."""
    source, run = stored(tmp_path / "pictures", [False] * 40), RunDirectory(tmp_path / "run")
    asked = IngestParameters(format="folder", height=24, width=16, camera_pattern="_c([0-9])", folder_identities=False)
    ingest(run, source=source, parameters=asked)
    stored(source, [True] * 40, first=100)
    with pytest.warns(DbcWarning, match="40 of 80 pictures are grey.*evens that out in a new dataset"):
        added = ingest(run, source=source, parameters=asked, add=True).artifact
    assert added is not None
    assert "compared_camid" not in added.names()
    with pytest.raises(UsageError, match="`by_light=False` must be that of the run, True"):
        ingest(run, source=source, parameters=asked.model_copy(update={"by_light": False}), add=True)


def test_cameras_by_light_that_were_left_out_stay_out_of_what_is_added(tmp_path: Path) -> None:
    source, run = stored(tmp_path / "pictures", [True, False, False, True] * 10), RunDirectory(tmp_path / "run")
    asked = IngestParameters(format="folder", height=24, width=16, folder_identities=False)
    with pytest.warns(DbcWarning, match="are grey"):
        ingest(run, source=source, parameters=asked.model_copy(update={"by_light": False}))
    stored(source, [True] * 4, first=100)
    with pytest.warns(DbcWarning, match="are grey"):
        added = ingest(run, source=source, parameters=asked, add=True).artifact
    assert added is not None
    assert not dataset_manifest(added).parameters.by_light
    assert "compared_camid" not in added.names()
