"""Merges that cannot be carried out are refused before anything is made, by every command that would make them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import NETWORK, Dbc, made

IMPOSSIBLE = [
    (["--criterion", "buc", "--metric", "jaccard"], "--metric jaccard needs --criterion dbc, got --criterion buc"),
    (
        ["--camera", "penalty", "--metric", "jaccard"],
        "--camera penalty needs --metric sqeuclidean, --metric euclidean or --metric cosine, got --metric jaccard",
    ),
    (["--camera", "penalty", "--criterion", "buc"], "--camera penalty needs --criterion dbc, got --criterion buc"),
]
LOOP = ["--merge-percent", "0.25", "--stages", "1", "--epochs", "0"]


def folders(run: Path) -> set[str]:
    return {path.name for path in run.iterdir() if path.is_dir()}


@pytest.fixture(scope="module", params=["unknown", "one"])
def without_cameras(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run whose cameras are unknown, or one only, and what is said of --camera penalty there."""
    from PIL import Image

    folder = tmp_path_factory.mktemp(request.param)
    (folder / "crops").mkdir()
    for level in range(8):
        image = Image.new("RGB", (16, 32), (30 * level, 90, 220 - 30 * level))
        image.save(folder / "crops" / f"{level:04d}_c3_{level}.png")
    named = ["--camera-pattern", r"_c(\d)_"] if request.param == "one" else []
    reading = ["--format", "folder", "--height", "32", "--width", "16", *named, "--workers", "0"]
    run = made(folder, ["ingest", str(folder / "crops"), *reading], ["extract", *NETWORK])
    told = (
        "two cameras or more, but all 8 train samples are of camera 3"
        if named
        else "all cameras, but 8 of 8 train samples have no camera id"
    )
    return run, told


@pytest.mark.parametrize(("flags", "told"), IMPOSSIBLE)
def test_options_that_do_not_go_together_are_refused_before_anything_is_made(
    dbc: Dbc, run: Path, flags: list[str], told: str
) -> None:
    before = folders(run)
    for command in (["run", *NETWORK, *LOOP], ["merge"], ["merge", "--dry-run"], ["sweep", "--lambda", "0,1", *LOOP]):
        refused = dbc(*command, *flags, "--run", run)
        assert refused.status == 2
        assert refused.line.startswith(f"dbc {command[0]}: {told}")
    assert folders(run) == before


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            ["ablate", "--camera", "penalty"],
            "--camera penalty needs --criterion dbc, got --criterion buc; change one of them, or leave buc- out of --variants",
        ),
        (
            ["ablate", "--metric", "jaccard"],
            "--metric jaccard needs --criterion dbc, got --criterion buc; change one of them, or leave buc- out of --variants",
        ),
        (
            ["sweep", "--camera", "ignored,penalty", "--criterion", "dbc,buc"],
            "--camera penalty needs --criterion dbc, got",
        ),
        (
            ["sweep", "--metric", "cosine,jaccard", "--criterion", "dbc,buc"],
            "--metric jaccard needs --criterion dbc, got",
        ),
    ],
)
def test_comparisons_name_what_does_not_go_together(dbc: Dbc, run: Path, command: list[str], told: str) -> None:
    before = folders(run)
    refused = dbc(*command, *LOOP, "--run", run)
    assert refused.status == 2
    assert refused.line.startswith(f"dbc {command[0]}: {told}")
    assert folders(run) == before


def test_a_penalty_of_cameras_that_there_are_not_is_refused_before_anything_is_made(
    dbc: Dbc, without_cameras: tuple[Path, str]
) -> None:
    run, told = without_cameras
    before = folders(run)
    penalty = ["--camera", "penalty", "--run", run]
    comparing = [["ablate", "--variants", "dbc", *LOOP], ["sweep", "--lambda", "0,1", *LOOP]]
    merging = ["merge", "--merge-percent", "0.25"]
    for command in (["run", *LOOP], ["run", *LOOP, "--dry-run"], merging, [*merging, "--dry-run"], *comparing):
        refused = dbc(*command, *penalty)
        assert refused.status == 1, command
        assert f"--camera penalty needs {told}" in refused.line
    assert folders(run) == before


def test_centring_of_unknown_cameras_is_refused_before_anything_is_made(
    dbc: Dbc, without_cameras: tuple[Path, str]
) -> None:
    run, told = without_cameras
    for command in (["run", *LOOP], ["merge", "--merge-percent", "0.25"]):
        found = dbc(*command, "--camera", "centring", "--dry-run", "--run", run)
        assert found.status == (1 if "no camera id" in told else 0)


def test_a_weight_without_a_penalty_makes_no_other_version(dbc: Dbc, run: Path) -> None:
    merging = ["merge", "--merge-percent", "0.25", "--stage", "1", "--run", run, "--json"]
    plain = dbc(*merging).json
    weighted = dbc(*merging, "--camera-weight", "0.7").json
    assert (weighted["status"], weighted["id"]) == ("up to date", plain["id"])
    penalised = [
        dbc(*merging, "--camera", "penalty", "--camera-weight", weight).json["id"] for weight in ("0.1", "0.7")
    ]
    assert len({plain["id"], *penalised}) == 3


@pytest.mark.parametrize("flags", [["--view", "apart"], ["--encounter", "joined"]])
def test_views_and_encounters_that_are_not_known_are_refused_before_anything_is_made(
    dbc: Dbc, run: Path, flags: list[str]
) -> None:
    before = folders(run)
    for command in (["run", *LOOP], ["run", *LOOP, "--dry-run"], ["merge", "--merge-percent", "0.25", "--dry-run"]):
        refused = dbc(*command, *flags, "--run", run)
        assert refused.status == 1, command
        assert f"{' '.join(flags)} needs the {flags[0][2:]}s of pictures" in refused.line
    assert folders(run) == before
