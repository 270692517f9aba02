"""Many files in worker processes: the same pixels whatever the number, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import SyntheticParameters
from stages.errors import DbcError
from stages.ingest.decode import process as decode_process
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


@pytest.fixture
def started(monkeypatch):
    """The worker processes that were started during the test."""
    processes = []

    class Recorded(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            processes.append(self)

    monkeypatch.setattr(decode_process.subprocess, "Popen", Recorded)
    return processes


def test_there_are_no_more_workers_than_blocks(folder, target, started):
    assert len(list(decode(folder, target, workers=50, paths=names(folder)[:40]))) == 2
    assert len(started) == 2


def test_a_killed_worker_is_an_error_on_one_line(folder, target, started):
    blocks = decode(folder, target, workers=1, paths=names(folder) * 4)
    next(blocks)
    started[0].kill()
    with pytest.raises(DbcError) as caught:
        list(blocks)
    assert "a decoding process was killed by SIGKILL while decoding '" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(process.poll() is not None for process in started)


def test_a_worker_that_never_starts_is_an_error(folder, target, started, monkeypatch):
    monkeypatch.setattr(decode_process, "_WORKER", "raise SystemExit(3)")
    with pytest.raises(DbcError, match="ended with status 3"):
        list(decode(folder, target, workers=2))
    assert all(process.poll() is not None for process in started)


def test_a_worker_out_of_memory_says_so(folder, target, started, monkeypatch):
    fail = "import stages.ingest.decode.pixels as b; b.decode_image = lambda *a, **k: bytes(1 << 60); "
    code = decode_process._WORKER.replace("from stages", fail + "from stages", 1)
    monkeypatch.setattr(decode_process, "_WORKER", code)
    with pytest.raises(DbcError, match=r"a decoding process failed: MemoryError .*'000.png' to '031.png'; use fewer"):
        list(decode(folder, target, workers=1))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_cannot_be_written_is_an_error_on_one_line(folder, tmp_path, workers):
    with pytest.raises(DbcError, match=r"gone cannot be written: No such file or directory; free space or choose"):
        list(decode(folder, tmp_path / "gone", workers=workers))
    assert not (tmp_path / "gone").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="writes to /dev/full")
def test_a_disk_that_is_full_is_an_error(folder):
    with pytest.raises(DbcError, match=r"/dev/full cannot be written: No space left on device"):
        list(decode(folder, "/dev/full", workers=1))


def test_closing_the_iterator_or_failing_ends_the_workers(folder, target, started):
    blocks = decode(folder, target, workers=2)
    next(blocks)
    blocks.close()
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)

    def failing():
        yield from blocks_of(names(folder)[:200], target)
        raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        list(decode_all(Files(folder), failing(), size=SIZE, workers=2))
    assert len(started) == 4
    assert all(process.poll() is not None for process in started)


# No `if __name__ == "__main__"`, and an import that a worker must not repeat.
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
    # workers hold this stderr: reading it to its end waits for the last of them
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def test_workers_do_not_run_the_callers_main_module(folder, target):
    out, err = script(folder, target, "break").communicate(timeout=60)
    assert (out, err) == ("main\nfirst\n", "")


def test_workers_die_with_a_killed_parent(folder, target):
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


@pytest.mark.skipif(sys.platform != "linux", reason="reads the signal mask from /proc")
def test_workers_never_see_an_interrupt_even_while_they_start(folder, target, started):
    blocks = decode(folder, target, workers=1)
    next(blocks)
    status = Path(f"/proc/{started[0].pid}/status").read_text().splitlines()
    blocked = next(int(line.split()[1], 16) for line in status if line.startswith("SigBlk"))
    assert blocked >> (signal.SIGINT - 1) & 1
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    blocks.close()


def test_workers_import_nothing_that_is_slow_to_start():
    slow = ("torch", "zarr", "cupy", "numpy", "pydantic", "dataclasses")
    check = f"import sys, stages.ingest.decode.worker; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path}; {check}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "[]\n"


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
