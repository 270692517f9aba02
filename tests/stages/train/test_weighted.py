"""Samples that count less than others: a step by hand, weights of 1, and weights from clusters to samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch

from stages.nn.parallel.shared_batch import SharedBatch
from stages.runs.store import Artifact
from stages.samples import QUERY, TRAIN
from stages.train.compute import _samples
from stages.train.images.draws import draw_step
from stages.train.loop import _beginning
from stages.train.parents import Parents
from stages.train.step import train_step
from tests.tiny_training import CPU, digest, image_samples, tiny_model, tiny_parameters, trained

LOSSES: dict[str, dict[str, Any]] = {
    "repelled": {},
    "instance matching": {"loss": "oim", "queue_size": 12},
    "a classifier": {"loss": "softmax"},
    "a classifier and triplets": {"loss": "softmax", "triplet": 0.5},
    "exclusive classes": {"loss": "softmax", "exclusive": True},
}


@pytest.mark.parametrize("loss", ["repelled", "oim", "softmax"])
def test_a_step_goes_down_the_gradient_of_the_weighted_loss(loss: str) -> None:
    labels, weights = np.array([0, 1, 2, 0, 1]), np.array([1, 0.25, 0, 0.6, 0.9], dtype=np.float32)
    asked = tiny_parameters(loss=loss, momentum=0, weight_decay=0, temperature=0.5, dropout=0)
    table = np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32)
    model, by_hand = tiny_model(), tiny_model()
    state = _beginning(model, table, asked, seed=0, device=CPU, cameras=None, n_others=0)
    classifier = _beginning(by_hand, table, asked, seed=0, device=CPU, cameras=None, n_others=0).classifier
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    samples = replace(image_samples(labels), weights=weights)
    draw = draw_step(torch.arange(5), samples, parameters=asked, generator=state.generator)
    done = train_step(state, draw, images, network=model.pool, parameters=asked, shared=SharedBatch(None))

    pooled = by_hand.pool(images)
    if classifier is None:
        scores = by_hand.head(pooled) @ torch.from_numpy(table).T / 0.5
    else:
        scores = by_hand.head.unnormalised(pooled) @ classifier.weight.T + classifier.bias
    terms = [
        float(weights[i]) * (torch.log(torch.exp(scores[i]).sum()) - scores[i, labels[i]]) for i in range(len(labels))
    ]
    expected = sum(terms[1:], terms[0]) / 5
    expected.backward()
    assert float(done.reading[0]) == pytest.approx(expected.item(), rel=1e-5)
    for (name, new), old in zip(model.named_parameters(), by_hand.parameters(), strict=True):
        assert old.grad is not None, name
        torch.testing.assert_close(new, old - 0.1 * old.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_weights_of_1_give_the_bits_of_none_and_others_do_not(name: str) -> None:
    labels = np.array([*np.arange(12) % 3, *([-1, -2, -3] if "exclusive" in LOSSES[name] else [])])
    digests = []
    for weights in (None, np.ones(len(labels), dtype=np.float32), np.linspace(0, 1, len(labels), dtype=np.float32)):
        model = tiny_model(dropout=0.5)
        samples = replace(image_samples(labels), weights=weights)
        digests.append(digest(model, trained(model, labels, samples=samples, **LOSSES[name])))
    assert digests[0] == digests[1] != digests[2]


class Stored(dict[str, np.ndarray]):
    """Arrays, as an artifact has them."""

    def read(self, name: str) -> np.ndarray:
        return self[name]

    def names(self) -> tuple[str, ...]:
        return tuple(self)


@pytest.mark.parametrize("stored", ["labels", "weights"])
def test_every_sample_has_the_weight_that_its_cluster_artifact_gives(stored: str) -> None:
    split = np.array([TRAIN, QUERY, TRAIN, TRAIN, QUERY, TRAIN])
    dataset = Stored(split=split, frame_start=np.arange(7))
    clusters = Stored({stored: np.array([0.5, 0.0, 0.7, 0.9], dtype=np.float32)})
    parents = Parents(cast(Artifact, dataset), cast(Artifact, None), cast(Artifact, clusters), None)
    found = _samples(parents, np.array([0, 3, 5, 2]), np.array([0, 1, 0, -1]), tiny_parameters())
    assert found.first.tolist() == [0, 3, 5, 2]
    assert (found.weights is None) == (stored == "labels")
    if found.weights is not None:
        assert found.weights == pytest.approx([0.5, 0.7, 0.9, 0])
        assert found.packed().weights is found.weights


def test_the_reading_is_without_triplets_which_ln_k_says_nothing_of() -> None:
    readings = []
    for triplet in (0, 5):
        asked = tiny_parameters(loss="softmax", triplet=triplet, dropout=0)
        model, table = tiny_model(), np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32)
        state = _beginning(model, table, asked, seed=0, device=CPU, cameras=None, n_others=0)
        draw = draw_step(torch.arange(6), image_samples(np.arange(6) % 3), parameters=asked, generator=state.generator)
        images = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(2))
        done = train_step(state, draw, images, network=model.pool, parameters=asked, shared=SharedBatch(None))
        readings.append(done.reading.tolist())
    assert readings[0] == readings[1]
