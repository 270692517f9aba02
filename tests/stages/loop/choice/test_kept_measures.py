"""What was measured of a stage is read from then on, until something that was measured is another."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from stages.loop.choice.kept_measures import keep_measures, read_measures
from stages.loop.choice.measures import StageMeasures

REQUEST = {"stage": 3, "clusters": "a" * 64, "features": "b" * 64, "dataset": "c" * 64}
MEASURES = StageMeasures(3, 7, 0.25, 0.1, 1 / 3, separation=0.2, likely_clusters=(5, 9))


def test_measures_are_read_as_they_were_kept(tmp_path: Path) -> None:
    assert read_measures(tmp_path, REQUEST) is None
    keep_measures(tmp_path, REQUEST, MEASURES)
    found = read_measures(tmp_path, REQUEST)
    assert found is not None
    assert math.isnan(found.across_cameras)
    assert math.isnan(found.spread)
    numbers = {"across_cameras": 0.0, "spread": 0.0, "camera_mixing": 0.0}
    assert replace(found, **numbers) == replace(MEASURES, **numbers)
    unknown = replace(MEASURES, likely_clusters=None)
    keep_measures(tmp_path, REQUEST | {"stage": 4}, unknown)
    assert read_measures(tmp_path, REQUEST | {"stage": 4}).likely_clusters is None  # type: ignore[union-attr]


@pytest.mark.parametrize("name", REQUEST)
def test_measures_of_anything_else_are_not_taken(tmp_path: Path, name: str) -> None:
    keep_measures(tmp_path, REQUEST, MEASURES)
    assert read_measures(tmp_path, REQUEST | {name: 5}) is None


def test_damaged_measures_are_not_taken(tmp_path: Path) -> None:
    keep_measures(tmp_path, REQUEST, MEASURES)
    (root,) = tmp_path.glob(".checkpoint-*/zarr.json")
    root.write_text(root.read_text().replace("0.25", "0.75"))
    assert read_measures(tmp_path, REQUEST) is None


def test_a_folder_that_cannot_be_written_only_costs_the_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    keep_measures(tmp_path / "file", REQUEST, MEASURES)
    assert read_measures(tmp_path / "file", REQUEST) is None


def test_measures_with_other_fields_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as other:
        other.setattr("stages.loop.choice.kept_measures.asdict", lambda measures: {**vars(measures), "unheard_of": 1})
        keep_measures(tmp_path, REQUEST, MEASURES)
    assert read_measures(tmp_path, REQUEST) is None
