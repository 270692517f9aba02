"""The files of other programs that clusters are written as: one module for each, found by the `FORMAT` that it defines."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from stages.errors import UsageError
from stages.export.formats.format import ExportFormat, IngestedSource, Layout, LostPictureError
from stages.export.members import Member, Members
from stages.export.pictures import warn_of_changed
from stages.ingest.whereabouts import find_pictures, named_with_roots
from stages.output_files import all_or_nothing, require_new, require_within, write_text
from stages.reporting import Reporter
from stages.runs.kept_source import read_source
from stages.runs.run_directory import dataset_manifest
from stages.wording import so_many


def _formats() -> Mapping[str, ExportFormat]:
    modules = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return {module.FORMAT.name: module.FORMAT for module in modules if hasattr(module, "FORMAT")}


FORMATS: Mapping[str, ExportFormat] = _formats()
"""Every such format, by name."""


@all_or_nothing()
def write_layout(
    members: Members,
    name: str,
    out: Path,
    *,
    root: Path | None,
    deployments: Path | None = None,
    overwrite: bool,
    reporter: Reporter,
) -> None:
    """Write `members` in the format `name` to `out`, a folder or a file, and say what there is to say about it.

    `root` is the folder that pictures are relative to, by default the source of the run, in case pictures are needed;
    `deployments` a table of places and times of cameras for Camtrap DP.
    UsageError if a file is there and must not be replaced or would lie outside of `out`, or if the format needs what the
    source does not say. If a file cannot be written, none is left.
    """
    layout_of = FORMATS[name]
    paths = [row.path for row in members.rows]
    parameters = dataset_manifest(members.dataset).parameters
    source = IngestedSource(
        lambda: find_pictures(members.dataset, paths, root, reporter=reporter),
        parameters,
        largest_number=members.largest_number,
        deployments=deployments,
        paths=set(paths),
        was_at=None if (kept := read_source(members.dataset)) is None else kept.root,
        named=tuple(named_with_roots(members.dataset)),
    )
    if not layout_of.suffix and out.is_file():
        raise UsageError(f"`out` must be a folder with `format='{name}'`, got the file {out}; give another")
    layout = _without_lost(layout_of, members.rows, source)
    files = {out / place if place else out: text for place, text in layout.files.items()}
    if not layout_of.suffix:
        require_within(out, files)
    require_new(files, overwrite=overwrite)
    if layout_of.suffix and out.suffix.lower() != layout_of.suffix:
        raise UsageError(f"`out` must end in {layout_of.suffix} with `format='{name}'`, got {str(out)!r}")
    with_boxes = {row.path for row in members.rows if row.box is not None}
    if looked_at := with_boxes & set(source.looked_at):
        warn_of_changed(members.dataset, source.pictures, looked_at, reporter)
    for file, text in files.items():
        write_text(text, file, overwrite=overwrite)
    for note in (*layout.notes, *source.notes):
        reporter.note(note)


def _without_lost(layout_of: ExportFormat, rows: Sequence[Member], source: IngestedSource) -> Layout:
    """The layout; if it must read pictures and some are lost, without their rows, which a note counts."""
    try:
        return layout_of.layout(rows, source)
    except LostPictureError:
        there = [row for row in rows if row.path not in source.pictures.lost]
        layout = layout_of.layout(there, source)
        lost = so_many(len(rows) - len(there), "row")
        told = f"{layout_of.name} needs sizes of pictures, and lost ones are left out: {lost}"
        return replace(layout, notes=(*layout.notes, told))
