"""What a format is: its name, a line about it, and the function that reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from schemas.choices import DatasetFormat
from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.reporting import Reporter
from stages.samples import Samples


@dataclass
class Findings:
    """What there is to say about a source beside its samples; readers add to it.

    `missing` counts the values that are missing, by column; `left_out` the files that are no samples, by suffix, and
    `left_out_in` the images among them, by folder; `boxes` the boxes that are none or were changed, by what was the matter.
    `there` are samples that the run has under another name: path and digest of the first image.
    `individuals` are the names of those that the run has to which the source is added, which a reader may need.
    `notes` and `warnings` are single lines; warnings are about what is probably not wanted. `draws_splits` says that the
    source has identities and no splits of its own, so that `test_fraction` decides them.
    """

    missing: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] | None = None
    left_out_in: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    there: list[tuple[str, str]] = field(default_factory=list)
    individuals: Collection[str] = ()
    draws_splits: bool = False

    def leave_out(self, counted_as: str, why: str, parameters: IngestParameters) -> None:
        """Count a box that is left out because bad images are skipped; UsageError that says `why` if they are not."""
        if parameters.on_bad_image != "skip":
            raise UsageError(f"{why}, or leave such boxes out with `on_bad_image='skip'`")
        self.boxes[counted_as] += 1

    def tell(self, reporter: Reporter) -> None:
        """Hand on the notes, then the warnings, each line once."""
        for note in dict.fromkeys(self.notes):
            reporter.note(note)
        for warning in dict.fromkeys(self.warnings):
            reporter.warn(warning)


Reader: TypeAlias = Callable[[Path, IngestParameters, Findings], Samples]
"""Reads the samples of a source. Their paths are relative to the source, or to the folder of the table that it is."""
TableReader: TypeAlias = Callable[[Path, Path, IngestParameters, Findings], Samples]
"""Reads the samples of a source (first) whose pictures lie under a root (second). Their paths are relative to the root."""

NAMING = frozenset({"camera_pattern", "identity_pattern", "view_pattern", "folder_identities"})
BOXES = frozenset({"min_confidence", "category", "pad"})
STEPS = frozenset({"every_seconds", "every_frames"})


@dataclass(frozen=True)
class Format:
    """A layout that a dataset may come in. A module of this package that defines `FORMAT` adds a format.

    It has either `read`, or `read_table` if pictures may lie elsewhere than the table that lists them. `recognise` says in a
    line why a source, a file or a folder, is of this format, or None if it is not; it raises UsageError for one that may as
    well be of another, and nothing else. `options` are the parameters of `NAMING`, `BOXES` and `STEPS` that it uses. `tables`
    are the files, relative to the source, that it reads beside the images.
    """

    name: DatasetFormat
    description: str
    read: Reader | None = None
    read_table: TableReader | None = None
    recognise: Callable[[Path], str | None] | None = None
    options: frozenset[str] = frozenset()
    tables: tuple[str, ...] = ()
