"""Two tables of samples as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stages.ingest.joining import join_samples, own_encounters, said_otherwise
from stages.samples import IMAGE_COLUMNS, SAMPLE_COLUMNS, Samples

TRAIN = 0


def table(names: list[str], pids: list[int], cams: list[int], texts: list[str] | None = None) -> Samples:
    samples = Samples.of_images(names, pids, cams, [TRAIN] * len(names))
    return samples if texts is None else samples.named(identity=texts, camera=[""] * len(names))


def test_numbers_go_by_texts_and_the_first_table_keeps_its_own() -> None:
    before = table(["a", "b", "c"], [1, 2, -2], [0, 1, -2], ["Ann", "Bo", ""])
    new = table(["d", "e", "f", "g"], [1, 2, 3, -1], [1, 0, 5, -2], ["Bo", "Cy", "Ann", ""])
    both = join_samples(before, new)
    assert both.path == ("a", "b", "c", "d", "e", "f", "g")
    assert both.pid.tolist() == [1, 2, -2, 2, 3, 1, -1]
    assert both.identity == ("Ann", "Bo", "", "Bo", "Cy", "Ann", "")
    # cameras have no texts here: their numbers are their names
    assert both.camid.tolist() == [0, 1, -2, 1, 0, 2, -2]
    assert both.pid.dtype == both.camid.dtype == np.int32


def test_tracklets_stay_apart_and_frames_follow() -> None:
    before = Samples.of_tracklets([["a1", "a2"], ["b1"]], [(1, 0, 0, 0), (2, 0, 3, 0)])
    new = Samples.of_tracklets([["c1"], ["d1", "d2"]], [(1, 0, 0, 0), (-2, 0, -2, 0)])
    both = join_samples(before, new)
    assert both.tracklet.tolist() == [0, 3, 4, -2]
    assert both.frame_start.tolist() == [0, 2, 3, 4, 6]


def test_names_of_tracklets_are_kept_beside_numbers_that_are_their_own_names() -> None:
    before = Samples.of_tracklets([["a1", "a2"], ["b1"]], [(1, 0, 7, 0), (2, 0, -2, 0)])
    assert before.named(identity=["", ""], camera=["", ""], tracklet=["7.0", "x"]).tracklet_name == ()
    new = Samples.of_tracklets([["c1"], ["d1", "d2"]], [(1, 0, 1, 0), (-2, 0, -2, 0)])
    new = new.named(identity=["", ""], camera=["", ""], tracklet=["cam2_0013", ""])
    both = join_samples(before, new)
    assert (both.tracklet.tolist(), both.tracklet_name) == ([7, -2, 9, -2], ("7", "", "cam2_0013", ""))
    assert join_samples(before, before).tracklet_name == ()


def test_a_column_of_one_table_alone_is_filled() -> None:
    before = replace(
        table(["a"], [-2], [-2]), timestamp=("2024-01-01",), score=np.array([0.5], dtype=np.float32), category=("fox",)
    )
    both = join_samples(before, table(["b", "c"], [-2, -2], [-2, -2]))
    assert both.timestamp == ("2024-01-01", "", "")
    assert both.category == ("fox", "", "")
    assert np.isnan(both.score[1:]).all()
    assert both.score[0] == 0.5
    assert (both.identity, both.view_name, len(both.view)) == ((), (), 0)


@pytest.mark.parametrize("comes_first", [True, False])
def test_every_column_of_one_table_alone_is_blank_in_the_rows_of_the_other(comes_first: bool) -> None:
    numbers = {name: np.array([0, 1], dtype=np.int32) for name in ("camid", "tracklet", "encounter", "view")}
    texts = ("identity", "camera", "tracklet_name", "encounter_name", "view_name", "timestamp", "category", "origin")
    everything = Samples(
        path=("a", "b"),
        frame_start=np.arange(3),
        pid=np.array([1, 2], dtype=np.int32),
        split=np.zeros(2, dtype=np.uint8),
        box=np.ones((2, 4)),
        is_relative=np.ones(2, dtype=np.bool_),
        frame_number=np.array([3, 4]),
        score=np.full(2, 0.5, dtype=np.float32),
        **numbers,
        **{name: (f"{name} 1", f"{name} 2") for name in texts},  # type: ignore[arg-type]
    )
    nothing = table(["c", "d", "e"], [-2] * 3, [-2] * 3)
    both = join_samples(everything, nothing) if comes_first else join_samples(nothing, everything)
    own, others = (slice(2), slice(2, None)) if comes_first else (slice(3, None), slice(3))
    blank = {"box": "nan", "score": "nan", "is_relative": "False", "frame_number": "-1"} | dict.fromkeys(texts, "")
    for name in (*IMAGE_COLUMNS, *SAMPLE_COLUMNS):
        column, before = getattr(both, name), getattr(everything, name)
        assert len(before) == 2, name
        assert len(column) == 5, name
        assert np.array_equal(column[own], before), name
        if name not in ("path", "split"):
            assert {str(value) for value in np.ravel(column[others])} == {blank.get(name, "-2")}, name


def visits(paths: str, names: list[str]) -> Samples:
    """Pictures, one a letter, whose encounters have `names`."""
    return replace(
        table(list(paths), [-2] * len(names), [-2] * len(names)),
        encounter=np.array([-2 if not name else place for place, name in enumerate(names)], dtype=np.int32),
        encounter_name=tuple(names),
    )


def test_encounters_of_another_source_are_others() -> None:
    first = visits("abcd", ["1", "2", "-", ""])
    second, changed = own_encounters(first, list("abcd"), visits("efghi", ["2", "3", "2", "-", ""]), list("efghi"))
    assert (second.encounter_name, changed) == (("2 (2)", "3", "2 (2)", "-", ""), {"2": "2 (2)"})
    both = join_samples(first, second)
    assert both.encounter[4] == both.encounter[6] not in both.encounter[:4]
    # a table that grew goes on with its own, the first one and the second one
    grown, changed = own_encounters(both, list("abcdefghi"), visits("bx", ["2", "2"]), ["b", "x"])
    assert (grown.encounter_name, changed) == (("2", "2"), {})
    grown, changed = own_encounters(both, list("abcdefghi"), visits("exy", ["2", "2", "1"]), ["e 1 2", "x", "y"])
    assert grown.encounter_name == ("2 (2)", "2 (2)", "1 (2)")
    third, _ = own_encounters(both, list("abcdefghi"), visits("xyz", ["1", "2", "2 (2)"]), list("xyz"))
    assert third.encounter_name == ("1 (3)", "2 (3)", "2 (2) (3)")
    # no picture in common, and none that can be read
    alone, _ = own_encounters(first, ["", "b", "c", "d"], visits("x", ["1"]), [""])
    assert alone.encounter_name == ("1 (2)",)
    assert own_encounters(first, list("abcd"), visits("x", ["9"]), ["x"])[1] == {}


def test_what_a_source_says_otherwise_is_told() -> None:
    before = replace(table(["a", "b"], [1, 2], [1, -2], ["Zora", "Kira"]), timestamp=("2024-01-01T00:00:00", ""))
    again = replace(visits("xab", ["1", "1", "1"]), pid=np.array([1, 2, 2], dtype=np.int32))
    again = again.named(identity=["Kira"] * 3, camera=[""] * 3)
    found, first = said_otherwise(before, again, [[], [0], [1]])
    assert (found, first) == ({"pid": 1, "encounter": 2}, "'a' 'Kira' for 'Zora'")
    assert said_otherwise(before, before, [[0], [1]]) == ({}, "")
    # what is not said is no other thing, and copies may have either name
    assert said_otherwise(before, table(["a", "b"], [-2, -2], [-2, -2]), [[0], [1]]) == ({}, "")
    assert said_otherwise(before, again, [[], [0, 1], []])[0] == {"encounter": 1}
    tracked, anew = (
        replace(table(["a", "b"], [-2] * 2, [0] * 2), tracklet_name=each) for each in (("1", "2"), ("1 (2)", "7"))
    )
    assert said_otherwise(tracked, anew, [[0], [1]]) == ({"tracklet": 1}, "'b' '7' for '2'")
    continued = replace(visits("a", ["1"]), encounter_name=("1 (2)",))
    assert said_otherwise(continued, visits("a", ["1"]), [[0]]) == ({}, "")
