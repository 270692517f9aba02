"""The words that an option may take, each list once; without pydantic, so that help comes at once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, get_args

ArtifactKind = Literal["dataset", "constraints", "features", "clusters", "model", "metrics", "assignments"]
ArtifactStatus = Literal["created", "up to date", "identical", "would create"]

# ingest
DatasetFormat = Literal[
    "market1501",
    "folder",
    "csv",
    "synthetic",
    "dukemtmc-reid",
    "msmt17",
    "cuhk03-np",
    "veri776",
    "mars",
    "dukemtmc-videoreid",
    "mot",
    "ai-city",
    "kitti",
    "coco",
    "wildlife-datasets",
    "camtrap-dp",
    "yolo",
    "voc",
    "labelme",
    "video",
    "megadetector",
]
AskedFormat = Literal["auto", DatasetFormat]
ExportKind = Literal["clusters", "features", "model"]
MapMethod = Literal["tsne", "umap", "pca"]
PageMap = Literal[MapMethod, "none"]
"""How samples are placed on a map, and on that of a page, which may have none."""
ClusterFormat = Literal[
    "camtrap-dp",
    "coco",
    "matchypatchy",
    "megadetector",
    "mot",
    "wildlife-datasets",
    "yolo",
]
"""The files of other programs that clusters are written as."""
OnBadImage = Literal["fail", "skip"]

# networks and training
RecipeName = Literal["tuned", "auto", "paper", "pul", "eug", "race", "stepwise", "dgm", "dal"]
"""Three ways of this method, and other published ones, which `stages.compare` sets beside it."""
BAG_OF_WORDS: Final = "bow"
"""The name of the backbone that has no weights to train."""
NO_WEIGHTS: Final = "none"
IMAGENET: Final = "imagenet"
"""The names of random weights, and of those that a backbone was published with."""
Pooling = Literal["auto", "avg", "gem", "layers", "parts"]
SEVERAL_LAYERS: Final = ("parts", "layers")
"""Poolings that look at several layers, most numbers first."""
LastStride = Literal[1, 2]
NormStatistics = Literal["batch", "stored"]
MemoryInit = Literal["centroids", "zeros"]
Optimizer = Literal["sgd", "adam"]
LrSchedule = Literal["step", "cosine"]
Loss = Literal["repelled", "oim", "softmax", "dal"]
Cache = Literal["auto", "device", "host", "none"]

# merging
CriterionName = Literal[
    "dbc",
    "buc",
]
PUBLISHED_K1, PUBLISHED_K2, PUBLISHED_RERANK_LAMBDA = 20, 6, 0.3
"""Neighbours that are compared, encodings that are averaged, weight of the plain distance (Zhong et al., CVPR 2017)."""


class CriterionFacts(NamedTuple):
    """What is said of a criterion: its λ as published, what its D is made of, and whether that is dispersions.

    Only of dispersions does `camera` 'auto' add to D, does the silhouette end a run, and does the choice of a stage merge by
    the criterion itself: of others it merges by `dbc`.
    """

    lambda_: float
    made_of: str
    of_dispersions: bool = False


CRITERIA: Mapping[str, CriterionFacts] = {
    "dbc": CriterionFacts(0.1, "mean distance and dispersions", of_dispersions=True),
    "buc": CriterionFacts(0.005, "smallest distance and sizes"),
}
PUBLISHED_LAMBDA: Mapping[str, float] = MappingProxyType({name: facts.lambda_ for name, facts in CRITERIA.items()})
"""λ, the weight of the penalty in D, by criterion; the same in every recipe."""
OF_DISPERSIONS = tuple(name for name, facts in CRITERIA.items() if facts.of_dispersions)

Update = Literal["exact", "stale", "union"]
Start = Literal["previous", "singletons", "reviewed"]
SampleMetric = Literal["sqeuclidean", "euclidean", "cosine"]
"""Distances of two samples by their features alone."""
Metric = Literal["sqeuclidean", "euclidean", "cosine", "jaccard"]
"""The distances that a merge offers: those of two samples, and that of their neighbours."""
IntraNormalizer = Literal["n", "n2"]
Linkage = Literal["average", "single"]
"""Which distance of two clusters a criterion takes, in SciPy's words: the mean over pairs of samples, or the smallest."""
Clusterer = Literal[
    "dbc",
    "dbscan",
    "hdbscan",
    "finch",
    "pul",
    "eug",
    "race",
    "stepwise",
    "dgm",
]
"""What makes the clusters of a stage: merges by a criterion, or a method of `stages.merge.clusterers`."""
CLUSTERERS: tuple[Clusterer, ...] = ("dbc", "dbscan", "hdbscan", "finch")
"""Those that need nothing but features; the others belong to `dbc baseline`."""
CameraUse = Literal["auto", "ignored", "centring", "penalty"]
CameraNormUse = Literal["auto", "off"]
FlipUse = Literal["auto"] | bool
"""Whether features are averaged with those of mirror images: as said, or `auto`, unless the views of pictures are known."""
ViewUse = Literal["ignored", "apart"]
EncounterUse = Literal["ignored", "joined"]
Kernels = Literal["auto", "compiled", "arrays"]

Answer = Literal["same", "different", "unsure"]
"""What a person says of two pictures."""

# evaluation, choice of a stage and reports
AveragePrecision = Literal["standard", "trapezoid"]
Stop = Literal["never", "auto"]
Drawn = Literal["worst", "largest", "loosest", "tightest", "chained", "joined"]
Baseline = Literal["pul", "eug", "race", "stepwise", "dgm", "dal", "umdl", "spgan", "tj-aidl"]


def words_of(choice: Any) -> tuple[str, ...]:
    """The words of one of the lists above, in its order."""
    return get_args(choice)
