"""What a format is: its name, a line about it, and the function that reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from schemas.parameters import IngestParameters
from stages.samples import Samples


@dataclass
class Findings:
    """What there is to say about a source beside its samples; readers add to it.

    `missing` counts the values that are missing, by column; `left_out` the files that are no samples, by suffix. `notes`
    and `warnings` are single lines; warnings are about what is probably not wanted. `draws_splits` says that the source has
    identities and no splits of its own, so that `test_fraction` decides them.
    """

    missing: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] | None = None
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    draws_splits: bool = False


Reader: TypeAlias = Callable[[Path, IngestParameters, Findings], Samples]
"""Reads the samples of a source. Their paths are relative to the source, or to the folder of the table that it is."""


@dataclass(frozen=True)
class Format:
    """A layout that a dataset may come in. A module of this package that defines `FORMAT` adds a format.

    `tables` are the files, relative to the source, that the reader reads beside the images.
    """

    name: str
    description: str
    read: Reader
    tables: tuple[str, ...] = ()
