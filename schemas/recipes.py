"""The recipes as data: how each merges, trains and evaluates. Every default that depends on a recipe comes from here.

- `tuned`, the default, measured best on small sets (benchmarks/RESULTS.md): whitened features, exact merges, every stage
  from single samples, and training as `auto`, but from smaller clusters on, without doubtful samples, and with centroids
  that move faster.
- `auto` takes features as they are, merges as published, and trains with rates that suit the weights it starts from.
- `paper` is the published schedule (Ding, Khan and Tang, BMVC 2019) to the letter.
- The others are other published methods, which know more than pictures: `OTHER_METHODS` says what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, get_args

from schemas.choices import (
    BAG_OF_WORDS,
    CRITERIA,
    CameraNormUse,
    CameraUse,
    Clusterer,
    FlipUse,
    IntraNormalizer,
    Pooling,
    RecipeName,
    Start,
    Update,
)

DEFAULT_RECIPE: RecipeName = "tuned"


@dataclass(frozen=True)
class Merging:
    """What a recipe says of a merge by dispersions: fields of `MergeParameters`, here as published.

    `merge_percent` is the share of the samples that a stage merges. `whiten` is the ridge of a whitening of the features, as a
    multiple of their mean variance; 0 takes them as they are.
    """

    merge_percent: float = 0.05
    whiten: float = 0.0
    update: Update = "stale"
    start: Start = "previous"
    intra_normalizer: IntraNormalizer = "n"
    camera: CameraUse = "ignored"
    clusterer: Clusterer = "dbc"


@dataclass(frozen=True)
class Schedule:
    """Fields of `TrainParameters` at stage 0, where every sample is its own class, and at later stages.

    `least_mean_size`: at stages whose clusters have on average fewer samples there are no epochs.
    """

    first: Mapping[str, Any]
    later: Mapping[str, Any]
    least_mean_size: float = 0

    def fields(self, stage: int, *, mean_size: float) -> dict[str, Any]:
        """What it says of `stage`, whose clusters have on average `mean_size` samples."""
        fields = dict(self.later if stage else self.first)
        return fields if mean_size >= self.least_mean_size else fields | {"epochs": 0}

    def with_later(self, **fields: Any) -> Schedule:
        """The same with other `fields` at later stages."""
        return replace(self, later={**self.later, **fields})


@dataclass(frozen=True)
class Recipe:
    """What a recipe says of every field that is not given.

    Parameters
    ----------
    merging
        How the criterion `dbc` merges.
    training
        The schedule for a backbone that starts from weights.
    from_random
        The schedule for one that starts from random weights.
    whiten
        The ridge of the whitening before an evaluation; 0 for none.
    camera
        Whether an evaluation whitens camera by camera: `auto` if features follow the camera, or `ignored`.
    flip
        Whether features are the mean of those of an image and of its mirror image; `auto`: unless views are known, and
        then training mirrors nothing, too.
    camera_norm
        Whether the first batch norm has statistics for each camera if its pictures look alike: `auto` or `off`.
    pooling
        How the network pools: `auto` has features of several layers if its weights were learnt from pictures.
    video
        Fields of `TrainParameters` at later stages of video.
    freezes_video
        Whether the first layers keep their weights on video, as published.
    """

    merging: Merging
    training: Schedule
    from_random: Schedule
    whiten: float = 0.0
    camera: CameraUse = "ignored"
    flip: FlipUse = False
    camera_norm: CameraNormUse = "off"
    pooling: Pooling = "avg"
    video: Mapping[str, Any] = field(default_factory=dict)
    freezes_video: bool = False


TUNED_RIDGE = 3.0
"""1 to 10 did as well on what was tried."""

_PAPER = Schedule(
    first={"epochs": 20, "learning_rate": 0.1, "decay_after": 16, "memory_init": "zeros"},
    later={"epochs": 2, "learning_rate": 0.01, "memory_init": "centroids"},
)

# A backbone that learns as fast as the head: it has everything to learn. Drawn people, ResNet-10 at 64×32, 360 train images,
# one seed: mAP 0.25 untrained, 0.37 after stage 0, 0.44 five stages later.
_FROM_RANDOM = Schedule(
    first={"epochs": 12, "learning_rate": 0.1, "backbone_rate": 1.0, "decay_after": 10, "memory_init": "zeros"},
    later={"epochs": 3, "learning_rate": 0.02, "backbone_rate": 1.0, "memory_init": "centroids"},
)

# Two gentle epochs a stage, once clusters average four samples; none before, so that the features merge as they are.
# Published rates destroy ImageNet features on small sets. Measured on eth80-market with MobileNetV2 (64×64 unless said; mAP
# of the initial features 0.26): batch statistics alone, at rate 0, take mAP to 0.19, so stored ones are kept; τ = 0.1 pushes
# views of one object apart while most of them are still clusters of their own (0.16 after eight merges), τ = 1 does not;
# training before clusters average a few samples gains nothing. At 128×128 with merges of 5 %, one seed: mAP 0.37 and
# rank-1 0.87 before, 0.51 and 0.91 after stage 19 (0.47 with one epoch).
_GENTLE = {
    "epochs": 2,
    "learning_rate": 0.01,
    "backbone_rate": 0.1,
    "norm_statistics": "stored",
    "temperature": 1.0,
}
_FROM_WEIGHTS = Schedule(
    first={**_GENTLE, "memory_init": "zeros"}, later={**_GENTLE, "memory_init": "centroids"}, least_mean_size=4
)

# On whitened features training pays from the first clusters of more than two samples on, if samples that lie nearer to
# another cluster or are alone are left out: hard drawn people went from mAP 0.31 to 0.39 instead of 0.31, three seeds. With
# all samples looks of cameras were learnt (0.34 instead of 0.45, one seed), with single ones too (0.35); and from a mean size
# of 1.9 on, with all samples, easy people lost (0.87 instead of 0.95, one seed). A rate that falls to 0 in each stage
# learnt less: 39 objects before two cameras with looks had mAP 0.28 and 0.29 instead of 0.31 and 0.35 (two seeds).
# A step keeps 0.1 of a centroid: 0.1 to 0.2 gave 3 points of mAP over ½ on eth80-market
_WHITENED = {"whiten": TUNED_RIDGE, "memory_momentum": 0.1}

# Wu et al., CVPR 2018: the network learns afresh in every stage, from its first weights
_EUG = Schedule(
    first={"epochs": 0, "learning_rate": 0.1},
    later={"epochs": 70, "learning_rate": 0.1, "decay_after": 55, "loss": "softmax", "restart": True},
)
# Fan et al., TOMM 2018, by their code; on a labelled set they train before
_PUL = Schedule(
    first={"epochs": 0, "learning_rate": 0.001},
    later={"epochs": 20, "learning_rate": 0.001, "backbone_rate": 1.0, "loss": "softmax", "restart": True},
)
# the rates of EUG for as many epochs as it needs to go on from the stage before: what the papers leave open
_IN_TURN = Schedule(
    first={"epochs": 0, "learning_rate": 0.1},
    later={"epochs": 20, "learning_rate": 0.1, "decay_after": 15, "loss": "softmax"},
)
# published rates are for 12,936 images: on a few hundred, 0.1 and 0.01 destroy the features (benchmarks/RESULTS.md). EUG on 20
# drawn people, one seed, from mAP 0.44: 0.52 after five epochs at 0.001, 0.61 at this rate, 0.64 after ten at 0.001. PUL
# lost the features of one of three worlds with the whole backbone at 0.003
FEW_IMAGES: Mapping[str, Any] = {
    "epochs": 5,
    "learning_rate": 0.003,
    "backbone_rate": 0.1,
    "norm_statistics": "stored",
}
# Chen, Zhu and Gong, BMVC 2018: no clusters, so stage 0 is all there is
_ASSOCIATION = Schedule(
    first={"epochs": 20, "learning_rate": 0.01, "decay_after": 15, "loss": "dal", "memory_init": "zeros"},
    later={"epochs": 0, "learning_rate": 0.01},
)


@dataclass(frozen=True)
class OtherMethod:
    """Another published method: its `title`, what it `knows` beside pictures, its recipe, and its last stage if it has one.

    `gentle` are the fields of `TrainParameters` for sets far smaller than the published ones, on which the recipe's rates
    destroy the features. With another set PUL begins on it, as published.
    """

    title: str
    knows: str
    recipe: Recipe
    stages: int | None = None
    gentle: Mapping[str, Any] = field(default_factory=dict)


def _other(
    title: str, knows: str, clusterer: Clusterer, schedule: Schedule, *, stages: int | None = None
) -> OtherMethod:
    recipe = Recipe(Merging(clusterer=clusterer), training=schedule, from_random=schedule)
    return OtherMethod(title, knows, recipe, stages, FEW_IMAGES)


OTHER_METHODS: Mapping[RecipeName, OtherMethod] = MappingProxyType(
    {
        "pul": _other("PUL (Fan et al., TOMM 2018)", "how many individuals", "pul", _PUL),
        "eug": _other("EUG (Wu et al., CVPR 2018)", "one labelled sample of each identity", "eug", _EUG),
        "race": _other("RACE (Ye et al., ECCV 2018)", "one labelled sample of each identity", "race", _EUG),
        "stepwise": _other("Stepwise (Liu et al., ICCV 2017)", "cameras and tracklets", "stepwise", _IN_TURN),
        "dgm": _other("DGM + IDE (Ye et al., ICCV 2017)", "cameras and tracklets", "dgm", _IN_TURN),
        "dal": _other("DAL (Chen et al., BMVC 2018)", "cameras and tracklets", "dbc", _ASSOCIATION, stages=0),
    }
)


ANOTHER_SET = "a labelled other set"
"""What methods know that learn from one, beside pictures."""


@dataclass(frozen=True)
class MethodSetting:
    """A method that is a recipe with other `values`, by argument: its `title`, and what it `knows` beside pictures.

    `knows` is None for this project's own method, which is told what its plan says, but no labels. A method that
    `begins_on_source` starts from the network trained on the identities of another set. `gentle` is as in `OtherMethod`.
    """

    title: str
    recipe: RecipeName
    values: Mapping[str, Any]
    knows: str | None = "nothing"
    begins_on_source: bool = False
    gentle: Mapping[str, Any] = field(default_factory=dict)


METHOD_SETTINGS: Mapping[str, MethodSetting] = MappingProxyType(
    {
        "initial": MethodSetting("initial features", "auto", {"merge_only": True, "stages": 0}),
        "bow": MethodSetting(
            "BOW (Zheng et al., ICCV 2015)", "auto", {"backbone": BAG_OF_WORDS, "merge_only": True, "stages": 0}
        ),
        "oim": MethodSetting("OIM (Xiao et al., CVPR 2017)", "auto", {"loss": "oim", "stages": 0}, gentle=FEW_IMAGES),
        "buc": MethodSetting("BUC", "tuned", {"criterion": "buc", "update": "union"}, knows=None),
        "dbc": MethodSetting("DBC", "tuned", {}, knows=None),
        "dbc-source": MethodSetting("DBC from the other set", "tuned", {}, knows=None, begins_on_source=True),
        "eug-exclusive": MethodSetting(
            "EUG with the exclusive loss (Wu et al., TIP 2019)",
            "eug",
            {"exclusive": True},
            knows=OTHER_METHODS["eug"].knows,
        ),
    }
)
"""More names for a table of methods, beside the recipes."""

VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        variant: setting
        for name in reversed(tuple(CRITERIA))
        for variant, setting in (
            (f"{name}-", (f"{name.upper()}⁻", {"criterion": name, "lambda_": 0.0})),
            (name, (name.upper(), {"criterion": name})),
        )
    }
    | {"dbc-exact": ("DBC exact", {"criterion": "dbc", "update": "exact"})}
)
"""Of an ablation, by name on the command line, the name in tables and what it changes of a merge; λ is given apart."""

VIDEO_FRAMES: Final = 16
"""Random frames of a tracklet in a step of training, as published, unless it is told another number."""

RECIPES: Mapping[RecipeName, Recipe] = MappingProxyType(
    {
        "tuned": Recipe(
            # whitened samples lie far apart, where d_a with its factor n would outweigh d_ab at λ = 0.1
            merging=Merging(
                merge_percent=0.1,
                whiten=TUNED_RIDGE,
                update="exact",
                start="singletons",
                intra_normalizer="n2",
                camera="auto",
            ),
            training=replace(_FROM_WEIGHTS, least_mean_size=2.2).with_later(**_WHITENED, silhouette_above=0),
            from_random=_FROM_RANDOM.with_later(**_WHITENED),
            whiten=TUNED_RIDGE,
            camera="auto",
            flip="auto",
            camera_norm="auto",
            pooling="auto",
        ),
        "auto": Recipe(merging=Merging(), training=_FROM_WEIGHTS, from_random=_FROM_RANDOM),
        "paper": Recipe(
            merging=Merging(), training=_PAPER, from_random=_PAPER, video={"epochs": 5}, freezes_video=True
        ),
        **{name: method.recipe for name, method in OTHER_METHODS.items()},
    }
)


def _known(name: str, value: object, choices: Iterable[str]) -> None:
    if value not in (allowed := tuple(choices)):
        raise ValueError(f"unknown `{name}` {value!r}: choose one of {', '.join(allowed)}")


def _recipe(name: RecipeName) -> Recipe:
    """The recipe of that name; ValueError if there is none."""
    _known("recipe", name, RECIPES)
    return RECIPES[name]


def merging_of(recipe: RecipeName, *, criterion: str = "dbc", update: str | None = None) -> dict[str, Any]:
    """The fields of `MergeParameters` that `recipe` sets, for a merge by `criterion` and, if given, `update`.

    A recipe tunes the criterion of dispersions. `buc` compares nearest pairs and sizes and merges as published, on features
    whitened by the recipe. And merges that are ranked once go on from the clusters before them: among single samples every
    penalty is the same. ValueError for an unknown name.
    """
    _known("criterion", criterion, CRITERIA)
    if update is not None:
        _known("update", update, get_args(Update))
    return merging_by(recipe, criterion, update)


def merging_by(recipe: RecipeName, criterion: str, update: str | None) -> dict[str, Any]:
    """The same by a criterion that may be known to the merge alone, which has looked for it."""
    merging, published = _recipe(recipe).merging, Merging()
    if criterion != "dbc":
        merging = replace(published, merge_percent=merging.merge_percent, whiten=merging.whiten, camera=merging.camera)
    elif update not in (None, "exact"):
        merging = replace(merging, update=published.update, start=published.start)
    return asdict(merging)


def network_of(recipe: RecipeName) -> dict[str, Any]:
    """The fields of `InitParameters` that `recipe` sets; a recipe that pools as usual leaves it to what the run has."""
    pooling = _recipe(recipe).pooling
    return {"pooling": pooling} if pooling != "avg" else {}


def extraction_of(recipe: RecipeName) -> dict[str, Any]:
    """The fields of `ExtractParameters` that `recipe` sets."""
    found = _recipe(recipe)
    return {"flip": found.flip, "camera_norm": found.camera_norm}


def evaluation_of(recipe: RecipeName) -> dict[str, Any]:
    """The fields of `EvaluateParameters` that `recipe` sets."""
    found = _recipe(recipe)
    return {"whiten": found.whiten, "camera": found.camera}
