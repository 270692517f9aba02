"""Functions of a module that is imported at their first call."""

import sys

import pytest

from stages.nn.torchvision_import import _Later, import_torchvision


def test_a_function_is_the_one_of_the_module_once_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    later = _Later("colorsys").rgb_to_hsv
    assert "colorsys" not in sys.modules
    assert later(1.0, 0.0, b=0.0) == (0.0, 1.0, 1.0)
    with pytest.raises(AttributeError):
        _Later("colorsys").__path__  # noqa: B018


def test_the_real_module_is_found_afterwards() -> None:
    import_torchvision()
    from torch._dynamo.utils import is_compile_supported
    from torchvision.ops import roi_align

    assert is_compile_supported("cpu")
    assert sys.modules[roi_align.__module__].is_compile_supported("cpu")  # type: ignore[attr-defined]
