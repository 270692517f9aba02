"""The examples of `docs/extending.md`, written into a copy of the packages, do what they say there."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from schemas.manifest import SCHEMA_VERSIONS
from tests.conftest import REPOSITORY
from tests.docs.documents import blocks

EXTENDING = REPOSITORY / "docs" / "extending.md"
COMMANDS = {
    "format": [
        "ingest",
        "pictures",
        "--format",
        "stations",
        "--height",
        "32",
        "--width",
        "16",
        "--test-fraction",
        "0.5",
    ],
    "provider": ["extract", "--backbone", "conv16", "--weights", "none"],
    "criterion": ["merge", "--criterion", "mean-and-size", "--merge-percent", "0.25"],
    "ablation": ["ablate", "--variants", "mean-and-size-,mean-and-size", "--backbone", "conv16", "--dry-run"],
    "clusters": ["export", "clusters", "--format", "keywords", "--out", "keywords.csv"],
    "rule": ["select", "--rule", "few-singletons"],
    "command": ["members"],
    "clusterer": ["merge", "--stage", "1", "--clusterer", "agglomerative", "--merge-percent", "0.5"],
    "array": ["eval", "--stage", "init"],
}
"""A use of each example; every command also has `--json` and `--run run`."""
SCRIPT = """
import contextlib, io, json, sys
from dbc_cli.__main__ import run_command
said = {}
for name, command in json.loads(sys.argv[1]).items():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = run_command([*command, "--json", "--run", "run"])
    assert status == 0, (command, status)
    said[name] = json.loads(out.getvalue())
print(json.dumps(said))
"""


class Extended(NamedTuple):
    """The run that `COMMANDS` made, and what each said, with everything added that the document adds."""

    run: Path
    said: dict[str, Any]


def new_files() -> dict[str, str]:
    """The text of every new file by its path, which its first line says."""
    parted = (code.split("\n", 1) for code in blocks(EXTENDING, "python"))
    return {head.removeprefix("# "): text for head, text in parted}


def edits() -> list[tuple[str, str, str]]:
    """Path, lines that go and lines that come of every `diff` block."""
    found = []
    for code in blocks(EXTENDING, "diff"):
        head, *lines = code.splitlines()
        old, new = ("".join(f"{line[1:]}\n" for line in lines if line.startswith(sign)) for sign in "-+")
        found.append((head.removeprefix("# "), old, new))
    return found


def next_version(source: str, old: str, new: str) -> tuple[str, str]:
    """`old` and `new`; of a version that is raised, as in `source` and the next, whichever the document shows."""
    if not (version := re.fullmatch(r"( +\"\w+\": )\d+,\n", old)):
        return old, new
    [found] = re.findall(rf"^{version[1]}(\d+),$", source, flags=re.MULTILINE)
    return f"{version[1]}{found},\n", f"{version[1]}{int(found) + 1},\n"


def add_everything(folder: Path) -> None:
    """Copy the packages to `folder`, with what Python compiled of them, and change them as the document says."""
    for package in ("dbc_cli", "stages", "schemas"):
        shutil.copytree(REPOSITORY / package, folder / package)
    for path, text in new_files().items():
        assert not (folder / path).exists(), path
        (folder / path).write_text(text)
    for path, *lines in edits():
        source = (folder / path).read_text()
        old, new = next_version(source, *lines)
        assert source.count(old) == 1, (path, old)
        (folder / path).write_text(source.replace(old, new))


def draw_pictures(folder: Path) -> None:
    """Four individuals, each twice at two stations."""
    for station, individual, number in itertools.product(range(2), range(4), range(2)):
        path = folder / f"station-{station}" / f"{'ABCD'[individual]}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 32), (60 * individual, 90 + 20 * number, 100 + 50 * station)).save(path)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Extended:
    folder = tmp_path_factory.mktemp("extended")
    add_everything(folder)
    draw_pictures(folder / "pictures")
    environment = {name: value for name, value in os.environ.items() if name != "DBC_RUN"} | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", SCRIPT, json.dumps(COMMANDS)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Extended(folder / "run", json.loads(done.stdout))


def test_the_format_reads(extended: Extended) -> None:
    dataset = extended.said["format"]
    assert (dataset["n_images"], dataset["n_identities"], dataset["n_cameras"]) == (16, 4, 2)


def test_the_provider_builds(extended: Extended) -> None:
    assert extended.said["provider"]["dim"] == 16


def test_the_criterion_merges(extended: Extended) -> None:
    clusters = extended.said["criterion"]
    assert clusters["parameters"]["criterion"] == "mean-and-size"
    assert (clusters["n_samples"], clusters["n_clusters"]) == (8, 6)


def test_the_clusterer_clusters(extended: Extended) -> None:
    clusters = extended.said["clusterer"]
    assert clusters["parameters"]["clusterer"] == "agglomerative"
    assert (clusters["n_samples"], clusters["n_clusters"], clusters["n_merges"]) == (8, 4, 0)


def test_an_ablation_knows_the_criterion(extended: Extended) -> None:
    cells = extended.said["ablation"]["would_run"]
    assert cells == [f"run/ablate/mean-and-size{which}-seed0" for which in ("-no-penalty", "")]


def test_the_format_for_clusters_writes(extended: Extended) -> None:
    lines = (extended.run.parent / "keywords.csv").read_text().splitlines()
    assert lines[0] == "SourceFile,Keywords"
    assert len(lines) == extended.said["clusters"]["n_images"] + 1 == 9
    assert all(re.fullmatch(r"/.+\.png,individual \d", line) for line in lines[1:])


def test_the_rule_scores(extended: Extended) -> None:
    assert "few-singletons" in json.dumps(extended.said["rule"])


def test_the_command_lists(extended: Extended) -> None:
    members = extended.said["command"]
    assert len(members) == 8
    assert {member["cluster"] for member in members} == set(range(6))


def test_the_array_is_stored(extended: Extended) -> None:
    [metrics] = extended.run.glob("stage-init/metrics/v1.zarr")
    manifest = json.loads((metrics / "zarr.json").read_text())["attributes"]["dbc"]
    assert manifest["schema_version"] == SCHEMA_VERSIONS["metrics"] + 1
    assert manifest["arrays"]["last_hit"]["shape"] == [extended.said["array"]["n_queries"]]


def test_the_table_counts_the_files() -> None:
    """Of each kind of extension, as many files are touched as the table says."""
    told = EXTENDING.read_text()
    table = dict(re.findall(r"^\| an? ([^|]+?) \| (\d) \|", told, flags=re.MULTILINE))
    sections = dict(re.findall(r"^## An? (.+)\n((?:(?!## ).*\n)*)", told, flags=re.MULTILINE))
    assert len(table) == 8
    for kind, n_files in table.items():
        paths = set(re.findall(r"^```(?:python|diff)\n# (\S+)", sections[kind], flags=re.MULTILINE))
        assert len(paths) == int(n_files), kind
