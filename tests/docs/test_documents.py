"""What documents say is so: their code runs, their commands exist, their links lead somewhere."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

from dbc_cli.commands import all_commands
from stages.runs.run_directory import RunDirectory
from tests.cli.conftest import NETWORK, PEOPLE, made
from tests.conftest import REPOSITORY
from tests.docs.documents import DOCUMENTS, GUIDES, anchors, blocks, dbc_commands, links, name_of

COMMANDS = {name: command.parser() for name, command in all_commands().items()}
WRITTEN = [(name_of(document), words) for document in GUIDES for words in dbc_commands(document)]
STAGE = "stage-09"
"""The stage that examples look at."""


@pytest.fixture(scope="module")
def folder_of_a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which examples find `runs/photos`, a small run with everything there is at `STAGE`."""
    folder = tmp_path_factory.mktemp("documents")
    merged = ["merge", "--merge-percent", "0.25"]
    trained = ["train", "--epochs", "0"]
    run = made(
        folder, ["ingest", *PEOPLE, "--workers", "0"], ["extract", *NETWORK], merged, trained, ["extract"], ["eval"]
    )
    shutil.copytree(run, folder / "runs" / "photos")
    shutil.copytree(run / "stage-01", folder / "runs" / "photos" / STAGE)
    return folder


# docs/extending.md writes files, see test_extending.py; docs/python.md begins a run, see test_python.py; review.md: below
@pytest.mark.parametrize(
    "document",
    [d for d in GUIDES if blocks(d, "python") and d.stem not in ("extending", "python", "review")],
    ids=name_of,
)
def test_python_runs(document: Path, folder_of_a_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder_of_a_run)
    names: dict[str, Any] = {}
    for code in blocks(document, "python"):
        exec(compile(code, name_of(document), "exec"), names)


def test_the_digest_of_the_page_is_that_of_every_array(folder_of_a_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder_of_a_run)
    names: dict[str, Any] = {}
    exec(compile("\n".join(blocks(REPOSITORY / "docs" / "artifacts.md", "python")), "docs/artifacts.md", "exec"), names)
    run = RunDirectory(folder_of_a_run / "runs" / "photos")
    artifacts = [
        run.require("dataset"),
        *(run.require(kind, 1) for kind in ("clusters", "model", "features", "metrics")),
    ]
    for artifact in artifacts:
        group = names["zarr"].open(artifact.path, mode="r")
        found = {name: names["array_digest"](group[name][...]) for name in artifact.manifest.arrays}
        assert found == {name: record.sha256 for name, record in artifact.manifest.arrays.items()}


def test_capture_histories_have_an_animal_once_a_day_and_station(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = ["2,2026-04-03T23:59:00,ST 1", "2,2026-04-03T05:00:00,ST 1", "1,2026-04-01T08:00:00+02:00,ST2"]
    rows += ["new,2026-04-01T08:00:00,ST2", "1,,ST2", "1,2026-04-01T08:00:00,"]
    Path("individuals.csv").write_text("individual,timestamp,camera\n" + "\n".join(rows))
    (code,) = blocks(REPOSITORY / "docs" / "review.md", "python")
    exec(compile(code, "docs/review.md", "exec"), {})
    assert Path("captures.txt").read_text() == "# Session ID Occasion Detector\n1 1 1 ST2\n1 2 3 ST_1\n"


@pytest.mark.parametrize(("document", "words"), WRITTEN, ids=[" ".join([d, *w]) for d, w in WRITTEN])
def test_commands_can_be_given(document: str, words: list[str]) -> None:
    """A whole command is parsed as the shell would give it; a mere `dbc merge` in a sentence needs to exist alone."""
    if words[0].startswith("-"):
        assert words[0] in ("--help", "--version")
        return
    if words[0].isupper():
        return
    assert words[0] in COMMANDS
    # a capital word stands for a value, a $ for the shell's
    arguments = [re.sub(r"^\$\w+$", "3", word) for word in words[1:] if word != "…"]
    try:
        COMMANDS[words[0]].make_context(words[0], arguments)
    except click.exceptions.Exit:
        assert "--help" in arguments


def test_there_are_commands() -> None:
    assert len(WRITTEN) > 40


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    for target in links(document):
        path, _, anchor = target.partition("#")
        linked = document if not path else (document.parent / path).resolve()
        assert linked.exists(), target
        assert linked.is_relative_to(REPOSITORY), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_no_place_on_one_machine(document: Path) -> None:
    assert not re.search(r"(?<![\w.~])/(home|work|tmp|root|Users|mnt|opt)/", document.read_text())


def test_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().split()) <= 1500


def test_the_map_names_what_is_there() -> None:
    """Every folder and file in the tables of `docs/architecture.md`, and every name beside a file, exist."""
    told = (REPOSITORY / "docs" / "architecture.md").read_text()
    rooms = re.findall(r"^\| `([\w/]+/)` \|", told, flags=re.MULTILINE)
    steps = re.findall(r"^\| `([\w/.]+\.py)` \| (`[^|]+`) \|", told, flags=re.MULTILINE)
    assert len(rooms) > 10
    assert len(steps) > 30
    assert [room for room in rooms if not (REPOSITORY / room).is_dir()] == []
    for path, names in steps:
        source = (REPOSITORY / path).read_text()
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"^(def|class) {name}\b|^{name}\b.*=", source, flags=re.MULTILINE), (path, name)


def test_every_room_is_on_the_map() -> None:
    told = (REPOSITORY / "docs" / "architecture.md").read_text()
    rooms = {folder.name for folder in (REPOSITORY / "stages").iterdir() if (folder / "__init__.py").is_file()}
    assert {room for room in rooms if f"`stages/{room}/`" not in told} == set()


def test_extras_are_asked_for_by_their_names_in_code_and_documents() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    code = [file for folder in ("dbc_cli", "stages") for file in (REPOSITORY / folder).rglob("*.py")]
    said = "\n".join(file.read_text().replace('\\"', '"') for file in [*code, *GUIDES])
    asked = re.findall(r'pip install "\.\[(.*?)\]"', said)
    assert {"onnx", "parquet", "timm", "umap", "video"} <= set(asked)
    assert {name for names in asked for name in names.split(",")} <= project["optional-dependencies"].keys()
    # a package by itself has no bounds
    packages = {re.split("[>=;]", each)[0] for extra in project["optional-dependencies"].values() for each in extra}
    assert not packages & set(re.findall(r"pip install (?:-\S+ )?([\w-]+)", said))
