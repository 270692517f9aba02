"""What clusters say of known and new samples is learnt once, until anything that it was learnt from is another."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stages.assign import kept_calibration as module
from stages.assign.calibration import Calibration
from stages.assign.kept_calibration import calibration_of
from stages.runs.store.checkpoint import keep, read_checkpoint
from stages.runs.unreferenced import kept_calibrations

IDS = {"clusters": "a", "features": "b", "dataset": "c"}
VIEW = np.array([0, 1, 1])


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> list[Calibration]:
    """What was learnt, another each time."""
    found: list[Calibration] = []

    def learn(*_: object) -> Calibration:
        found.append(Calibration(1 / 3 + len(found), 0.1, -2 / 7, 1.0))
        return found[-1]

    monkeypatch.setattr(module, "_learnt", learn)
    return found


def asked(folder: Path, view: Any = None, **ids: str) -> Calibration:
    path = folder / "clusters" / "v1.zarr"
    path.parent.mkdir(exist_ok=True)
    artifacts: list[Any] = [
        SimpleNamespace(path=path, manifest=SimpleNamespace(kind=kind, id=64 * name))
        for kind, name in {**IDS, **ids}.items()
    ]
    unused: Any = None
    return calibration_of(*artifacts, unused, view=view, context=unused)


def test_it_is_read_as_it_was_learnt(tmp_path: Path, learnt: list[Calibration]) -> None:
    assert asked(tmp_path) == asked(tmp_path) == learnt[0]
    assert asked(tmp_path, VIEW) == asked(tmp_path, VIEW.copy()) == learnt[1]
    assert len(learnt) == 2


@pytest.mark.parametrize("kind", IDS)
def test_anything_else_is_learnt_anew(tmp_path: Path, learnt: list[Calibration], kind: str) -> None:
    asked(tmp_path)
    assert asked(tmp_path, **{kind: "d"}) == learnt[1]
    assert asked(tmp_path, VIEW) == learnt[2]
    assert asked(tmp_path, VIEW[::-1].copy()) == learnt[3]


@pytest.mark.parametrize("other", [{"clusters": "d"}, {"view": VIEW}])
def test_one_that_another_has_replaced_goes_and_nothing_else_that_is_kept(
    tmp_path: Path, learnt: list[Calibration], other: dict[str, Any]
) -> None:
    stage = tmp_path / "stage-01"
    stage.mkdir()
    asked(stage)
    keep(stage / "clusters", "e" * 64, {}, about={"holds": "measures"})
    (replaced,) = kept_calibrations(tmp_path)
    assert asked(stage, **other) == learnt[1]
    (there,) = kept_calibrations(tmp_path)
    assert there != replaced
    assert asked(stage, **other) == learnt[1]
    assert read_checkpoint(stage / "clusters", "e" * 64) is not None


def test_that_of_another_version_or_with_other_fields_is_learnt_anew(
    tmp_path: Path, learnt: list[Calibration], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as other:
        other.setattr(module, "asdict", lambda calibration: {**vars(calibration), "unheard_of": 1})
        asked(tmp_path)
    assert asked(tmp_path) == learnt[1]
    monkeypatch.setattr(module, "_VERSION", 0)
    assert asked(tmp_path) == learnt[2]


def test_what_is_damaged_is_learnt_anew(tmp_path: Path, learnt: list[Calibration]) -> None:
    asked(tmp_path)
    (root,) = tmp_path.glob("clusters/.checkpoint-*/zarr.json")
    root.write_text(root.read_text().replace("0.1,", "0.2,"))
    assert asked(tmp_path) == learnt[1]


def test_a_run_that_cannot_be_written_only_costs_the_time(tmp_path: Path, learnt: list[Calibration]) -> None:
    artifact: Any = SimpleNamespace(
        path=tmp_path / "file" / "v1.zarr", manifest=SimpleNamespace(kind="clusters", id="a")
    )
    artifact.path.parent.touch()
    unused: Any = None
    for _ in range(2):
        calibration_of(artifact, artifact, artifact, unused, context=unused)
    assert len(learnt) == 2
