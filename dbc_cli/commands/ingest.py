"""`dbc ingest`: images into the dataset artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dbc_cli.command import Given, command, parse
from dbc_cli.console import RichReporter
from dbc_cli.flags.flag import DRAWING, READING, WHERE, Flag, positional
from dbc_cli.flags.tables import COMMON, MAKING, OVERWRITE, SEED
from dbc_cli.outcome import show_outcome
from schemas.choices import AskedFormat, OnBadImage
from stages.errors import UsageError
from stages.output_files import require_new

FRAMES_PER_TRACKLET = 8
"""Frames of a drawn tracklet if `--tracklets` alone is given."""


def _pattern(name: str, what: str) -> Flag:
    told = f"Regular expression on the path, whose first group is the {what}."
    return Flag(name, str, told, panel=READING, metavar="REGEX")


ON_BAD_IMAGE = (
    Flag("on_bad_image", OnBadImage, "If an image cannot be read: fail, or skip it and record it.", "fail", READING),
)
INGEST = (
    Flag("format", AskedFormat, "Layout of SOURCE.", "auto; synthetic without a SOURCE", READING),
    Flag("height", int, "Height in pixels of the stored images.", "256", READING),
    Flag("width", int, "Width in pixels of the stored images.", "128", READING),
    *ON_BAD_IMAGE,
    _pattern("camera_pattern", "camera"),
    _pattern("identity_pattern", "individual"),
    _pattern("view_pattern", "view"),
    Flag(
        "folder_identities",
        bool,
        "Whether folders are identities; --no-identities takes none from any source.",
        "as their names suggest",
        READING,
        spelled="--folder-identities/--no-identities",
    ),
    Flag("min_confidence", float, "Least score of a detector's box.", "0.2 of MegaDetector", READING),
    Flag(
        "category",
        str,
        "Category of boxes to take, several with commas between them, or any.",
        "animal of MegaDetector, else any",
        READING,
    ),
    Flag("pad", float, "Widen boxes by this share of their size on each side.", "0.0", READING),
    Flag(
        "encounter_gap",
        float,
        "Most seconds between pictures of one camera that are one encounter.",
        "",
        READING,
    ),
    Flag(
        "by_light",
        bool,
        "Compare grey (infrared) and coloured pictures of a camera as of two.",
        "True",
        READING,
        spelled="--by-light/--no-by-light",
    ),
    Flag(
        "exclude",
        str,
        "Pictures to leave out: paths, folders or patterns, commas between them.",
        "",
        READING,
    ),
    Flag("anonymize", bool, "Store no file names and no place of the source.", "", READING),
    Flag(
        "test_fraction",
        float,
        "Share of identities kept for query and gallery, and out of training.",
        "0; half of drawn people",
        READING,
    ),
)
SYNTHETIC = (
    Flag("identities", int, "Number of people to draw.", "60", DRAWING),
    Flag("cameras", int, "Number of cameras that see each of them.", "4", DRAWING),
    Flag("images_per_camera", int, "Images of each person in each camera.", "4", DRAWING),
    Flag("difficulty", float, "How hard people are to tell apart: 0 easy to 1 hard.", "0.5", DRAWING),
    Flag("frames_per_tracklet", int, "Draw video tracklets of so many frames; 0 draws images.", "0", DRAWING),
)
ATTRIBUTES = (
    Flag(
        "attributes",
        Path,
        "Write a table of what drawn people wear, for dbc baseline tj-aidl.",
        panel=DRAWING,
        metavar="FILE",
    ),
    *OVERWRITE,
)
FRAMES = (
    Flag("every_seconds", float, "Of whole videos, take a frame so often.", "1", READING, "SECONDS"),
    Flag("every_frames", int, "Of whole videos, take one of so many frames.", "", READING),
)
TRACKLETS = (
    Flag("tracklets", bool, "Draw video tracklets of 8 frames, or of --frames-per-tracklet frames.", panel=DRAWING),
)
WORKERS = (Flag("workers", int, "Threads that decode images; 0 uses none.", "one a core", WHERE, least=0, most=1000),)
ROOT = (Flag("root", Path, "Folder that the paths in a table start from.", "the table's folder", READING, "DIR"),)

NEW_DATASET = (Flag("new_dataset", bool, "Let a run that has stages begin new ones from another dataset.", "", WHERE),)
ADD = (Flag("add", bool, "Add the new pictures of SOURCE to those of the run; the others are not read again."),)

SOURCE = positional(Path, "SOURCE", "Folder or table of images; leave it out to draw people.")


@command(
    "ingest",
    COMMON,
    MAKING,
    NEW_DATASET,
    ADD,
    ROOT,
    ATTRIBUTES,
    order=10,
    configurable=(*INGEST, *FRAMES, *SEED, *SYNTHETIC, *TRACKLETS, *WORKERS),
    tables=("ingest",),
    source=SOURCE,
    makes_run=True,
    works=True,
)
def ingest(given: Given, source: Path | None) -> None:
    """Decode every image once and store the dataset, in an order shuffled by the seed.

    Identities are optional: without them, clustering and training are the same.
    """
    from schemas.parameters import IngestParameters, SyntheticParameters
    from stages.ingest.stage import ingest as run_ingest

    drawn = source is None or (str(source) == "synthetic" and not source.exists())
    fields = given.fields_of((*INGEST, *FRAMES, *SEED))
    fields.setdefault("format", "synthetic" if drawn else "auto")
    if fields["format"] == "auto" and source is not None and not drawn:
        fields["format"] = recognised(source)
    _check(given, source=None if drawn else source, layout=fields["format"])
    if fields["format"] == "synthetic":
        fields["synthetic"] = parse(SyntheticParameters, _drawn(given))
    if given["attributes"] is not None and not given.flag("dry_run"):
        require_new([given["attributes"]], argument="attributes", overwrite=given.flag("overwrite"))
    outcome = run_ingest(
        given.run_directory,
        source=None if drawn else source,
        root=given["root"],
        parameters=parse(IngestParameters, fields),
        new_dataset=given.flag("new_dataset"),
        add=given.flag("add"),
        # what is told of a source is for people
        context=given.context(RichReporter()),
    )
    if given["attributes"] is not None and outcome.artifact is not None:
        from stages.ingest.synthetic.attributes import write_attributes

        write_attributes(outcome.artifact, given["attributes"], overwrite=given.flag("overwrite"))
    given.remember()
    show_outcome(outcome, given)


def recognised(source: Path) -> str:
    """The layout of `source`, and a note that says why, and what else it could be."""
    from stages.ingest.formats import recognise_source

    found = recognise_source(source)
    others = f"; it could also be {' or '.join(found.others)}" if found.others else ""
    RichReporter().note(f"`format='{found.format}'` is taken, because {found.why}{others}")
    return found.format


def _drawn(given: Given) -> dict[str, Any]:
    """What is given about drawn people, as fields of `SyntheticParameters`."""
    fields = given.fields_of(SYNTHETIC)
    if given.flag("tracklets") and fields.setdefault("frames_per_tracklet", FRAMES_PER_TRACKLET) == 0:
        raise UsageError("--tracklets needs --frames-per-tracklet of at least 1, got 0; leave one of them out")
    return fields


def _check(given: Given, *, source: Path | None, layout: str) -> None:
    """Raise UsageError if source, format and flags do not go together."""
    if source is None and layout != "synthetic":
        raise UsageError(f"--format {layout} needs a SOURCE of images; see: dbc ingest --help")
    if source is not None and layout == "synthetic":
        raise UsageError(f"--format synthetic draws people and reads no SOURCE, got {source}; leave it out")
    drawing = (*SYNTHETIC, *TRACKLETS, *ATTRIBUTES[:1])
    idle = next((flag for flag in drawing if flag.name in given.values), None)
    if idle is not None and layout != "synthetic":
        value = "" if idle.kind is bool else f" {given[idle.name]}"
        raise UsageError(f"--{idle.key}{value} has no use with --format {layout}, which draws nobody; leave it out")
