"""A root that was changed after it was written is named when it is opened, whatever was changed in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_store import fill, request

from stages.errors import DbcError
from stages.runs.context import Context
from stages.runs.making import make_artifact
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, open_artifact
from stages.runs.store.checkpoint import read_checkpoint, write_checkpoint
from stages.runs.store.root import SEAL

GOLDEN = Path(__file__).parents[2] / "golden" / "schema-1"
KEY = "a" * 64


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    made = make_artifact(RunDirectory(tmp_path), request(), fill, context=Context()).artifact
    assert made is not None
    return made


def edited(artifact_path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    root = json.loads((artifact_path / "zarr.json").read_text())
    edit(root["attributes"])
    (artifact_path / "zarr.json").write_text(json.dumps(root))


def leaves(value: Any, *way: Any) -> list[tuple[Any, ...]]:
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [found for key, inner in items for found in leaves(inner, *way, key)]
    return [way]


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return "1" + value[1:] if value[:1] == "0" else "0" + value[1:]
    return ["x"]


def test_every_value_of_a_root_is_sealed(artifact: Artifact) -> None:
    text = (artifact.path / "zarr.json").read_text()
    ways = leaves(json.loads(text)["attributes"])
    assert len(ways) > 40
    for *way, last in ways:

        def edit(content: Any, way: list[Any] = way, last: Any = last) -> None:
            for step in way:
                content = content[step]
            content[last] = changed(content[last])

        edited(artifact.path, edit)
        with pytest.raises(DbcError, match="is not a readable artifact"):
            open_artifact(artifact.path.parent, 1)
        (artifact.path / "zarr.json").write_text(text)
    assert open_artifact(artifact.path.parent, 1) == artifact


@pytest.mark.parametrize(
    "edit",
    [
        lambda attributes: attributes["dbc"]["arrays"].pop("pid"),
        lambda attributes: attributes["dbc"]["parents"].append({"kind": "model", "id": "0", "location": "x"}),
        lambda attributes: attributes.pop("dbc-checksums"),
        lambda attributes: attributes.pop("dbc"),
        lambda attributes: attributes.update(note="mine"),
        lambda attributes: attributes.update({"dbc-digest": None}) or attributes["dbc"]["arrays"].pop("pid"),
        lambda attributes: attributes.update({"dbc-digest": None}),
    ],
    ids=["an array", "a parent", "checksums", "manifest", "another attribute", "array and seal", "a seal of null"],
)
def test_what_is_taken_away_or_added_is_missed(artifact: Artifact, edit: Callable[[dict[str, Any]], Any]) -> None:
    edited(artifact.path, edit)
    with pytest.raises(DbcError, match="is not a readable artifact"):
        open_artifact(artifact.path.parent, 1)


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "7", '"x"', "{", "{}", '{"attributes": []}', "[" * 100_000, '{"attributes": {"dbc": null}}'],
)
def test_a_root_of_another_type_is_named(artifact: Artifact, text: str) -> None:
    (artifact.path / "zarr.json").write_text(text)
    with pytest.raises(DbcError, match=r"v1.zarr is not a readable artifact: .*; move it away"):
        open_artifact(artifact.path.parent, 1)


@pytest.mark.parametrize("text", ['"zarr_format": 3', '"node_type": "group"'])
def test_the_rest_of_a_root_counts(artifact: Artifact, text: str) -> None:
    root = artifact.path / "zarr.json"
    assert text in root.read_text()
    root.write_text(root.read_text().replace(text, text.replace("3", "2").replace("group", "array")))
    with pytest.raises(DbcError, match="not that of a Zarr v3 group"):
        open_artifact(artifact.path.parent, 1)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda manifest: manifest.update(id="0" * 64), "its id does not follow"),
        (lambda manifest: manifest.update(key="0" * 64), "its key does not follow"),
        (lambda manifest: manifest["arrays"].pop("labels"), "its id does not follow"),
        (lambda manifest: manifest["parameters"].update(merge_percent=0.25), "its key does not follow"),
        (lambda manifest: manifest["parents"].pop(), "its key does not follow"),
        (lambda manifest: manifest.update(schema_version=0), "its key does not follow"),
        (lambda manifest: manifest["summary"].update(stage=2), "it is of stage 2 in the folder stage-01"),
    ],
)
def test_the_first_release_has_no_seal_but_a_key_and_an_id_that_follow(
    tmp_path: Path, edit: Callable[[dict[str, Any]], Any], told: str
) -> None:
    path = Path(shutil.copytree(GOLDEN / "stage-01", tmp_path / "stage-01")) / "clusters" / "v1.zarr"
    assert SEAL not in path.joinpath("zarr.json").read_text()
    open_artifact(path.parent, 1)
    edited(path, lambda attributes: edit(attributes["dbc"]))
    with pytest.raises(DbcError, match=told):
        open_artifact(path.parent, 1)


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("stage-01/clusters", "stage-02/clusters", "it is of stage 1 in the folder stage-02"),
        ("stage-init/features", "stage-init/model", "it is a features artifact in the folder of model"),
        ("stage-init/features", "elsewhere/features", "'elsewhere' is not a stage"),
    ],
)
def test_an_artifact_in_anothers_place_is_named(tmp_path: Path, source: str, target: str, told: str) -> None:
    shutil.copytree(GOLDEN / source, tmp_path / target)
    with pytest.raises(DbcError, match=told):
        open_artifact(tmp_path / target, 1)


@pytest.mark.parametrize("field", ["step", "arrays", "digests", "about", "key"])
def test_a_checkpoint_whose_root_was_changed_is_not_taken_up(tmp_path: Path, field: str) -> None:
    arrays = {"weights": np.arange(12.0), "more": np.arange(3.0)}
    write_checkpoint(tmp_path, KEY, 3, arrays, about={"torch": "9"})
    (path,) = tmp_path.iterdir()
    before = path.joinpath("zarr.json").read_text()
    assert read_checkpoint(tmp_path, KEY) is not None

    def edit(attributes: dict[str, Any]) -> None:
        root = attributes["dbc-checkpoint"]
        if field == "arrays":
            root["arrays"]["more"]["start"] = 0
        else:
            root[field] = changed(root[field])

    edited(path, edit)
    assert read_checkpoint(tmp_path, KEY) is None
    path.joinpath("zarr.json").write_text(before)
    edited(path, lambda attributes: attributes.pop(SEAL))
    assert read_checkpoint(tmp_path, KEY) is None
