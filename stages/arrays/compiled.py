"""The decorator of compiled loops, and the folder that keeps what they compile to."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Set
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba

from stages.caches import is_own, temporary_place

_config: Any = numba.config


def compiled(*, fastmath: Set[str] = frozenset()) -> Callable[[Any], Any]:
    """A decorator for loops without Python objects: compiled at their first call, kept on disk, run without the GIL.

    Write loops where NumPy has a word for whole arrays (`a[:] = b`, `a[index]`, `np.diff`): a word takes one to five seconds
    to compile, which the first command on a machine waits for.
    Sums are taken as they are written, so that every processor gives the same bits, but for what `fastmath` allows.
    """

    def decorate(function: Any) -> Any:
        given = _config.CACHE_DIR
        # numba reads it while it decorates; what other packages compile stays where it was
        _config.CACHE_DIR = str(cache_folder())
        try:
            jit = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=set(fastmath))(function)
        finally:
            _config.CACHE_DIR = given
        return _saved_alone(jit)

    return decorate


@cache
def cache_folder() -> Path:
    """The folder for machine code of these sources on this processor, made now.

    It lies in `NUMBA_CACHE_DIR`, else in the user's cache folder, else in that for temporary files. Code is run from it, so
    a folder that another user owns, or that everybody may write, is passed over; in place of the last one a new folder is
    made. Numba looks for a change in the file of a loop, not of the loops it calls: so other sources have another folder,
    and so has another processor, which may share the disk.
    """
    sources = hashlib.sha256(f"{numba.__version__} {llvmlite.binding.get_host_cpu_name()}".encode())
    for path in sorted(Path(__file__).parents[1].rglob("compiled*.py")):
        sources.update(path.read_bytes())
    name = sources.hexdigest()[:16]
    if _config.CACHE_DIR:
        places = [Path(_config.CACHE_DIR)]
    else:
        places = [temporary_place()]
        # a user of a container may have no home at all
        with contextlib.suppress(RuntimeError):
            places.insert(0, Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dbc")
    found = next((place / name for place in places if is_own(place) and is_own(place / name)), None)
    return found or Path(tempfile.mkdtemp(prefix="dbc-"))


def _saved_alone(jit: Any) -> Any:
    """`jit`, which now saves with a lock: two processes that save to one index would each forget what the other did."""
    save = jit._cache.save_overload

    def save_alone(signature: Any, code: Any) -> None:
        with (cache_folder() / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            save(signature, code)

    jit._cache.save_overload = save_alone
    return jit
