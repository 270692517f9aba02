"""The measures of a stage, kept beside what was measured: whoever looks for the best stage again reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path

from stages.loop.choice.measures import StageMeasures
from stages.runs.store.checkpoint import keep, read_checkpoint
from stages.runs.store.digests import json_digest

_VERSION = 6
"""Of how a stage is measured: what another version kept is measured again."""


def read_measures(directory: Path, request: Mapping[str, object]) -> StageMeasures | None:
    """The measures kept in `directory` for `request`, the ids of all that was measured; None if there are none."""
    kept = read_checkpoint(directory, _key(request))
    if kept is None:
        return None
    found = json.loads(kept.about["measures"])
    if found.keys() != {field.name for field in fields(StageMeasures)}:
        return None
    likely = found.pop("likely_clusters")
    return StageMeasures(**found, likely_clusters=None if likely is None else tuple(likely))


def keep_measures(directory: Path, request: Mapping[str, object], measures: StageMeasures) -> None:
    """Keep `measures` for `request`; if the run cannot be written, the stage is measured again next time."""
    keep(directory, _key(request), {}, about={"holds": "measures", "measures": json.dumps(asdict(measures))})


def _key(request: Mapping[str, object]) -> str:
    return json_digest({"version": _VERSION, "measures": dict(request)})
