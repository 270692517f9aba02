"""Pictures most of which are almost copies of another, as frames of a video, are told of."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from stages.ingest import near_copies
from stages.ingest.near_copies import clusters_of_copies, share_of_copies, told_copies
from stages.runs.store import Artifact


def dataset(images: np.ndarray, order: np.ndarray, **more: np.ndarray) -> Artifact:
    """A dataset of pictures, stored in that `order`."""
    arrays = {
        "images": images[order].astype(np.uint8),
        "frame_start": np.arange(len(order) + 1),
        "split": np.zeros(len(order), dtype=np.uint8),
        "path": np.array([f"{i:04}.jpg" for i in order], dtype=object),
        **more,
    }

    class Stored:
        def read(self, name: str) -> Any:
            return arrays[name]

        rows = read

        def names(self) -> set[str]:
            return set(arrays)

    return cast("Artifact", Stored())


def test_frames_are_told_however_they_are_stored_and_pictures_of_their_own_are_not(monkeypatch: Any) -> None:
    draws = np.random.default_rng(0)
    order = draws.permutation(60)
    scenes = draws.integers(0, 250, (6, 40, 20, 3))
    frames = np.repeat(scenes, 10, axis=0) + draws.integers(0, 6, (60, 40, 20, 3))
    told = told_copies(dataset(frames, order))
    assert told is not None
    assert told.startswith("100% of the pictures are almost copies of another")
    assert told_copies(dataset(draws.integers(0, 256, (60, 40, 20, 3)), order)) is None
    mixed = np.concatenate([frames[:6], draws.integers(0, 256, (54, 40, 20, 3))])
    assert share_of_copies(dataset(mixed, order)) == 0.1
    # of many, those that follow each other are looked at
    monkeypatch.setattr(near_copies, "MOST_LOOKED_AT", 20)
    monkeypatch.setattr(near_copies, "_IN_A_ROW", 10)
    assert share_of_copies(dataset(frames, order)) == 1
    assert share_of_copies(dataset(frames[:2], order[order < 2])) == 0


def test_of_large_pictures_only_so_many_are_looked_at_as_fit_into_memory(monkeypatch: Any) -> None:
    frames = np.repeat(np.random.default_rng(0).integers(0, 250, (6, 40, 20, 3)), 4, axis=0)
    for n_fit, share in ((8, 1), (2, 0), (0, 0)):
        monkeypatch.setattr(near_copies, "MOST_BYTES", n_fit * frames[0].size)
        assert share_of_copies(dataset(frames, np.arange(24))) == share


def test_a_cluster_of_the_same_scene_in_several_encounters_is_likely_empty(monkeypatch: Any) -> None:
    draws = np.random.default_rng(0)
    # 0 is one scene in five encounters, 1 bursts of three of five scenes, 2 is one scene in two encounters
    scenes = draws.integers(0, 250, (7, 40, 20, 3))
    scene = np.array([0] * 15 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3 + [5] * 3 + [6] * 6)
    encounter, labels = np.arange(36) // 3, np.array([0] * 15 + [1] * 15 + [2] * 6)
    pictures = scenes[scene] + draws.integers(0, 6, (36, 40, 20, 3))
    assert clusters_of_copies(dataset(pictures, np.arange(36), encounter=encounter), labels) == [0]
    assert clusters_of_copies(dataset(pictures, np.arange(36)), labels) == []
    # of the others nobody was seen three times, so none is looked at
    others = np.array([0] * 15 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3 + [5] * 3 + [6] * 6)
    assert clusters_of_copies(dataset(pictures, np.arange(36), encounter=encounter), others) == [0]
    assert clusters_of_copies(dataset(pictures, np.arange(36), encounter=encounter), 0 * labels) == []
    monkeypatch.setattr(near_copies, "MOST_BYTES", 0)
    assert clusters_of_copies(dataset(pictures, np.arange(36), encounter=encounter), labels) == []
