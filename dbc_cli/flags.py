"""Every flag, said once: its name, type, help and the default that help shows.

Defaults live in `schemas.parameters`; a flag that is not given is absent, so that `config.toml` can speak next. The text
after `default` is for people, and a test holds it against the schemas.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer

from schemas.choices import DatasetFormat, Metric


@dataclass(frozen=True)
class Flag:
    """A command-line flag; `name` is the field it fills, `default` what help shows."""

    name: str
    kind: Any
    option: str
    help: str
    default: str = ""
    panel: str = "Parameters"
    metavar: str | None = None

    @property
    def key(self) -> str:
        """The flag as `config.toml` spells it: `freeze` for `--freeze/--no-freeze`."""
        return self.option.split("/")[0].removeprefix("--")

    def annotation(self) -> Any:
        """The annotated type that Typer reads."""
        option = typer.Option(
            self.option,
            help=self.help,
            show_default=self.default or False,
            rich_help_panel=self.panel,
            metavar=self.metavar,
        )
        return Annotated[Optional[self.kind], option]  # noqa: UP045 — the type is a value here


_WHERE = "Where and how it runs"

COMMON = (
    Flag("run", Path, "--run", "The run directory; also DBC_RUN.", "the last one used here", _WHERE, "DIR"),
    Flag("json", bool, "--json", "Print the result as JSON on stdout.", "", _WHERE),
    Flag("debug", bool, "--debug", "Show the traceback of a failure.", "", _WHERE),
)
MAKING = (
    Flag("force", bool, "--force", "Compute again even where the artifact is up to date.", "", _WHERE),
    Flag("dry_run", bool, "--dry-run", "Say what would be made and make nothing.", "", _WHERE),
)
DEVICE = (Flag("device", str, "--device", "auto, cpu, cuda or cuda:N.", "auto", _WHERE, "DEVICE"),)
SEED = (Flag("seed", int, "--seed", "Seed of every random choice.", "0"),)
STAGE = (Flag("stage", str, "--stage", "The stage: init, 0, 1, 2, …", "the next thing to do", metavar="STAGE"),)

WORKERS = (Flag("workers", int, "--workers", "Worker processes; 0 works in this one.", "one a core", _WHERE),)

INGEST = (
    Flag("format", DatasetFormat, "--format", "How SOURCE is laid out.", "synthetic without a SOURCE"),
    Flag("height", int, "--height", "Height in pixels that images are stored at.", "256"),
    Flag("width", int, "--width", "Width in pixels that images are stored at.", "128"),
    Flag("on_bad_image", Literal["fail", "skip"], "--on-bad-image", "What an unreadable image does.", "fail"),
    Flag(
        "camera_pattern",
        str,
        "--camera-pattern",
        "Regular expression on the path; its first group is the camera (format folder).",
        metavar="REGEX",
    ),
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
INITIAL = (
    Flag(
        "backbone", str, "--backbone", "A torchvision network, resnet10 or bow.", "resnet50", "Initial weights", "NAME"
    ),
    Flag(
        "weights",
        str,
        "--weights",
        "imagenet (downloaded by torchvision), none, or a .safetensors or .pth file.",
        "imagenet",
        "Initial weights",
        "WEIGHTS",
    ),
    Flag("height", int, "--height", "Height in pixels that the network sees.", "as stored", "Initial weights"),
    Flag("width", int, "--width", "Width in pixels that the network sees.", "as stored", "Initial weights"),
    Flag("embedding_dim", int, "--embedding-dim", "Size of the embedding.", "the backbone's", "Initial weights"),
    Flag("last_stride", int, "--last-stride", "Stride of a ResNet's last layer: 2 or 1.", "2", "Initial weights"),
    Flag(
        "pooling",
        Literal["avg", "gem"],
        "--pooling",
        "How a ResNet pools: mean, or generalised mean with a learnt exponent.",
        "avg",
        "Initial weights",
    ),
)
AMP = (Flag("amp", bool, "--amp", "Compute in bfloat16 where that is safe.", ""),)
COMPILE = (Flag("compile", bool, "--compile", "Compile the network at its first batch.", "", _WHERE),)
EXTRACT = (Flag("extract_batch_size", int, "--batch-size", "Images a forward pass.", "64", _WHERE),)
MERGE = (
    Flag("lambda_", float, "--lambda", "Weight λ of the penalty in D, eq. (4).", "0.1; 0.005 for buc"),
    Flag("merge_percent", float, "--merge-percent", "Merges a stage, as a fraction of the samples.", "0.05"),
    Flag("update", Literal["exact", "stale", "union"], "--update", "How a stage's merges are selected.", "stale"),
    Flag("metric", Metric, "--metric", "Distance between samples.", "sqeuclidean"),
    Flag("intra_normalizer", Literal["n", "n2"], "--intra-normalizer", "Divide d_a by n or by n².", "n"),
    Flag("criterion", Literal["dbc", "buc"], "--criterion", "Dispersion, or nearest pair and cluster sizes.", "dbc"),
    Flag("k1", int, "--k1", "Neighbours that --metric jaccard compares; about the size of an identity.", "20"),
    Flag("k2", int, "--k2", "Neighbours over which --metric jaccard smooths.", "6"),
    Flag(
        "camera",
        Literal["ignored", "centring"],
        "--camera",
        "Whether camera ids move each camera's mean feature to one place before a merge.",
        "ignored",
    ),
)
WHITEN = (
    Flag(
        "whiten",
        float,
        "--whiten",
        "Whiten features, with this ridge; 0 leaves them as they are, as all but --recipe tuned do.",
        "0",
        metavar="RIDGE",
    ),
)
MEMORY = (
    Flag("memory_limit", str, "--memory-limit", "Most memory a merge may take, such as 8GiB.", "", _WHERE, "SIZE"),
)
TRAIN = (
    Flag("recipe", Literal["auto", "paper", "tuned"], "--recipe", "Where rates and epochs come from.", "auto"),
    Flag("epochs", int, "--epochs", "Epochs of a stage.", "by recipe"),
    Flag("batch_size", int, "--batch-size", "Images a step.", "16"),
    Flag("learning_rate", float, "--learning-rate", "Rate of the head.", "by recipe"),
    Flag("backbone_rate", float, "--backbone-rate", "Rate of the backbone as a share of the head's.", "by recipe"),
    Flag("decay_after", int, "--decay-after", "Epochs after which rates fall tenfold.", "by recipe"),
    Flag("lr_schedule", Literal["step", "cosine"], "--lr-schedule", "How rates fall within a stage.", "step"),
    Flag("warmup_epochs", float, "--warmup-epochs", "Epochs in which rates climb to the schedule's.", "0"),
    Flag("optimizer", Literal["sgd", "adam"], "--optimizer", "Nesterov's gradient descent, or Adam.", "sgd"),
    Flag("clip_norm", float, "--clip-norm", "Longest gradient, over all weights together.", ""),
    # this is the flag for batch norms; there is no --freeze-norm
    Flag(
        "norm_statistics",
        Literal["batch", "stored"],
        "--norm-statistics",
        "Statistics that the backbone's batch norms use in training.",
        "by recipe",
    ),
    Flag(
        "freeze_through",
        str,
        "--freeze-through",
        "Last part of the backbone that keeps its weights: a module such as layer2, half, or none.",
        "by recipe",
        metavar="PART",
    ),
    Flag("temperature", float, "--temperature", "τ of eq. (1).", "by recipe"),
    Flag("dropout", float, "--dropout", "Dropout of the embedding.", "by recipe"),
    Flag(
        "memory_init",
        Literal["centroids", "zeros"],
        "--memory-init",
        "What the look-up table starts from after stage 0.",
        "centroids",
    ),
    Flag(
        "memory_momentum",
        float,
        "--memory-momentum",
        "Share of a centroid that a step keeps: 0.5 as published, 0.1 with --recipe tuned.",
        "0.5",
        metavar="M",
    ),
    Flag("random_erasing", float, "--random-erasing", "Share of images with a rectangle blanked.", "0", metavar="P"),
    Flag("color_jitter", float, "--color-jitter", "Change of brightness, contrast, saturation.", "0", metavar="S"),
    Flag("frames", int, "--frames", "Random frames of a tracklet in a step; video only.", "by recipe"),
    Flag(
        "loss", Literal["repelled", "oim"], "--loss", "Eq. (1), or online instance matching with its queue.", "repelled"
    ),
    Flag("queue_size", int, "--queue-size", "Embeddings in the queue of --loss oim.", "5000", metavar="Q"),
)
TRAINING = (
    Flag(
        "cache",
        Literal["auto", "device", "host", "none"],
        "--cache",
        "Where train images lie: on the device, in memory, or in the store.",
        "auto",
        _WHERE,
    ),
    Flag(
        "checkpoint_every",
        int,
        "--checkpoint-every",
        "Steps between checkpoints inside a stage.",
        "every few minutes",
        _WHERE,
        "STEPS",
    ),
)
EVALUATE = (
    Flag(
        "average_precision",
        Literal["standard", "trapezoid"],
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
    Flag("stop", Literal["never", "auto"], "--stop", "Stop once stages get no better, without identities.", "never"),
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
    "merge": (*MERGE, *WHITEN, *DEVICE, *MEMORY),
    "train": (*TRAIN, *WHITEN, *INITIAL, *SEED, *AMP, *COMPILE, *DEVICE, *TRAINING),
    "eval": (*EVALUATE, *WHITEN),
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


def pins(*kinds: str) -> tuple[Flag, ...]:
    """Flags that pick a version of a parent artifact: `--clusters v1`."""
    return tuple(
        Flag(f"pin_{kind}", str, f"--{kind}", f"Version of the {kind} to take.", "the newest", "Versions", "vN")
        for kind in kinds
    )
