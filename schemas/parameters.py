"""The parameters of every stage, with their defaults: what decides an artifact's content, and nothing else.

Where a run happens (device, worker processes, memory limit) is not here, because it must not change the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from schemas.choices import (
    PUBLISHED_K1,
    PUBLISHED_K2,
    PUBLISHED_LAMBDA,
    PUBLISHED_RERANK_LAMBDA,
    AveragePrecision,
    CameraNormUse,
    CameraUse,
    Clusterer,
    CriterionName,
    DatasetFormat,
    EncounterUse,
    FlipUse,
    IntraNormalizer,
    LastStride,
    Loss,
    LrSchedule,
    MemoryInit,
    Metric,
    NormStatistics,
    OnBadImage,
    Optimizer,
    Pooling,
    RecipeName,
    Start,
    Update,
    ViewUse,
)
from schemas.first_release import FIELDS
from schemas.recipes import DEFAULT_RECIPE, evaluation_of, merging_of
from schemas.rules import MERGE_RULES, TRAIN_RULES, Rule, broken_rule, is_read

STORED: Mapping[str, Any] = MappingProxyType({"is_stored": True})
"""Context of validation for parameters read from an artifact: fields it lacks came later, and are as before they came."""


MOST_SEED = 2**63 - 1
"""The largest seed that every generator takes."""
MOST = 1e6
"""The largest weight or rate that is taken: beyond it numbers overflow, and nobody means them."""


class Parameters(BaseModel):
    """A frozen set of parameters; a field it does not know is an error.

    An artifact's key is made from its parameters, so a new field or a new default must leave old keys alone. Every field is
    either one of the first release (`schemas.first_release`) or in `added_later`; a class with another field cannot be
    defined.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    added_later: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Fields that the first release did not have, with the value at which content is what it was before they came.

    That value is no default: it stays when the default changes.
    """
    rules: ClassVar[Sequence[Rule]] = ()
    """What its values have to keep; ValidationError if they break one."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Raise TypeError for a field that is neither of the first release nor in `added_later`."""
        accounted = {*FIELDS.get(cls.__name__, ()), *cls.added_later}
        if accounted != cls.model_fields.keys():
            names = ", ".join(sorted(accounted ^ cls.model_fields.keys()))
            raise TypeError(
                f"{cls.__name__}: {names} must be a field and, if not of the first release, in `added_later`, with the value "
                "at which content is as before, or keys of artifacts change"
            )

    @model_validator(mode="before")
    @classmethod
    def _as_stored(cls, values: Any, info: ValidationInfo) -> Any:
        is_stored = info.context is not None and info.context.get("is_stored")
        return {**cls.added_later, **values} if is_stored and isinstance(values, dict) else values

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        told = broken_rule(self.rules, **dict(self))
        if told is not None:
            raise ValueError(told)
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, but `update`, by names or aliases, is checked as what a class is called with; ValidationError."""
        names = {field.alias: name for name, field in type(self).model_fields.items()}
        named = {names.get(key, key): value for key, value in (update or {}).items()}
        copied = self.model_validate(dict(super().model_copy(deep=deep)) | named)
        # what was not given before is not given now
        copied.__pydantic_fields_set__ = self.model_fields_set | named.keys()
        return copied

    def request(self) -> dict[str, Any]:
        """What an artifact's key is made from: every field as JSON, later ones only if content is not as before them."""
        as_before = {name for name, value in self.added_later.items() if getattr(self, name) == value}
        told = self.model_dump(mode="json", by_alias=True, exclude=as_before)
        fields = type(self).model_fields
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


DRAWN_TEST_FRACTION = 0.5
"""The share of drawn people who are for query and gallery by default."""
_PUBLISHED_SETS = frozenset(
    {"market1501", "dukemtmc-reid", "msmt17", "cuhk03-np", "veri776", "mars", "dukemtmc-videoreid"}
)
"""The formats that say which images are query and gallery: of these, the parameter is as the first release recorded it."""


def _test_fraction(values: dict[str, Any]) -> float:
    """All photographs of somebody's own, in whatever format, are trained on, unless a part is asked for."""
    return DRAWN_TEST_FRACTION if values.get("format", "synthetic") in {"synthetic", *_PUBLISHED_SETS} else 0.0


ANY_CATEGORY = "any"
"""Stands for every category of a detector's boxes."""
DETECTOR_CONFIDENCE = 0.2
"""The confidence from which MegaDetector's makers take its boxes."""


def _min_confidence(values: dict[str, Any]) -> float:
    return DETECTOR_CONFIDENCE if values.get("format") == "megadetector" else 0.0


def _category(values: dict[str, Any]) -> str:
    return "animal" if values.get("format") == "megadetector" else ANY_CATEGORY


class IngestParameters(Parameters):
    """What decides the dataset artifact beside the bytes of its source files.

    `folder_identities` says of format `folder` whether folders are identities (None leaves it to their names), and of others,
    by False, that identities are not taken. `camera_pattern`, `identity_pattern` and `view_pattern` are regular expressions
    that find camera, identity and view in a path. `anonymize` keeps the names and places of the source out of the artifact.
    `test_fraction` of the identities are for query and gallery, if the source has identities and no splits: half of drawn
    people, none of other pictures by default.

    Of boxes, those with at least `min_confidence` and of a `category` (several with commas between them) are taken, and
    widened by `pad`, a share of their width and height, on each side. Of whole videos, a frame is taken `every_seconds`, or
    one of `every_frames`. Pictures that `exclude` names (paths, folders or patterns with commas between them) are left out.
    Those of one camera, each at most `encounter_gap` seconds after the one before, are one encounter. If
    cameras took grey pictures, as of infrared light, and coloured ones, `by_light` says whether features are compared as if a
    camera of its own had taken the rarer kind.
    """

    added_later = MappingProxyType(
        {
            "folder_identities": None,
            "anonymize": False,
            "identity_pattern": None,
            "min_confidence": 0.0,
            "category": ANY_CATEGORY,
            "pad": 0.0,
            "every_seconds": None,
            "every_frames": None,
            "exclude": "",
            "encounter_gap": None,
            "view_pattern": None,
            "by_light": True,
        }
    )

    format: DatasetFormat = "synthetic"
    height: int = Field(default=256, ge=8, le=4096)
    width: int = Field(default=128, ge=8, le=4096)
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    on_bad_image: OnBadImage = "fail"
    camera_pattern: str | None = None
    test_fraction: float = Field(default_factory=_test_fraction, ge=0, lt=1)
    synthetic: SyntheticParameters | None = None
    source_digest: str = ""
    folder_identities: bool | None = None
    anonymize: bool = False
    identity_pattern: str | None = None
    min_confidence: float = Field(default_factory=_min_confidence, ge=0, le=MOST)
    category: str = Field(default_factory=_category, min_length=1)
    pad: float = Field(default=0.0, ge=0, le=1)
    every_seconds: float | None = Field(default=None, gt=0, le=MOST)
    every_frames: int | None = Field(default=None, ge=1, le=1_000_000)
    exclude: str = ""
    encounter_gap: float | None = Field(default=None, ge=0, le=MOST)
    view_pattern: str | None = None
    by_light: bool = True


class ConstraintsParameters(Parameters):
    """What decides the constraints beside the dataset: the digest of the answers, "" for none, and whether the different
    individuals that the data itself shows are among them; the digest of labels that are known, "" for none; and whether
    tracklets at one time are `spared`, because their boxes overlap.
    """

    added_later = MappingProxyType({"answers_digest": "", "derived": False, "labels_digest": "", "spared": False})

    answers_digest: str = ""
    derived: bool = False
    labels_digest: str = ""
    spared: bool = False


class InitParameters(Parameters):
    """What decides the initial model: the backbone, its weights, its input size (0: as stored) and the random head.

    Which names `backbone` may have is for the providers of backbones to say, when the network is built. `mean` and `std` of
    each channel of pixels in [0, 1] are those that the weights were trained with; None stands for ImageNet's.
    """

    added_later = MappingProxyType({"last_stride": 2, "pooling": "avg", "mean": None, "std": None})

    backbone: str = Field(default="resnet50", min_length=1)
    weights: str = "imagenet"
    weights_digest: str = ""
    height: int = Field(default=0, ge=0, le=4096)
    width: int = Field(default=0, ge=0, le=4096)
    embedding_dim: int | None = Field(default=None, ge=1, le=65536)
    last_stride: LastStride = 2
    pooling: Pooling = "avg"
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    seed: int = Field(default=0, ge=0, le=MOST_SEED)


class ExtractParameters(Parameters):
    """What decides the features beside dataset and model; the batch size does so in the last bits.

    `method` names another method that made them of a network's features, with its options; "" for none. With `flip` a
    feature is the mean of those of an image and of its mirror image; 'auto' asks for it unless the views of pictures are
    known, and made features hold which it was. `camera_norm` 'auto' gives the first batch norm statistics for each camera if
    the pictures of a camera look alike. The commands take both from the recipe (`extraction_of`).
    """

    added_later = MappingProxyType({"method": "", "flip": False, "camera_norm": "off"})

    batch_size: int = Field(default=64, ge=1, le=65_536)
    amp: bool = False
    method: str = ""
    flip: FlipUse = False
    camera_norm: CameraNormUse = "off"


def _published_lambda(values: dict[str, Any]) -> float:
    return PUBLISHED_LAMBDA[values.get("criterion", "dbc")]


def _by_default_recipe(name: str) -> Callable[[dict[str, Any]], Any]:
    """What the default recipe says of field `name`, from the fields validated before it."""

    def default(values: dict[str, Any]) -> Any:
        recipe = merging_of(DEFAULT_RECIPE, criterion=values.get("criterion", "dbc"), update=values.get("update"))
        return recipe[name]

    return default


class MergeParameters(Parameters):
    """The merging criterion, eq. (4), and how the merges of a stage are selected; by default as the recipe `tuned` says.

    λ is by default 0.1 for `dbc` and 0.005 for `buc`, as published. `start` says what stage S merges: the clusters of
    stage S − 1, m times, or single samples, S·m times, so that features which have learnt more undo earlier merges;
    the latter with `exact` alone, because among single samples there is no penalty to rank by; or, `reviewed`, nothing: the
    clusters that stage S has are corrected by answers.
    `k1` and `k2` are the neighbours that metric `jaccard` compares. `whiten` above 0 whitens the features first, with that
    ridge. `camera` is the one option that uses camera ids: 'centring' first moves the mean of every camera's features to
    one place, 'penalty' adds to D `camera_weight` times the share of the pairs of two clusters' samples that one camera took.
    'auto' looks at the features: if they follow the camera, it whitens camera by camera and adds a penalty whose weight is
    found from their nearest neighbours; if not, it ignores cameras.
    `clusterer` other than 'dbc' makes the clusters of every stage anew by another method, without merges: `eps` is the
    largest Jaccard distance of neighbours in DBSCAN, `min_samples` the least of them in DBSCAN, and of a cluster in HDBSCAN;
    'eug' adds `merge_percent` of the unlabelled samples in each stage, 'pul' takes of its clusters by k-means the samples
    whose cosine with their centre is above `min_cosine`. `n_clusters` is how many clusters merges leave, and how many 'pul'
    has; None: as many as the schedule.
    `encounter` 'joined' takes the samples of one encounter for one individual, unless answers say otherwise. `view` 'apart'
    does so, too, and compares samples of one view alone: clusters of two views join only by what is known to be the same.
    """

    added_later = MappingProxyType(
        {
            "k1": 20,
            "k2": 6,
            "whiten": 0.0,
            "camera": "ignored",
            "camera_weight": 0.1,
            "start": "previous",
            "clusterer": "dbc",
            "eps": 0.6,
            "min_samples": 4,
            "view": "ignored",
            "encounter": "ignored",
            "n_clusters": None,
            "min_cosine": 0.85,
        }
    )
    rules = MERGE_RULES

    criterion: CriterionName = "dbc"
    lambda_: float = Field(default_factory=_published_lambda, ge=0, le=MOST, alias="lambda")
    merge_percent: float = Field(default_factory=_by_default_recipe("merge_percent"), gt=0, lt=1)
    update: Update = Field(default_factory=_by_default_recipe("update"))
    metric: Metric = "sqeuclidean"
    intra_normalizer: IntraNormalizer = Field(default_factory=_by_default_recipe("intra_normalizer"))
    start: Start = Field(default_factory=_by_default_recipe("start"))
    k1: int = Field(default=PUBLISHED_K1, ge=1, le=10_000)
    k2: int = Field(default=PUBLISHED_K2, ge=1, le=10_000)
    whiten: float = Field(default_factory=_by_default_recipe("whiten"), ge=0, le=MOST)
    camera: CameraUse = Field(default_factory=_by_default_recipe("camera"))
    camera_weight: float = Field(default=0.1, ge=0, le=MOST)
    clusterer: Clusterer = "dbc"
    eps: float = Field(default=0.6, gt=0, lt=1)
    min_samples: int = Field(default=4, ge=1, le=10_000)
    view: ViewUse = "ignored"
    encounter: EncounterUse = "ignored"
    n_clusters: int | None = Field(default=None, ge=1, le=10_000_000)
    min_cosine: float = Field(default=0.85, ge=-1, le=1)

    @property
    def by_encounter(self) -> bool:
        """Whether the samples of one encounter are taken for one individual."""
        return self.encounter == "joined" or self.view == "apart"

    @property
    def ends_run(self) -> bool:
        """Whether merges go on until `n_clusters` are left, as at the end of a run: nothing needs to be trained on these."""
        return self.clusterer == "dbc" and self.n_clusters is not None

    def request(self) -> dict[str, Any]:
        """See `Parameters.request`; a parameter that only one choice reads is asked for with that choice alone."""
        asked_if_read = ("camera_weight", "eps", "min_samples", "n_clusters", "min_cosine")
        unread = {name for name in asked_if_read if not is_read(name, dict(self))}
        return {name: value for name, value in super().request().items() if name not in unread}

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)


class TrainParameters(Parameters):
    """The repelled loss, eq. (1), its schedule, its optimizer and its augmentation.

    `frames` is how many random frames stand for a tracklet in a step, None for samples of one image. `freeze_through`
    names the last part of the backbone that keeps its weights: a module such as `layer2`, `half` or `finest`. `loss` 'oim' is
    online instance matching, with a queue of `queue_size` embeddings beside the look-up table (5,000 as published);
    'softmax' is cross-entropy of a linear classifier. `restart` trains every stage from the first weights.
    `exclusive` adds, to a classifier's loss, one that tells the samples which the stage leaves out from each other.
    `supervised` trains stage 0 on the identities of the train split, which no other training reads. `triplet` above 0 adds so
    many times the batch-hard triplet loss of the pooled features, in batches of several images a class. `method` names
    another method that trained by a loss of its own, with its options; "" for none.
    `memory_momentum` is the share of a centroid that a step keeps. `whiten` above 0 trains, after stage 0, on features
    whitened with that ridge in the place of the head's embeddings. Of clusters, samples with a
    silhouette larger than `silhouette_above` are trained on: 0 leaves out those nearer to another cluster than to the rest of
    their own, and single ones, −1 none. `mirror` mirrors half of the images, as published.
    """

    added_later = MappingProxyType(
        {
            "optimizer": "sgd",
            "clip_norm": None,
            "lr_schedule": "step",
            "warmup_epochs": 0,
            "random_erasing": 0,
            "color_jitter": 0,
            "frames": None,
            "freeze_through": None,
            "loss": "repelled",
            "queue_size": 5000,
            "whiten": 0,
            "memory_momentum": 0.5,
            "restart": False,
            "supervised": False,
            "triplet": 0,
            "method": "",
            "silhouette_above": -1,
            "exclusive": False,
            "mirror": True,
        }
    )
    rules = TRAIN_RULES

    stage: int = Field(ge=0, le=1_000_000)
    recipe: RecipeName = DEFAULT_RECIPE
    epochs: int = Field(ge=0, le=1_000_000)
    batch_size: int = Field(default=16, ge=1, le=65_536)
    learning_rate: float = Field(ge=0, le=MOST)
    backbone_rate: float = Field(default=0.1, ge=0, le=MOST)
    decay_after: int | None = Field(default=None, ge=0, le=1_000_000)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0, le=MOST)
    norm_statistics: NormStatistics = "batch"
    temperature: float = Field(default=0.1, gt=0, le=MOST)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    memory_init: MemoryInit = "centroids"
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    amp: bool = False
    optimizer: Optimizer = "sgd"
    clip_norm: float | None = Field(default=None, gt=0, le=1e30)
    lr_schedule: LrSchedule = "step"
    warmup_epochs: float = Field(default=0, ge=0, le=MOST)
    random_erasing: float = Field(default=0, ge=0, le=1)
    color_jitter: float = Field(default=0, ge=0, le=1)
    frames: int | None = Field(default=None, ge=1, le=1000)
    freeze_through: str | None = Field(default=None, min_length=1)
    loss: Loss = "repelled"
    queue_size: int = Field(default=5000, ge=0, le=10_000_000)
    whiten: float = Field(default=0, ge=0, le=MOST)
    memory_momentum: float = Field(default=0.5, ge=0, lt=1)
    restart: bool = False
    supervised: bool = False
    triplet: float = Field(default=0, ge=0, le=MOST)
    method: str = ""
    silhouette_above: float = Field(default=-1, ge=-1, lt=1)
    exclusive: bool = False
    mirror: bool = True


class EvaluateParameters(Parameters):
    """Which average precision is reported; `whiten` above 0 whitens features first, as the train features say, and
    `camera` 'auto' does so camera by camera if train features follow the camera.

    With `rerank`, k-reciprocal neighbours order the gallery (Zhong et al., CVPR 2017). `ids_digest` tells identities that
    came after the data set. `without_labels` leaves samples whose identity was given to the merge out of measures of clusters;
    `labels_digest` tells these labels where no clusters do, before the first merge. `without_distractors` leaves those that
    are train samples out of measures of clusters. With `leave_one_out`, train samples are asked for among all others: there
    are no queries.
    """

    added_later = MappingProxyType(
        {
            "whiten": 0,
            "camera": "ignored",
            "rerank": False,
            "rerank_k1": 20,
            "rerank_k2": 6,
            "rerank_lambda": 0.3,
            "ids_digest": "",
            "without_labels": False,
            "labels_digest": "",
            "without_distractors": False,
            "leave_one_out": False,
        }
    )

    average_precision: AveragePrecision = "standard"
    whiten: float = Field(default=evaluation_of(DEFAULT_RECIPE)["whiten"], ge=0, le=MOST)
    camera: CameraUse = evaluation_of(DEFAULT_RECIPE)["camera"]
    rerank: bool = False
    rerank_k1: int = Field(default=PUBLISHED_K1, ge=1, le=10_000)
    rerank_k2: int = Field(default=PUBLISHED_K2, ge=1, le=10_000)
    rerank_lambda: float = Field(default=PUBLISHED_RERANK_LAMBDA, ge=0, le=1)
    ids_digest: str = ""
    without_labels: bool = False
    labels_digest: str = ""
    without_distractors: bool = False
    leave_one_out: bool = False


class AssignParameters(Parameters):
    """What decides the assignments beside dataset, features and clusters: a sample is of its most similar cluster if the
    probability that its individual is known is at least `threshold`, else of a new individual; whether samples that the data
    itself shows to differ are among them, which are kept apart; whether the probability is learnt from samples that had no
    part in how features are compared; whether the samples of one encounter are answered together; whether only samples of one
    view are compared; and whether tracklets at one time are `spared`, because their boxes overlap.
    """

    added_later = MappingProxyType(
        dict.fromkeys(("derived", "held_out", "together", "by_view", "spared"), False) | {"threshold": 0.5}
    )

    threshold: float = Field(default=0.5, ge=0, le=1)
    derived: bool = False
    held_out: bool = False
    together: bool = False
    by_view: bool = False
    spared: bool = False
