"""Many files in threads: the same pixels whatever the number, and no thread left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import SyntheticParameters
from stages.errors import DbcError
from stages.ingest.decode.block import Block, ImageSize
from stages.ingest.decode.pixels import Drawn, Files
from stages.ingest.decode.workers import decode_all, default_workers
from stages.ingest.synthetic import draw_path, synthetic_samples

REPOSITORY = Path(__file__).parents[4]
SIZE = ImageSize(height=16, width=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(300):
        Image.fromarray(rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(root / f"{i:03}.png")
    (root / "100.png").write_bytes(b"")
    (root / "101.png").write_bytes(b"text")
    (root / "250.png").write_bytes((root / "251.png").read_bytes()[:80])
    return root


@pytest.fixture
def target(tmp_path):
    """The file that takes pixels; sevens before."""
    path = tmp_path / "pixels"
    path.write_bytes(b"\7" * (400 * SIZE.n_bytes))
    return path


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def blocks_of(paths, target, *, length=32):
    """Blocks of `length` images, one after the other."""
    for start in range(0, len(paths), length):
        yield Block(tuple(paths[start : start + length]), str(target), start * SIZE.n_bytes)


def decode(folder, target, *, workers, paths=None):
    return decode_all(Files(folder), blocks_of(paths or names(folder), target), size=SIZE, workers=workers)


@pytest.mark.parametrize("workers", [0, 4])
def test_only_the_thread_that_asks_changes_what_is_warned_of(folder, target, workers, monkeypatch):
    # filters belong to the process: of threads that save them and put them back, one leaves those of another
    entered = []

    class Watched(warnings.catch_warnings):
        def __enter__(self):
            entered.append(threading.current_thread())
            return super().__enter__()

    before = list(warnings.filters)
    monkeypatch.setattr(warnings, "catch_warnings", Watched)
    list(decode(folder, target, workers=workers))
    assert entered == [threading.current_thread()]
    assert warnings.filters == before


def decoding_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


class Failing:
    """A source of black images that calls `fail` with each path first."""

    def __init__(self, fail):
        self.fail = fail

    def pixels(self, path, *, height, width):
        self.fail(path)
        return bytes(height * width * 3)


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_every_place_has_the_pixels_of_its_image_whatever_the_workers(folder, target, workers):
    paths = [*names(folder), "gone.png"]
    filled = list(decode(folder, target, workers=workers, paths=paths))
    assert [block for block, _ in filled] == list(blocks_of(paths, target))
    bad = {block.paths[i]: reason for block, reasons in filled for i, reason in reasons.items()}
    told = {
        "100.png": "is empty",
        "101.png": "is not an image",
        "250.png": "cannot be decoded",
        "gone.png": "cannot be read",
    }
    assert list(bad) == list(told)
    assert all(bad[path].startswith(reason) and "\n" not in bad[path] for path, reason in told.items())
    content = target.read_bytes()
    assert len(content) == 400 * SIZE.n_bytes
    for i, path in enumerate(paths):
        expected = b"\7" * SIZE.n_bytes if path in bad else Files(folder).pixels(path, height=16, width=8)
        assert content[i * SIZE.n_bytes : (i + 1) * SIZE.n_bytes] == expected
    assert set(content[len(paths) * SIZE.n_bytes :]) == {7}


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_to_decode_gives_no_block(folder, workers):
    assert list(decode_all(Files(folder), [], size=SIZE, workers=workers)) == []


def test_a_block_is_filled_before_it_is_told_of(folder, target):
    for block, bad in decode(folder, target, workers=2):
        content = target.read_bytes()[block.offset :]
        for i, path in enumerate(block.paths):
            if i not in bad:
                assert content[i * SIZE.n_bytes :][: SIZE.n_bytes] == Files(folder).pixels(path, height=16, width=8)


def test_only_a_few_blocks_are_asked_for_ahead(folder, target):
    asked = 0

    def counted():
        nonlocal asked
        for block in blocks_of(names(folder), target, length=1):
            asked += 1
            yield block

    for done, _ in enumerate(decode_all(Files(folder), counted(), size=SIZE, workers=2)):
        assert asked <= done + 8
    assert asked == 300


def test_blocks_are_bounded_in_bytes():
    assert ImageSize(height=256, width=128).images_per_block == 32
    assert ImageSize(height=8, width=8).images_per_block == 32
    assert ImageSize(height=512, width=512).images_per_block == 5
    assert ImageSize(height=4096, width=4096).images_per_block == 1


def test_there_is_a_worker_a_core():
    assert 1 <= default_workers() <= (os.cpu_count() or 1)


def test_there_are_no_more_workers_than_blocks(folder, target):
    blocks = decode(folder, target, workers=50, paths=names(folder)[:40])
    next(blocks)
    assert len(decoding_threads()) <= 2
    assert len(list(blocks)) == 1
    assert not decoding_threads()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_worker_out_of_memory_says_so_on_one_line(target, workers):
    def fail(_path):
        raise MemoryError

    blocks = blocks_of([str(i) for i in range(100)], target)
    with pytest.raises(
        DbcError, match=r"out of memory while decoding '0' to '31'; free memory or use fewer `workers`$"
    ):
        list(decode_all(Failing(fail), blocks, size=SIZE, workers=workers))
    assert not decoding_threads()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_cannot_be_written_is_an_error_on_one_line(folder, tmp_path, workers):
    with pytest.raises(DbcError, match=r"gone' cannot be written: No such file or directory; free space or choose"):
        list(decode(folder, tmp_path / "gone", workers=workers))
    assert not (tmp_path / "gone").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="writes to /dev/full")
def test_a_disk_that_is_full_is_an_error(folder):
    with pytest.raises(DbcError, match=r"/dev/full' cannot be written: No space left on device"):
        list(decode(folder, "/dev/full", workers=1))


def test_closing_the_iterator_or_failing_ends_the_workers(folder, target):
    blocks = decode(folder, target, workers=2)
    next(blocks)
    assert decoding_threads()
    blocks.close()
    assert not decoding_threads()

    def failing():
        yield from blocks_of(names(folder)[:200], target)
        raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        list(decode_all(Files(folder), failing(), size=SIZE, workers=2))
    assert not decoding_threads()


# No `if __name__ == "__main__"`: nothing may import this again.
SCRIPT = """
import os, signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what it puts in the background without
print("main", flush=True)
from stages.ingest.decode.block import Block, ImageSize
from stages.ingest.decode.workers import decode_all
from stages.ingest.decode.pixels import Files
folder = Path(sys.argv[1])
paths = sorted(entry.name for entry in folder.iterdir())
blocks = [Block(tuple(paths), sys.argv[2], 0) for _ in range(40)]
try:
    for number, _ in enumerate(decode_all(Files(folder), blocks, size=ImageSize(16, 8), workers=2)):
        if number == 0:
            print("first", flush=True)
            {then}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def script(folder, target, then):
    command = [sys.executable, "-c", SCRIPT.format(then=then), str(folder), str(target)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    # whoever is left behind holds this stderr: reading it to its end waits for the last of them
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def test_nothing_outlives_a_killed_process(folder, target):
    process = script(folder, target, "os.kill(os.getpid(), 9)")
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert (out, err) == ("main\nfirst\n", "")


def test_an_interrupt_leaves_no_worker_and_no_traceback(folder, target):
    process = script(folder, target, "import time; time.sleep(60)")
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["main\n", "first\n"]
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30) == ("interrupted\n", "")
    assert process.returncode == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_drawn_people_are_the_same_from_every_number_of_workers(tmp_path, workers: int) -> None:
    people = SyntheticParameters(identities=4, cameras=2, images_per_camera=2)
    paths = synthetic_samples(people, seed=3, test_fraction=0.5).path
    target = tmp_path / "pixels"
    target.touch()
    assert not any(bad for _, bad in decode_all(Drawn(people, 3), blocks_of(paths, target), size=SIZE, workers=workers))
    images = np.frombuffer(target.read_bytes(), np.uint8).reshape(-1, 16, 8, 3)
    expected = [draw_path(people, path, seed=3, height=16, width=8) for path in paths]
    np.testing.assert_array_equal(images, expected)
