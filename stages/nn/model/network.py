"""The model: backbone and embedding head, and its exchange with named NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stages.errors import DbcError
from stages.nn.model.backbones import build_backbone
from stages.nn.model.head import EmbeddingHead
from stages.nn.model.weights import WeightsFile, load_tensors, load_weights


class ReidModel(nn.Module):
    """A backbone with an embedding head; images (B, 3, H, W) to (pooled (B, d), embedding (B, e))."""

    def __init__(self, backbone: nn.Module, head: EmbeddingHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def pool(self, images: Tensor, *, amp: bool = False) -> Tensor:
        """The pooled features (B, d) in float32, not normalised; with `amp` the backbone computes in bfloat16."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=amp):
            features: Tensor = self.backbone(images)
        return features.float()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The L2-normalised pooled features, for merging and retrieval, and the head's embeddings, in float32."""
        features = self.pool(images)
        return functional.normalize(features, dim=1), self.head(features)


def build_model(
    backbone: str,
    *,
    embedding_dim: int | None = None,
    dropout: float = 0.5,
    seed: int = 0,
    weights: WeightsFile | None = None,
    last_stride: int = 2,
    pooling: str = "avg",
) -> ReidModel:
    """The model with `weights` in its backbone, or random ones drawn from `seed`; the head is random either way.

    `embedding_dim` None stands for the backbone's own dimension; `build_backbone` says what the last two do.
    """
    network, dim = build_backbone(backbone, seed=seed, last_stride=last_stride, pooling=pooling)
    if weights is not None:
        load_weights(network, weights, backbone=backbone)
    head = EmbeddingHead(dim, embedding_dim or dim, dropout=dropout, seed=seed)
    return ReidModel(network, head)


def model_arrays(model: ReidModel) -> dict[str, NDArray[Any]]:
    """Every parameter and buffer as a NumPy array, named `backbone/<torchvision's name>` or `head/<name>`."""
    return {
        key.replace(".", "/", 1): value.detach().cpu().contiguous().numpy().copy()
        for key, value in model.state_dict().items()
    }


def load_model_arrays(model: ReidModel, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Copies arrays named as `model_arrays` names them into the model; other names are not allowed.

    Raises DbcError where a name is missing or too many, or a shape differs.
    """
    wanted = {key.replace(".", "/", 1): key for key in model.state_dict()}
    differing = sorted(set(wanted) ^ set(arrays))
    shapes = {name: tuple(value.shape) for name, value in model_arrays(model).items()}
    differing += [name for name in wanted if name in arrays and tuple(arrays[name].shape) != shapes[name]]
    if differing:
        raise DbcError(
            f"model: {len(differing)} arrays do not fit this network (first {differing[0]!r}), want {len(wanted)} "
            f"arrays of its names and shapes; use the backbone and embedding size it was trained with"
        )
    load_tensors(model, {key: torch.from_numpy(np.array(arrays[name], copy=True)) for name, key in wanted.items()})
