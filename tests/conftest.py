"""Fixtures that several folders share: where real images are, and small runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # a worker a core: more threads would take turns with the other workers'
    os.environ.setdefault("OMP_NUM_THREADS", "1")

MEMORY, ROOM = Path("/dev/shm"), 3 << 30
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
    # an artifact is synced file by file: on a disk that is most of the time the suite takes. Workers inherit the choice
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that start processes: they take longest, and one that comes last keeps a worker waiting."""
    items.sort(key=lambda item: not (isinstance(item, pytest.Function) and hasattr(item.module, "subprocess")))


@pytest.fixture(scope="module")
def tiny_networks() -> Iterator[None]:
    """`tiny` and `maps` are networks to choose from."""
    from tests.tiny_network import provide_tiny_networks

    with pytest.MonkeyPatch.context() as patch:
        provide_tiny_networks(patch)
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images; the test is skipped where it is absent."""
    folder = Path(os.environ.get("DBC_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}: set DBC_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def mobilenet_weights() -> Path:
    """ImageNet weights of MobileNetV2; the test is skipped where they are absent."""
    default = REPOSITORY.parent / "shared" / "weights" / "mobilenet_v2-imagenet.safetensors"
    path = Path(os.environ.get("DBC_TEST_WEIGHTS", default))
    if not path.is_file():
        pytest.skip(f"no weights at {path}: set DBC_TEST_WEIGHTS")
    return path
