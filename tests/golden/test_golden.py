"""Runs that earlier releases wrote are read back by this one, value for value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from schemas.manifest import MetricsManifest
from schemas.stage_names import INIT_STAGE
from stages.runs.listing import artifacts_of
from stages.runs.run_directory import (
    RunDirectory,
    clusters_manifest,
    dataset_manifest,
    features_manifest,
    metrics_manifest,
    model_manifest,
)
from stages.runs.store import Artifact
from stages.runs.store.digests import artifact_id

RUN = RunDirectory(Path(__file__).parent / "schema-1")
IDS = {
    "dataset/v1.zarr": "0e9b298cc918dd8e",
    "stage-init/model/v1.zarr": "89f573864233d615",
    "stage-init/features/v1.zarr": "9e48ce3ff3d61276",
    "stage-01/clusters/v1.zarr": "2633fdc125b9fd7c",
    "stage-01/metrics/v1.zarr": "4ce52c6792196edc",
}
PID = [2, 3, 1, 3, 1, 2, 3, 1, 4, 3, 2, 4, 4, 4, 1, 2]


def read_all(artifact: Artifact) -> dict[str, np.ndarray]:
    return {name: artifact.read(name) for name in artifact.names()}


def test_every_artifact_is_found_with_its_id_and_intact_arrays() -> None:
    artifacts = artifacts_of(RUN)
    assert {a.path.relative_to(RUN.root).as_posix(): a.manifest.id[:16] for a in artifacts} == IDS
    for artifact in artifacts:
        assert artifact.manifest.schema_version == 1
        assert artifact.damaged() == ()
        assert artifact_id(artifact.manifest.key, artifact.manifest.arrays) == artifact.manifest.id
        read = read_all(artifact)
        assert {name: array.shape for name, array in read.items()} == {
            name: record.shape for name, record in artifact.manifest.arrays.items()
        }


def test_every_parent_is_found() -> None:
    parents = {
        artifact.path.relative_to(RUN.root).as_posix(): [
            RUN.resolve(parent).path.relative_to(RUN.root).as_posix() for parent in artifact.manifest.parents
        ]
        for artifact in artifacts_of(RUN)
    }
    dataset, model, features, clusters, metrics = IDS
    assert parents == {
        dataset: [],
        model: [],
        features: [dataset, model],
        clusters: [dataset, features],
        metrics: [dataset, features, clusters],
    }


def test_the_dataset_reads_back() -> None:
    artifact = RUN.require("dataset")
    manifest, arrays = dataset_manifest(artifact), read_all(artifact)
    assert manifest.parameters.synthetic is not None
    assert (manifest.parameters.height, manifest.parameters.width, manifest.parameters.synthetic.identities) == (
        16,
        8,
        4,
    )
    assert (manifest.summary.n_train, manifest.summary.n_query, manifest.summary.n_gallery) == (8, 4, 4)
    assert arrays["pid"].tolist() == PID
    assert arrays["camid"].tolist() == [1, 1, 1, 1, 2, 2, 2, 1, 2, 2, 1, 1, 1, 2, 2, 2]
    assert arrays["frame_start"].tolist() == list(range(17))
    assert arrays["path"][2] == "query/0001_c1s1_000001_00.png"
    assert (arrays["images"].dtype, arrays["images"].shape, int(arrays["images"].sum())) == (
        np.uint8,
        (16, 16, 8, 3),
        716823,
    )
    np.testing.assert_array_equal(artifact.rows("images")[np.array([15, 0])], arrays["images"][[15, 0]])


def test_a_dataset_of_boxes_reads_back() -> None:
    artifact = RunDirectory(Path(__file__).parent / "schema-1-boxes").require("dataset")
    assert artifact.manifest.id[:16] == "58832e36716b6296"
    assert artifact.manifest.schema_version == 1
    assert artifact.damaged() == ()
    assert artifact_id(artifact.manifest.key, artifact.manifest.arrays) == artifact.manifest.id
    manifest, arrays = dataset_manifest(artifact), read_all(artifact)
    assert manifest.parameters.pad == 0.125
    assert manifest.summary.boxes == {"clipped to their picture": 1}
    assert arrays["path"].tolist() == ["2.png", "1.png", "1.png", "2.png"]
    assert arrays["frame_start"].tolist() == [0, 1, 2, 4]
    assert arrays["box"].tolist() == [[0, 0, 60, 40], [25, 3, 35, 25], [0, 0, 25, 37], [8, 8, 20, 20]]
    assert arrays["frame_number"].tolist() == [8, 7, 7, 8]
    assert arrays["timestamp"].tolist() == ["", "2024-05-31T07:15:00", "2024-05-31T07:15:00", "2024-05-31T07:15:02"]
    np.testing.assert_array_equal(arrays["score"], np.float32([np.nan, 0.5, 0.75, np.nan]))
    assert (arrays["encounter"].tolist(), arrays["encounter_name"].tolist()) == ([-2, 1, 1], ["", "e1", "e1"])
    assert (arrays["view"].tolist(), arrays["view_name"].tolist()) == ([-2, 2, 1], ["", "right", "left"])
    assert (arrays["images"].shape, int(arrays["images"].sum())) == ((4, 16, 8, 3), 151560)


def test_the_model_reads_back() -> None:
    artifact = RUN.require("model", INIT_STAGE)
    manifest, arrays = model_manifest(artifact), read_all(artifact)
    assert (manifest.initial.backbone, manifest.initial.embedding_dim, manifest.summary.n_parameters) == (
        "resnet18",
        2,
        30,
    )
    np.testing.assert_array_equal(arrays["backbone/conv1.weight"].ravel(), np.arange(24, dtype=np.float32) / 8)
    assert int(arrays["backbone/bn1.num_batches_tracked"]) == 3
    assert arrays["head/linear.weight"].tolist() == [[1, 0, 0], [0, 1, 0]]


def test_the_features_read_back() -> None:
    artifact = RUN.require("features", INIT_STAGE)
    assert features_manifest(artifact).summary.dim == 3
    wanted = np.stack([np.array(PID) * 10.0, np.arange(16) * 0.25, np.ones(16)], axis=1)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(artifact.read("pooled"), wanted, rtol=1e-6)
    np.testing.assert_allclose(artifact.read("embedding"), wanted[:, :2], rtol=1e-6)


def test_the_clusters_read_back() -> None:
    artifact = RUN.require("clusters", 1)
    manifest, arrays = clusters_manifest(artifact), read_all(artifact)
    assert (manifest.parameters.merge_percent, manifest.parameters.lambda_, manifest.summary.n_clusters) == (
        0.5,
        0.1,
        4,
    )
    assert arrays["labels"].tolist() == [0, 1, 1, 2, 1, 1, 1, 3]
    assert arrays["merges"].tolist() == [[5, 6], [4, 5], [2, 4], [1, 2]]
    assert arrays["linkage"][:, 3].tolist() == [2, 3, 4, 5]
    assert arrays["criterion"][0] == 3.8565864048267784e-05


def test_the_metrics_read_back() -> None:
    artifact = RUN.require("metrics", 1)
    manifest: MetricsManifest = metrics_manifest(artifact)
    assert (manifest.summary.rank1, manifest.summary.mAP, manifest.summary.n_queries) == (1.0, 1.0, 4)
    assert manifest.summary.ari == pytest.approx(0.2553191489361702, abs=0)
    assert manifest.summary.cluster_sizes == {"1": 3, "5": 1}
    assert artifact.read("first_hit").tolist() == [1, 1, 1, 1]
