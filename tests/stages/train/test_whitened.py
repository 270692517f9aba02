"""Training on whitened features: what the head computes, and that the backbone alone learns."""

import numpy as np
import torch

from stages.features.whitening import fit_whitening, whitened
from stages.nn.model.network import model_arrays
from stages.train.images.sources import HostFrames
from stages.train.loop import train
from stages.train.recipes import recipe_parameters
from stages.train.whitened import WhitenedHead, with_whitened_head
from tests.tiny_training import CPU, blotches, image_samples, tiny_model, tiny_parameters


def some_features(n=30, dim=8):
    features = np.random.default_rng(0).normal(size=(n, dim)) + 1
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def test_the_head_gives_the_whitened_features_of_a_merge():
    features = some_features()
    whitening = fit_whitening(features, ridge=3)
    head = WhitenedHead(whitening, dropout=0.5).eval()
    embedding = head(torch.from_numpy(7 * features)).numpy()
    assert np.allclose(embedding, whitened(features, whitening), atol=1e-6)


def test_the_backbone_learns_and_the_models_own_head_stays():
    model, labels = tiny_model(), np.arange(16) % 4
    before = model_arrays(model)
    network = with_whitened_head(model, fit_whitening(some_features(dim=256), ridge=1.0), dropout=0.0)
    memory = np.eye(4, 256, dtype=np.float32)
    result = train(
        network,
        memory,
        HostFrames(blotches(16), CPU),
        image_samples(labels),
        parameters=tiny_parameters(epochs=8, learning_rate=0.05),
        device=CPU,
    )
    after = model_arrays(model)
    assert result.loss[-2:].mean() < result.loss[:2].mean()
    assert result.lookup_table.shape == (4, 256)
    assert not np.array_equal(before["backbone/0.weight"], after["backbone/0.weight"])
    assert np.array_equal(before["head/linear.weight"], after["head/linear.weight"])


def test_the_tuned_recipe_whitens_once_there_are_clusters():
    ridges = [
        recipe_parameters(
            stage, n_samples=100, n_clusters=20, recipe=recipe, random_weights=random, overrides=given
        ).whiten
        for stage, recipe, random, given in [
            (3, "tuned", False, {}),
            (0, "tuned", False, {}),
            (3, "auto", False, {}),
            (3, "tuned", True, {}),
            (3, "auto", False, {"whiten": 1.5}),
            (0, "auto", False, {"whiten": 1.5}),
        ]
    ]
    assert ridges == [3.0, 0.0, 0.0, 3.0, 1.5, 0.0]


def test_apart_from_whitening_the_look_up_table_and_doubtful_samples_the_tuned_recipe_trains_as_auto_does():
    auto, tuned = (recipe_parameters(5, n_samples=100, n_clusters=20, recipe=recipe) for recipe in ("auto", "tuned"))
    as_auto = {"recipe": "auto", "whiten": 0.0, "memory_momentum": 0.5, "silhouette_above": -1}
    assert tuned.model_copy(update=as_auto) == auto
