"""How pictures that join a dataset are read: as those were that it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schemas.choices import DatasetFormat
from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.formats import FORMATS
from stages.ingest.formats.folder import names_by_folder
from stages.ingest.formats.format import STEPS, Findings
from stages.ingest.joining import NAMED, stored_samples, texts_of
from stages.runs.lineage import grown_from, made_from
from stages.runs.run_directory import RunDirectory, dataset_manifest
from stages.runs.source_names import names_of
from stages.runs.store import Artifact
from stages.wording import shortened, shown

_KEPT_FIELDS = ("height", "width", "seed", "by_light")
"""Parameters that a dataset and what is added to it share."""
_READING_FIELDS = (
    "camera_pattern",
    "identity_pattern",
    "view_pattern",
    "folder_identities",
    "min_confidence",
    "category",
    "pad",
    "every_seconds",
    "every_frames",
    "encounter_gap",
)

_EITHER = (STEPS, frozenset({"identity_pattern", "folder_identities"}))
"""Of these, one that is given stands for both."""
_SAID_BY = {"camid": "camera_pattern", "view": "view_pattern", "encounter": "encounter_gap"}
"""What can say a column of `NAMED` of pictures in plain folders."""


def inherited(
    parameters: IngestParameters, run: RunDirectory, before: Artifact, findings: Findings
) -> IngestParameters:
    """`parameters` with what the dataset `before` of `run` was made with, where they say nothing; UsageError if they disagree.

    A source is read as the newest dataset of its format was, which is told.
    """
    made_with = dataset_manifest(before).parameters
    if made_with.format == "synthetic":
        raise UsageError("`add` needs pictures in files, and those of this run were drawn; ingest all into a new `run`")
    if made_with.anonymize or parameters.anonymize:
        raise UsageError(
            "`add` needs the names of pictures, which an anonymized dataset lacks; ingest all into a new `run`"
        )
    given = parameters.model_fields_set
    for name in _KEPT_FIELDS:
        if name in given and getattr(parameters, name) != (kept := getattr(made_with, name)):
            raise UsageError(f"`{name}={getattr(parameters, name)}` must be that of the run, {kept}; leave it out")
    update = {name: getattr(made_with, name) for name in _KEPT_FIELDS if name not in given}
    is_said = given.union(*(either for either in _EITHER if given & either))
    alike = _read_alike(run, before, parameters.format)
    read = {name: value for name, value in alike.items() if name not in is_said}
    if read:
        told = ", ".join(f"`{name}={_plain(value)!r}`" for name, value in read.items())
        findings.notes.append(f"read as pictures of the run were: {told}; give another to read these otherwise")
    update |= read
    # what was left out stays out
    update["exclude"] = ",".join(filter(None, (made_with.exclude, parameters.exclude)))
    return parameters.model_copy(update=update)


def _read_alike(run: RunDirectory, before: Artifact, layout: DatasetFormat) -> dict[str, Any]:
    """How the newest dataset of the format `layout`, of `before` and those that it grew from, was read if not by default.

    The encounter gap, which any format may have, is that of `before`.
    """
    plain, gap = IngestParameters(format=layout), dataset_manifest(before).parameters.encounter_gap
    found: dict[str, Any] = {}
    dataset: Artifact | None = before
    while dataset is not None and (made_with := dataset_manifest(dataset).parameters).format != layout:
        dataset = grown_from(run, dataset)
    if dataset is not None:
        found = {name: getattr(made_with, name) for name in _READING_FIELDS}
    found["encounter_gap"] = gap
    return {name: value for name, value in found.items() if value != getattr(plain, name)}


def as_known(before: Artifact, source: Path, parameters: IngestParameters, findings: Findings) -> IngestParameters:
    """`parameters` as the folder `source` is read with if it joins the dataset `before`.

    Identities are not read if folders alone name them and none is called as an individual there, which is told: folders of new
    pictures are often days and places.
    """
    if parameters.identity_pattern is not None:
        return parameters
    try:
        names = names_by_folder(source, parameters)
    except DbcError:
        # reading tells it, or what is wrong before it
        return parameters
    if not names or not {*names}.isdisjoint(name for name in names_of(before, "identity") if name):
        return parameters
    findings.notes.append(
        f"folders whose names are not taken for identities, because no individual of the run is called so: {len(names)} "
        f"({shortened([*map(shown, names)])}); if they are individuals, give a merge `labels`, a table of path,identity, and "
        "take the next ones by `dbc ingest --add` with `folder_identities=True`: of pictures that are there it takes no names"
    )
    return parameters.model_copy(update={"folder_identities": False})


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def read_before(run: RunDirectory, layout: DatasetFormat) -> tuple[dict[str, Any], dict[str, str]]:
    """By which parameters pictures of `run` were read, but for `folder_identities`, of those that the format `layout` takes.

    And what these do not say of a source without a table though most samples of the run have it (cameras, views, encounters),
    with the parameter that would. The newest dataset that has a value of a parameter decides about it.
    """
    newest, plain = run.require("dataset"), IngestParameters(format=layout)
    names = [name for name in _READING_FIELDS if name in FORMATS[layout].options | {"encounter_gap"}]
    names.remove("folder_identities")
    found: dict[str, Any] = {}
    dataset: Artifact | None = newest
    while dataset is not None:
        made_with = dataset_manifest(dataset).parameters
        values = {name: getattr(made_with, name) for name in names}
        found = {name: value for name, value in values.items() if value != getattr(plain, name)} | found
        dataset = made_from(run, dataset, "dataset")
    stored = stored_samples(newest)
    return found, {
        f"{texts.removesuffix('_name')}s": _SAID_BY[name]
        for name, texts, smallest in NAMED[1:]
        if 2 * texts_of(stored, name, texts, smallest).count("") < len(stored) and _SAID_BY[name] not in found
    }
