"""Video tracklets, drawn, from a table or as MARS publishes them, through ingest, extract, merge, train and eval."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image
from scipy.io import savemat

from tests.cli.conftest import NETWORK, Dbc, copied, made

FRAMES = 3
PEOPLE = ["--identities", "6", "--cameras", "2", "--images-per-camera", "2"]
SIZE = ["--height", "32", "--width", "16", "--workers", "0"]


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of drawn tracklets. Not to be changed."""
    words = ["ingest", "synthetic", "--tracklets", "--frames-per-tracklet", str(FRAMES), *PEOPLE, *SIZE]
    return made(tmp_path_factory.mktemp("drawn"), words)


@pytest.fixture
def drawn(drawn_once: Path, tmp_path: Path) -> Path:
    """A copy of it to work in."""
    run = copied(drawn_once, tmp_path / "drawn")
    told = dataset(run)
    assert (len(told["pid"]), len(told["images"])) == (24, 24 * FRAMES)
    return run


def dataset(run: Path) -> dict[str, np.ndarray]:
    group = zarr.open_group(run / "dataset" / "v1.zarr", mode="r")
    return {name: np.asarray(group[name][:]) for name in group}


def samples(run: Path) -> dict[bytes, tuple[int, int, int]]:
    """(pid, camid, split) of every tracklet, by the pixels of its frames in order."""
    told = dataset(run)
    start = told["frame_start"]
    return {
        told["images"][start[i] : start[i + 1]].tobytes(): tuple(
            int(told[name][i]) for name in ("pid", "camid", "split")
        )
        for i in range(len(start) - 1)
    }


def write_frames(folder: Path, run: Path) -> list[tuple[str, int]]:
    """The path and the sample of every frame, written as PNG files so that no pixel changes."""
    told = dataset(run)
    written = []
    for i in range(len(told["pid"])):
        for frame in range(told["frame_start"][i], told["frame_start"][i + 1]):
            path = f"{told['path'][frame].rsplit('/', 1)[-1]}"
            Image.fromarray(told["images"][frame]).save(folder / path)
            written.append((path, i))
    return written


TRAINING = (["train", "--epochs", "1", "--batch-size", "4"], ["extract"])


def goes_through(dbc: Dbc, run: Path, *training: list[str]) -> None:
    for command in (["extract", *NETWORK], ["merge", "--merge-percent", "0.3"], *training, ["eval"]):
        result = dbc(*command, "--run", run, "--json")
        assert result.status == 0, (command, result.err)
    assert result.json["n_queries"] > 0
    assert 0 < result.json["mAP"] <= 1


def test_drawn_tracklets_go_through_every_command(dbc: Dbc, drawn: Path) -> None:
    goes_through(dbc, drawn, *TRAINING)


def test_tracklets_alone_mean_several_frames(dbc: Dbc, tmp_path: Path) -> None:
    few = ["--identities", "2", "--cameras", "2", "--images-per-camera", "1"]
    result = dbc("ingest", "synthetic", "--tracklets", *few, *SIZE, "--run", tmp_path / "run", "--json")
    assert result.json["n_images"] == 8 * result.json["n_samples"] == 32


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["synthetic", "--tracklets", "--frames-per-tracklet", "0"],
            "--tracklets needs --frames-per-tracklet of at least 1, got 0",
        ),
        ([".", "--format", "folder", "--tracklets"], "--tracklets has no use with --format folder"),
        ([".", "--format", "csv", "--frames-per-tracklet", "2"], "--frames-per-tracklet 2 has no use"),
    ],
)
def test_tracklet_flags_that_say_nothing_are_refused(dbc: Dbc, tmp_path: Path, arguments: list[str], told: str) -> None:
    result = dbc("ingest", *arguments, "--run", tmp_path / "run")
    assert result.status == 2
    assert told in result.line


def test_a_table_of_frames_is_the_same_tracklets(dbc: Dbc, drawn: Path, tmp_path: Path) -> None:
    told = dataset(drawn)
    folder = tmp_path / "frames"
    folder.mkdir()
    names = ("train", "query", "gallery")
    lines = [
        f"{path},{told['pid'][i]},{told['camid'][i]},video {i},{names[told['split'][i]]}"
        for path, i in write_frames(folder, drawn)
    ]
    shuffled = np.random.default_rng(0).permutation(lines)
    (folder / "samples.csv").write_text("path,pid,camid,tracklet,split\n" + "\n".join(shuffled) + "\n")
    run = tmp_path / "table"
    result = dbc("ingest", folder, "--format", "csv", *SIZE, "--run", run, "--json")
    assert result.status == 0, result.err
    assert samples(run) == samples(drawn)
    goes_through(dbc, run)


def test_mars_is_the_same_tracklets(dbc: Dbc, drawn: Path, tmp_path: Path) -> None:
    told = dataset(drawn)
    source = tmp_path / "mars"
    (source / "info").mkdir(parents=True)
    for half, wanted in (("train", told["split"] == 0), ("test", told["split"] > 0)):
        names: list[str] = []
        tracks = []
        for i in np.flatnonzero(wanted):
            frames = range(told["frame_start"][i], told["frame_start"][i + 1])
            tracks.append([len(names) + 1, len(names) + len(frames), told["pid"][i], told["camid"][i]])
            for frame in frames:
                name = str(told["path"][frame]).rsplit("/", 1)[-1]
                (source / f"bbox_{half}" / name[:4]).mkdir(parents=True, exist_ok=True)
                Image.fromarray(told["images"][frame]).save(source / f"bbox_{half}" / name[:4] / name)
                names.append(name)
        (source / f"info/{half}_name.txt").write_text("\n".join(names))
        savemat(source / f"info/tracks_{half}_info.mat", {f"track_{half}_info": np.array(tracks, dtype=np.int32)})
    queries = 1 + np.flatnonzero(told["split"][told["split"] > 0] == 1)
    savemat(source / "info/query_IDX.mat", {"query_IDX": queries[None]})
    run = tmp_path / "run"
    result = dbc("ingest", source, "--format", "mars", *SIZE, "--run", run, "--json")
    assert result.status == 0, result.err
    assert samples(run) == samples(drawn)
    goes_through(dbc, run)
