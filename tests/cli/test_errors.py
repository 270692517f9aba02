"""Bad input gets one clear line, exit 1 or 2, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.manifest import ATTRIBUTE
from stages.runs.store.artifact import CHECKSUMS
from stages.runs.store.root import read_root, write_root
from tests.cli.conftest import PEOPLE, Dbc, Ran


def refused(result: Ran, *, status: int, told: str) -> None:
    lines = [line for line in result.err.strip().splitlines() if line.startswith("dbc")]
    assert result.status == status, result.err
    assert len(lines) == 1, result.err
    assert told in lines[0]
    assert result.out == ""
    assert "Traceback" not in result.err


def market_folder(root: Path) -> Path:
    for folder, names in {
        "bounding_box_train": ["0001_c1s1_000001_00.jpg", "0001_c2s1_000002_00.jpg", "0002_c1s1_000003_00.jpg"],
        "query": ["0003_c1s1_000004_00.jpg"],
        "bounding_box_test": ["0003_c2s1_000005_00.jpg", "-1_c1s1_000006_00.jpg", "0000_c1s1_000007_00.jpg"],
    }.items():
        (root / folder).mkdir(parents=True)
        for name in names:
            pixels = np.random.default_rng(len(name)).integers(0, 255, (40, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / name)
    return root


def test_unreadable_images_are_all_named_and_nothing_is_written(dbc: Dbc, tmp_path: Path) -> None:
    source = market_folder(tmp_path / "market")
    whole = (source / "query" / "0003_c1s1_000004_00.jpg").read_bytes()
    (source / "bounding_box_train" / "0001_c1s1_000001_00.jpg").write_bytes(whole[: len(whole) // 2])
    (source / "bounding_box_train" / "0001_c2s1_000002_00.jpg").write_bytes(b"")
    (source / "bounding_box_test" / "0003_c2s1_000005_00.jpg").write_text("no image")
    result = dbc("ingest", source, "--format", "market1501", "--run", tmp_path / "run")
    refused(result, status=1, told="3 of 7 images cannot be read")
    for name in ("0001_c1s1_000001_00.jpg", "0001_c2s1_000002_00.jpg", "0003_c2s1_000005_00.jpg"):
        assert name in result.line
    assert not (tmp_path / "run").exists()
    skipped = dbc(
        "ingest", source, "--format", "market1501", "--run", tmp_path / "run", "--on-bad-image", "skip", "--json"
    )
    assert skipped.status == 0, skipped.err
    assert skipped.json["n_images"] == 4
    assert len(skipped.json["skipped"]) == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--format", "market1501"], "bounding_box_train"),
        ([], "holds no image files"),
        (["--format", "csv"], "csv"),
        (["--format", "folder", "--height", "2"], "--height"),
        (["--format", "folder", "--test-fraction", "1.5"], "--test-fraction"),
    ],
)
def test_a_source_of_another_layout_is_refused(dbc: Dbc, tmp_path: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "note.txt").write_text("nothing here")
    result = dbc("ingest", tmp_path / "source", *arguments, "--run", tmp_path / "run")
    refused(result, status=2, told=told)
    assert not (tmp_path / "run").exists()


def test_a_pattern_that_is_no_regular_expression_is_refused(dbc: Dbc, tmp_path: Path) -> None:
    source = market_folder(tmp_path / "market")
    result = dbc("ingest", source, "--format", "folder", "--camera-pattern", "(", "--run", tmp_path / "run")
    refused(result, status=2, told="--camera-pattern")
    assert not (tmp_path / "run").exists()


def test_a_source_that_is_not_there_is_refused(dbc: Dbc, tmp_path: Path) -> None:
    refused(dbc("ingest", tmp_path / "no", "--format", "folder", "--run", tmp_path / "run"), status=2, told="no")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["SOURCE", "--format", "folder", "--workers", "-3"], "--workers must be at least 0, got -3"),
        (["--format", "folder"], "dbc ingest: --format folder needs a SOURCE of images"),
        (["SOURCE", "--format", "synthetic"], "--format synthetic draws people and reads no SOURCE"),
        (["SOURCE", "--format", "folder", "--identities", "3"], "--identities 3 has no use with --format folder"),
        (["SOURCE", "--format", "market1501", "--difficulty", "0"], "--difficulty 0.0 has no use"),
        (["--workers", "-3"], "--workers must be at least 0, got -3"),
    ],
)
def test_flags_of_ingest_that_do_not_go_together_are_refused(
    dbc: Dbc, tmp_path: Path, arguments: list[str], told: str
) -> None:
    source = market_folder(tmp_path / "market")
    words = [str(source) if word == "SOURCE" else word for word in arguments]
    refused(dbc("ingest", *words, "--run", tmp_path / "run"), status=2, told=told)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["status", "ingest", "merge", "run", "plot", "select"])
@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_run_that_is_a_file_is_named_as_such(dbc: Dbc, tmp_path: Path, command: str, inside: str) -> None:
    (tmp_path / "notes.txt").write_text("no run")
    told = f"--run must be a folder, got the file {tmp_path / 'notes.txt'}; give another"
    refused(dbc(command, "--run", tmp_path / "notes.txt" / inside), status=2, told=told)


def test_where_a_run_that_is_a_file_was_told_is_told_too(
    dbc: Dbc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("no run")
    Path(".dbc-run").write_text("notes.txt\n")
    refused(dbc("status"), status=2, told=".dbc-run must be a folder, got the file notes.txt; give --run")
    monkeypatch.setenv("DBC_RUN", "notes.txt")
    refused(dbc("status"), status=2, told="DBC_RUN must be a folder, got the file notes.txt; give --run")


def test_a_data_set_too_small_for_the_default_is_told_where_the_number_comes_from(dbc: Dbc, run: Path) -> None:
    told = "--merge-percent 0.05 (the default) makes no merge among 16 train samples; give 0.0625 or more"
    refused(dbc("run", "--recipe", "paper", "--run", run), status=2, told=told)
    refused(dbc("run", "--merge-percent", "0.01", "--run", run), status=2, told="--merge-percent 0.01 makes no merge")
    told = "--stages must be at most 15, got 20: every stage makes 1 merge (--merge-percent 0.1) among 16 train samples"
    refused(dbc("run", "--merge-percent", "0.1", "--stages", "20", "--run", run), status=2, told=told)


def test_the_default_merges_something_among_few_samples(dbc: Dbc, tmp_path: Path) -> None:
    (few := tmp_path / "few").mkdir()
    for number in range(7):
        Image.new("RGB", (8, 8), (30 * number, 0, 0)).save(few / f"{number}.png")
    place = ["--run", tmp_path / "r"]
    assert dbc("ingest", few, "--height", "8", "--width", "8", *place).status == 0
    ran = dbc("run", "--weights", "none", "--dry-run", *place)
    assert (ran.status, "--merge-percent is 0.1429, not 0.1: one merge a stage of 7 train" in ran.err) == (0, True)
    refused(dbc("run", "--merge-percent", "0.1", *place), status=2, told="--merge-percent 0.1 (the default) makes no")


def test_a_dry_run_sees_that_a_network_cannot_be_made_as_the_real_one_will(dbc: Dbc, tmp_path: Path) -> None:
    (few := tmp_path / "few").mkdir()
    for number in range(9):
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(few / f"{number}.png")
    place = ["--run", tmp_path / "r"]
    assert dbc("ingest", few, "--height", "8", "--width", "8", *place).status == 0
    for command in (["run"], ["sweep", "--seed", "0,1"], ["ablate"], ["extract"]):
        refused(dbc(*command, "--weights", "lost.pth", "--dry-run", *place), status=2, told="lost.pth")
    assert "got 'nix'; try" in dbc("run", "--backbone", "nix", "--dry-run", *place).line


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is 2, but RANK is not set; start with torchrun, or unset it"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "WORLD_SIZE is 2, but MASTER_ADDR is not set"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two', expected a whole number"),
        ({"RANK": "-1"}, "RANK is '-1', expected a whole number"),
        ({"RANK": "1"}, "RANK is 1, expected less than WORLD_SIZE, 1; start with torchrun"),
    ],
)
def test_variables_of_torchrun_that_are_there_in_part_are_named(
    dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    refused(dbc("merge", "--run", run), status=2, told=told)
    assert not (run / "stage-01").exists()


def test_status_of_a_run_that_is_not_there_says_how_to_make_one(dbc: Dbc, tmp_path: Path) -> None:
    run = tmp_path / "run"
    wanted = f"no run found at {run}; make one with: dbc ingest SOURCE --run {run}"
    refused(dbc("status", "--run", run), status=1, told=wanted)


def test_an_unexpected_validation_failure_of_anything_else_is_no_misuse() -> None:
    from pydantic import ValidationError

    from dbc_cli.problems import problem_of
    from schemas.manifest import ArrayRecord
    from schemas.parameters import TrainParameters

    with pytest.raises(ValidationError) as record:
        ArrayRecord.model_validate({})
    assert problem_of(record.value) is None
    assert problem_of(ValueError("odd")) is None
    with pytest.raises(ValidationError) as unknown:
        TrainParameters.model_validate({"stage": 1, "epochs": 1, "learning_rate": 0.1, "haste": 3})
    assert problem_of(unknown.value) == "--haste: Extra inputs are not permitted, got 3"


@pytest.mark.parametrize("command", ["extract", "train", "merge", "eval", "run"])
def test_a_run_without_a_dataset_says_what_to_do_first(dbc: Dbc, tmp_path: Path, command: str) -> None:
    refused(dbc(command, "--run", tmp_path / "run"), status=1, told="dbc ")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["merge", "--lambda", "-1"], 2, "--lambda must be at least 0, got -1.0"),
        (["merge", "--lambda", "nan"], 2, "--lambda must be a finite number, got nan"),
        (["merge", "--merge-percent", "1.5"], 2, "--merge-percent must be below 1, got 1.5"),
        (["merge", "--merge-percent", "0.0001"], 1, "--merge-percent 0.0001 makes no merge among 16 train samples"),
        (["merge", "--start", "previous", "--stage", "2"], 1, "no clusters of stage 1 found"),
        (["merge", "--stage", "0"], 2, "--stage must be at least 1 in "),
        (["merge", "--stage", "last"], 2, "'last' is not a stage"),
        (
            ["merge", "--update", "fast"],
            2,
            "--update must be one of 'exact', 'stale', 'union', got 'fast'; see: dbc merge",
        ),
        (["merge", "--lambda", "much"], 2, "--lambda must be a number, got 'much'; see: dbc merge --help"),
        (["train", "--epochs", "1.5"], 2, "--epochs must be a whole number, got '1.5'; see: dbc train --help"),
        (["baseline", "nothing"], 2, "got 'nothing'; see: dbc baseline --help"),
        (["extract", "--seed", "-1"], 2, "--seed must be at least 0, got -1"),
        (["extract", "--backbone", ""], 2, "--backbone must not be empty, got ''"),
        (["baseline", "pul", "--n-clusters", "2", "--seed", "-1"], 2, "--seed must be at least 0, got -1"),
        (["merge", "--device", "tpu"], 2, "tpu"),
        (["merge", "--memory-limit", "lots"], 2, "--memory-limit must be a size such as 8GiB or 500MB, got 'lots'"),
        (["merge", "--merge-percent", "0.2", "--memory-limit", "1kb"], 1, "--memory-limit"),
        (["merge", "--metre", "3"], 2, "No such option"),
        (["merge", "--clusters", "first"], 2, "--clusters must be a version such as v1, got 'first'"),
        (
            ["eval", "--features", "own.npz"],
            2,
            "got 'own.npz'; features of your own are measured and merged from Python",
        ),
        (["train", "--stage", "1"], 1, "dbc merge --stage 1"),
        (["train", "--epochs", "-1"], 2, "--epochs must be at least 0, got -1"),
        (["train", "--batch-size", "1"], 2, "--batch-size must be at least 2 for batch norm, got 1"),
        (["train", "--temperature", "0"], 2, "--temperature must be above 0, got 0.0"),
        (["extract", "--stage", "4"], 1, "no model of stage 4 found"),
        (["extract", "--backbone", "vgg"], 2, "--backbone"),
        (["extract", "--weights", "nowhere.safetensors"], 2, "nowhere.safetensors"),
        (["extract", "--batch-size", "0"], 2, "--batch-size must be at least 1, got 0"),
        (["eval", "--stage", "3"], 1, "no clusters of stage 3 found"),
        (["run", "--stages", "-2"], 2, "--stages must be at least 0, got -2"),
        (
            ["extract", "--seed", "-1", "--weights", "none", "--backbone", "resnet18"],
            2,
            "--seed must be at least 0, got -1",
        ),
        (["extract", "--height", "999999", "--weights", "none"], 2, "--height must be at most 4096, got 999999"),
        (["extract", "--embedding-dim", "0", "--weights", "none"], 2, "--embedding-dim must be at least 1, got 0"),
        (["train", "--seed", "-1"], 2, "--seed must be at least 0, got -1"),
        (["run", "--stages", "0", "--embedding-dim", "0"], 2, "--embedding-dim must be at least 1, got 0"),
        (["sing"], 2, "see: dbc --help"),
    ],
)
def test_a_wrong_request_is_one_line(dbc: Dbc, run: Path, arguments: list[str], status: int, told: str) -> None:
    before = sorted(run.rglob("*"))
    target = [] if arguments == ["sing"] else ["--run", str(run)]
    refused(dbc(*arguments, *target), status=status, told=told)
    assert sorted(run.rglob("*")) == before


def test_cuda_without_a_device_is_refused(dbc: Dbc, run: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    refused(dbc("merge", "--device", "cuda", "--run", run), status=2, told="CUDA")
    refused(dbc("extract", "--device", "cuda:3", "--run", run), status=2, told="CUDA")
    refused(dbc("eval", "--device", "cuda", "--run", run), status=2, told="CUDA")


def test_imagenet_weights_that_cannot_be_had_are_one_line(
    dbc: Dbc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    dbc("ingest", *PEOPLE, "--workers", "0", "--run", tmp_path / "run")
    result = dbc("extract", "--backbone", "resnet18")
    refused(result, status=1, told="could not be downloaded")
    assert not (tmp_path / "run" / "stage-init").exists()


def test_an_artifact_of_a_newer_release_is_refused(dbc: Dbc, run: Path) -> None:
    path = run / "dataset" / "v1.zarr"
    attributes, _ = read_root(path, known=frozenset({ATTRIBUTE, CHECKSUMS}))
    attributes[ATTRIBUTE]["schema_version"] = 2
    write_root(path, attributes)
    refused(dbc("extract", "--run", run), status=1, told="upgrade dbc-reid")


def test_a_loss_that_is_not_finite_stops_and_keeps_what_was_there(dbc: Dbc, run: Path) -> None:
    result = dbc(
        "train", "--stage", "0", "--epochs", "6", "--learning-rate", "1e6", "--backbone-rate", "1e6", "--run", run
    )
    refused(result, status=1, told="loss must be finite, got")
    assert not (run / "stage-00").exists()


def test_an_unexpected_failure_is_one_line_and_debug_shows_the_traceback(
    dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dbc_cli.__main__ import run_command

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("something\nodd")

    monkeypatch.setattr("stages.merge.stage.merge", broken)
    refused(
        dbc("merge", "--run", run), status=1, told="unexpected RuntimeError: something odd; run it again with --debug"
    )
    assert run_command(["merge", "--run", str(run)], debug=True) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_one_line(dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stages.merge.stage.merge", interrupted)
    refused(dbc("merge", "--run", run), status=130, told="interrupted")


def test_a_foreign_package_of_our_name_is_told(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "__init__.py").touch()
    told = subprocess.run(
        [sys.executable, "-c", "from dbc_cli.__main__ import main; main()"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "install dbc-reid in an environment of its own" in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1
