"""Zarr without CuPy, which it imports for buffers on a GPU that no artifact needs: a quarter of what both take."""

from __future__ import annotations

import atexit
import sys
from importlib.abc import MetaPathFinder
from threading import get_ident
from typing import Any


def import_zarr() -> Any:
    """Zarr; its first import finds no CuPy, which others still do. It is not asked to clean up when Python ends."""
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        import zarr
    finally:
        sys.meta_path.remove(hidden)
    # on a busy machine it closes its loop while that still runs, with a traceback; its thread is a daemon's
    atexit.unregister(zarr.core.sync.cleanup_resources)
    return zarr


class _Hidden(MetaPathFinder):
    """Says to the thread that made it that there is no CuPy."""

    def __init__(self) -> None:
        self._thread = get_ident()

    def find_spec(self, name: str, *_: object) -> None:
        if name == "cupy" and get_ident() == self._thread:
            raise ModuleNotFoundError("hidden from Zarr", name=name)
