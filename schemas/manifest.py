"""The manifest in the root attributes of every artifact: what it is, from what, by what, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from schemas.choices import ArtifactKind
from schemas.parameters import (
    STORED,
    AssignParameters,
    ConstraintsParameters,
    EvaluateParameters,
    ExtractParameters,
    IngestParameters,
    InitParameters,
    MergeParameters,
    TrainParameters,
)
from schemas.summaries import (
    AssignmentsSummary,
    ClustersSummary,
    ConstraintsSummary,
    DatasetSummary,
    FeaturesSummary,
    MetricsSummary,
    ModelSummary,
)

ATTRIBUTE = "dbc"
"""The root attribute that holds the manifest."""

SCHEMA_VERSIONS: Mapping[ArtifactKind, int] = {
    "dataset": 1,
    "constraints": 1,
    "features": 1,
    "clusters": 1,
    "model": 1,
    "metrics": 1,
    "assignments": 1,
}
"""The version of each kind that this release writes, and the newest that it reads."""

ARRAYS: Mapping[ArtifactKind, frozenset[str]] = {
    "dataset": frozenset({"images", "frame_start", "pid", "camid", "tracklet", "split", "path"}),
    "constraints": frozenset({"pairs", "is_different"}),
    "features": frozenset({"pooled", "embedding"}),
    "clusters": frozenset({"labels", "merges", "criterion", "inter", "intra", "sizes", "linkage"}),
    "metrics": frozenset({"cmc", "average_precision", "first_hit", "inverse_negative_penalty"}),
    "assignments": frozenset(
        {"sample", "label", "nearest", "probability", "similarity", "second_similarity", "n_nearer"}
    ),
}
"""The arrays that every artifact of a kind has in this version; whatever writes one without them is refused.

Those of a model are of its network, and what only some have is not here.
"""

P = TypeVar("P")
S = TypeVar("S")


class ManifestError(ValueError):
    """A manifest that this release cannot read."""


class NewerError(ManifestError):
    """A manifest of a newer release."""


class Record(BaseModel):
    """A frozen part of a manifest; a field it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Parent(Record):
    """An artifact that this one was made from; `location` is relative to the run directory."""

    kind: ArtifactKind
    id: str
    location: str


class ArrayRecord(Record):
    """An array's type, shape and SHA-256 over its type, shape and little-endian C-order bytes."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str


class Execution(Record):
    """What really ran. None of it decides the content key.

    Training that went on from checkpoints has in `earlier` what ran otherwise before, each `until_step`.
    """

    backend: str
    device: str
    precision: str = "float32"
    threads: int = 1
    workers: int = 0
    processes: int = 1
    compiled: bool = False
    until_step: int | None = None
    earlier: tuple[Execution, ...] = ()


class Manifest(Record, Generic[P, S]):
    """What every kind of artifact tells of itself.

    `key` is the hash of kind, schema version, parameters and parents' ids: the request. `id` is the hash of the key and
    of every array's digest: the content.
    """

    kind: ArtifactKind
    schema_version: int
    id: str
    key: str
    parents: tuple[Parent, ...]
    command: tuple[str, ...]
    parameters: P
    seeds: dict[str, int]
    execution: Execution
    versions: dict[str, str]
    created: str
    wall_seconds: float
    notes: tuple[str, ...] = ()
    arrays: dict[str, ArrayRecord]
    summary: S


class DatasetManifest(Manifest[IngestParameters, DatasetSummary]):
    """A dataset artifact."""

    kind: Literal["dataset"] = "dataset"


class ConstraintsManifest(Manifest[ConstraintsParameters, ConstraintsSummary]):
    """A constraints artifact."""

    kind: Literal["constraints"] = "constraints"


class FeaturesManifest(Manifest[ExtractParameters, FeaturesSummary]):
    """A features artifact."""

    kind: Literal["features"] = "features"


class ClustersManifest(Manifest[MergeParameters, ClustersSummary]):
    """A clusters artifact."""

    kind: Literal["clusters"] = "clusters"


class ModelManifest(Manifest[InitParameters | TrainParameters, ModelSummary]):
    """A model artifact: the initial weights, or trained ones. `initial` is what the first weights were made from."""

    kind: Literal["model"] = "model"
    initial: InitParameters


class MetricsManifest(Manifest[EvaluateParameters, MetricsSummary]):
    """A metrics artifact."""

    kind: Literal["metrics"] = "metrics"


class AssignmentsManifest(Manifest[AssignParameters, AssignmentsSummary]):
    """An assignments artifact."""

    kind: Literal["assignments"] = "assignments"


AnyManifest: TypeAlias = (
    DatasetManifest
    | ConstraintsManifest
    | FeaturesManifest
    | ClustersManifest
    | ModelManifest
    | MetricsManifest
    | AssignmentsManifest
)

_ADAPTER: TypeAdapter[AnyManifest] = TypeAdapter(Annotated[AnyManifest, Field(discriminator="kind")])


def parse_manifest(raw: object) -> AnyManifest:
    """The manifest that `raw` (decoded JSON) holds; ManifestError, in one line, if this release cannot read it."""
    if not isinstance(raw, dict):
        raise ManifestError("the root attribute 'dbc' holds no manifest")
    kind, version = raw.get("kind"), raw.get("schema_version")
    if kind not in SCHEMA_VERSIONS or not isinstance(version, int):
        raise ManifestError(f"kind must be one of {', '.join(SCHEMA_VERSIONS)}, got {kind!r} version {version!r}")
    newest = SCHEMA_VERSIONS[cast(ArtifactKind, kind)]
    if version > newest:
        raise NewerError(f"{kind} schema version {version} found, this release reads up to {newest}: upgrade dbc-reid")
    try:
        return _ADAPTER.validate_python(raw, strict=False, context=STORED)
    except ValueError as error:
        raise ManifestError(f"{kind} manifest is not valid: {_first_problem(error)}") from error


def dump_manifest(manifest: AnyManifest) -> dict[str, Any]:
    """The manifest as JSON-ready values."""
    return manifest.model_dump(mode="json", by_alias=True)


def _first_problem(error: Any) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
