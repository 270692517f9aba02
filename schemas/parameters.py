"""The parameters of every stage, with their defaults: what decides an artifact's content, and nothing else.

Where a run happens (device, worker processes, memory limit) is not here, because it must not change the result.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.choices import DatasetFormat, Metric

PUBLISHED_LAMBDA = {"dbc": 0.1, "buc": 0.005}
"""The weight of the penalty in D, by criterion."""

DEFAULT_RECIPE: Literal["tuned"] = "tuned"
"""Where rates, epochs and the way of merging come from unless said: the best of those measured (benchmarks/RESULTS.md)."""

TUNED_RIDGE = 3.0
"""Ridge of the whitening of `--recipe tuned`, as a multiple of the mean variance; 1 to 10 did as well on what was tried."""

TUNED_MERGE: dict[str, Any] = {
    "whiten": TUNED_RIDGE,
    "update": "exact",
    "intra_normalizer": "n2",
    "start": "singletons",
}
"""How `--recipe tuned` merges. Whitened samples lie far apart, where d_a with its factor n would outweigh d_ab at λ = 0.1."""


def merging_of(recipe: str, *, criterion: str = "dbc", update: str | None = None) -> dict[str, Any]:
    """What `recipe` says of a merge by `criterion` and, where that is given, `update`, for fields that are not given.

    The tuned criterion is that of dispersions; sizes and nearest pairs of `buc` keep their own way. Merges that are ranked
    once go on from the clusters before them: among singletons no penalty differs from another.
    """
    if recipe != "tuned":
        return {}
    if criterion != "dbc":
        return {"whiten": TUNED_RIDGE}
    kept = TUNED_MERGE.keys() if update in (None, "exact") else ("whiten", "intra_normalizer")
    return {name: TUNED_MERGE[name] for name in kept}


def evaluation_of(recipe: str) -> dict[str, Any]:
    """What `recipe` says of an evaluation, for fields that are not given."""
    return {"whiten": TUNED_RIDGE} if recipe == "tuned" else {}


def _published_lambda(values: dict[str, Any]) -> float:
    return PUBLISHED_LAMBDA[values.get("criterion", "dbc")]


class Parameters(BaseModel):
    """A frozen set of parameters; a field it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    added_later: ClassVar[frozenset[str]] = frozenset()
    """Fields that a first release did not have; at their defaults, content is what it was before they came."""

    def request(self) -> dict[str, Any]:
        """What an artifact's key is made from: every field as JSON, later ones only where they are not the default."""
        fields = type(self).model_fields
        as_before = {name for name in self.added_later if getattr(self, name) == fields[name].get_default()}
        told = self.model_dump(mode="json", by_alias=True, exclude=as_before)
        nested = {name: value.request() for name in fields if isinstance(value := getattr(self, name), Parameters)}
        return told | nested


class SyntheticParameters(Parameters):
    """How many drawn people, how often seen, and how hard to tell apart (0 easy to 1 hard).

    `frames_per_tracklet` above 0 makes every sample a video tracklet of so many frames.
    """

    identities: int = Field(default=60, ge=2, le=100_000)
    cameras: int = Field(default=4, ge=1, le=64)
    images_per_camera: int = Field(default=4, ge=1, le=1000)
    frames_per_tracklet: int = Field(default=0, ge=0, le=1000)
    difficulty: float = Field(default=0.5, ge=0, le=1)


class IngestParameters(Parameters):
    """What decides the dataset artifact beside the bytes of its source files."""

    format: DatasetFormat = "synthetic"
    height: int = Field(default=256, ge=8, le=4096)
    width: int = Field(default=128, ge=8, le=4096)
    seed: int = Field(default=0, ge=0)
    on_bad_image: Literal["fail", "skip"] = "fail"
    camera_pattern: str | None = None
    test_fraction: float = Field(default=0.5, ge=0, lt=1)
    synthetic: SyntheticParameters | None = None
    source_digest: str = ""


class InitParameters(Parameters):
    """What decides the initial model: the backbone, its weights, its input size (0: as stored) and the random head.

    Which names `backbone` may have is for torchvision to say, when the network is built.
    """

    added_later: ClassVar[frozenset[str]] = frozenset({"last_stride", "pooling"})

    backbone: str = Field(default="resnet50", min_length=1)
    weights: str = "imagenet"
    weights_digest: str = ""
    height: int = Field(default=0, ge=0, le=4096)
    width: int = Field(default=0, ge=0, le=4096)
    embedding_dim: int | None = Field(default=None, ge=1, le=65536)
    last_stride: Literal[1, 2] = 2
    pooling: Literal["avg", "gem"] = "avg"
    seed: int = Field(default=0, ge=0)


class ExtractParameters(Parameters):
    """What decides the features beside dataset and model; the batch size does so in the last bits."""

    batch_size: int = Field(default=64, ge=1)
    amp: bool = False


class MergeParameters(Parameters):
    """The merging criterion, eq. (4), and how the merges of a stage are selected.

    λ is by default 0.1 for `dbc` and 0.005 for `buc`, as published. `start` says what stage S merges: the clusters of
    stage S − 1, m times, or every sample on its own, S·m times, so that features which have learnt more undo earlier merges;
    the latter with `exact` alone, because among singletons there is no penalty to rank by.
    `k1` and `k2` are the neighbours that metric `jaccard` compares. `whiten` above 0 whitens the features first, with that
    ridge. `camera` is the one option that uses camera ids: 'centring' first moves the mean of every camera's features to
    one place, 'penalty' adds to D `camera_weight` times the share of the pairs of two clusters' samples that one camera took.
    """

    added_later: ClassVar[frozenset[str]] = frozenset({"k1", "k2", "whiten", "camera", "camera_weight", "start"})

    criterion: Literal["dbc", "buc"] = "dbc"
    lambda_: float = Field(default_factory=_published_lambda, ge=0, alias="lambda")
    merge_percent: float = Field(default=0.05, gt=0, lt=1)
    update: Literal["exact", "stale", "union"] = "stale"
    metric: Metric = "sqeuclidean"
    intra_normalizer: Literal["n", "n2"] = "n"
    start: Literal["previous", "singletons"] = "previous"
    k1: int = Field(default=20, ge=1, le=10_000)
    k2: int = Field(default=6, ge=1, le=10_000)
    whiten: float = Field(default=0, ge=0)
    camera: Literal["ignored", "centring", "penalty"] = "ignored"
    camera_weight: float = Field(default=0.1, ge=0)

    @model_validator(mode="after")
    def _go_together(self) -> MergeParameters:
        if self.start == "singletons" and self.update != "exact":
            raise ValueError(
                f"--start: found singletons with --update {self.update}, wanted previous: ranked once, among singletons, "
                "every penalty is the same and --lambda would do nothing; leave one of them out"
            )
        if self.metric == "jaccard" and self.criterion != "dbc":
            raise ValueError(
                f"--criterion: found {self.criterion} with --metric jaccard, wanted dbc; leave one of them out"
            )
        if self.camera == "penalty" and self.metric == "jaccard":
            raise ValueError(
                "--camera: found penalty with --metric jaccard, wanted sqeuclidean, euclidean or cosine; "
                "leave one of them out"
            )
        if self.camera == "penalty" and self.criterion != "dbc":
            raise ValueError(
                f"--camera: found penalty with --criterion {self.criterion}, wanted dbc; leave one of them out"
            )
        return self

    def request(self) -> dict[str, Any]:
        """See `Parameters.request`; `camera_weight` is asked for with a penalty alone, because only that reads it."""
        told = super().request()
        return told if self.camera == "penalty" else {name: told[name] for name in told if name != "camera_weight"}

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)


class TrainParameters(Parameters):
    """The repelled loss, eq. (1), its schedule, its optimizer and its augmentation.

    `frames` is how many random frames stand for a tracklet in a step, None for samples of one image. `freeze_through`
    names the last part of the backbone that keeps its weights: a module such as `layer2`, or `half`. `loss` 'oim' is
    online instance matching, with a queue of `queue_size` embeddings beside the look-up table (5,000 as published).
    `memory_momentum` is the share of a centroid that a step keeps. `whiten` above 0 trains, after stage 0, on features
    whitened with that ridge in the place of the head's embeddings.
    """

    added_later: ClassVar[frozenset[str]] = frozenset(
        {
            "optimizer",
            "clip_norm",
            "lr_schedule",
            "warmup_epochs",
            "random_erasing",
            "color_jitter",
            "frames",
            "freeze_through",
            "loss",
            "queue_size",
            "whiten",
            "memory_momentum",
        }
    )

    stage: int = Field(ge=0)
    recipe: Literal["paper", "auto", "tuned"] = DEFAULT_RECIPE
    epochs: int = Field(ge=0)
    batch_size: int = Field(default=16, ge=1)
    learning_rate: float = Field(ge=0)
    backbone_rate: float = Field(default=0.1, ge=0)
    decay_after: int | None = Field(default=None, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    norm_statistics: Literal["batch", "stored"] = "batch"
    temperature: float = Field(default=0.1, gt=0)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    memory_init: Literal["centroids", "zeros"] = "centroids"
    seed: int = Field(default=0, ge=0)
    amp: bool = False
    optimizer: Literal["sgd", "adam"] = "sgd"
    clip_norm: float | None = Field(default=None, gt=0)
    lr_schedule: Literal["step", "cosine"] = "step"
    warmup_epochs: float = Field(default=0, ge=0)
    random_erasing: float = Field(default=0, ge=0, le=1)
    color_jitter: float = Field(default=0, ge=0, le=1)
    frames: int | None = Field(default=None, ge=1, le=1000)
    freeze_through: str | None = Field(default=None, min_length=1)
    loss: Literal["repelled", "oim"] = "repelled"
    queue_size: int = Field(default=5000, ge=0, le=10_000_000)
    whiten: float = Field(default=0, ge=0)
    memory_momentum: float = Field(default=0.5, ge=0, lt=1)

    @model_validator(mode="after")
    def _one_schedule(self) -> TrainParameters:
        if self.lr_schedule == "cosine" and self.decay_after is not None:
            raise ValueError(
                f"--decay-after: found {self.decay_after} beside --lr-schedule cosine, wanted one of the two; "
                f"leave one out"
            )
        return self


class EvaluateParameters(Parameters):
    """Which average precision is reported; `whiten` above 0 whitens features first, as the train features say.

    With `rerank`, k-reciprocal neighbours order the gallery (Zhong et al., CVPR 2017).
    """

    added_later: ClassVar[frozenset[str]] = frozenset({"whiten", "rerank", "rerank_k1", "rerank_k2", "rerank_lambda"})

    average_precision: Literal["standard", "trapezoid"] = "standard"
    whiten: float = Field(default=0, ge=0)
    rerank: bool = False
    rerank_k1: int = Field(default=20, ge=1)
    rerank_k2: int = Field(default=6, ge=1)
    rerank_lambda: float = Field(default=0.3, ge=0, le=1)
