"""Answers of a file and what the data shows: read, checked, and kept as an artifact."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from schemas.choices import Answer
from stages.arrays.partition import connected
from stages.constraints import answers_file
from stages.constraints.answers_file import NamedSamples, read_answers
from stages.constraints.contradictions import first_contradiction
from stages.constraints.derived import derived_pairs
from stages.constraints.sample_names import place_of, sample_names
from stages.errors import UsageError
from stages.runs.kept_source import KeptSource
from stages.runs.source_names import tracklet_names


class Dataset:
    """The arrays of a dataset artifact, in memory."""

    def __init__(self, paths, *, split=None, frame_start=None, **others):
        n_samples = len(paths) if frame_start is None else len(frame_start) - 1
        self._arrays = {
            "path": np.array(paths, dtype=object),
            "frame_start": np.arange(n_samples + 1) if frame_start is None else np.array(frame_start),
            "split": np.zeros(n_samples, np.uint8) if split is None else np.array(split, np.uint8),
            "camid": np.zeros(n_samples, np.int32),
            **{name: np.array(value) for name, value in others.items()},
        }

    def read(self, name):
        return self._arrays[name]

    def names(self):
        return tuple(sorted(self._arrays))


def answers_of(tmp_path, dataset, rows, header="path_a,path_b,answer"):
    file = tmp_path / "constraints.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return read_answers(file, NamedSamples(dataset))


def brute_chain(n_samples, pairs, is_same):
    """Length of the shortest chain for the first contradicted answer, by a matrix of distances; None without one."""
    hops = np.full((n_samples, n_samples), np.inf)
    np.fill_diagonal(hops, 0)
    for (a, b), same in zip(pairs, is_same, strict=True):
        if same and a != b:
            hops[a, b] = hops[b, a] = 1
    for k in range(n_samples):
        hops = np.minimum(hops, hops[:, k : k + 1] + hops[k])
    wrong = [i for i, (a, b) in enumerate(pairs) if not is_same[i] and np.isfinite(hops[a, b])]
    return (wrong[0], int(hops[tuple(pairs[wrong[0]])])) if wrong else None


@pytest.mark.parametrize("seed", range(60))
def test_a_contradiction_is_the_first_with_a_shortest_chain(seed):
    rng = np.random.default_rng(seed)
    n_samples, n_pairs = 12, int(rng.integers(1, 22))
    pairs = np.array([rng.choice(n_samples, 2, replace=False) for _ in range(n_pairs)])
    is_same = rng.random(n_pairs) < 0.7
    found, expected = first_contradiction(n_samples, pairs, is_same), brute_chain(n_samples, pairs, is_same)
    assert (found is None) == (expected is None)
    if found is not None:
        assert (found.different, len(found.chain)) == expected
        assert (found.samples[0], found.samples[-1]) == tuple(pairs[found.different])
        for place, link in zip(found.chain, itertools.pairwise(found.samples), strict=True):
            assert is_same[place]
            assert set(link) == set(pairs[place])


def test_groups_are_the_transitive_closure():
    assert connected(6, np.array([[0, 3], [3, 5], [1, 2]])).tolist() == [0, 1, 1, 0, 2, 0]
    assert connected(2, np.empty((0, 2), int)).tolist() == [0, 1]


def test_a_chain_of_five_links_is_shown(tmp_path):
    dataset = Dataset([f"{name}.jpg" for name in "abcdef"])
    rows = [f"{a}.jpg,{b}.jpg,same" for a, b in itertools.pairwise("abcdef")]
    with pytest.raises(UsageError) as caught:
        answers_of(tmp_path, dataset, [*rows, "f.jpg,a.jpg,different"])
    told = str(caught.value)
    assert "\n" not in told
    assert told.endswith(
        "line 7 says that 'f.jpg' and 'a.jpg' differ, but 'f.jpg' = 'e.jpg' (line 6), 'e.jpg' = 'd.jpg' (line 5), "
        "'d.jpg' = 'c.jpg' (line 4), 'c.jpg' = 'b.jpg' (line 3), 'b.jpg' = 'a.jpg' (line 2); correct one of these rows"
    )


def test_the_order_of_rows_and_paths_changes_nothing(tmp_path):
    dataset = Dataset(list("abcd"))
    first = answers_of(tmp_path, dataset, ["a,b,same", "c,d,different", "a,c,unsure"])
    second = answers_of(
        tmp_path, dataset, ["d,c,Different", "b,a,SAME", "a,b,same"], header="PATH_A; path_b;answer".replace(";", ",")
    )
    assert first.digest() == second.digest() != ""
    assert (first.n_unsure, second.n_unsure) == (1, 0)
    assert answers_of(tmp_path, dataset, ["a,d,unsure", "a,a,same"]).digest() == ""
    assert answers_of(tmp_path, dataset, []).digest() == ""


def test_answers_about_pictures_that_came_later_are_counted_and_left_out(tmp_path):
    (file := tmp_path / "constraints.csv").write_text(
        "path_a,path_b,answer\na,new,same\nb,a,different\nnew,newer,unsure\n"
    )
    samples = NamedSamples(Dataset(["a", "b"]), Dataset(["a", "2/new", "b", "newer"]))
    answers = read_answers(file, samples)
    assert (answers.n_later, answers.pairs.tolist(), answers.unsure.tolist()) == (2, [[1, 0]], [])
    file.write_text("path_a,path_b,answer\na,old,same\n")
    with pytest.raises(UsageError, match="'old', which is no picture of the data set"):
        read_answers(file, samples)


def test_a_path_that_is_the_file_name_of_others_is_told(tmp_path):
    dataset = Dataset(["1.jpg", "../day2/1.jpg", "2.jpg"])
    answers = answers_of(tmp_path, dataset, ["1.jpg,2.jpg,same", "2.jpg,../day2/1.jpg,different"])
    assert answers.pairs.tolist() == [[0, 2], [2, 1]]
    assert answers.meant == (
        "names that are the path of one picture, which they mean, and the end of others, too: 1, the first '1.jpg'",
    )


def test_a_name_means_the_picture_of_any_dataset_that_has_most_of_its_path(monkeypatch):
    monkeypatch.setattr(answers_file, "read_source", lambda _: None)
    now, later = Dataset(["1.jpg", "a/2.jpg#1", "b/3.jpg"]), Dataset(["1.jpg", "a/2.jpg#1", "b/3.jpg", "card2/1.jpg"])
    samples = NamedSamples(now, later, [Dataset(["card0/1.jpg"])])
    places = [samples.place(name, at="") for name in ("E:/x/b/3.jpg", "card1/1.jpg", "card2/1.jpg", "card0/1.jpg")]
    assert places == [2, 0, None, -1]
    with pytest.raises(UsageError, match=r"'c/3\.jpg', which is no picture"):
        samples.place("c/3.jpg", at="")


def test_a_box_is_named_by_its_file_and_number_and_names_in_any_unicode_form(tmp_path):
    boxes = [[0, 0, 1, 1], [5, 0, 1, 1], *[[0, 0, 1, 1]] * 3]
    paths = ["S u\u0308d/a 1.jpg", "S u\u0308d/a 1.jpg", "x/b.jpg", "x/c.jpg", "x/u\u0308.jpg"]
    samples = NamedSamples(Dataset(paths, box=boxes))
    for name, place in (
        ("a 1.jpg#2", 1),
        ("S \xfcd/a 1.jpg#1", 0),
        ("\xfc.jpg#1", 4),
        ("b.jpg#1", 2),
        ("x/c.jpg#1", 3),
        ("c.jpg", 3),
    ):
        assert samples.place(name, at="") == place
    for name, told in (("a 1.jpg#3", "is no picture"), ("b.jpg#2", "is no picture"), ("S \xfcd/a 1.jpg", "fits 2")):
        with pytest.raises(UsageError, match=told):
            samples.place(name, at="")


def in_turn(monkeypatch, then, now):
    """The samples of a dataset of paths and digests `now`, in a run that had the one of `then` before; None: none kept."""
    kept = {}
    for paths, digests in (then, now):
        dataset = Dataset(paths, box=[[each, 0, 1, 1] for each in range(len(paths))])
        kept[dataset] = None if digests is None else KeptSource(Path(), tuple(digests))
    monkeypatch.setattr(answers_file, "read_source", kept.get)
    earlier, dataset = kept
    return NamedSamples(dataset, before=[earlier])


@pytest.mark.parametrize(
    ("then", "now", "reused"),
    [
        ("A 1", "A 2", []),
        ("A 1", "A", []),
        ("A 1 B 1", "B 1 A 1", ["x#1", "x#2"]),
        ("A 1 A 2", "A 3 A 4", []),
        ("A 1 A 2", "A 2 A 1", ["x#1", "x#2"]),
        ("A 1 A 2", "A 2", ["x#1"]),
        ("A 1", "B 1", ["x#1"]),
        (None, "B 1", []),
        ("A 1", None, []),
    ],
)
def test_a_name_is_another_pictures_only_if_files_or_boxes_say_so(then, now, reused, monkeypatch):
    def samples(told):
        digests = [] if told is None else re.findall(r"[A-Z](?: \d)?", told)
        return ["x"] * max(len(digests), 1), None if told is None else digests

    found = in_turn(monkeypatch, samples(then), samples(now))
    assert [name for name in ("x#1", "x#2") if found.is_reused(name)] == reused


def test_a_renamed_picture_is_found_though_its_box_was_corrected(monkeypatch):
    then, now = (["a", "b", "b"], ["A 1", "B 1", "B 2"]), (["c", "d"], ["A 2", "B 3"])
    found = in_turn(monkeypatch, then, now)
    assert [found.place(name, at="") for name in ("a", "b#1")] == [0, -1]
    assert found.is_renamed("a")
    assert not found.is_renamed("b#2")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            "x/a.jpg,zz.jpg,same",
            "line 2 names 'zz.jpg', which is no picture of the data set, such as 'x/a.jpg'; give "
            "paths as dbc export clusters lists them",
        ),
        (
            "z\\b.jpg,q.jpg,same",
            r"line 2 names 'z\b.jpg', which is no picture of the data set, such as 'x/a.jpg'; give "
            "paths as dbc export clusters lists them",
        ),
        (
            "a.jpg,x/b.jpg,same",
            "line 2 names 'a.jpg', which fits 2 samples ('x/a.jpg', 'y/a.jpg', …); name one of them",
        ),
        (
            "x\\a.jpg,q.jpg,same",
            r"line 2 names 'x\a.jpg', which is there with / in place of each backslash; write / in all paths",
        ),
        ("x/a.jpg,q.jpg,same", "line 2 names 'q.jpg', which is no train picture; only those are clustered"),
        ("x/a.jpg,b.jpg,perhaps", "line 2: answer must be same, different or unsure, got 'perhaps'"),
        ("x/a.jpg,x/a.jpg,different", "line 2 says that 'x/a.jpg' and 'x/a.jpg' differ, which are one sample"),
    ],
)
def test_what_a_row_cannot_mean_is_refused(tmp_path, row, told):
    dataset = Dataset(["x/a.jpg", "y/a.jpg", "x/b.jpg", "q.jpg"], split=[0, 0, 0, 1])
    with pytest.raises(UsageError, match="constraints") as caught:
        answers_of(tmp_path, dataset, [row])
    assert str(caught.value).endswith(told)


def test_a_file_needs_its_columns(tmp_path):
    with pytest.raises(UsageError, match="has no column 'answer'"):
        answers_of(tmp_path, Dataset(["a", "b"]), ["a,b"], header="path_a,path_b")


def test_train_samples_are_counted_without_the_others_and_tracklets_go_by_any_frame(tmp_path):
    dataset = Dataset(["q.jpg", "1/a.jpg", "1/b.jpg", "2/a.jpg"], split=[1, 0, 0], frame_start=[0, 1, 3, 4])
    answers = answers_of(tmp_path, dataset, ["1/b.jpg,2/a.jpg,different"])
    assert answers.pairs.tolist() == [[0, 1]]


def test_samples_of_one_picture_have_numbers_from_left_to_right(tmp_path):
    box = [[50, 0, 9, 9], [0, 0, 9, 9], [0, 0, 9, 9]]
    dataset = Dataset(["p.jpg", "p.jpg", "r.jpg"], box=box)
    assert sample_names(dataset) == ["p.jpg#2", "p.jpg#1", "r.jpg"]
    assert answers_of(tmp_path, dataset, ["p.jpg#2,r.jpg,same"]).pairs.tolist() == [[0, 2]]
    with pytest.raises(UsageError, match="fits 2 samples"):
        answers_of(tmp_path, dataset, ["p.jpg,r.jpg,same"])


def test_tracks_in_frames_have_numbers_among_all_boxes_of_the_picture_and_their_own_names(tmp_path):
    # a goes on in frame 2, to the left of b, which begins there
    box = [[0, 0, 9, 9], [5, 0, 9, 9], [50, 0, 9, 9], [0, 0, 9, 9]]
    own = {"tracklet": [0, 1, 2], "tracklet_name": ["cam1/7", "cam1/8", "cam1/8"]}
    dataset = Dataset(["1.jpg", "2.jpg", "2.jpg", "3.jpg"], frame_start=[0, 2, 3, 4], box=box, **own)
    assert sample_names(dataset) == ["1.jpg", "2.jpg#2", "3.jpg"]
    for first, expected in (("2.jpg#1", 0), ("1.jpg", 0), ("cam1/7", 0), ("2.jpg#2", 1), ("cam1/8", 1)):
        assert answers_of(tmp_path, dataset, [f"{first},cam1/8 (2),same"]).pairs.tolist() == [[expected, 2]]
    for first, told in (("2.jpg", "fits 2 samples"), (f"2.jpg#{'1' * 5000}", "is no picture")):
        with pytest.raises(UsageError, match=told):
            answers_of(tmp_path, dataset, [f"{first},3.jpg,same"])


def test_a_track_in_two_pictures_of_one_file_name_is_one_sample(tmp_path):
    dataset = Dataset(["a/1.jpg", "b/1.jpg", "3.jpg"], frame_start=[0, 2, 3])
    assert answers_of(tmp_path, dataset, ["1.jpg#1,3.jpg,same"]).pairs.tolist() == [[0, 1]]


def test_boxes_of_one_picture_are_different_unless_they_overlap():
    box = [[0, 0, 10, 10], [20, 0, 10, 10], [1, 0, 10, 10], [0, 0, 10, 10], [np.nan] * 4, [0, 0, 5, 5]]
    dataset = Dataset(["p", "p", "p", "r", "p", "p"], box=box, split=[0, 0, 0, 0, 0, 1])
    assert derived_pairs(dataset).pairs.tolist() == [[0, 1], [1, 2]]
    # another frame of one video is another picture
    dataset = Dataset(["v", "v", "v"], box=[*box[:2], box[1]], frame_number=[7, 7, 8])
    assert derived_pairs(dataset).pairs.tolist() == [[0, 1]]


def test_tracklets_of_one_camera_at_one_time_are_different():
    paths = [f"{place}/{i}.jpg" for i, place in enumerate("xxxxxxyy")]
    times = [1, 2, 2, 3, 3, 4, 2, 3]
    dataset = Dataset(paths, frame_start=[0, 2, 4, 6, 8], frame_number=times)
    # the third begins when the first has ended, and the fourth is of another sequence
    assert derived_pairs(dataset).pairs.tolist() == [[0, 1], [1, 2]]
    dataset = Dataset(paths, frame_start=[0, 2, 4, 6, 8], frame_number=times, camid=[0, 1, 2, 3])
    assert derived_pairs(dataset).pairs.tolist() == []
    # boxes of one picture say it themselves: the first two are one animal, seen twice
    boxes = [[0, 0, 9, 9], [9, 9, 9, 9], [1, 0, 9, 9], [10, 9, 9, 9], [30, 0, 9, 9], [30, 9, 9, 9]]
    doubled = Dataset(list("xyxyxy"), frame_start=[0, 2, 4, 6], frame_number=[1, 2] * 3, box=boxes)
    assert (derived_pairs(doubled).pairs.tolist(), derived_pairs(doubled).spared) == ([[0, 2], [1, 2]], True)
    # single pictures with a number may be two pictures of one animal
    assert derived_pairs(Dataset(["x/a", "x/b"], frame_number=[1, 1])).pairs.tolist() == []
    assert derived_pairs(Dataset(["x/a", "x/b"])).pairs.tolist() == []


def test_tracklets_of_one_name_get_numbers_by_which_a_table_tells_them_apart():
    dataset = Dataset(list("abcdef"), tracklet=[4, 0, -2, 1, 2, 3], tracklet_name=["x", "x", "", "y", "x (2)", "x"])
    found, told = tracklet_names(dataset)
    assert found == ["x (4)", "x", None, "y", "x (2)", "x (3)"]
    assert told.endswith("have a number behind it: 2, the first 'x (3)'")
    assert tracklet_names(Dataset(list("ab"), tracklet=[5, -2])) == ([5, None], "")
    assert tracklet_names(Dataset(list("ab"), tracklet=[5, 5]))[0] == ["5", "5 (2)"]


def test_the_answers_are_those_of_the_schema():
    from typing import get_args

    assert get_args(Answer) == ("same", "different", "unsure")


def test_the_place_of_a_sample_is_that_of_its_first_image_without_padding():
    boxes = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]])
    dataset = Dataset(["p", "p", "r"], frame_start=[0, 2, 3], frame_number=[4, 5, -1], box=boxes, source_box=boxes + 1)
    assert place_of(dataset, np.array([1, 0])) == {
        "frame": [None, 4],
        **{"left": [10, 2], "top": [10, 3], "width": [10, 4], "height": [10, 5]},
    }
    assert place_of(Dataset(["p"]), np.array([0])) == {}
