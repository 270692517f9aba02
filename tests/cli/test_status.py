"""`dbc status --verify` says what it looked at, whether or not all is well."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Dbc


def test_verifying_an_intact_run_says_how_much_was_read(dbc: Dbc, run: Path) -> None:
    told = dbc("status", "--verify", "--run", run, "--json").json
    folders = list(run.glob("**/v*.zarr"))
    sizes = [path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()]
    arrays = [path for folder in folders for path in folder.glob("**/zarr.json") if path.parent not in folders]
    n_arrays = sum('"node_type": "array"' in path.read_text() for path in arrays)
    assert told["verified"] == {"artifacts": len(folders), "arrays": n_arrays, "bytes": sum(sizes), "damaged": 0}
    line = (
        f"verified: {len(folders)} artifacts, {n_arrays} arrays, {sum(sizes) / 1e6:,.1f} MB: all are what was written"
    )
    assert line in dbc("status", "--verify", "--run", run).out.splitlines()


def test_without_verifying_nothing_is_said_of_it(dbc: Dbc, run: Path) -> None:
    assert dbc("status", "--run", run, "--json").json["verified"] is None
    assert "verified" not in dbc("status", "--run", run).out


def test_damage_is_counted_and_named(dbc: Dbc, run: Path) -> None:
    shard = next(path for path in (run / "stage-init/features/v1.zarr/pooled/c").rglob("*") if path.is_file())
    content = shard.read_bytes()
    # early in the file: its end is room for rows that are not there
    shard.write_bytes(content[:100] + bytes([content[100] ^ 255]) + content[101:])
    ran = dbc("status", "--verify", "--run", run)
    assert ran.status == 1
    assert "MB: 1 damaged" in ran.out
    assert "1 damaged artifact found: stage-init/features/v1.zarr" in ran.line


@pytest.mark.parametrize(
    ("damaged", "command"),
    [
        ("dataset/v2.zarr", "dbc ingest SOURCE"),
        ("stage-init/model/v1.zarr", "dbc extract --stage init"),
        ("stage-init/features/v1.zarr", "dbc extract --stage init"),
        ("stage-01/clusters/v1.zarr", "dbc merge --stage 1"),
    ],
)
def test_one_root_that_cannot_be_read_does_not_hide_the_others(dbc: Dbc, run: Path, damaged: str, command: str) -> None:
    if damaged == "dataset/v2.zarr":
        # commands take the newest
        shutil.copytree(run / "dataset/v1.zarr", run / damaged)
    if "clusters" in damaged:
        assert dbc("merge", "--run", run).status == 0
    (run / damaged / "zarr.json").write_text("null")
    ran = dbc("status", "--run", run)
    assert ran.status == 1
    for there in run.glob("**/v*.zarr"):
        assert there.relative_to(run).as_posix() in ran.out
    assert f"{damaged} is not a readable artifact" in ran.line
    assert ran.line.endswith(f"; move it away and make it again with: {command}")
    assert ("next: mend what is damaged" in ran.out) == ("dataset" in damaged or "clusters" in damaged)


def test_what_an_artifact_was_made_from_is_missed(dbc: Dbc, run: Path, tmp_path: Path) -> None:
    (run / "dataset").rename(tmp_path / "aside")
    ran = dbc("status", "--verify", "--run", run, "--json")
    assert ran.status == 1
    assert ran.json["verified"]["damaged"] == 1
    assert "the dataset" in ran.line
    assert ran.line.endswith(
        "is missing; restore it or make it again, with the options that it was made with: dbc ingest SOURCE"
    )


def test_what_no_line_tells_of_and_the_next_command_follows_from_is_missed(dbc: Dbc, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        Image.effect_noise((8, 8), 90).save(tmp_path / name / f"{name}.png")
        added = ["--add"] * (name == "second")
        assert (
            dbc("ingest", tmp_path / name, "--run", tmp_path / "run", "--height", "8", "--width", "8", *added).status
            == 0
        )
    shutil.rmtree(tmp_path / "run/dataset/v1.zarr")
    ran = dbc("status", "--run", tmp_path / "run")
    assert ran.status == 1
    assert "next: mend what is damaged or missing" in ran.out
    assert "run/dataset/v1.zarr: the dataset" in ran.line
