"""Attributes and identities together: losses by their formulas, what each step may change, and agreement on the target."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional

from schemas.parameters import InitParameters
from stages.compare.baselines.joint_attributes import (
    CONSISTENCY,
    RECONSTRUCTION,
    JointAttributes,
    LabelledImages,
    Settings,
    learn,
)
from stages.extract.network import inference_network
from stages.nn.images import InputForm
from stages.nn.model.network import build_model
from tests.tiny_training import CPU, blotches, tiny_model

N_IDENTITIES, N_ATTRIBUTES = 8, 3


def joint() -> JointAttributes:
    torch.manual_seed(0)
    return JointAttributes(
        tiny_model().backbone,
        tiny_model().backbone,
        dim=256,
        n_identities=N_IDENTITIES,
        n_attributes=N_ATTRIBUTES,
        hidden=16,
    )


def labelled(n: int = 24) -> LabelledImages:
    labels = np.arange(n) % N_IDENTITIES
    attributes = (labels[:, None] >> np.arange(N_ATTRIBUTES)) & 1
    return LabelledImages(blotches(N_IDENTITIES)[labels], labels, attributes.astype(np.float32))


def test_losses_are_their_formulas() -> None:
    model, images = joint(), torch.rand(6, 3, 16, 16)
    labels, wanted = torch.arange(6), (torch.arange(18).view(6, 3) % 2).float()
    losses = model.losses(images, labels, wanted)
    features, told = model.identity(images), model.attributes(model.attribute(images)).sigmoid()
    encoded = model.encoder(features)
    assert losses.identity.item() == pytest.approx(
        -model.classifier(features).log_softmax(dim=1)[torch.arange(6), labels].mean().item(), rel=1e-4
    )
    for found, chance in ((losses.attributes, told), (losses.encoded, encoded.sigmoid())):
        by_hand = -(wanted * chance.log() + (1 - wanted) * (1 - chance).log()).mean()
        assert found.item() == pytest.approx(by_hand.item(), rel=1e-4)
    assert losses.reconstruction.item() == pytest.approx(
        ((model.decoder(encoded) - features) ** 2).mean().item(), rel=1e-4
    )
    assert losses.consistency.item() == pytest.approx(((encoded.sigmoid() - told) ** 2).mean().item(), rel=1e-4)
    parts = (losses.identity, losses.attributes, losses.encoded)
    total = sum(each.item() for each in parts)
    total += RECONSTRUCTION * losses.reconstruction.item() + CONSISTENCY * losses.consistency.item()
    assert losses.total.item() == pytest.approx(total, rel=1e-5)


def test_the_autoencoder_leaves_identity_features_alone() -> None:
    model = joint()
    losses = model.losses(torch.rand(6, 3, 16, 16), torch.arange(6), torch.ones(6, 3))
    (losses.encoded + losses.reconstruction + losses.consistency).backward()
    assert all(parameter.grad is None for parameter in model.identity.parameters())
    assert any(parameter.grad is not None for parameter in model.attribute.parameters())


def test_it_learns_and_then_agrees_on_the_target_without_touching_identities() -> None:
    model, target = joint(), blotches(32)[8:]
    settings = Settings(epochs=8, adaptation_epochs=0, batch_size=8, learning_rate=3e-3)
    told = learn(model, labelled(), target, settings, form=InputForm(), device=CPU)
    assert told[-1][0] < 0.6 * told[0][0]
    before = copy.deepcopy(model.identity.state_dict())
    adapted = learn(
        model, labelled(), target, Settings(epochs=0, adaptation_epochs=12, batch_size=8, learning_rate=3e-3),
        form=InputForm(), device=CPU,
    )  # fmt: skip
    assert adapted[-1][1] < 0.5 * adapted[0][1]
    assert all(torch.equal(value, before[name]) for name, value in model.identity.state_dict().items())


def test_both_branches_are_one_network_that_begins_with_the_weights_of_one() -> None:
    one = build_model(InitParameters(backbone="resnet10", weights="none", seed=3)).eval()
    parameters = InitParameters(backbone="two:resnet10", weights="none")
    both = build_model(parameters).eval()
    for branch in ("first", "second"):
        both.backbone.get_submodule(branch).load_state_dict(one.backbone.state_dict())
    images = torch.rand(5, 3, 32, 16)
    pooled, _ = both(images)
    torch.testing.assert_close(pooled, one(images)[0].repeat(1, 2) / 2**0.5)
    folded = inference_network(both, amp=False, compiled=False, device=CPU)
    torch.testing.assert_close(functional.normalize(folded(images), dim=1), pooled)
