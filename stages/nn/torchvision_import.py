"""torchvision without torch's compiler, which it imports for one of its detectors: more than half of what both take."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo.utils"
"""Of this module torchvision imports functions that it first calls when it detects objects."""


def import_torchvision() -> None:
    """Import torchvision; the functions that it takes from torch's compiler import that at their first call."""
    if "torchvision" in sys.modules or _COMPILER in sys.modules:
        return
    sys.modules[_COMPILER] = _Later(_COMPILER)
    try:
        importlib.import_module("torchvision")
    finally:
        del sys.modules[_COMPILER]


class _Later(ModuleType):
    """Stands for a module while others import functions of it."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        module = self.__name__

        def called(*arguments: Any, **options: Any) -> Any:
            return getattr(importlib.import_module(module), name)(*arguments, **options)

        return called
