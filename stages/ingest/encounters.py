"""Encounters from times: pictures of one camera that were taken soon after each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from stages.errors import UsageError
from stages.ingest.formats.format import Findings
from stages.ingest.formats.names import may_be_missing
from stages.ingest.formats.sample_columns import with_names
from stages.ingest.formats.times import finer, is_day, told_zones
from stages.ingest.headers import MOST_PICTURES, Header, taken_at
from stages.samples import Samples
from stages.wording import shortened, shown

BURST = 60
"""Seconds within which pictures are likely of one visit."""
DAY = 24 * 60 * 60
"""Seconds without a picture after which another visit has likely begun."""
YEARS = 2
"""Without any picture, before or after which times are likely those of a clock that was set back."""
SEASON = 300 / 365
"""The same, in years, if at most half as many cameras took those pictures as the others."""


def by_time(samples: Samples, root: Path, *, gap: float, findings: Findings, where_possible: bool = False) -> Samples:
    """`samples` with encounters: those of one camera, each at most `gap` seconds after the one before.

    The time of a sample is that of its first image: what the source says, or what the camera wrote into the file below
    `root` (EXIF), also if the source says that day alone, for which midnight to the second is taken. Where cameras are not
    known, folders stand for them, and those of views (left, right) are one with the folder around them. An encounter is
    called by its place and first time; a sample without a time is in none. UsageError if the source names encounters, or if
    no time is known, but with `where_possible`, as for a source that is added to another.
    """
    if any(samples.encounter_name) or (samples.encounter >= 0).any():
        if where_possible:
            return samples
        raise UsageError("`encounter_gap` is for sources that name no encounters, and this one does; leave it out")
    said = _said(samples)
    times = _times(samples, root)
    if not any(times) and not where_possible:
        known = "only days are known" if any(said) else "none is known"
        raise UsageError(
            "`encounter_gap` needs times of pictures, by a column timestamp or as cameras write them into files (EXIF), and "
            f"{known}; leave it out"
        )
    n_days = sum(is_day(day) and time != "" for day, time in zip(said, times, strict=True))
    if n_days:
        findings.notes.append(
            "pictures of which the source says the day alone, with a time of that day in the file (EXIF), which is taken: "
            f"{n_days}"
        )
    findings.warnings += told_zones(times)
    names, n_several = _names(samples, times, gap)
    told = f"encounters of more than one picture, each at most {gap:g} s after the one before: {n_several}"
    without = times.count("")
    findings.notes.append(told + (f"; pictures without a time, in no encounter: {without}" if without else ""))
    if (samples.camid < 0).any():
        findings.notes.append(
            "pictures whose camera is not known are of one encounter only within a folder; those of views (left, right) are "
            "taken for one"
        )
    return with_names(samples, findings, encounter=names, view=[""] * len(samples))


def told_bursts(samples: Samples, root: Path) -> list[str]:
    """A line if most pictures, of the first by path, follow another of their camera within `BURST` seconds.

    Nothing is said of a source that names encounters, or of tracklets.
    """
    if (samples.encounter >= 0).any() or (samples.tracklet >= 0).any():
        return []
    of_path = {samples.path[image]: sample for sample, image in enumerate(samples.frame_start[:-1].tolist())}
    few = samples.take(np.array([of_path[path] for path in sorted(of_path)[:MOST_PICTURES]], dtype=np.int64))
    times = _times(few, root)
    if not any(times):
        return []
    names = Counter(filter(None, _names(few, times, BURST)[0]))
    n_followed = sum(n for n in names.values() if n > 1)
    if n_followed < len(few) / 2:
        return []
    return [
        f"{n_followed} of {len(few)} pictures were taken within {BURST} s of another of their camera, and may show the same "
        f"individual: `encounter_gap={BURST}` makes encounters of them, which `encounter='joined'` keeps together in merges"
    ]


def told_clocks(samples: Samples, headers: Mapping[str, Header]) -> list[str]:
    """A line of cameras whose pictures are years away from most, by the times of the source, else of some `headers`."""
    has_times, of = any(samples.timestamp), "pictures with a time"
    images = samples.frame_start[:-1].tolist()
    if not has_times:
        images, of = [i for i, path in enumerate(samples.path) if path in headers], "pictures that were looked at"
    places = [_place(samples, sample) for sample in samples.owners[images].tolist()]
    times = [samples.timestamp[image] if has_times else headers[samples.path[image]].taken for image in images]
    # folders may be of years
    return years_away(places, times, of=of) or (
        years_away(places, times, of=of, years=SEASON) if (samples.camid >= 0).all() else []
    )


def told_repeated(samples: Samples, headers: Mapping[str, Header]) -> list[str]:
    """A line to warn with of encounters with pictures more than a `DAY` after the one before; else none.

    By such a name several visits may go, as where numbers begin anew at each camera. Times are as `told_clocks` has them; of
    a day without a time dates alone count.
    """
    at: dict[str, list[tuple[float, str, int]]] = defaultdict(list)
    has_times = any(samples.timestamp)
    for sample, image in enumerate(samples.frame_start[:-1].tolist() if samples.encounter_name else []):
        header = headers.get(samples.path[image])
        time = samples.timestamp[image] if has_times else header.taken if header else ""
        name = samples.encounter_name[sample]
        if time and name and not may_be_missing(name):
            at[name].append((seconds(time), time, sample))
    found = {}
    for name, taken in sorted(at.items()):
        pairs = pairwise(sorted(taken))
        before, after = max(pairs, key=lambda two: _apart(two[0][1], two[1][1]), default=(taken[0],) * 2)
        if _apart(before[1], after[1]) > DAY:
            found[name] = " and ".join(
                f"of {shown(_place(samples, sample))} on {time[:10]}" for _, time, sample in (before, after)
            )
    if not found:
        return []
    name = next(iter(found))
    return [
        f"encounters with pictures more than a day apart, taken for one visit each: {len(found)} of {len(at)}, such as "
        f"{shown(name)} {found[name]}; if numbers begin anew at each camera or day, write each name of one visit alone, such "
        "as D01-5, or leave them out and give `encounter_gap`"
    ]


def _apart(before: str, after: str) -> float:
    """Seconds from one ISO 8601 time to another: whole days if the time of one is not known."""
    if is_day(before) or is_day(after):
        return (datetime.fromisoformat(after[:10]) - datetime.fromisoformat(before[:10])).total_seconds()
    return seconds(after) - seconds(before)


def years_away(
    places: Sequence[str], times: Sequence[str | None], *, of: str = "pictures with a time", years: float = YEARS
) -> list[str]:
    """A line of the `places` some of whose `times` (n, ISO 8601 or empty) are `years` and more before or after most of all.

    Below `YEARS` only if they are at most half as many as the places of the others, which may else be of another season.
    """
    taken = sorted((seconds(time), time[:4], place) for place, time in zip(places, times, strict=True) if time)
    starts = [i for i, (one, two) in enumerate(pairwise(taken), start=1) if two[0] - one[0] > years * 365 * 86400]
    groups = sorted((taken[start:end] for start, end in pairwise([0, *starts, len(taken)])), key=len)
    away = sorted(chain.from_iterable(groups[:-1]))
    if not away or 2 * len(away) >= len(taken):
        return []
    if years < YEARS and 2 * len({place for *_, place in away}) > len({place for *_, place in groups[-1]}):
        return []
    away_in, others = (", ".join(dict.fromkeys(year for _, year, _ in each)) for each in (away, groups[-1]))
    return [
        f"{len(away)} of {len(taken)} {of} are of {away_in}, of "
        f"{shortened(sorted({shown(place) for *_, place in away}))}, and the others of {others}; if a "
        "clock is wrong there, correct their times"
    ]


def _times(samples: Samples, root: Path) -> list[str]:
    """When each sample was taken (n_samples), in ISO 8601; empty if that is not known."""
    read = cache(lambda path: taken_at(root / path))
    paths = [samples.path[image] for image in samples.frame_start[:-1].tolist()]
    times = [
        finer(time, read(path)) if not time or is_day(time) else time
        for time, path in zip(_said(samples), paths, strict=True)
    ]
    return ["" if is_day(time) else time for time in times]


def _said(samples: Samples) -> list[str]:
    """When each sample was taken (n_samples) as far as the source says it."""
    firsts = samples.frame_start[:-1].tolist()
    return [samples.timestamp[image] if samples.timestamp else "" for image in firsts]


def _names(samples: Samples, times: list[str], gap: float) -> tuple[list[str], int]:
    """The encounter of each sample (n_samples), empty for those without a time, and how many have more than one."""
    names, n_several = [""] * len(samples), 0
    at: dict[str, list[tuple[float, str, int]]] = defaultdict(list)
    for sample, time in enumerate(times):
        if time:
            at[_place(samples, sample)].append((seconds(time), time, sample))
    for where, taken in at.items():
        taken.sort()
        starts = [i for i, (one, two) in enumerate(pairwise(taken), start=1) if two[0] - one[0] > gap]
        for start, end in pairwise([0, *starts, len(taken)]):
            # boxes of one picture are no burst
            n_several += len({samples.path[samples.frame_start[sample]] for *_, sample in taken[start:end]}) > 1
            for _, _, sample in taken[start:end]:
                names[sample] = f"{where} {taken[start][1]}"
    return names, n_several


def _place(samples: Samples, place: int) -> str:
    """The camera of a sample in words, or its folder if that is not known: that around one for a view."""
    if samples.camid[place] >= 0:
        return samples.camera[place] if any(samples.camera) else f"camera {samples.camid[place]}"
    *above, folder = samples.path[samples.frame_start[place]].split("/")[:-1] or [""]
    view = samples.view_name[place].lower() if samples.view_name else ""
    is_view = folder.lower() in {"left", "right", view}
    return "/".join(above if is_view else [*above, folder]) or "."


def seconds(time: str) -> float:
    """Seconds since 1970 of an ISO 8601 time, in UTC if it names no zone."""
    read = datetime.fromisoformat(time)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
