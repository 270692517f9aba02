"""Digests of source files and sample tables: equal for equal content, and for nothing else."""

from __future__ import annotations

import dataclasses
import random

import numpy as np

from stages.ingest.source_digest import combine_digests, digest_each, digest_samples
from stages.samples import Samples


def combined(root, paths, **options):
    return combine_digests(paths, digest_each(root, paths, **options))


def write(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


FILES = {"a/x.jpg": b"1", "a/y.jpg": b"22", "b.jpg": b"", "c.jpg": b"1"}


def test_the_digest_depends_on_neither_place_order_nor_threads(tmp_path):
    a, b = write(tmp_path / "a", FILES), write(tmp_path / "b", FILES)
    many = {f"{i}.jpg": str(i).encode() for i in range(5000)}
    write(a, many)
    write(b, many)
    paths = [*FILES, *many]
    shuffled = random.Random(0).sample(paths, len(paths))
    assert combined(a, paths, workers=1) == combined(b, shuffled, workers=8)


def test_every_change_of_a_file_changes_the_digest(tmp_path):
    changes = [
        FILES,
        FILES | {"b.jpg": b"x"},
        {("d.jpg" if name == "c.jpg" else name): content for name, content in FILES.items()},
        {name: content for name, content in FILES.items() if name != "b.jpg"},
        FILES | {"a/x.jpg": b"22", "a/y.jpg": b"1"},
    ]
    digests = [combined(write(tmp_path / str(i), files), list(files)) for i, files in enumerate(changes)]
    gone = combined(tmp_path / "0", [*FILES, "gone.jpg"])
    assert len({*digests, gone}) == len(changes) + 1


def test_progress_counts_every_file(tmp_path):
    steps: list[int] = []
    digest_each(write(tmp_path, FILES), list(FILES), progress=steps.append)
    assert sum(steps) == len(FILES)


def test_every_field_of_a_sample_table_changes_its_digest():
    table = Samples.of_images(["a.jpg", "b.jpg", "c.jpg"], [1, 2, 3], [1, 1, 2], [0, 1, 2], tracklet=[5, 6, 7])
    changed = [table]
    for field in ("pid", "camid", "tracklet", "split"):
        values = getattr(table, field).copy()
        values[1] = 9
        changed.append(dataclasses.replace(table, **{field: values}))
    changed.append(dataclasses.replace(table, path=("a.jpg", "b.jpg", "d.jpg")))
    changed.append(dataclasses.replace(table, frame_start=np.asarray([0, 1, 3, 3])))
    changed.append(dataclasses.replace(table, category=("fox", "", "")))
    assert len({digest_samples(each) for each in changed}) == len(changed)
    assert digest_samples(table) == digest_samples(table.take(np.arange(3)))
