"""The model: backbone and embedding head, and its conversion to and from named NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from schemas.parameters import InitParameters
from stages.errors import DbcError
from stages.nn.backbones.register import build_backbone
from stages.nn.backbones.weights import load_tensors
from stages.nn.images import IMAGENET_STATISTICS, InputForm, Statistics
from stages.nn.memory_format import laid_out, place
from stages.nn.model.head import EmbeddingHead


class ReidModel(nn.Module):
    """A backbone with an embedding head; images (B, 3, H, W) to (pooled (B, d), embedding (B, e)).

    `input_form` describes the backbone's input.
    """

    memory_format: torch.memory_format | None = None
    """What images are laid out in before the backbone sees them; None takes them as they are."""

    def __init__(self, backbone: nn.Module, head: EmbeddingHead, input_form: InputForm | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.input_form = input_form or InputForm()

    def place(self, device: torch.device, *, n_pixels: int) -> None:
        """Move the model to `device`, laid out as suits batches of `n_pixels` there."""
        self.memory_format = place(self, device, n_pixels=n_pixels)

    def pool(self, images: Tensor, *, amp: bool = False) -> Tensor:
        """The pooled features (B, d) in float32, not normalised; with `amp` the backbone computes in bfloat16."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=amp):
            features: Tensor = self.backbone(laid_out(images, self.memory_format))
        return features.float()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The L2-normalised pooled features, for merging and retrieval, and the head's embeddings, in float32."""
        features = self.pool(images)
        return functional.normalize(features, dim=1), self.head(features)


def build_model(parameters: InitParameters, *, dropout: float = 0.5) -> ReidModel:
    """The model of `parameters`, with random weights drawn from `parameters.seed`.

    Parameters
    ----------
    parameters
        `embedding_dim` None means the backbone's dimension.
    dropout
        The share of the embedding's components that training drops.

    Raises
    ------
    UsageError
        If the backbone is unknown, or lacks an option.

    Examples
    --------
    >>> model = build_model(InitParameters(backbone="resnet10", weights="none", embedding_dim=32))
    >>> pooled, embedding = model.eval()(torch.zeros(2, 3, 64, 32))
    >>> pooled.shape, embedding.shape
    (torch.Size([2, 512]), torch.Size([2, 32]))
    """
    network, dim = build_backbone(parameters)
    head = EmbeddingHead(dim, parameters.embedding_dim or dim, dropout=dropout, seed=parameters.seed)
    statistics = IMAGENET_STATISTICS
    if parameters.mean is not None and parameters.std is not None:
        statistics = Statistics(parameters.mean, parameters.std)
    return ReidModel(network, head, InputForm(parameters.height, parameters.width, statistics))


def model_arrays(model: ReidModel) -> dict[str, NDArray[Any]]:
    """Every parameter and buffer as a NumPy array, named `backbone/<torchvision's name>` or `head/<name>`."""
    return {
        key.replace(".", "/", 1): value.detach().cpu().contiguous().numpy().copy()
        for key, value in model.state_dict().items()
    }


def load_model_arrays(model: ReidModel, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Copy arrays with the names of `model_arrays` into the model.

    Raises DbcError if a name is missing or unknown, or a shape differs.
    """
    expected = {key.replace(".", "/", 1): key for key in model.state_dict()}
    differing = sorted(set(expected) ^ set(arrays))
    shapes = {key.replace(".", "/", 1): tuple(value.shape) for key, value in model.state_dict().items()}
    differing += [name for name in expected if name in arrays and tuple(arrays[name].shape) != shapes[name]]
    if differing:
        raise DbcError(
            f"the model must have the {len(expected)} arrays of this network, got {len(differing)} of another name or shape "
            f"(first {differing[0]!r}); use the backbone and embedding size it was trained with"
        )
    load_tensors(
        model,
        {key: torch.from_numpy(np.require(arrays[name], requirements=["C", "W"])) for name, key in expected.items()},
    )
