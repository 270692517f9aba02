"""The share of joined pairs that one camera took: only of cameras that took enough to say anything."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from stages.loop.choice import stage
from stages.loop.choice.verdict import JoinedPairs


@pytest.mark.parametrize(("each", "known"), [(16, True), (6, False)])
def test_nothing_is_said_of_cameras_that_took_few_which_may_be_encounters(
    monkeypatch: pytest.MonkeyPatch, each: int, *, known: bool
) -> None:
    camid = np.repeat(np.arange(2, dtype=np.int32), each)
    parameters = SimpleNamespace(camera="auto")
    monkeypatch.setattr(stage, "dataset_of", lambda *_: None)
    monkeypatch.setattr(stage, "_known_cameras", lambda _: camid)
    monkeypatch.setattr(stage, "clusters_manifest", lambda _: SimpleNamespace(parameters=parameters))
    clusters = SimpleNamespace(read=lambda _: np.array([[0.0, 1.0, 0.1, 2.0]]))
    found = stage.joined_pairs(cast(Any, SimpleNamespace(require=lambda *_: clusters)), 1)
    assert found == (JoinedPairs(1.0, 15 / 31, "auto") if known else None)
