"""Stage numbers and their names: `init` before any training, then 0, 1, 2, …"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INIT_STAGE = -1
"""The stage of the initial weights, written `init`."""


def stage_label(stage: int) -> str:
    """`init` for the initial stage, else the number: what people and `--stage` write."""
    return "init" if stage == INIT_STAGE else str(stage)


def json_stage(stage: int | None) -> int | str | None:
    """A stage as JSON has it: its number, or `init`."""
    return stage_label(INIT_STAGE) if stage == INIT_STAGE else stage


def with_json_stages(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` with the stages among them, `stage` and `features_stage`, as JSON has them."""
    return {**fields, **{name: json_stage(fields[name]) for name in ("stage", "features_stage") if name in fields}}


def stage_directory(stage: int) -> str:
    """The directory of a stage inside a run: `stage-init`, `stage-00`, `stage-01`, …"""
    return "stage-init" if stage == INIT_STAGE else f"stage-{stage:02d}"


def parse_stage(text: str) -> int:
    """The stage that `text` names (`init`, `3`, `03`, `stage-03`); ValueError if it names none."""
    name = text.strip().removeprefix("stage-")
    if name == "init":
        return INIT_STAGE
    if not name.isascii() or not name.isdigit() or len(name) > 6:
        raise ValueError(f"'{text}' is not a stage: write init or a number from 0")
    return int(name)
