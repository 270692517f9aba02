"""TJ-AIDL (Wang et al., CVPR 2018): attributes and identities of a labelled set, learned so that they carry over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.nn.images import InputForm, network_input
from stages.typing import Float32Array, Int64Array, UInt8Array

RECONSTRUCTION, CONSISTENCY = 1.0, 10.0
"""Weights of the loss of the autoencoder, and of the agreement between both ways to attributes."""


@dataclass(frozen=True)
class Settings:
    """Epochs on the labelled set and then on the unlabelled one, and the rates of Adam."""

    epochs: int = 20
    adaptation_epochs: int = 5
    batch_size: int = 16
    learning_rate: float = 3.5e-4
    hidden: int = 128
    seed: int = 0


@dataclass(frozen=True)
class Losses:
    """The losses of a batch; `consistency` alone needs no labels."""

    identity: Tensor
    attributes: Tensor
    encoded: Tensor
    reconstruction: Tensor
    consistency: Tensor

    @property
    def total(self) -> Tensor:
        """The loss that the labelled set is trained by."""
        supervised = self.identity + self.attributes + self.encoded
        return supervised + RECONSTRUCTION * self.reconstruction + CONSISTENCY * self.consistency


class JointAttributes(nn.Module):
    """Two branches and what joins them.

    One backbone leads to identities, the other to m attributes. An autoencoder takes the identity features (B, d) to m
    numbers and back. Both ways to attributes are to agree: on the labelled set and, without labels, on the other.
    """

    def __init__(
        self, identity: nn.Module, attribute: nn.Module, *, dim: int, n_identities: int, n_attributes: int, hidden: int
    ) -> None:
        super().__init__()
        self.identity, self.attribute = identity, attribute
        self.classifier = nn.Linear(dim, n_identities)
        self.attributes = nn.Linear(dim, n_attributes)
        self.encoder = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, n_attributes))
        self.decoder = nn.Sequential(nn.Linear(n_attributes, hidden), nn.ReLU(), nn.Linear(hidden, dim))

    def losses(self, images: Tensor, labels: Tensor, attributes: Tensor) -> Losses:
        """The losses of images (B, 3, H, W) with identities `labels` (B) and `attributes` (B, m) in 0 and 1.

        The autoencoder does not change the identity features it is given.
        """
        features = self.identity(images)
        told = self.attributes(self.attribute(images))
        encoded = self.encoder(features.detach())
        return Losses(
            functional.cross_entropy(self.classifier(features), labels),
            functional.binary_cross_entropy_with_logits(told, attributes),
            functional.binary_cross_entropy_with_logits(encoded, attributes),
            functional.mse_loss(self.decoder(encoded), features.detach()),
            functional.mse_loss(encoded.sigmoid(), told.sigmoid()),
        )

    def disagreement(self, images: Tensor) -> Tensor:
        """How far both ways to attributes are apart, for images (B, 3, H, W) of whom nothing is known."""
        encoded = self.encoder(self.identity(images).detach())
        return functional.mse_loss(encoded.sigmoid(), self.attributes(self.attribute(images)).sigmoid())


@dataclass(frozen=True)
class LabelledImages:
    """Pictures (n, H, W, 3) of the labelled set, their identities 0..K−1 (n,) and attributes (n, m), 0 or 1."""

    images: UInt8Array
    labels: Int64Array
    attributes: Float32Array


def learn(
    model: JointAttributes,
    source: LabelledImages,
    target: UInt8Array,
    settings: Settings,
    *,
    form: InputForm,
    device: torch.device,
) -> list[tuple[float, float]]:
    """Train `model` in place on `source`, then adapt it to pictures `target` (n, H, W, 3); the mean loss of each epoch.

    Pairs are (loss on the labelled set, disagreement on the target); while one is trained on, the other is NaN.
    """
    model.to(device).train()
    chance = torch.Generator().manual_seed(settings.seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    told = []
    for _ in range(settings.epochs):
        values = []
        for batch in _batches(len(source.images), settings.batch_size, chance):
            images = _input(source.images, batch, form, device)
            labels = torch.from_numpy(source.labels[batch.numpy()]).to(device)
            attributes = torch.from_numpy(source.attributes[batch.numpy()]).to(device)
            values.append(_stepped(optimizer, model.losses(images, labels, attributes).total))
        told.append((_mean(values), float("nan")))
    # identities are not known here: the identity branch stays as it is
    kept = [*model.attribute.parameters(), *model.attributes.parameters(), *model.encoder.parameters()]
    optimizer = torch.optim.Adam(kept, lr=settings.learning_rate)
    model.identity.eval()
    for _ in range(settings.adaptation_epochs):
        values = [
            _stepped(optimizer, model.disagreement(_input(target, batch, form, device)))
            for batch in _batches(len(target), settings.batch_size, chance)
        ]
        told.append((float("nan"), _mean(values)))
    return told


def _batches(n: int, size: int, chance: torch.Generator) -> Iterator[Tensor]:
    """The batches of an epoch; a single picture is left out, which batch norm cannot take."""
    return (batch for batch in torch.split(torch.randperm(n, generator=chance), size) if len(batch) > 1)


def _input(images: UInt8Array, batch: Tensor, form: InputForm, device: torch.device) -> Tensor:
    return network_input(torch.from_numpy(images[batch.numpy()]).to(device), form.at(images))


def _stepped(optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def _mean(values: list[float]) -> float:
    return sum(values) / max(len(values), 1)
