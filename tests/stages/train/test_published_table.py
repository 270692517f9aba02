"""What the published code's look-up table does: rows of the clusters before the merge, under the labels after it.

A demonstration, and the reason why `centroid_table` takes the labels that training uses. Row k then holds old cluster k,
another one from the first absorbed label on. Where images of one identity are neighbours in file order, that other cluster
is often of the same identity: the table tells who is who. In a shuffled order it is not, and the wrong rows only do harm.
It is slow, as it shows nothing of our own code; `nn/test_lookup_table.py` says which rows ours takes.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest
from torch import nn

from schemas.parameters import InitParameters, SyntheticParameters
from stages.extract.forward import compute_features
from stages.ingest.synthetic import draw_path, synthetic_samples
from stages.merge import initial_labels
from stages.nn.lookup_table import centroid_table
from stages.nn.model.network import ReidModel, build_model
from stages.train.images.sources import HostFrames
from stages.train.loop import train
from stages.typing import Float32Array, Int64Array, UInt8Array
from tests.reference.published import merge_stage
from tests.tiny_training import CPU, image_samples, tiny_parameters

pytestmark = pytest.mark.slow
PEOPLE = SyntheticParameters(identities=40, cameras=2, images_per_camera=4, difficulty=0.6)
HEIGHT, WIDTH = 48, 24

Drawn: TypeAlias = tuple[UInt8Array, Int64Array]
Merged: TypeAlias = tuple[Float32Array, Int64Array, Int64Array]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    """Images in file order, those of a person beside each other, and who each of them shows."""
    found = synthetic_samples(PEOPLE, seed=1, test_fraction=0.0)
    order = np.argsort(found.pid, kind="stable")
    images = np.stack([draw_path(PEOPLE, found.path[i], seed=1, height=HEIGHT, width=WIDTH) for i in order])
    return images, np.asarray(found.pid, dtype=np.int64)[order]


def network() -> ReidModel:
    return build_model(InitParameters(backbone="resnet10", embedding_dim=64, seed=1), dropout=0.0)


def features(model: nn.Module, images: UInt8Array) -> tuple[Float32Array, Float32Array]:
    """Pooled features and embeddings."""
    frames = np.arange(len(images) + 1)
    pieces = compute_features(model.eval(), images, frames, device=CPU)  # type: ignore[arg-type]
    pooled, embedding = zip(*((pooled, embedding) for _, pooled, embedding in pieces), strict=True)
    return np.concatenate(pooled), np.concatenate(embedding)


@pytest.fixture(scope="module")
def merged(drawn: Drawn) -> Merged:
    """Embeddings of an untrained network, the clusters of stage 2, and those of stage 3, which merges them."""
    pooled, embedding = features(network(), drawn[0])
    before = initial_labels(len(pooled))
    for _ in range(2):
        before = merge_stage(pooled, before, len(pooled) // 20).labels
    return embedding, before, merge_stage(pooled, before, len(pooled) // 20).labels


def in_order(labels: Int64Array, order: Int64Array) -> Int64Array:
    """The same clusters, numbered by their first sample in `order`."""
    first = np.full(labels.max() + 1, len(labels))
    np.minimum.at(first, labels[order], np.arange(len(labels)))
    return np.argsort(np.argsort(first))[labels]


def told_share(pid: Int64Array, before: Int64Array, after: Int64Array) -> float:
    """How often the row of a sample's label holds a cluster that is not its own but of its identity."""
    share = []
    for sample, label in enumerate(after):
        row = np.flatnonzero(before == label)
        share.append(0.0 if after[row[0]] == label else float((pid[row] == pid[sample]).mean()))
    return float(np.mean(share))


def test_misaligned_rows_tell_who_is_who_in_file_order_and_not_in_a_shuffled_one(drawn: Drawn, merged: Merged) -> None:
    _, pid = drawn
    _, before, after = merged
    shuffled = np.random.default_rng(1).permutation(len(pid))
    in_files, mixed = (
        told_share(pid, in_order(before, order), in_order(after, order)) for order in (np.arange(len(pid)), shuffled)
    )
    # measured: 0.255 and 0.025; a row drawn by chance would be of the identity in 8 of 320
    assert in_files > 0.2
    assert mixed < 0.05


def test_rows_of_the_new_clusters_bring_an_identity_together_better_than_misaligned_ones(
    drawn: Drawn, merged: Merged
) -> None:
    images, pid = drawn
    embedding, before, after = merged
    order = np.random.default_rng(1).permutation(len(pid))
    before, after = in_order(before, order), in_order(after, order)
    apart = []
    for rows in (centroid_table(embedding, before)[: after.max() + 1], centroid_table(embedding, after)):
        model = network()
        parameters = tiny_parameters(stage=3, epochs=1, batch_size=16, learning_rate=0.005, dropout=0.0)
        train(model, rows, HostFrames(images, CPU), image_samples(after), parameters=parameters, device=CPU)
        unit = features(model, images)[1]
        cosine = unit @ unit.T
        same = (pid[:, None] == pid) & (after[:, None] != after)
        apart.append(float(cosine[same].mean() - cosine[pid[:, None] != pid].mean()))
    # measured: 0.084 and 0.134
    assert apart[1] > apart[0]
