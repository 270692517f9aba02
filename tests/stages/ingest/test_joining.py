"""Two tables of samples as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stages.ingest.joining import joined
from stages.samples import Samples

TRAIN = 0


def table(names: list[str], pids: list[int], cams: list[int], texts: list[str] | None = None) -> Samples:
    samples = Samples.of_images(names, pids, cams, [TRAIN] * len(names))
    return samples if texts is None else samples.named(identity=texts, camera=[""] * len(names))


def test_numbers_go_by_texts_and_the_first_table_keeps_its_own() -> None:
    before = table(["a", "b", "c"], [1, 2, -2], [0, 1, -2], ["Ann", "Bo", ""])
    new = table(["d", "e", "f", "g"], [1, 2, 3, -1], [1, 0, 5, -2], ["Bo", "Cy", "Ann", ""])
    both = joined(before, new)
    assert both.path == ("a", "b", "c", "d", "e", "f", "g")
    assert both.pid.tolist() == [1, 2, -2, 2, 3, 1, -1]
    assert both.identity == ("Ann", "Bo", "", "Bo", "Cy", "Ann", "")
    # cameras have no texts here: their numbers are their names
    assert both.camid.tolist() == [0, 1, -2, 1, 0, 2, -2]
    assert both.pid.dtype == both.camid.dtype == np.int32


def test_tracklets_stay_apart_and_frames_follow() -> None:
    before = Samples.of_tracklets([["a1", "a2"], ["b1"]], [(1, 0, 0, 0), (2, 0, 3, 0)])
    new = Samples.of_tracklets([["c1"], ["d1", "d2"]], [(1, 0, 0, 0), (-2, 0, -2, 0)])
    both = joined(before, new)
    assert both.tracklet.tolist() == [0, 3, 4, -2]
    assert both.frame_start.tolist() == [0, 2, 3, 4, 6]


def test_names_of_tracklets_are_kept_beside_numbers_that_are_their_own_names() -> None:
    before = Samples.of_tracklets([["a1", "a2"], ["b1"]], [(1, 0, 7, 0), (2, 0, -2, 0)])
    assert before.named(identity=["", ""], camera=["", ""], tracklet=["7.0", "x"]).tracklet_name == ()
    new = Samples.of_tracklets([["c1"], ["d1", "d2"]], [(1, 0, 1, 0), (-2, 0, -2, 0)])
    new = new.named(identity=["", ""], camera=["", ""], tracklet=["cam2_0013", ""])
    both = joined(before, new)
    assert (both.tracklet.tolist(), both.tracklet_name) == ([7, -2, 9, -2], ("7", "", "cam2_0013", ""))
    assert joined(before, before).tracklet_name == ()


def test_a_column_of_one_table_alone_is_filled() -> None:
    before = replace(
        table(["a"], [-2], [-2]), timestamp=("2024-01-01",), score=np.array([0.5], dtype=np.float32), category=("fox",)
    )
    both = joined(before, table(["b", "c"], [-2, -2], [-2, -2]))
    assert both.timestamp == ("2024-01-01", "", "")
    assert both.category == ("fox", "", "")
    assert np.isnan(both.score[1:]).all()
    assert both.score[0] == 0.5
    assert (both.identity, both.view_name, len(both.view)) == ((), (), 0)
