"""Threads of torch that wait leave the cores to others, unless the user has chosen."""

from __future__ import annotations

import os

import pytest

from dbc_cli.__main__ import PASSIVE_WAITING, let_waiting_threads_sleep


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, PASSIVE_WAITING),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
        ({"GOMP_SPINCOUNT": "1000"}, {"GOMP_SPINCOUNT": "1000"}),
    ],
)
def test_waiting_is_passive_before_torch_loads_unless_it_is_chosen(
    monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], expected: dict[str, str]
) -> None:
    for name in PASSIVE_WAITING:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    let_waiting_threads_sleep()
    assert {name: os.environ[name] for name in PASSIVE_WAITING if name in os.environ} == expected
