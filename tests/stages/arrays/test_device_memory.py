"""Memory of GPUs: too little of it is one line that says what to lower, other errors pass, and caches are given back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from stages.arrays import device_memory
from stages.arrays.device_memory import limited_pool, stage_memory
from stages.errors import DbcError


class Pool:
    def __init__(self) -> None:
        self.limit, self.limits, self.freed = 0, [], 0

    def get_limit(self) -> int:
        return self.limit

    def set_limit(self, size: int) -> None:
        self.limit = size
        self.limits.append(size)

    def used_bytes(self) -> int:
        return 100

    def free_all_blocks(self) -> None:
        self.freed += 1


class TooLittleForCupyError(Exception):
    pass


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """CuPy and torch as far as memory goes, both with a GPU."""
    pool, emptied = Pool(), []
    cupy = SimpleNamespace(
        cuda=SimpleNamespace(memory=SimpleNamespace(OutOfMemoryError=TooLittleForCupyError), is_available=lambda: True),
        get_default_memory_pool=lambda: pool,
        get_default_pinned_memory_pool=lambda: pool,
    )
    fake_torch = SimpleNamespace(
        OutOfMemoryError=torch.OutOfMemoryError,
        cuda=SimpleNamespace(is_initialized=lambda: True, empty_cache=lambda: emptied.append(1)),
    )
    monkeypatch.setattr(device_memory, "_imported", {"cupy": cupy, "torch": fake_torch}.get)
    return SimpleNamespace(pool=pool, emptied=emptied)


@pytest.mark.parametrize(
    ("error", "library"),
    [(torch.OutOfMemoryError("CUDA out of memory. Tried\nmuch more"), "torch"), (TooLittleForCupyError("x"), "CuPy")],
    ids=["torch", "cupy"],
)
def test_too_little_memory_is_one_line_that_says_what_to_lower(libraries, error, library) -> None:
    with pytest.raises(DbcError) as caught, stage_memory("lower `batch_size`"):
        raise error
    assert str(caught.value).startswith(f"{library} ran out of GPU memory: ")
    assert str(caught.value).endswith("; lower `batch_size`")
    assert "\n" not in str(caught.value)
    assert (libraries.pool.freed, libraries.emptied) == (2, [1])


def test_other_errors_pass_and_caches_are_given_back_all_the_same(libraries) -> None:
    with pytest.raises(ValueError, match="another"), stage_memory("lower `batch_size`"):
        raise ValueError("another")
    with stage_memory("lower `batch_size`"):
        pass
    assert (libraries.pool.freed, libraries.emptied) == (4, [1, 1])


def test_the_limit_holds_for_what_is_allocated_beyond_what_is_held_and_ends(libraries, monkeypatch) -> None:
    monkeypatch.setattr(device_memory, "device_number", lambda array: 0)
    with limited_pool(object(), 1000):
        assert libraries.pool.limit == 1100
    assert libraries.pool.limits == [1100, 0]


@pytest.mark.parametrize(("free", "n_let_go"), [(50, 0), (49, 1)])
def test_what_is_kept_between_stages_is_let_go_if_a_stage_begins_with_little_memory(
    libraries, monkeypatch, free, n_let_go
) -> None:
    let_go = []
    monkeypatch.setattr(device_memory, "_kept", {})
    monkeypatch.setattr(device_memory._imported("torch").cuda, "mem_get_info", lambda: (free, 100), raising=False)
    device_memory.on_shortage("images", lambda: let_go.append(1))
    with stage_memory("x"):
        assert len(let_go) == n_let_go
    device_memory.let_go_of_kept()
    assert let_go == [1]


def test_what_is_kept_is_let_go_if_a_stage_runs_out_of_memory(libraries, monkeypatch) -> None:
    let_go = []
    monkeypatch.setattr(device_memory, "_kept", {})
    monkeypatch.setattr(device_memory, "_is_short", lambda: False)
    device_memory.on_shortage("images", lambda: let_go.append(1))
    with pytest.raises(DbcError), stage_memory("x"):
        raise torch.OutOfMemoryError("CUDA out of memory")
    assert let_go == [1]
