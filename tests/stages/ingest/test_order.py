"""The stored order of samples follows content and seed, not names."""

from __future__ import annotations

import numpy as np

from stages.ingest.order import content_order
from stages.samples import TRAIN, Samples


def table(names: list[str]) -> Samples:
    n = len(names)
    return Samples.of_images(names, [1] * n, [1] * n, [TRAIN] * n)


def test_the_order_is_a_permutation_that_the_seed_changes() -> None:
    samples = table([f"{number:03d}" for number in range(100)])
    contents = [f"content {number}" for number in range(100)]
    first = content_order(samples, contents, seed=0)
    assert sorted(first.tolist()) == list(range(100))
    assert first.tolist() != list(range(100))
    assert first.tolist() != content_order(samples, contents, seed=1).tolist()


def test_other_names_and_another_listing_give_the_same_contents_in_the_same_order() -> None:
    contents = np.array([f"content {number}" for number in range(50)])
    listing = np.random.default_rng(0).permutation(50)
    plain = contents[content_order(table([f"a{n}" for n in range(50)]), contents.tolist(), seed=3)]
    other = contents[listing][content_order(table([f"b{n}" for n in range(50)]), contents[listing].tolist(), seed=3)]
    assert plain.tolist() == other.tolist()


def test_neighbours_in_file_order_do_not_stay_neighbours() -> None:
    order = content_order(table([f"{n:04d}" for n in range(1000)]), [f"content {n}" for n in range(1000)], seed=0)
    assert (np.abs(np.diff(order)) == 1).mean() < 0.02


def test_the_same_content_stands_in_order_of_path() -> None:
    assert content_order(table(["b", "a"]), ["same", "same"], seed=0).tolist() == [1, 0]


def test_tracklets_are_ordered_by_all_their_frames() -> None:
    images = table([f"{n}" for n in range(4)])
    two = Samples(
        images.path, np.array([0, 2, 4]), *(getattr(images, n)[:2] for n in ("pid", "camid", "tracklet", "split"))
    )
    orders = {tuple(content_order(two, ["x", f"{last}", "x", "z"], seed=0).tolist()) for last in range(64)}
    assert orders == {(0, 1), (1, 0)}
