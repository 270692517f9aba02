"""Whatever stands in config.toml, in the root of an artifact, in names and numbers, or in a weights file is read or refused.

A refusal is an error of ours, in one line, soon, and nothing is written.
"""

from __future__ import annotations

import json
import shutil
import string
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

import dbc_cli.app  # noqa: F401 — declares the flags
from dbc_cli.command import parse_bytes
from dbc_cli.configuration import CONFIGURABLE, configured
from schemas.stage_names import parse_stage
from stages.errors import DbcError, UsageError
from stages.nn.backbones.weights import WeightsFile, fit_tensors, read_tensors
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, open_artifact
from tests.cli.conftest import Dbc

FEW = settings(max_examples=120, deadline=None)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["lambda", "seed", "epochs", "run", "device", "a", "merge_percent", "merge-percent", "'q '"])
toml_values = st.sampled_from(
    [
        "1",
        "-1",
        "1e999",
        "nan",
        "inf",
        "'x'",
        "true",
        "[1]",
        "{a = 1}",
        "1979-05-27",
        "9" * 5000,
        '"\\u0000"',
        "[" * 2000,
    ]
)
toml_lines = (
    st.builds("{} = {}".format, keys, toml_values)
    | st.builds("[{}]".format, st.sampled_from(["merge", "train", "run", "eval", "x", "merge.x"]) | keys)
    | st.text(alphabet=string.printable + "é\u202e\0\ufeff", max_size=10)
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzed")


@pytest.fixture(scope="module")
def artifacts(begun: Path) -> dict[str, Artifact]:
    run = RunDirectory(begun)
    return {
        "dataset": run.require("dataset"),
        "features": run.require("features", -1),
        "model": run.require("model", -1),
    }


@FEW
@given(lines=st.lists(toml_lines, max_size=5), command=st.sampled_from(["merge", "train", "run", "ingest", "status"]))
def test_any_configuration(place: Path, lines: list[str], command: str) -> None:
    path = place / "config.toml"
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    try:
        values = configured(path, command)
    except DbcError as error:
        assert str(error).startswith(str(path))  # noqa: PT017
    else:
        assert values.keys() <= {flag.name for found in CONFIGURABLE.values() for flag in found.flags}


@FEW
@given(content=st.binary(max_size=40))
def test_any_bytes_as_a_configuration(place: Path, content: bytes) -> None:
    path = place / "bytes.toml"
    path.write_bytes(content)
    try:
        assert configured(path, "merge") == {}
    except DbcError as error:
        assert str(error).startswith(str(path))  # noqa: PT017


def places_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, outermost first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places_of(item, (*path, key)))]


@FEW
@given(data=st.data())
def test_any_value_anywhere_in_a_root(artifacts: dict[str, Artifact], place: Path, data: st.DataObject) -> None:
    artifact = artifacts[data.draw(st.sampled_from(sorted(artifacts)))]
    root = json.loads((artifact.path / "zarr.json").read_text())
    where = data.draw(st.sampled_from(places_of(root)))
    found: Any = {"": root}
    for key in ("", *where)[:-1]:
        found = found[key]
    last = ("", *where)[-1]
    before, found[last] = found[last], data.draw(json_values)
    text = json.dumps(root) if where else json.dumps(found[""])
    is_same = json.dumps(before) == json.dumps(found[last])
    named_in_place(artifact, place, text.encode(), is_same=is_same)


@FEW
@given(
    content=st.binary(max_size=20)
    | st.sampled_from([b"[" * 100_000, b'{"attributes":' * 5000, b"9" * 5000, b'"\\ud800"'])
)
def test_any_bytes_as_a_root(artifacts: dict[str, Artifact], place: Path, content: bytes) -> None:
    named_in_place(artifacts["features"], place, content, is_same=False)


def named_in_place(artifact: Artifact, place: Path, content: bytes, *, is_same: bool) -> None:
    """Hold that an artifact with `content` for a root is not opened unless that `is_same`, and what is said of it."""
    kind = place / "stage-init" / artifact.manifest.kind if artifact.manifest.kind != "dataset" else place / "dataset"
    shutil.rmtree(kind, ignore_errors=True)
    (kind / "v1.zarr").mkdir(parents=True)
    (kind / "v1.zarr" / "zarr.json").write_bytes(content)
    try:
        opened = open_artifact(kind, 1)
    except DbcError as error:
        assert str(error).startswith(str(kind / "v1.zarr"))  # noqa: PT017
        assert not is_same
    else:
        assert is_same
        assert opened.manifest == artifact.manifest


@FEW
@given(text=st.text(max_size=8) | st.from_regex(r"\s*(stage-)?(init|[0-9]{1,9})\s*", fullmatch=True))
def test_any_stage(text: str) -> None:
    try:
        assert -1 <= parse_stage(text) < 10**6
    except ValueError as error:
        assert "is not a stage" in str(error)  # noqa: PT017


@FEW
@given(text=st.text(max_size=8) | st.from_regex(r"-?[0-9.e]{1,400} ?(GiB|kb|inf|nan)?", fullmatch=True))
def test_any_size(text: str) -> None:
    try:
        found = parse_bytes(text)
        assert found is not None
        assert 0 < found < 1 << 60
    except UsageError as error:
        assert str(error).startswith("--memory-limit must be a size")  # noqa: PT017


NAMES = (
    "",
    " ",
    ".",
    "..",
    "\0",
    "a\0b",
    "x" * 300,
    "x/" * 3000,
    "~",
    "-",
    "--run",
    "\x1b[2J",
    "\udcff",
    "\n",
    "nul\u202e",
)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("asked", [["status", "--run"], ["merge", "--run"], ["merge", "--run", "RUN", "--dataset"]])
def test_any_name_of_a_run_or_a_version(dbc: Dbc, begun: Path, name: str, asked: list[str]) -> None:
    before = sorted(begun.rglob("*"))
    told = dbc(*(str(begun) if word == "RUN" else word for word in asked), name)
    if told.status:
        assert told.status in (1, 2)
        assert told.line.startswith("dbc ")
        assert told.line.isprintable()
        assert "unexpected" not in told.err
    assert sorted(begun.rglob("*")) == before
    assert list(Path().iterdir()) == []


SAFE = save({"weight": torch.zeros(2, 3), "bias": torch.ones(2)})
N_HEADER = struct.unpack("<Q", SAFE[:8])[0]
headers = st.dictionaries(
    st.sampled_from(["weight", "bias", "__metadata__", "x\u001b"]),
    st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["F32", "F64", "I8", "BOOL", "BF16", "F8_E4M3", "F4", "C64", ""]) | json_values,
            "shape": st.lists(st.integers(-1, 1 << 64), max_size=3) | json_values,
            "data_offsets": st.lists(st.integers(-1, 1 << 64), min_size=2, max_size=2) | json_values,
        }
    )
    | json_values,
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(content=st.data())
def test_any_safetensors_file(place: Path, content: st.DataObject) -> None:
    kind = content.draw(st.sampled_from(["header", "length", "flipped", "cut", "bytes"]))
    if kind == "header":
        header = json.dumps(content.draw(headers)).encode()
        data = struct.pack("<Q", len(header)) + header + SAFE[8 + N_HEADER :]
    elif kind == "length":
        data = struct.pack("<Q", content.draw(st.integers(0, 2**64 - 1))) + SAFE[8:]
    elif kind == "flipped":
        at = content.draw(st.integers(0, len(SAFE) - 1))
        data = SAFE[:at] + bytes([content.draw(st.integers(0, 255))]) + SAFE[at + 1 :]
    else:
        data = (
            SAFE[: content.draw(st.integers(0, len(SAFE)))] if kind == "cut" else content.draw(st.binary(max_size=60))
        )
    path = place / "weights.safetensors"
    path.write_bytes(data)
    module = torch.nn.Linear(3, 2)
    try:
        fit_tensors(module, read_tensors(WeightsFile(path, path.name, "")), name=path.name, backbone="linear")
    except DbcError as error:
        assert str(error).startswith("weights weights.safetensors")  # noqa: PT017
    else:
        assert all(bool(value.isfinite().all()) for value in module.state_dict().values())


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), is_cut=st.booleans())
def test_any_file_of_torch(place: Path, at: int, byte: int, is_cut: bool) -> None:
    path = place / "weights.pth"
    torch.save({"weight": torch.zeros(2, 3), "bias": torch.ones(2)}, path)
    whole = path.read_bytes()
    at %= len(whole)
    path.write_bytes(whole[:at] + (b"" if is_cut else bytes([byte]) + whole[at + 1 :]))
    module = torch.nn.Linear(3, 2)
    try:
        fit_tensors(module, read_tensors(WeightsFile(path, path.name, "")), name=path.name, backbone="linear")
    except DbcError as error:
        assert str(error).startswith("weights weights.pth")  # noqa: PT017
