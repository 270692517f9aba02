"""The flags of networks and their training."""

from __future__ import annotations

from dbc_cli.flags.flag import NETWORK, TRAINING, WHERE, Flag
from schemas.choices import Cache, Loss, LrSchedule, MemoryInit, NormStatistics, Optimizer, Pooling, RecipeName

INITIAL = (
    Flag(
        "backbone",
        str,
        "Network: of torchvision, timm:NAME, two:NAME (two of one kind), resnet10, or bow (a bag of words); an unknown name "
        "is answered with all kinds.",
        "resnet50",
        NETWORK,
        "NAME",
    ),
    Flag(
        "weights",
        str,
        "First weights: imagenet (downloaded), none (random), a checkpoint file, another run, or for timm hf-hub:OWNER/NAME.",
        "imagenet",
        NETWORK,
        "WEIGHTS",
    ),
    Flag("height", int, "Height in pixels of the network's input.", "as stored", NETWORK),
    Flag("width", int, "Width in pixels of the network's input.", "as stored", NETWORK),
    Flag("embedding_dim", int, "Size of the embedding.", "the backbone's", NETWORK),
    Flag("last_stride", int, "Stride of a ResNet's last layer: 2 or 1.", "2", NETWORK),
    Flag(
        "pooling",
        Pooling,
        "Features: avg (means of the last map), layers (means and deviations of earlier maps, too), parts (those of the "
        "middle, and of four stripes), gem (ResNets: generalised means), or auto (parts or layers of pretrained networks, if "
        "features do not become very wide).",
        "by recipe: tuned auto, else avg",
        NETWORK,
    ),
)
AMP = (Flag("amp", bool, "Compute in bfloat16 if that is safe.", "", NETWORK),)
COMPILE = (Flag("compile", bool, "Compile the network at its first batch.", "", WHERE),)
RECIPE = (
    Flag(
        "recipe",
        RecipeName,
        "Preset for every flag not given: tuned (whitened features, merged again in each stage), auto (features as they are) "
        "or paper (as published); dbc baseline runs the other methods.",
        "tuned",
    ),
)
TRAIN = (
    *RECIPE,
    Flag("epochs", int, "Epochs of every stage, also where the recipe has none.", "by recipe", TRAINING),
    Flag("batch_size", int, "Images in each step.", "16", TRAINING),
    Flag("learning_rate", float, "Learning rate of the head.", "by recipe", TRAINING),
    Flag("backbone_rate", float, "Learning rate of the backbone, as a share of the head's.", "by recipe", TRAINING),
    Flag("decay_after", int, "Divide learning rates by 10 after so many epochs.", "by recipe", TRAINING),
    Flag("lr_schedule", LrSchedule, "How learning rates fall within a stage.", "step", TRAINING),
    Flag("warmup_epochs", float, "Epochs in which learning rates rise from 0.", "0", TRAINING),
    Flag("optimizer", Optimizer, "sgd (with Nesterov momentum) or adam.", "sgd", TRAINING),
    Flag("clip_norm", float, "Clip gradients to this norm, over all weights together.", "", TRAINING),
    Flag(
        "norm_statistics",
        NormStatistics,
        "Statistics of the backbone's batch norms in training: of the batch, or as stored.",
        "by recipe",
        TRAINING,
    ),
    Flag(
        "freeze_through",
        str,
        "Train no layer up to this one: a module such as layer2, half, finest (the finest that features see), or none.",
        "by recipe",
        TRAINING,
        "PART",
    ),
    Flag("temperature", float, "τ in the loss, eq. (1): p(y | x) ∝ exp(V_y·v / τ).", "by recipe", TRAINING),
    Flag("dropout", float, "Dropout of the embedding.", "by recipe", TRAINING),
    Flag("memory_init", MemoryInit, "First content of the look-up table after stage 0.", "centroids", TRAINING),
    Flag(
        "memory_momentum",
        float,
        "Share of a centroid in the look-up table that a step keeps.",
        "by recipe: tuned 0.1, else 0.5",
        TRAINING,
        "M",
    ),
    Flag(
        "silhouette_above",
        float,
        "Train on samples whose silhouette in their cluster is above; -1 for all.",
        "by recipe: tuned 0, else -1",
        TRAINING,
        "S",
    ),
    Flag(
        "mirror",
        bool,
        "Mirror half of the images.",
        "by recipe: yes, but tuned not where views are known",
        TRAINING,
        spelled="--mirror/--no-mirror",
    ),
    Flag("random_erasing", float, "Share of images in which a random rectangle is erased.", "0", TRAINING, "P"),
    Flag("color_jitter", float, "Random change of brightness, contrast and saturation.", "0", TRAINING, "S"),
    Flag("frames", int, "Random frames of a tracklet in a step; video only.", "by recipe", TRAINING),
    Flag(
        "loss",
        Loss,
        "repelled, eq. (1); oim (online instance matching); softmax (a classifier); dal (association across cameras).",
        "repelled",
        TRAINING,
    ),
    Flag(
        "triplet",
        float,
        "Weight of a batch-hard triplet loss beside it; batches then hold 4 images a class.",
        "0",
        TRAINING,
        "W",
    ),
    Flag(
        "exclusive",
        bool,
        "Beside a classifier, tell the samples that the stage leaves out from each other (EUG, 2019).",
        "",
        TRAINING,
    ),
    Flag("restart", bool, "Train every stage from the first weights.", "by recipe", TRAINING),
    Flag("queue_size", int, "Embeddings in the queue of --loss oim.", "5000", TRAINING, "Q"),
)
SUPERVISED = (
    Flag(
        "supervised",
        bool,
        "Train stage 0 on the identities of the train split, to start other runs from: --weights RUN.",
        "",
        TRAINING,
    ),
)
RUNNING = (
    Flag(
        "cache",
        Cache,
        "Where train images are kept: on the device, in host memory, or only in the store (none).",
        "auto",
        WHERE,
    ),
    Flag(
        "checkpoint_every",
        int,
        "Steps between checkpoints inside a stage.",
        "every few minutes",
        WHERE,
        "STEPS",
        least=1,
        most=1_000_000_000,
    ),
)
