"""What is there is found without the network, whose libraries take longer to import than the rest of a command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Dbc


def test_what_is_there_is_found_without_the_network(dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("stages.extract.compute", "stages.train.compute", "stages.nn.initial_model"):
        monkeypatch.setitem(sys.modules, module, None)
    # a model that is handed on needs none of it, either
    assert dbc("train", "--stage", "0", "--epochs", "0", "--run", run).status == 0
    for command in (["extract", "--stage", "init"], ["train", "--stage", "0", "--epochs", "0"]):
        found = dbc(*command, "--run", run)
        assert found.status == 0, found.err
        assert "up to date" in found.out
    assert dbc("extract", "--stage", "init", "--force", "--run", run).status != 0
