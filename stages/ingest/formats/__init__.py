"""The layouts that a dataset may come in: one module for each, found by the `FORMAT` that it defines."""

from __future__ import annotations

import pkgutil
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from schemas.parameters import ANY_CATEGORY, IngestParameters
from stages.arguments import path_of
from stages.errors import UsageError
from stages.ingest.formats.boxes_file import unread_boxes
from stages.ingest.formats.format import BOXES, NAMING, STEPS, Findings, Format
from stages.ingest.formats.layout import folder_of
from stages.ingest.formats.listing import left_out
from stages.ingest.formats.names import one_individual_note
from stages.ingest.formats.path_patterns import told_sides
from stages.ingest.formats.recognise import Recognised, recognise
from stages.ingest.formats.yolo import label_file
from stages.plain_files import endless_kind
from stages.samples import Samples
from stages.wording import counted, shown, with_first

_NAMED = 5
"""Categories that a warning names."""


def _formats() -> Mapping[str, Format]:
    modules = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    formats = [module.FORMAT for module in modules if hasattr(module, "FORMAT")]
    return {each.name: each for each in sorted(formats, key=lambda each: each.name)}


FORMATS: Mapping[str, Format] = _formats()
"""Every format that reads files, by name."""


def read_samples(
    source: Path, *, root: Path | None = None, parameters: IngestParameters, findings: Findings | None = None
) -> Samples:
    """The samples under `source`. Neither the order of files nor the order of rows changes them.

    Paths are POSIX paths relative to `image_root(source, root)`. What else there is to say is added to `findings`. Raises
    `UsageError` if the layout is not the one that `parameters.format` names, or if `parameters` or `root` set what this
    format does not use.
    """
    layout = FORMATS.get(parameters.format)
    if layout is None:
        raise UsageError(f"`format='{parameters.format}'` reads no files; use one of {', '.join(FORMATS)}")
    _check_options(layout, parameters)
    _check_source(source)
    findings = Findings() if findings is None else findings
    if layout.read_table is not None:
        if root is not None and not root.is_dir():
            raise UsageError(
                f"`root` {shown(root)} is not a folder; give the folder that the paths of pictures start from"
            )
        samples = layout.read_table(source, image_root(source, root), parameters, findings)
    elif layout.read is not None and root is None:
        samples = layout.read(source, parameters, findings)
    else:
        raise UsageError(
            f"`root` has no effect with `format='{layout.name}'`, whose SOURCE holds the pictures; leave it out"
        )
    categories = Counter(category or "not named" for category in samples.category)
    if len(categories) > 1 and parameters.category == ANY_CATEGORY:
        first = Counter(dict(categories.most_common(_NAMED)))
        more = f" and {len(categories) - len(first)} more" if len(categories) > len(first) else ""
        findings.warnings.append(
            f"categories: {counted(first)}{more}, all of which are taken and compared with each other; `category` takes those "
            "that you name"
        )
    # these two have other advice
    if layout.name not in ("csv", "folder") and (doubt := one_individual_note(samples.identity)):
        findings.warnings.append(doubt)
    # front and back are names of cameras, too
    if "view_pattern" in layout.options and not any(samples.view_name) and not any(samples.camera):
        findings.notes += told_sides(samples.path, samples.identity)
    if findings.left_out is None:
        findings.left_out = left_out(source, taken={*samples.path, *layout.tables}, places=findings.left_out_in)
        if layout.name == "folder":
            findings.warnings += _named_like_pictures(source, samples.path, findings.left_out)
            folders = {path.rpartition("/")[0].removesuffix("/img1") for path in samples.path} - {""}
            findings.warnings += unread_boxes(source, sorted(folders))
    return samples


def _named_like_pictures(source: Path, paths: Sequence[str], left_out: Counter[str]) -> list[str]:
    """A line about files that have the names of the pictures `paths`, or are as many, as labelling tools write boxes."""
    suffixes = [suffix for suffix in (".json", ".txt", ".xml") if suffix in left_out]
    places = {label_file(source, path) for path in paths} if suffixes else ()
    found = sorted(file for place in places for suffix in suffixes if (file := place.with_suffix(suffix)).is_file())
    many = Counter({suffix: left_out[suffix] for suffix in suffixes if left_out[suffix] >= max(len(paths), 2)})
    if not found and not many:
        return []
    told = f"files as many as pictures, which are not read: {counted(many)}"
    if found:
        paths_found = [file.relative_to(source) for file in found]
        told = f"files called as pictures are, which are not read: {with_first(paths_found)}"
    return [f"{told}; if they hold boxes, name their `format`, such as 'yolo' or 'voc', or save these as COCO"]


def recognise_source(source: Path | str) -> Recognised:
    """The format that `source` has, and why; UsageError if it is no folder or plain file."""
    source = path_of("source", source)
    _check_source(source)
    return recognise(source, FORMATS.values())


def image_root(source: Path, root: Path | None = None) -> Path:
    """The folder that sample paths are relative to: `root`, else `source` or the folder of the table that `source` is."""
    return root or folder_of(source)


def _check_options(layout: Format, parameters: IngestParameters) -> None:
    if parameters.identity_pattern is not None and parameters.folder_identities is not None:
        told = f"`folder_identities={parameters.folder_identities}`"
        raise UsageError(f"`identity_pattern` says where identities are, and so does {told}; leave one of them out")
    if parameters.folder_identities and layout.name != "folder":
        raise UsageError(f"`folder_identities=True` has no effect with `format='{layout.name}'`; leave it out")
    plain = IngestParameters(format=layout.name)
    for name in sorted({*NAMING, *BOXES, *STEPS} - layout.options):
        value = getattr(parameters, name)
        if value != getattr(plain, name):
            told = f"`{name}={value}`" if isinstance(value, bool) else f"`{name}` {shown(str(value))}"
            users = ", ".join(each.name for each in FORMATS.values() if name in each.options)
            raise UsageError(f"{told} has no effect with `format='{layout.name}'`; leave it out, or use one of {users}")


def _check_source(source: Path) -> None:
    """Raise UsageError unless `source` is a folder or a plain file. To open a pipe or a device may block for ever."""
    try:
        mode = source.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if re.match("[a-z][a-z0-9]+:/", str(source)):
            raise UsageError(f"source {shown(source)} is an address; download it, and give the folder") from None
        raise UsageError(f"source {shown(source)} does not exist; give the folder that holds the images") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"source {shown(source)} cannot be read: {error}; give another") from error
    kind = endless_kind(mode)
    if kind is not None:
        raise UsageError(f"source {shown(source)} is {kind}; give the folder or the table of the images")
