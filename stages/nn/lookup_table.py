"""The look-up table of cluster centroids, the repelled loss against it, and its update after a step."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from stages.arrays.unit_rows import unit_rows
from stages.nn.cross_entropy import softmax_loss
from stages.typing import Float32Array, Int64Array


def repelled_loss(
    embedding: Tensor, table: Tensor, labels: Tensor, *, temperature: float, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The mean `cross_entropy`, a scalar with gradient, and the share of samples whose own cluster ranks first.

    `embedding` (B, e) v, `table` (K, e) V, `labels` (B) int64 in [0, K). Design eq. (1):
    p(y given x) = exp(V_y·v/τ) / Σ_j exp(V_j·v/τ). V takes no gradient.
    """
    return softmax_loss(embedding @ table.detach().T / temperature, labels, weights)


@torch.no_grad()
def update_table(table: Tensor, embedding: Tensor, labels: Tensor, *, momentum: float = 0.5) -> None:
    """Move each sample's centroid in `table` (K, e), in place: V_y ← normalise(μ V_y + (1 − μ) v), in batch order.

    The `momentum` μ is ½ as published; a small one follows the newest sample of the cluster, as in Cluster Contrast.
    `labels` (B) on the host save waiting for a device. Samples of different clusters do not affect each other, so all
    first samples of clusters are applied at once, then all second ones, and so on, with the result of the sequential rule.
    """
    labels = labels.cpu()
    occurrence = occurrence_number(labels)
    for turn in range(int(occurrence.max()) + 1 if len(labels) else 0):
        chosen = (occurrence == turn).nonzero()[:, 0]
        rows = labels[chosen].to(table.device, non_blocking=True)
        newest = embedding[chosen.to(table.device, non_blocking=True)]
        table[rows] = functional.normalize(momentum * table[rows] + (1 - momentum) * newest, dim=1)


def occurrence_number(labels: Tensor) -> Tensor:
    """How many earlier entries equal each entry: (B) int64, 0 for a first occurrence."""
    ordered, order = torch.sort(labels, stable=True)
    position = torch.arange(len(labels), device=labels.device)
    starts_group = torch.ones_like(ordered, dtype=torch.bool)
    starts_group[1:] = ordered[1:] != ordered[:-1]
    group_start = torch.where(starts_group, position, 0).cummax(dim=0).values
    occurrence = torch.empty_like(order)
    occurrence[order] = position - group_start
    return occurrence


def zero_table(n_clusters: int, embedding_dim: int) -> Float32Array:
    """A table (K, e) of zeros, before there are features of clusters."""
    return np.zeros((n_clusters, embedding_dim), dtype=np.float32)


def centroid_table(embedding: NDArray[np.floating], labels: Int64Array) -> Float32Array:
    """The L2-normalised mean embedding of every cluster, (K, e) float32; row k belongs to label k.

    `embedding` is (n, e), `labels` (n) with every value of 0..K−1. Means accumulate in float64; a mean of length 0 stays 0.
    """
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sums = np.add.reduceat(embedding[order].astype(np.float64), starts, axis=0)
    return unit_rows(sums / counts[:, None])
