"""What every artifact says of itself in figures: the same fields that tables and `--json` show."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Summary(BaseModel):
    """A frozen set of figures; a field it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BadImage(Summary):
    """A source file that was left out, and why."""

    path: str
    reason: str


class DatasetSummary(Summary):
    """Counts over a data set; identities and cameras are 0 if none are known.

    `missing` counts the values that the source leaves out, by column; `left_out` its files that are no samples, by suffix;
    `leaks` what makes figures look better than they are, by kind; `boxes` those left out or changed, by what was the matter.
    `n_copied` of the images came from the dataset that others were added to.
    """

    n_images: int
    n_samples: int
    n_train: int
    n_query: int
    n_gallery: int
    n_identities: int
    n_cameras: int
    height: int
    width: int
    skipped: tuple[BadImage, ...] = ()
    missing: dict[str, int] = {}
    left_out: dict[str, int] = {}
    leaks: dict[str, int] = {}
    boxes: dict[str, int] = {}
    n_copied: int | None = None


class ConstraintsSummary(Summary):
    """How many pairs are the same or different individuals; `n_derived` of the different ones the data itself shows.

    `n_joined` is by how many the pairs of same individuals lower the number of clusters.
    """

    n_same: int
    n_different: int
    n_derived: int
    n_joined: int


class FeaturesSummary(Summary):
    """Sizes of the features, and how fast they came.

    `camera_norm`: what was found of the looks of cameras, None if nobody asked; `norm_strength` (0 to 1): how
    much the statistics that the first batch norm had for each camera weighed.
    """

    stage: int
    n_samples: int
    n_images: int
    dim: int
    embedding_dim: int
    images_per_second: float
    camera_norm: str | None = None
    norm_strength: float = 0.0


class CameraSummary(Summary):
    """What `camera` 'auto' found in the train features, and what it did; shares are None if they were not looked for.

    `by_camera`: features were whitened camera by camera. `weight`: what D gained for pairs of one camera.
    `same_camera_neighbours`: the share of samples whose nearest neighbour is of their own camera.
    """

    by_camera: bool
    weight: float
    same_camera_neighbours: float | None
    same_camera_chance: float | None
    told: str


class ClustersSummary(Summary):
    """The partition after a stage; `criterion` figures are D, eq. (4), over the merges of this stage."""

    stage: int
    features_stage: int
    n_samples: int
    n_clusters: int
    n_merges: int
    n_singletons: int
    largest_cluster: int
    criterion_first: float | None
    criterion_last: float | None
    camera: CameraSummary | None = None


class ModelSummary(Summary):
    """How training went; all figures are None for the initial model, which was not trained.

    `n_left_out` of the train samples had no part in it: outliers of a clusterer, and doubtful ones (`silhouette_above`).
    """

    stage: int
    backbone: str
    n_parameters: int
    n_clusters: int | None = None
    n_left_out: int | None = None
    n_steps: int | None = None
    epochs: int | None = None
    loss_first: float | None = None
    loss_last: float | None = None
    accuracy_last: float | None = None
    images_per_second: float | None = None


class MetricsSummary(Summary):
    """Retrieval and cluster figures, fractions rather than percentages; None if the data cannot give them.

    `n_labelled` train samples have an identity that the merge was not told. If the data has no queries (`leave_one_out`),
    queries and gallery are train samples. Gallery samples of unknown identity do not count in `n_gallery`.
    `silhouette` and the two dispersions are in squared Euclidean distance of the features.
    """

    stage: int
    features_stage: int
    n_clusters: int
    n_identities: int | None
    n_labelled: int | None = None
    n_queries: int
    n_queries_left_out: int
    n_gallery: int
    leave_one_out: bool = False
    rank1: float | None
    rank5: float | None
    rank10: float | None
    rank20: float | None
    mAP: float | None
    mINP: float | None
    ari: float | None
    ami: float | None
    nmi: float | None
    homogeneity: float | None
    completeness: float | None
    v_measure: float | None
    purity: float | None
    pairwise_precision: float | None
    pairwise_recall: float | None
    pairwise_f: float | None
    bcubed_precision: float | None
    bcubed_recall: float | None
    bcubed_f: float | None
    same_camera_share: float | None
    same_camera_merges: float | None = None
    same_camera_chance: float | None = None
    singleton_share: float | None
    silhouette: float | None
    mean_intra_dispersion: float | None
    mean_nearest_inter_dispersion: float | None
    cluster_sizes: dict[str, int]
    camera: CameraSummary | None = None


class AssignmentsSummary(Summary):
    """How many samples that no cluster held are of a known individual, and how many of a new one.

    `slope`, `rank_slope` and `intercept` give the probability by the similarity and how many samples are nearer; `separation`
    is the area under the ROC curve of known against new among the clustered samples, each asked with its own cluster and
    without.
    """

    stage: int
    features_stage: int
    n_samples: int
    n_known: int
    n_new: int
    n_clusters: int
    slope: float
    rank_slope: float = 0.0
    intercept: float
    separation: float
