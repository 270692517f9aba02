"""`RUN/events.jsonl`: a line of JSON for each artifact that was made, for programs that follow a run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from schemas.stage_names import json_stage, with_json_stages
from stages.runs.store import Artifact

EVENTS = "events.jsonl"
FOLLOWED = ("clusters", "model", "metrics")
"""The kinds whose figures TensorBoard shows."""
SCALARS = "tensorboard"
"""The folder below RUN of TensorBoard's files, which are written if it is installed."""


def record_event(root: Path, artifact: Artifact, stage: int | None) -> None:
    """Tell the followers of the run at `root` that `artifact` of `stage` (None: of none) was committed.

    The line is appended in one write. If an earlier line was cut off, it begins on a new one. OSError if that fails: the
    artifact is there all the same, because manifests are the record and events only tell of them.
    """
    manifest = artifact.manifest
    summary = manifest.summary.model_dump(mode="json")
    event = {
        "time": manifest.created,
        "artifact": artifact.path.relative_to(root).as_posix(),
        "kind": manifest.kind,
        "stage": json_stage(stage),
        "id": manifest.id,
        "seconds": manifest.wall_seconds,
        "summary": with_json_stages(summary),
    }
    _append(root / EVENTS, json.dumps(event, ensure_ascii=True, allow_nan=False).encode())
    if stage is not None and manifest.kind in FOLLOWED and find_spec("tensorboard") is not None:
        _write_scalars(root / SCALARS, scalars(manifest.kind, summary), step=stage)


def scalars(kind: str, summary: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a `summary` by their names in TensorBoard, such as `metrics/mAP`."""
    return {
        f"{kind}/{name}": float(value)
        for name, value in summary.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in ("stage", "features_stage")
    }


def _append(path: Path, line: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        is_cut_off = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (b"\n" if is_cut_off else b"") + line + b"\n")
    finally:
        os.close(descriptor)


def _write_scalars(folder: Path, values: Mapping[str, float], *, step: int) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    found = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
    writer.add_event(Event(step=step, summary=Summary(value=found)))
    writer.close()
