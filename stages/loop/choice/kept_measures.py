"""The measures of a stage, kept beside what was measured: whoever looks for the best stage again reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from stages.errors import DbcError
from stages.features.kept_whitening import MOST_KEPT
from stages.loop.choice.measures import StageMeasures
from stages.processes import is_leader
from stages.runs.store.checkpoint import read_checkpoint, write_checkpoint
from stages.runs.store.digests import canonical_json

_VERSION = 1
"""Of how a stage is measured: what another version kept is measured again."""


def read_measures(directory: Path, request: Mapping[str, object]) -> StageMeasures | None:
    """The measures kept in `directory` for `request`, the ids of all that was measured; None if there are none."""
    kept = read_checkpoint(directory, _key(request))
    if kept is None:
        return None
    found = json.loads(kept.about["measures"])
    likely = found.pop("likely_clusters")
    return StageMeasures(**found, likely_clusters=None if likely is None else tuple(likely))


def keep_measures(directory: Path, request: Mapping[str, object], measures: StageMeasures) -> None:
    """Keep `measures` for `request`; if the run cannot be written, the stage is measured again next time."""
    if is_leader():
        about = {"holds": "measures", "measures": json.dumps(asdict(measures))}
        with suppress(DbcError):
            write_checkpoint(directory, _key(request), 0, {}, about=about, n_keys=MOST_KEPT)


def _key(request: Mapping[str, object]) -> str:
    return hashlib.sha256(canonical_json({"version": _VERSION, "measures": dict(request)})).hexdigest()
