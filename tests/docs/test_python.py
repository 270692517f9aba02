"""`docs/python.md`: its loop makes what the commands make, and a wrong call gets one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dbc_cli.__main__ import run_command
from schemas.parameters import EvaluateParameters, ExtractParameters, IngestParameters, MergeParameters
from stages.arrays.backend import resolve_torch_device
from stages.constraints.stage import AskedConstraints, asked_or_default
from stages.errors import DbcError, DbcWarning, UsageError
from stages.evaluate.stage import evaluate
from stages.extract.stage import extract
from stages.ingest.formats import recognise_source
from stages.ingest.stage import ingest
from stages.loop.choice.stage import judge
from stages.loop.last_clusters import asked_merge
from stages.loop.run_stages import run_stages
from stages.merge.stage import merge
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory
from stages.train.stage import train
from tests.conftest import REPOSITORY
from tests.docs.documents import blocks, dbc_commands

PYTHON = REPOSITORY / "docs" / "python.md"


def draw_photos(folder: Path) -> None:
    """Three colours, each four times with another noise."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(12):
        noise = random.integers(0, 60, (32, 32, 3)) + 60 * np.eye(3, dtype=np.int64)[number % 3]
        Image.fromarray(noise.astype(np.uint8)).save(folder / f"{number}.png")


def test_the_commands_find_all_that_the_loop_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal ids: another one would be a version of its own."""
    draw_photos(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    words = next(words for words in dbc_commands(PYTHON) if words[0] == "run" and "--stages" in words)
    names: dict[str, Any] = {}
    exec(compile("\n".join(blocks(PYTHON, "python")), "docs/python.md", "exec"), names)
    assert [len(column) for column in names["table"].values()] == [12, 12, 12]
    assert sorted(names["table"]["path"]) == sorted(f"{number}.png" for number in range(12))
    assert names["verdict"].trust
    run = Path("runs/notebook")
    made = {path.relative_to(run).as_posix() for path in run.glob("**/v*.zarr")}
    assert {f"stage-03/{kind}/v1.zarr" for kind in ("clusters", "metrics")} < made
    for command in (["ingest", "photos", "--height", "32", "--width", "32"], words):
        assert run_command([*command, "--run", str(run)]) == 0
    later = {path.relative_to(run).as_posix() for path in run.glob("**/v*.zarr")} - made
    metrics = {f"stage-{stage}/metrics/v1.zarr" for stage in ("init", "00", "01", "02")}
    assert later == {*metrics, "stage-init/features/v1.zarr"}


def test_types_are_checked_of_the_page_as_it_is() -> None:
    """mypy checks `python_page.py`, which this writes if it is not the page's code: look at it, and commit it."""
    file = Path(__file__).with_name("python_page.py")
    head = '"""The code of `docs/python.md`, for mypy; `test_python.py` writes it."""\n# ruff: noqa\n# fmt: off\n\n'
    code = head + "\n".join(blocks(PYTHON, "python"))
    if file.read_text() != code:
        file.write_text(code)
        pytest.fail(f"{file.name} was not the code of docs/python.md, and is now")


RUN = RunDirectory("run")
WRONG: list[tuple[str, Any]] = [
    ("`run` must be a RunDirectory, got 'run'", lambda: merge("run", parameters=MergeParameters())),  # type: ignore[arg-type]
    (
        "`stage` must be a whole number (-1 is init), got 'init'",
        lambda: evaluate(RUN, stage="init", parameters=EvaluateParameters()),
    ),  # type: ignore[arg-type]
    ("must be a MergeParameters, got ExtractParameters(", lambda: merge(RUN, parameters=ExtractParameters())),  # type: ignore[arg-type]
    (
        "must be an ExtractParameters, got the class ExtractParameters",
        lambda: extract(RUN, parameters=ExtractParameters, initial={}),
    ),  # type: ignore[arg-type]
    (
        "must be an IngestParameters, got {'height': 8}",
        lambda: ingest(RUN, source="photos", parameters={"height": 8}),
    ),  # type: ignore[arg-type]
    ("no run found at run; make one with `ingest`", lambda: train(RUN, overrides={}, initial={})),
    ("`stage` must be a whole number (-1 is init), got 'init'", lambda: RUN.require("model", "init")),  # type: ignore[arg-type]
    (
        "`overrides` must be fields by name, got MergeParameters(",
        lambda: train(RUN, overrides=MergeParameters(), initial={}),
    ),  # type: ignore[arg-type]
    ("`context` must be a Context, got {}; give", lambda: merge(RUN, parameters=MergeParameters(), context={})),  # type: ignore[arg-type]
    ("`workers` must be a whole number, got 1.5", lambda: Context(workers=1.5)),  # type: ignore[arg-type]
    ("`memory_limit` must be a number of bytes, got '8GiB'", lambda: Context(memory_limit="8GiB")),  # type: ignore[arg-type]
    ("`reporter` must have the methods `task`, `note` and `warn`, got <", lambda: Context(reporter=print)),  # type: ignore[arg-type]
    ("`n_clusters` must be a whole number, got 'many'", lambda: asked_merge(RUN, MergeParameters(), "many")),  # type: ignore[arg-type]
    ("`n_clusters` must be at least 1, got -1", lambda: asked_merge(RUN, MergeParameters(), -1)),
    ("`n_clusters` must be at least 1, got 0", lambda: asked_merge(RUN, MergeParameters(), 0)),
    ("`run` must be a folder, got the file ", lambda: RunDirectory(__file__)),
    ("`run` must be a RunDirectory, got 'run'", lambda: judge("run")),  # type: ignore[arg-type]
    ("no run found at run; make one with `ingest`", lambda: judge(RUN)),
    ("`context` must be a Context, got None", lambda: judge(RUN, context=None)),  # type: ignore[arg-type]
    ("`run` must be a RunDirectory, got 'run'", lambda: run_stages("run", None, on_row=print)),  # type: ignore[arg-type]
    ("source 'photos' does not exist", lambda: recognise_source("photos")),
    ("`labels` must be a path, got ''", lambda: AskedConstraints(labels="")),  # type: ignore[arg-type]
    ("`source` must be a path, got ''", lambda: ingest(RUN, source="", parameters=IngestParameters(format="folder"))),
    ("`root` must be a path, got ''", lambda: RunDirectory("")),
    ("`memory_limit` must be at least 1, got -1", lambda: Context(memory_limit=-1)),
    ("`device` must be auto, cpu, cuda or cuda:N, got None", lambda: resolve_torch_device(None)),  # type: ignore[arg-type]
    ("`constraints` must be an AskedConstraints, got 'own.csv'", lambda: asked_or_default("own.csv")),  # type: ignore[arg-type]
    ("unknown `cache` 'hots': choose one of auto, device,", lambda: Context(cache="hots")),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("told", "call"), WRONG, ids=[told for told, _ in WRONG])
def test_a_wrong_call_gets_one_line(told: str, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DbcError) as raised:
        call()
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_guessed_and_feared_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings at the line that called the step, notes in what it returns, and no manifest in the answer of a cell."""
    for toy in ("toy1", "toy2"):
        draw_photos(tmp_path / "photos" / toy)
    run, small = RunDirectory(tmp_path / "run"), IngestParameters(format="folder", height=32, width=32)
    with pytest.warns(DbcWarning, match="same picture|copies|equal") as warned:
        made = ingest(run, source=tmp_path / "photos", parameters=small)
    assert {warning.filename for warning in warned} == {__file__}
    # the other processes of torchrun say nothing, as with commands
    monkeypatch.setenv("RANK", "1")
    Context().reporter.warn("an error here, where warnings are errors")
    monkeypatch.delenv("RANK")
    assert {str(warning.message) for warning in warned} < set(made.notes)
    assert any("toy" in note for note in made.notes)
    assert made.artifact is not None
    assert repr(made) == f"<created: {made.artifact.shown}, notes: {len(made.notes)}>"
    assert repr(made.artifact) == (
        f"<dataset {tmp_path.as_posix()}/run/dataset/v1.zarr, id {made.artifact.manifest.id[:12]}, 24 samples>"
    )
    dry = ingest(
        run, source=tmp_path / "photos", parameters=small.model_copy(update={"seed": 1}), context=Context(dry_run=True)
    )
    assert repr(dry) == f"<would create: dataset, notes: {len(dry.notes)}>"


def test_an_unknown_field_of_the_network_is_named(tmp_path: Path) -> None:
    draw_photos(tmp_path / "photos")
    run = RunDirectory(str(tmp_path / "run"))
    ingest(run, source=str(tmp_path / "photos"), parameters=IngestParameters(format="folder", height=32, width=32))
    for initial in (None, "resnet10"):
        for call in (
            lambda: extract(run, parameters=ExtractParameters(), initial=initial),  # noqa: B023
            lambda: train(run, overrides={}, initial=initial),  # noqa: B023
        ):
            with pytest.raises(UsageError, match="`initial` must be fields by name, got"):
                call()
    for stage in ("1", float("nan")):
        with pytest.raises(UsageError, match="`from_stage` must be a whole number"):
            merge(run, parameters=MergeParameters(), from_stage=stage)
    with pytest.raises(UsageError, match=r"unknown `initial` field 'bakbone': choose among backbone, weights"):
        extract(run, parameters=ExtractParameters(), initial={"bakbone": "resnet10"})
