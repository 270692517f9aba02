"""The flags of every command, each said once; those of training are in `training_flags`.

Defaults live in `schemas.parameters`; a flag that is not given is absent, so that `config.toml` can speak next. The text
after `default` is for people, and a test holds it against the schemas.
"""

from __future__ import annotations

from pathlib import Path

from dbc_cli.flags.flag import WHERE, Flag
from dbc_cli.flags.training import AMP, COMPILE, INITIAL, RECIPE, TRAIN, TRAINING
from schemas.choices import (
    AveragePrecision,
    CameraUse,
    CriterionName,
    DatasetFormat,
    IntraNormalizer,
    Metric,
    OnBadImage,
    Start,
    Stop,
    Update,
)
from schemas.recipes import PUBLISHED_LAMBDA, RECIPES


def by_recipe(field: str) -> str:
    """The defaults of a field of merging, as help shows them."""
    tuned, *others = (getattr(RECIPES[name].merging, field) for name in ("tuned", "auto", "paper"))
    (other,) = set(others)
    return f"by recipe: tuned {_plain(tuned)}, else {_plain(other)}"


def _plain(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else value


COMMON = (
    Flag("run", Path, "--run", "The run directory; also DBC_RUN.", "the last one used here", WHERE, "DIR"),
    Flag("json", bool, "--json", "Print the result as JSON on stdout.", "", WHERE),
    Flag("debug", bool, "--debug", "Show the traceback of a failure.", "", WHERE),
)
MAKING = (
    Flag("force", bool, "--force", "Compute again even where the artifact is up to date.", "", WHERE),
    Flag("dry_run", bool, "--dry-run", "Say what would be made and make nothing.", "", WHERE),
)
DEVICE = (Flag("device", str, "--device", "auto, cpu, cuda or cuda:N.", "auto", WHERE, "DEVICE"),)
SEED = (Flag("seed", int, "--seed", "Seed of every random choice.", "0"),)

WORKERS = (Flag("workers", int, "--workers", "Worker processes; 0 works in this one.", "one a core", WHERE),)

INGEST = (
    Flag("format", DatasetFormat, "--format", "How SOURCE is laid out.", "synthetic without a SOURCE"),
    Flag("height", int, "--height", "Height in pixels that images are stored at.", "256"),
    Flag("width", int, "--width", "Width in pixels that images are stored at.", "128"),
    Flag("on_bad_image", OnBadImage, "--on-bad-image", "What an unreadable image does.", "fail"),
    Flag(
        "camera_pattern",
        str,
        "--camera-pattern",
        "Regular expression on the path; its first group is the camera (format folder).",
        metavar="REGEX",
    ),
    Flag(
        "folder_identities",
        bool,
        "--folder-identities/--no-identities",
        "Whether folders are identities (format folder); their names decide unless given.",
    ),
    Flag("anonymize", bool, "--anonymize", "Keep file names and the source's place out of the artifact."),
    Flag("test_fraction", float, "--test-fraction", "Share of identities kept for query and gallery.", "0.5"),
)
SYNTHETIC = (
    Flag("identities", int, "--identities", "How many people to draw.", "60", "Drawn people"),
    Flag("cameras", int, "--cameras", "How many cameras see each of them.", "4", "Drawn people"),
    Flag("images_per_camera", int, "--images-per-camera", "Images of a person in a camera.", "4", "Drawn people"),
    Flag("difficulty", float, "--difficulty", "0 easy to 1 hard.", "0.5", "Drawn people"),
    Flag(
        "frames_per_tracklet",
        int,
        "--frames-per-tracklet",
        "Draw video tracklets of so many frames; 0 draws images.",
        "0",
        "Drawn people",
    ),
)
TRACKLETS = (
    Flag(
        "tracklets",
        bool,
        "--tracklets",
        "Draw video tracklets: of 8 frames, unless --frames-per-tracklet says how many.",
        panel="Drawn people",
    ),
)
EXTRACT = (Flag("extract_batch_size", int, "--batch-size", "Images a forward pass.", "64", WHERE),)
MERGE = (
    Flag(
        "lambda_",
        float,
        "--lambda",
        "Weight λ of the penalty in D, eq. (4).",
        f"{PUBLISHED_LAMBDA['dbc']}; {PUBLISHED_LAMBDA['buc']} for buc",
    ),
    Flag("merge_percent", float, "--merge-percent", "Merges a stage, as a fraction of the samples.", "0.05"),
    Flag(
        "update",
        Update,
        "--update",
        "How a stage's merges are selected.",
        by_recipe("update"),
    ),
    Flag(
        "start",
        Start,
        "--start",
        "Whether a stage goes on from the clusters before it, or makes its merges and theirs anew from every sample.",
        by_recipe("start"),
    ),
    Flag("metric", Metric, "--metric", "Distance between samples.", "sqeuclidean"),
    Flag(
        "intra_normalizer",
        IntraNormalizer,
        "--intra-normalizer",
        "Divide d_a by n or by n².",
        by_recipe("intra_normalizer"),
    ),
    Flag("criterion", CriterionName, "--criterion", "Dispersion, or nearest pair and cluster sizes.", "dbc"),
    Flag("k1", int, "--k1", "Neighbours that --metric jaccard compares; about the size of an identity.", "20"),
    Flag("k2", int, "--k2", "Neighbours over which --metric jaccard smooths.", "6"),
    Flag(
        "camera",
        CameraUse,
        "--camera",
        "Whether camera ids move each camera's mean feature to one place before a merge, or add to D where shared.",
        "ignored",
    ),
    Flag("camera_weight", float, "--camera-weight", "What --camera penalty adds to D where all share a camera.", "0.1"),
)
WHITEN = (
    Flag(
        "whiten",
        float,
        "--whiten",
        "Whiten features, with this ridge; 0 leaves them as they are.",
        by_recipe("whiten"),
        metavar="RIDGE",
    ),
)
MEMORY = (
    Flag(
        "memory_limit",
        str,
        "--memory-limit",
        "Most memory that merging, whitening or centring may take, such as 8GiB.",
        "0.8 of what is available",
        WHERE,
        "SIZE",
    ),
)
EVALUATE = (
    Flag(
        "average_precision",
        AveragePrecision,
        "--average-precision",
        "Mean of precisions at hits, or area under the polyline.",
        "standard",
    ),
    Flag("rerank", bool, "--rerank", "Order the gallery by k-reciprocal neighbours; slower.", ""),
    Flag("rerank_k1", int, "--rerank-k1", "Neighbours that --rerank compares.", "20"),
    Flag("rerank_k2", int, "--rerank-k2", "Neighbours over which --rerank smooths.", "6"),
    Flag("rerank_lambda", float, "--rerank-lambda", "Weight of the distance itself in --rerank.", "0.3"),
)
SCHEDULE = (
    Flag("stages", int, "--stages", "The last stage.", "⌊1/merge-percent⌋ − 1", metavar="N"),
    Flag("stage0_epochs", int, "--stage0-epochs", "Epochs of stage 0, where they differ.", "as --epochs"),
)
RUN = (*SCHEDULE, *MERGE, *WHITEN, *TRAIN, *INITIAL, *SEED, *AMP, *COMPILE, *EVALUATE, *DEVICE, *MEMORY, *TRAINING)
STOP = (
    Flag("stop", Stop, "--stop", "Stop once stages get no better, without identities.", "never"),
    Flag("patience", int, "--patience", "Stages that may be no better before --stop auto stops.", "3", metavar="N"),
)

BASELINE = (
    Flag("n_clusters", int, "--n-clusters", "Clusters of k-means.", "", metavar="K"),
    Flag("iterations", int, "--iterations", "How often to cluster and train.", "5", metavar="T"),
    Flag("threshold", float, "--threshold", "Cosine with its cluster's centre that a sample must exceed.", "0.85"),
)

COMMAND_FLAGS: dict[str, tuple[Flag, ...]] = {
    "ingest": (*INGEST, *SEED, *SYNTHETIC, *TRACKLETS, *WORKERS),
    "extract": (*EXTRACT, *INITIAL, *SEED, *AMP, *COMPILE, *DEVICE),
    "merge": (*MERGE, *WHITEN, *RECIPE, *DEVICE, *MEMORY),
    "train": (*TRAIN, *WHITEN, *INITIAL, *SEED, *AMP, *COMPILE, *DEVICE, *TRAINING),
    "eval": (*EVALUATE, *WHITEN, *RECIPE),
    "run": (*RUN, *STOP),
    "ablate": RUN,
    "sweep": (*DEVICE, *MEMORY),
    "select": (),
    "plot": (),
    "report": (),
    "baseline": (*BASELINE, *TRAIN, *INITIAL, *SEED, *AMP, *DEVICE),
    "status": (),
    "demo": (*SEED, *DEVICE),
}
"""The flags of every command that `config.toml` may give; those that pick a stage, a run or a version are not among them."""
