"""The flags that several commands share; those of networks and training are in `training`, others with their command.

Defaults live in the schemas; a flag that is not given is absent, so that `config.toml` can speak next. The text of a default
is for people, and a test holds it against the schemas.
"""

from __future__ import annotations

from dbc_cli.flags.flag import EVALUATION, KNOWN, MERGING, OUTPUT, TRAINING, WHERE, Flag
from schemas.choices import (
    CRITERIA,
    PUBLISHED_LAMBDA,
    AveragePrecision,
    CameraUse,
    Clusterer,
    CriterionName,
    EncounterUse,
    IntraNormalizer,
    Metric,
    Start,
    Update,
    ViewUse,
)
from schemas.recipes import RECIPES


def by_recipe(field: str) -> str:
    """The defaults of a field of merging, as help shows them."""
    tuned, *others = (getattr(RECIPES[name].merging, field) for name in ("tuned", "auto", "paper"))
    (other,) = set(others)
    return f"by recipe: tuned {_plain(tuned)}, else {_plain(other)}"


def _plain(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else value


COMMON = (
    Flag("run", str, "Folder of the run; DBC_RUN sets it, too.", "the last one used here", WHERE, "DIR"),
    Flag("json", bool, "Print the result as JSON on stdout.", "", WHERE),
    Flag("debug", bool, "Show the traceback of a failure.", "", WHERE),
)
MAKING = (
    Flag("force", bool, "Compute again, even if the artifact is up to date.", "", WHERE),
    Flag("dry_run", bool, "Say what would be made, and make nothing.", "", WHERE),
)
OVERWRITE = (Flag("overwrite", bool, "Replace files that are there.", "", OUTPUT),)
DEVICE = (Flag("device", str, "Device: auto, cpu, cuda or cuda:N.", "auto", WHERE, "DEVICE"),)
SEED = (Flag("seed", int, "Seed of every random choice.", "0", least=0, most=2**63 - 1),)
MEMORY = (
    Flag(
        "memory_limit",
        str,
        "Most memory that merging, whitening or centring may take, such as 8GiB.",
        "0.8 of what is available",
        WHERE,
        "SIZE",
    ),
)

MERGE = (
    Flag(
        "merge_percent",
        float,
        "Merges in each stage, as a fraction of the samples.",
        by_recipe("merge_percent"),
        MERGING,
    ),
    Flag(
        "lambda_",
        float,
        "Weight λ of the penalty in D = d_ab + λ (d_a + d_b), eq. (4): large λ puts off loose clusters.",
        "; ".join(f"{value} for {name}" for name, value in PUBLISHED_LAMBDA.items()).replace(" for dbc", ""),
        MERGING,
    ),
    Flag(
        "criterion",
        CriterionName,
        f"What ranks pairs: {', or '.join(f'{name} ({facts.made_of})' for name, facts in CRITERIA.items())}.",
        "dbc",
        MERGING,
    ),
    Flag(
        "update",
        Update,
        "When pairs are ranked: exact after every merge, stale and union once a stage.",
        f"{by_recipe('update')}; stale by any criterion but dbc",
        MERGING,
    ),
    Flag(
        "start",
        Start,
        "What a stage merges: the clusters of the previous stage, or all merges again from single samples; "
        "reviewed, of dbc merge alone, merges nothing, and corrects the stage's clusters by answers.",
        f"{by_recipe('start')}; previous by any criterion but dbc, and with --update stale or union",
        MERGING,
    ),
    Flag(
        "clusterer",
        Clusterer,
        "What makes the clusters of a stage: dbc merges by the criterion; the others cluster all samples again.",
        "by recipe: dbc, but for other methods",
        MERGING,
    ),
    Flag("eps", float, "Largest Jaccard distance of two neighbours in --clusterer dbscan.", "0.6", MERGING),
    Flag(
        "min_samples", int, "Least neighbours within --eps in dbscan; least size of a cluster in hdbscan.", "4", MERGING
    ),
    Flag("metric", Metric, "Distance between samples.", "sqeuclidean", MERGING),
    Flag(
        "intra_normalizer",
        IntraNormalizer,
        "Divide the sum in d_a, eq. (2), by n or by n².",
        by_recipe("intra_normalizer"),
        MERGING,
    ),
    Flag("k1", int, "Neighbours that --metric jaccard compares; about the images of an identity.", "20", MERGING),
    Flag(
        "view",
        ViewUse,
        "With apart, compare only pictures of one view (a flank, a side); views join by answers and encounters.",
        "ignored",
        MERGING,
    ),
    Flag(
        "encounter",
        EncounterUse,
        "With joined, take pictures of one encounter for one individual, unless answers say otherwise.",
        "ignored",
        MERGING,
    ),
    Flag(
        "n_clusters",
        int | str,
        "End with so many clusters, about the number of individuals; auto: with as many as the features ask for "
        "(docs/commands.md); schedule: with those of the last stage. --clusterer pul has so many at every stage.",
        "auto in dbc run by tuned, else schedule",
        MERGING,
        "K",
        least=1,
        most=10_000_000,
    ),
    Flag(
        "min_cosine",
        float,
        "Least cosine of a reliable sample with its cluster's centre in --clusterer pul.",
        "0.85",
        MERGING,
    ),
    Flag("k2", int, "Neighbours that --metric jaccard averages over.", "6", MERGING),
    Flag("camera_weight", float, "What --camera penalty adds to D if all pairs are of one camera.", "0.1", MERGING),
)
CONSTRAINTS = (
    Flag(
        "labels",
        str,
        "Table of pictures whose individual is known: path,identity; samples of one join first, of two never. The word "
        "identities takes those that the data set came with.",
        "",
        KNOWN,
        "FILE",
    ),
    Flag(
        "constraints",
        str,
        "File of answers about pairs of pictures: path_a,path_b,answer (same, different, unsure); none for no file.",
        "constraints.csv in the run's folder, if it is there",
        KNOWN,
        "FILE",
    ),
    Flag(
        "no_derived_constraints",
        bool,
        "Do not take boxes of one picture, and tracklets of one camera at one time, for different individuals.",
        "",
        KNOWN,
    ),
)
WHITEN = (
    Flag(
        "whiten",
        float,
        "Whiten the features with this ridge; 0 does not whiten.",
        by_recipe("whiten"),
        MERGING,
        "RIDGE",
    ),
)
CAMERA = (
    Flag(
        "camera",
        CameraUse,
        "Use of camera ids: auto whitens camera by camera and adds to D for pairs of one camera, if features follow it; "
        "centring subtracts each camera's mean feature and scales to length 1, penalty adds to D, both in merges alone.",
        by_recipe("camera"),
        MERGING,
    ),
)
EVALUATE = (
    Flag(
        "average_precision",
        AveragePrecision,
        "Mean of the precisions at hits, or area under the polyline.",
        "standard",
        EVALUATION,
    ),
    Flag("rerank", bool, "Order the gallery by k-reciprocal neighbours; slower.", "", EVALUATION),
    Flag("rerank_k1", int, "Neighbours that --rerank compares.", "20", EVALUATION),
    Flag("rerank_k2", int, "Neighbours that --rerank averages over.", "6", EVALUATION),
    Flag("rerank_lambda", float, "Weight of the plain distance in --rerank.", "0.3", EVALUATION),
)
SCHEDULE = (
    Flag("stages", int, "Number of the last stage.", "⌊1/merge-percent⌋ − 1", TRAINING, "N", least=0, most=1_000_000),
    Flag("stage0_epochs", int, "Epochs of stage 0.", "as --epochs", TRAINING, least=0, most=1_000_000),
)
