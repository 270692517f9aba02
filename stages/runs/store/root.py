"""The root of an artifact or a checkpoint: what it says of itself, sealed by a digest that is checked whenever it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.runs.store.digests import json_digest

SEAL = "dbc-digest"
"""The root attribute with the SHA-256 of the others; roots of the first release lack it."""
_GROUP = {"zarr_format": 3, "node_type": "group"}


class RootError(ValueError):
    """A root that is not what was written."""


def write_root(path: Path, attributes: Mapping[str, Any]) -> None:
    """Make `path` a Zarr group with these root attributes and their seal."""
    sealed = {**attributes, SEAL: _digest(attributes)}
    (path / "zarr.json").write_text(json.dumps({"attributes": sealed, **_GROUP}, indent=2, allow_nan=False))


def read_root(path: Path, *, known: frozenset[str]) -> tuple[dict[str, Any], bool]:
    """The root attributes of the group at `path`, all of them among `known`, and whether they were sealed.

    OSError if the file cannot be read, RootError if it holds anything else or its seal is not that of its content.
    """
    return parse_root(root_bytes(path), known=known)


def root_bytes(path: Path) -> bytes:
    """What the group at `path` says of itself, to be parsed; OSError if it cannot be read."""
    return (path / "zarr.json").read_bytes()


def parse_root(content: bytes, *, known: frozenset[str]) -> tuple[dict[str, Any], bool]:
    """As `read_root`, of the `content` of the file."""
    try:
        root = json.loads(content.decode())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise RootError(f"zarr.json is not JSON: {error}") from error
    attributes = root.pop("attributes", None) if isinstance(root, dict) else None
    if not isinstance(attributes, dict):
        raise RootError("zarr.json holds no attributes")
    if root.pop("consolidated_metadata", None) is not None or root != _GROUP:
        raise RootError("zarr.json is not that of a Zarr v3 group")
    # null is no seal that was ever written, and not the lack of one
    is_sealed, seal = SEAL in attributes, attributes.pop(SEAL, None)
    unknown = sorted(attributes.keys() - known)
    if unknown:
        raise RootError(f"zarr.json has an unknown attribute {unknown[0]!r}")
    if is_sealed and seal != _digest(attributes):
        raise RootError("zarr.json was changed after it was written: its digest is another one")
    return attributes, is_sealed


def is_group(path: Path) -> bool:
    """Whether `path` says that it is a Zarr v3 group, and nothing else. OSError if that cannot be read."""
    try:
        found = json.loads((path / "zarr.json").read_text())
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        return False
    return found in ({"attributes": {}, **_GROUP}, _GROUP)


def _digest(attributes: Mapping[str, Any]) -> str:
    try:
        return json_digest(attributes)
    except (ValueError, RecursionError) as error:
        raise RootError(f"zarr.json holds values that are never written: {error}") from error
