"""Whatever happens to a file of an artifact, of whichever kind, it is named before anything of it is used."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from schemas.choices import ArtifactKind
from stages.constraints.answers_file import COLUMNS
from stages.errors import DbcError
from stages.features import kept_whitening
from stages.runs.listing import check, list_run
from stages.runs.run_directory import RunDirectory
from stages.runs.store import open_artifact
from tests.cli.conftest import NETWORK, made

HARMS = ("cut", "emptied", "deleted", "flipped", "swapped")
SIZE = ["--height", "32", "--width", "16"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs: `first` has an artifact of every kind, `second` the first of them of other pictures; `bow` selects samples."""
    folder = tmp_path_factory.mktemp("runs")
    for place, shift in (("first", 0), ("second", 100)):
        for number in range(18):
            # two and two are much alike, and some are grey
            pixels = np.random.default_rng(shift + number // 2).integers(0, 200, (32, 16, 3), dtype=np.uint8)
            pixels = pixels[..., :1].repeat(3, axis=2) if number < 6 else pixels
            file = folder / place / "crops" / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels + np.uint8(number % 2)).save(file)
        table = listed(folder / place / "crops" / "samples.csv", 16)
        seed = ["--seed", str(shift)]
        run = made(folder / place, ["ingest", str(table), "--pad", "0.1", *SIZE], ["extract", *NETWORK, *seed])
        (run / "constraints.csv").write_text(f"{','.join(COLUMNS)}\n0.png,2.png,different\n")
        labels = folder / place / "labels.csv"
        labels.write_text("path,identity\n4.png,a\n5.png,a\n")
        made(folder / place, ["merge", "--merge-percent", "0.5", "--memory-limit", "4GiB", "--labels", str(labels)])
    made(
        folder / "first",
        ["eval", "--stage", "1"],
        ["assign", str(listed(folder / "first" / "crops" / "samples.csv", 18)), "--stage", "1"],
        ["train", "--stage", "0", "--epochs", "1", "--batch-size", "8", "--dataset", "v1"],
    )
    weighing = [
        "merge",
        "--clusterer",
        "dgm",
        "--constraints",
        "none",
        "--stage",
        "2",
        "--whiten",
        "0",
        "--memory-limit",
        "4GiB",
    ]
    made(folder / "second", weighing)
    crops, size = str(folder / "first" / "crops"), ["--height", "64", "--width", "32"]
    (folder / "bow").mkdir()
    selecting = ["merge", "--clusterer", "pul", "--merge-percent", "0.5", "--whiten", "0", "--memory-limit", "4GiB"]
    made(folder / "bow", ["ingest", crops, "--format", "folder", *size], ["extract", "--backbone", "bow"], selecting)
    return folder


def listed(file: Path, n_rows: int) -> Path:
    """A table of the first pictures beside it, with every column there is."""
    header = "path,pid,camid,tracklet,frame,timestamp,score,category,encounter,view,x,y,w,h\n"
    rows = (
        f"{n}.png,{n // 2},c{n % 2},t{n},{n},2024-05-31 07:15,0.5,fox,e{n // 2},{'lr'[n % 2]},1,1,12,24\n"
        for n in range(n_rows)
    )
    file.write_text(header + "".join(rows))
    return file


def test_every_array_that_there_is_is_tried(runs: Path) -> None:
    documented = (Path(__file__).parents[2] / "docs" / "artifacts.md").read_text().partition("## The arrays")[2]
    rows = [line for line in documented.partition("## Reading")[0].splitlines() if line.startswith("| `")]
    names = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])} | {
        "memory",
        "loss",
        "accuracy",
    }
    listed_artifacts = [
        each.artifact for run in ("first", "second", "bow") for each in list_run(RunDirectory(runs / run / "run"))
    ]
    tried = {name for artifact in listed_artifacts if artifact is not None for name in artifact.names()}
    assert names - tried == set()


def artifact_of(root: Path, kind: str) -> Path:
    """The artifact of `kind` with most arrays in the run at `root`, the first of several."""
    found = [each.artifact for each in list_run(RunDirectory(root)) if each.artifact is not None]
    return max((each for each in found if each.manifest.kind == kind), key=lambda each: len(each.names())).path


def harmed(file: Path, other: Path, harm: str) -> None:
    content = file.read_bytes()
    if harm == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif harm == "emptied":
        file.write_bytes(b"")
    elif harm == "deleted":
        file.unlink()
    elif harm == "flipped":
        place = min(5, len(content) - 1)
        file.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
    else:
        file.write_bytes(other.read_bytes())


def is_told(run: RunDirectory, path: Path, file: Path | None = None) -> bool:
    """Whether opening the artifact at `path`, or reading all of it, by whole arrays and by rows, names what is wrong.

    The array of `file` is read first.
    """
    try:
        artifact = open_artifact(path.parent, int(path.stem[1:]))
        for name in sorted(artifact.names(), key=lambda name: file is None or path / name not in file.parents):
            artifact.read(name)
        if "images" in artifact.names():
            artifact.rows("images")[np.array([0])]
    except DbcError:
        return True
    checked = check(run, artifact)
    return bool(checked.damaged or checked.problems)


@pytest.mark.parametrize(
    ("place", "kind"), [*(("first", kind) for kind in get_args(ArtifactKind)), ("bow", "model"), ("bow", "features")]
)
def test_every_file_of_every_kind(runs: Path, tmp_path: Path, place: str, kind: str) -> None:
    root = Path(shutil.copytree(runs / place / "run", tmp_path / "run"))
    run = RunDirectory(root)
    path = artifact_of(root, kind)
    elsewhere = runs / ("second" if place == "first" else "first") / "run" / path.relative_to(root)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    # the root, and each array's description and pieces; a model has many arrays alike
    alike = [file for file in files if file.relative_to(path).parts[0] in ("backbone", "head")]
    chosen = [file for file in files if file not in alike] + alike[:: max(1, len(alike) // 4)]
    data = [file for file in files if file.name != "zarr.json"]
    unnoticed, n_swapped = [], 0
    for file in chosen:
        others = [one for one in (files if file.name == "zarr.json" else data) if one.name == file.name]
        before = file.read_bytes()
        # the same file of another artifact, else another file of this one
        places = [other for other in (elsewhere / file.relative_to(path), *others) if other.is_file()]
        other = next((other for other in places if other.read_bytes() != before), None)
        for harm in HARMS:
            if harm == "swapped" and other is None:
                continue
            n_swapped += harm == "swapped"
            harmed(file, other or file, harm)
            if not is_told(run, path, file):
                unnoticed.append(f"{file.relative_to(path)} {harm}")
            file.write_bytes(before)
    assert unnoticed == []
    assert n_swapped > 1
    assert not is_told(run, path)


def test_artifacts_that_change_places_are_named(runs: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(runs / "first" / "run", tmp_path / "run"))
    paths = [artifact_of(root, kind) for kind in get_args(ArtifactKind)]
    for path in paths:
        for other in paths:
            if other == path:
                continue
            aside = path.rename(tmp_path / "aside")
            shutil.copytree(other, path)
            assert is_told(RunDirectory(root), path), f"{other} in the place of {path}"
            shutil.rmtree(path)
            aside.rename(path)
    assert not any(is_told(RunDirectory(root), path) for path in paths)


def test_a_kept_whitening_that_was_harmed_is_fitted_again(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(shutil.copytree(runs / "first" / "run", tmp_path / "run"))
    features = open_artifact(artifact_of(root, "features").parent, 1)
    (kept,) = features.path.parent.glob(".checkpoint-*")
    elsewhere = next((runs / "second" / "run" / "stage-init" / "features").glob(".checkpoint-*"))
    rows = features.read("pooled")
    fitted: list[float] = []

    def fit(rows: object, *, ridge: float) -> object:
        fitted.append(ridge)
        return plain(rows, ridge=ridge)  # type: ignore[arg-type]

    def taken() -> bytes:
        kept_whitening._newest.clear()
        return kept_whitening.whitening_of(features, rows, ridge=3.0).matrix.tobytes()

    plain = kept_whitening.fit_whitening
    monkeypatch.setattr(kept_whitening, "fit_whitening", fit)
    whole = taken()
    assert fitted == []
    files = sorted(file.relative_to(kept) for file in kept.rglob("*") if file.is_file())
    for file in files:
        for harm in HARMS:
            fitted.clear()
            aside = Path(shutil.copytree(kept, tmp_path / "aside"))
            other = elsewhere / file
            if harm == "swapped" and other.read_bytes() == (kept / file).read_bytes():
                other = kept / next(other for other in files if other != file)
            harmed(kept / file, other, harm)
            assert (taken(), fitted) == (whole, [3.0]), f"{file} {harm}"
            shutil.rmtree(kept)
            aside.rename(kept)
    assert (taken(), len(files) > 3) == (whole, True)
