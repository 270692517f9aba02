"""Many files in worker processes: the same blocks whatever the number, and no process left behind."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import SyntheticParameters
from stages.data import decode_pool
from stages.data.decode import decode_image
from stages.data.decode_block import BlockShape
from stages.data.decode_pool import decode_all, default_workers
from stages.data.digest import digest_each
from stages.data.image_source import Drawn, Files
from stages.data.synthetic import draw_path, synthetic_samples
from stages.errors import DbcError

REPOSITORY = Path(__file__).parents[3]


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


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_blocks_are_what_one_loop_decodes_whatever_the_workers(folder, workers):
    paths = [*names(folder), "gone.png"]
    blocks = list(decode_all(Files(folder), paths, height=16, width=8, workers=workers))
    assert [block.start for block in blocks] == list(range(0, 301, 32))
    assert [len(block.images) for block in blocks] == [32] * 9 + [13]
    images = np.concatenate([block.images for block in blocks])
    bad = {"100.png": "is empty", "101.png": "is no JPEG", "250.png": "cannot be decoded", "gone.png": "cannot be read"}
    for path, pixels in zip(paths, images, strict=True):
        expected = 0 if path in bad else decode_image(folder / path, height=16, width=8)
        np.testing.assert_array_equal(pixels, np.broadcast_to(expected, (16, 8, 3)))
    found = [each for block in blocks for each in block.bad]
    assert [each.path for each in found] == list(bad)
    assert all(each.reason.startswith(bad[each.path]) for each in found)
    assert str(found[0]) == "'100.png' is empty (0 bytes)"
    digests = [digest for block in blocks for digest in block.sha256]
    assert digests[:-1] == [hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in paths[:-1]]
    assert digests[-1] == ""


def test_the_digest_of_decoded_files_is_the_digest_of_the_files(folder):
    paths = [*names(folder), "gone.png"]
    decoded = [d for block in decode_all(Files(folder), paths, height=8, width=8, workers=0) for d in block.sha256]
    assert decoded == digest_each(folder, paths)


def test_progress_counts_every_image(folder):
    steps: list[int] = []
    for block in decode_all(Files(folder), names(folder), height=8, width=8, workers=2, progress=steps.append):
        assert sum(steps) == block.start + len(block.images)
    assert sum(steps) == 300


def test_nothing_to_decode_gives_no_block(folder):
    assert list(decode_all(Files(folder), [], height=8, width=8)) == []


def test_a_block_kept_is_not_overwritten(folder):
    blocks = [
        (block, block.images.copy()) for block in decode_all(Files(folder), names(folder), height=8, width=8, workers=1)
    ]
    for block, images in blocks:
        np.testing.assert_array_equal(block.images, images)


def test_no_worker_writes_into_the_block_that_the_caller_holds(folder):
    paths, shape = names(folder), BlockShape(images=8, height=8, width=8)
    tasks = [paths[start : start + 8] for start in range(0, 96, 8)]
    for task, block in zip(tasks, decode_pool._in_workers(Files(folder), tasks, shape, 1), strict=True):
        # long enough for the worker to do all it was asked for
        time.sleep(0.05)
        for path, pixels in zip(task, block.images, strict=False):
            np.testing.assert_array_equal(pixels, decode_image(folder / path, height=8, width=8))


def test_blocks_are_bounded_in_bytes():
    assert BlockShape.for_size(height=256, width=128).images == 32
    assert BlockShape.for_size(height=8, width=8).images == 32
    assert BlockShape.for_size(height=4096, width=4096).images == 1
    assert BlockShape.for_size(height=512, width=512).n_bytes < 5 << 20


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

    monkeypatch.setattr(decode_pool.subprocess, "Popen", Recorded)
    return processes


def test_a_killed_worker_is_an_error_on_one_line(folder, started):
    blocks = decode_all(Files(folder), names(folder), height=8, width=8, workers=1)
    next(blocks)
    started[0].kill()
    with pytest.raises(DbcError) as caught:
        list(blocks)
    assert "a decoding process was killed by SIGKILL while decoding '" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(process.poll() is not None for process in started)


def test_a_worker_that_never_starts_is_an_error(folder, started, monkeypatch):
    monkeypatch.setattr(decode_pool, "_WORKER", "raise SystemExit(3)")
    with pytest.raises(DbcError, match="ended with status 3"):
        list(decode_all(Files(folder), names(folder), height=8, width=8, workers=2))
    assert all(process.poll() is not None for process in started)


def test_a_worker_out_of_memory_says_so(folder, started, monkeypatch):
    fail = "import stages.data.image_source as b; b.decode_image = lambda *a, **k: bytes(1 << 60); "
    monkeypatch.setattr(decode_pool, "_WORKER", decode_pool._WORKER.replace("from stages", fail + "from stages", 1))
    with pytest.raises(DbcError, match=r"a decoding process failed: MemoryError .*'000.png' to '031.png'; use fewer"):
        list(decode_all(Files(folder), names(folder), height=8, width=8, workers=1))


def test_closing_the_iterator_or_failing_ends_the_workers(folder, started):
    blocks = decode_all(Files(folder), names(folder), height=8, width=8, workers=2)
    next(blocks)
    blocks.close()
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)

    def fail(_):
        raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        list(decode_all(Files(folder), names(folder), height=8, width=8, workers=2, progress=fail))
    assert len(started) == 4
    assert all(process.poll() is not None for process in started)


# No `if __name__ == "__main__"`, and an import that a worker must not repeat.
SCRIPT = """
import os, signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what it puts in the background without
print("main", flush=True)
from stages.data.decode_pool import decode_all
from stages.data.image_source import Files
folder = Path(sys.argv[1])
paths = sorted(entry.name for entry in folder.iterdir())
try:
    for block in decode_all(Files(folder), paths * 4, height=8, width=8, workers=2):
        if block.start == 0:
            print("first", flush=True)
            {then}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def script(folder, then):
    command = [sys.executable, "-c", SCRIPT.format(then=then), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    # workers hold this stderr: reading it to its end waits for the last of them
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def test_workers_do_not_run_the_callers_main_module(folder):
    out, err = script(folder, "pass").communicate(timeout=60)
    assert (out, err) == ("main\nfirst\n", "")


def test_workers_die_with_a_killed_parent(folder):
    process = script(folder, "os.kill(os.getpid(), 9)")
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert (out, err) == ("main\nfirst\n", "")


def test_an_interrupt_leaves_no_worker_and_no_traceback(folder):
    process = script(folder, "import time; time.sleep(60)")
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["main\n", "first\n"]
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30) == ("interrupted\n", "")
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads the signal mask from /proc")
def test_workers_never_see_an_interrupt_even_while_they_start(folder, started):
    blocks = decode_all(Files(folder), names(folder), height=8, width=8, workers=1)
    next(blocks)
    status = Path(f"/proc/{started[0].pid}/status").read_text().splitlines()
    blocked = next(int(line.split()[1], 16) for line in status if line.startswith("SigBlk"))
    assert blocked >> (signal.SIGINT - 1) & 1
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    blocks.close()


def test_workers_import_no_torch():
    check = "import sys, stages.data.decode_worker; print([m for m in ('torch', 'zarr', 'cupy') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("workers", [0, 2])
def test_drawn_people_are_the_same_from_every_number_of_workers(workers: int) -> None:
    people = SyntheticParameters(identities=4, cameras=2, images_per_camera=2)
    paths = synthetic_samples(people, seed=3, test_fraction=0.5).path
    blocks = decode_all(Drawn(people, 3), paths, height=32, width=16, workers=workers)
    images = np.concatenate([block.images for block in blocks])
    expected = [draw_path(people, path, seed=3, height=32, width=16) for path in paths]
    np.testing.assert_array_equal(images, expected)
