"""The fields that the parameters of each stage had in the first release. Nothing is ever added here.

A key hashes every one of them, so artifacts of every release have them. A field that comes later goes to `added_later` of
its class; a class that comes later has no entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "SyntheticParameters": ("identities", "cameras", "images_per_camera", "frames_per_tracklet", "difficulty"),
        "IngestParameters": (
            "format",
            "height",
            "width",
            "seed",
            "on_bad_image",
            "camera_pattern",
            "test_fraction",
            "synthetic",
            "source_digest",
        ),
        "InitParameters": ("backbone", "weights", "weights_digest", "height", "width", "embedding_dim", "seed"),
        "ExtractParameters": ("batch_size", "amp"),
        "MergeParameters": ("criterion", "lambda_", "merge_percent", "update", "metric", "intra_normalizer"),
        "TrainParameters": (
            "stage",
            "recipe",
            "epochs",
            "batch_size",
            "learning_rate",
            "backbone_rate",
            "decay_after",
            "momentum",
            "weight_decay",
            "norm_statistics",
            "temperature",
            "dropout",
            "memory_init",
            "seed",
            "amp",
        ),
        "EvaluateParameters": ("average_precision",),
    }
)
