"""The pictures that were ingested: the folder they lie in now, and whether they are as they were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from stages.errors import DbcError, UsageError
from stages.export.members import Member
from stages.ingest.formats import image_root
from stages.ingest.formats.names import shown
from stages.ingest.kept_source import file_digests, read_source
from stages.ingest.source_digest import digest_each
from stages.reporting import Reporter
from stages.runs.store import Artifact


def root_of(dataset: Artifact, paths: Sequence[str], root: Path | None = None) -> Path:
    """The folder that `paths` of a dataset are relative to; UsageError if pictures are not there."""
    kept = read_source(dataset)
    return source_root(dataset.manifest.command, paths, root, kept=None if kept is None else kept.root)


def source_root(
    command: Sequence[str], paths: Sequence[str], root: Path | None = None, *, kept: Path | None = None
) -> Path:
    """The folder that `paths` are relative to: `root`, else the SOURCE in `command`, which ingested them, seen from here.

    The place that was `kept` then is tried first. UsageError if pictures are not there.
    """
    places = [image_root(Path(word)) for word in command[1:] if _is_there(word)]
    candidates = [root] if root is not None else [*([] if kept is None else [kept]), *places]
    missing = paths[0] if paths else ""
    for candidate in candidates:
        lost = next((path for path in paths if not (candidate / path).is_file()), None)
        if lost is None:
            return candidate.absolute()
        missing = lost
    where = "in the source of this run" if root is None else f"in {root}"
    raise UsageError(f"picture {missing!r} is not {where}; give the folder that was ingested as `root`")


def _is_there(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):
        return False


def warn_of_changed(dataset: Artifact, root: Path, paths: Iterable[str], reporter: Reporter) -> None:
    """Warn if files at `paths` under `root` have another content than `dataset` was made from, as far as that is known."""
    kept, looked_at = read_source(dataset), sorted(set(paths))
    if kept is None or not looked_at:
        return
    before = file_digests(dataset.read("path").tolist(), kept.digests)
    with reporter.task("comparing pictures with those ingested", total=len(looked_at), unit="files") as advance:
        digests = digest_each(root, looked_at, progress=lambda n: advance(n, ""))
    now = zip(looked_at, digests, strict=True)
    changed = [path for path, digest in now if before.get(path) and before[path] != digest]
    if changed:
        reporter.warn(
            f"pictures that changed since they were ingested, so that boxes may be wrong there: {len(changed)}, the first "
            f"{shown(changed[0])}; restore them, or give the folder that was ingested as `root`"
        )


def require_within(row: Member, box: tuple[float, float, float, float], size: tuple[int, int]) -> None:
    """Raise DbcError if `box` reaches beyond the picture of `row`, which has that `size` now: no box did at ingest."""
    left, top, width, height = box
    if left + width > size[0] or top + height > size[1]:
        raise DbcError(
            f"picture {shown(row.path)} is {size[0]}×{size[1]} pixels, and its box {list(box)} reaches beyond: it changed "
            "since it was ingested; restore it, or give the folder that was ingested as `root`"
        )
