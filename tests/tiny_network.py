"""Networks whose few arrays are quickly drawn, written and read."""

from __future__ import annotations

import pytest
from torch import nn

from schemas.parameters import InitParameters
from stages.nn.backbones import register
from stages.nn.backbones.provider import Provider


class TinyNetwork(Provider):
    """`tiny`, and `maps`, which has some of several sizes."""

    description = suggestion = "tiny"

    def names(self) -> tuple[str, ...]:
        return ("tiny", "maps")

    def build(self, parameters: InitParameters) -> tuple[nn.Module, int]:
        if parameters.backbone == "maps":
            maps = nn.Conv2d(3, 6, 8, stride=8), nn.Conv2d(6, 8, 2, stride=2)
            return nn.Sequential(*maps, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 8
        layers = nn.Conv2d(3, 12, 5, stride=4), nn.BatchNorm2d(12), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
        return nn.Sequential(*layers), 48


def provide_tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `tiny` and `maps` be networks to choose from."""
    known = register.providers()
    monkeypatch.setattr(register, "providers", lambda: (*known, TinyNetwork()))
