"""What a command prints about an artifact, as a table or as JSON: its summary, path, version and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbc_cli.console import show
from dbc_cli.problems import lines_in_flags
from schemas.stage_names import stage_label, with_json_stages

SHOWN_DIGITS = 12
"""Of an id or a digest in a table; JSON has all of them."""

if TYPE_CHECKING:
    from dbc_cli.command import Given
    from stages.runs.making import Made


def show_outcome(outcome: Made, given: Given) -> None:
    """Print the outcome of a stage on stdout; a table has the beginning of digests, so that notes above it stay in sight."""
    title = outcome.kind if outcome.kind == "dataset" else f"{outcome.kind} of stage {stage_label(outcome.stage)}"
    if given.flag("json"):
        given.print_json(outcome_fields(outcome))
    else:
        show(table_fields(outcome), title=title)


def table_fields(outcome: Made) -> dict[str, Any]:
    """`outcome_fields` as a table shows them, with the beginning of ids and digests."""
    fields = {name: _short(name, value) for name, value in outcome_fields(outcome).items()}
    return fields | {"parameters": {name: _short(name, value) for name, value in fields["parameters"].items()}}


def _short(name: str, value: Any) -> Any:
    return value[:SHOWN_DIGITS] if isinstance(value, str) and (name == "id" or name.endswith("_digest")) else value


def outcome_fields(outcome: Made) -> dict[str, Any]:
    """The fields of the summary, then status, artifact, version, id, notes and parameters."""
    fields: dict[str, Any] = {}
    if outcome.artifact is not None:
        fields |= outcome.artifact.manifest.summary.model_dump(mode="json")
        if fields.get("n_copied", 0) is None:
            # of a dataset that was not added to
            del fields["n_copied"]
    elif outcome.kind != "dataset":
        fields["stage"] = outcome.stage
    fields = with_json_stages(fields)
    fields["status"] = _status(outcome)
    if outcome.artifact is not None:
        manifest = outcome.artifact.manifest
        # what was told of a source is on stderr
        told = manifest.notes if outcome.kind == "dataset" else (*outcome.notes, *manifest.notes)
        fields |= {
            "artifact": outcome.artifact.path.as_posix(),
            "version": outcome.artifact.version,
            "id": manifest.id,
            "backend": manifest.execution.backend,
            "device": manifest.execution.device,
            "seconds": manifest.wall_seconds,
            "notes": lines_in_flags(dict.fromkeys(told)),
        }
    return fields | {"parameters": outcome.parameters}


def _status(outcome: Made) -> str:
    artifact, found = outcome.artifact, outcome.found_version
    again = "computed again, identical" if outcome.status == "identical" else outcome.status
    if artifact is None or outcome.status not in ("up to date", "identical"):
        return again
    if found is not None:
        # in a dry run it stays where it was found
        becomes = "would be the newest once more" if found == artifact.version else f"is now v{artifact.version}"
        return f"{again} as v{found}, which {becomes}"
    if artifact.version != outcome.newest_version:
        return f"{again} as v{artifact.version}; the newest is v{outcome.newest_version}"
    return again
