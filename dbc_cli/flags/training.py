"""The flags of networks and their training."""

from __future__ import annotations

from dbc_cli.flags.flag import WHERE, Flag
from schemas.choices import (
    Cache,
    Loss,
    LrSchedule,
    MemoryInit,
    NormStatistics,
    Optimizer,
    Pooling,
    RecipeName,
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
        Pooling,
        "--pooling",
        "How a ResNet pools: mean, or generalised mean with a learnt exponent.",
        "avg",
        "Initial weights",
    ),
)
AMP = (Flag("amp", bool, "--amp", "Compute in bfloat16 where that is safe.", ""),)
COMPILE = (Flag("compile", bool, "--compile", "Compile the network at its first batch.", "", WHERE),)
RECIPE = (
    Flag(
        "recipe",
        RecipeName,
        "--recipe",
        "Where what is not said comes from: tuned whitens features and merges them anew, auto takes them as they are, "
        "paper is as published.",
        "tuned",
    ),
)
TRAIN = (
    *RECIPE,
    Flag("epochs", int, "--epochs", "Epochs of a stage.", "by recipe"),
    Flag("batch_size", int, "--batch-size", "Images a step.", "16"),
    Flag("learning_rate", float, "--learning-rate", "Rate of the head.", "by recipe"),
    Flag("backbone_rate", float, "--backbone-rate", "Rate of the backbone as a share of the head's.", "by recipe"),
    Flag("decay_after", int, "--decay-after", "Epochs after which rates fall tenfold.", "by recipe"),
    Flag("lr_schedule", LrSchedule, "--lr-schedule", "How rates fall within a stage.", "step"),
    Flag("warmup_epochs", float, "--warmup-epochs", "Epochs in which rates climb to the schedule's.", "0"),
    Flag("optimizer", Optimizer, "--optimizer", "Nesterov's gradient descent, or Adam.", "sgd"),
    Flag("clip_norm", float, "--clip-norm", "Longest gradient, over all weights together.", ""),
    # this is the flag for batch norms; there is no --freeze-norm
    Flag(
        "norm_statistics",
        NormStatistics,
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
        MemoryInit,
        "--memory-init",
        "What the look-up table starts from after stage 0.",
        "centroids",
    ),
    Flag(
        "memory_momentum",
        float,
        "--memory-momentum",
        "Share of a centroid that a step keeps.",
        "by recipe: tuned 0.1, else 0.5",
        metavar="M",
    ),
    Flag("random_erasing", float, "--random-erasing", "Share of images with a rectangle blanked.", "0", metavar="P"),
    Flag("color_jitter", float, "--color-jitter", "Change of brightness, contrast, saturation.", "0", metavar="S"),
    Flag("frames", int, "--frames", "Random frames of a tracklet in a step; video only.", "by recipe"),
    Flag("loss", Loss, "--loss", "Eq. (1), or online instance matching with its queue.", "repelled"),
    Flag("queue_size", int, "--queue-size", "Embeddings in the queue of --loss oim.", "5000", metavar="Q"),
)
TRAINING = (
    Flag(
        "cache",
        Cache,
        "--cache",
        "Where train images lie: on the device, in memory, or in the store.",
        "auto",
        WHERE,
    ),
    Flag(
        "checkpoint_every",
        int,
        "--checkpoint-every",
        "Steps between checkpoints inside a stage.",
        "every few minutes",
        WHERE,
        "STEPS",
    ),
)
