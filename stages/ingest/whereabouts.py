"""Where the pictures of a dataset lie now: in the folder that was ingested, wherever that is, or found by their content."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

from stages.errors import UsageError
from stages.ingest.formats import image_root
from stages.ingest.source_digest import digest_each
from stages.reporting import SILENT, Reporter
from stages.runs.kept_source import file_digests, read_source
from stages.runs.store import Artifact, readable_versions
from stages.wording import shown, so_many, with_first

_MOST_OTHERS = 0.1
"""The share of pictures with another content that a folder may have, to be taken for the one that was ingested."""
MOST_LOOKED_AT = 20_000
"""Files that are read to find pictures that are not where they were: more would take long, at each command."""
_N_COMPARED = 16
"""Pictures of a folder whose content is compared, to see that they are those that were ingested, and no namesakes."""


@dataclass(frozen=True)
class PictureFiles:
    """Where pictures lie: below `root` at their paths, but those that are `elsewhere` (by path), and those that are `lost`."""

    root: Path
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()

    def file(self, path: str) -> Path:
        """The file that a picture is now."""
        return self.root / self.elsewhere.get(path, path)


def find_pictures(
    dataset: Artifact,
    paths: Sequence[str],
    root: Path | None = None,
    *,
    reporter: Reporter = SILENT,
    by_content: bool = True,
) -> PictureFiles:
    """Where the pictures `paths` of `dataset` lie: below `root`, else the SOURCE that was ingested, where it was or as seen
    from here.

    Pictures that are not at their place are looked for below that folder `by_content`, as far as that was kept; what is
    found so, and what is lost, is told. UsageError if no folder has them, or if without a `root` most are lost.
    """
    paths = list(dict.fromkeys(paths))
    best = _best_root(dataset, paths, root)
    if best is None:
        where = "in the source of this run" if root is None else f"in {root}"
        missing = paths[0] if paths else ""
        raise UsageError(f"picture {missing!r} is not {where}; give the folder that was ingested as `root`")
    found, lost = best
    elsewhere = _by_content(dataset, found, lost, reporter) if by_content and lost else {}
    lost = [path for path in lost if path not in elsewhere]
    told = f"{len(lost)} of {so_many(len(paths), 'picture')} are not in {found}"
    n_most = len(paths) // 2 if root is None else len(paths) - 1
    if lost and len(lost) > n_most:
        advice = "" if len(lost) == len(paths) else ", which goes on without those that are lost"
        raise UsageError(f"{told}, the first {lost[0]!r}; give the folder that was ingested as `root`{advice}")
    if elsewhere:
        first = next(iter(elsewhere))
        reporter.note(
            f"pictures with another name or folder now, found by their content: {len(elsewhere)}, the first {shown(first)} as "
            f"{shown(elsewhere[first])}"
        )
    if lost:
        reporter.warn(
            f"{told}, the first {shown(lost[0])}; restore them, or give the folder that was ingested as `root`"
        )
    return PictureFiles(found.absolute(), elsewhere, frozenset(lost))


def _best_root(dataset: Artifact, paths: Sequence[str], root: Path | None) -> tuple[Path, list[str]] | None:
    """The folder with most of `paths`, and the paths that it lacks; of equal ones the likelier. None if no folder has any.

    `root`, or the folder that was ingested, is taken without any as well: pictures may lie below it elsewhere. Folders that
    commands named are looked at if it has not half of them, and what has another content there counts as missing.
    """
    kept = read_source(dataset)
    sure = [root] if root is not None else [] if kept is None else [kept.root, *kept.beside]
    found: list[tuple[float, Path, list[str]]] = []
    for place in filter(Path.is_dir, sure):
        lost = _lost(place, paths)
        found.append((len(lost), place, lost))
    best = min(found, key=itemgetter(0), default=None)
    if root is None and (best is None or 2 * best[0] > len(paths)):
        digests = {} if kept is None else file_digests(dataset.read("path").tolist(), kept.digests)
        for place in named_in_commands(dataset):
            lost = _lost(place, paths)
            there = sorted(set(paths).difference(lost))
            share = _share_of_others(place, there, digests)
            if (there or not paths) and share <= _MOST_OTHERS:
                found.append((len(lost) + len(there) * share, place, lost))
        best = min(found, key=itemgetter(0), default=None)
    return None if best is None else best[1:]


def _lost(place: Path, paths: Sequence[str]) -> list[str]:
    return [path for path in paths if not os.path.isfile(f"{place}/{path}")]  # noqa: PTH113 — twice as fast


def _share_of_others(place: Path, there: Sequence[str], digests: Mapping[str, str]) -> float:
    """The share of files with changed content, of a sample of the paths `there` whose digest is known."""
    known = [path for path in there if digests.get(path)]
    some = known[:: max(len(known) // _N_COMPARED, 1)]
    others = [digests[path] != digest for path, digest in zip(some, digest_each(place, some), strict=True)]
    return sum(others) / max(len(others), 1)


def named_in_commands(dataset: Artifact) -> Iterator[Path]:
    """The folders that commands named which made `dataset` or the other datasets of its run, as seen from here."""
    return iter(dict.fromkeys(folder for folder, _ in named_with_roots(dataset)))


def named_with_roots(dataset: Artifact) -> Iterator[tuple[Path, Path]]:
    """Those folders, each with the one that paths there start from: the `--root` of its command, be it there or not."""
    every = [dataset, *reversed(readable_versions(dataset.path.parent))]
    for words in dict.fromkeys(each.manifest.command[1:] for each in every):
        joined = [word.partition("=")[2] for word in words if word.startswith("--root=")]
        root = next((Path(word) for word in [*joined, *_after(words, "--root")]), None)
        for folder in dict.fromkeys(image_root(Path(word)) for word in words if _is_there(word)):
            yield folder, root or folder


def _after(words: Sequence[str], flag: str) -> list[str]:
    return [word for before, word in pairwise(words) if before == flag]


def _is_there(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):
        return False


def _by_content(dataset: Artifact, root: Path, lost: Sequence[str], reporter: Reporter) -> dict[str, str]:
    """Where below `root`, or the folders beside it that `lost` paths lead to, files of their content lie, by these paths."""
    kept = read_source(dataset)
    if kept is None:
        return {}
    digests = file_digests(dataset.read("path").tolist(), kept.digests)
    suffixes = {Path(path).suffix.lower() for path in lost}
    tops = sorted({_top(path) for path in lost})
    others = sorted(
        path
        for top in dict.fromkeys(["", *tops])
        for path in _files_below(root, top)
        if path not in digests and Path(path).suffix.lower() in suffixes
    )
    if len(others) > MOST_LOOKED_AT:
        reporter.note(
            f"pictures that are not where they were: {with_first(lost, str)}; {len(others)} other files may be "
            f"those, more than the {MOST_LOOKED_AT} that are read to find out"
        )
        return {}
    with reporter.task("looking for pictures by content", total=len(others), unit="files") as advance:
        found = digest_each(root, others, progress=lambda n: advance(n, ""))
    place_of = {digest: path for path, digest in reversed(list(zip(others, found, strict=True))) if digest}
    return {path: place_of[digests[path]] for path in lost if digests.get(path) in place_of}


def _top(path: str) -> str:
    """The first folder that a path beside the root leads to, as `../card2`; empty for one below the root."""
    parts = path.split("/")
    n_up = next((n for n, part in enumerate(parts) if part != os.pardir), len(parts))
    return "/".join(parts[: n_up + 1]) if 0 < n_up < len(parts) - 1 else ""


def _files_below(root: Path, top: str) -> Iterator[str]:
    start = root / top
    for folder, _, names in os.walk(start):
        within = os.path.relpath(folder, start)
        before = "/".join(part for part in (top, "" if within == os.curdir else Path(within).as_posix()) if part)
        yield from (f"{before}/{name}" if before else name for name in names)
