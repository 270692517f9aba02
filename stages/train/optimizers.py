"""The optimizer of a stage: two groups, head and backbone, each with its share of the rate."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from schemas.parameters import TrainParameters
from stages.nn.model.network import ReidModel


def build_optimizer(
    model: ReidModel, parameters: TrainParameters, *, device: torch.device, classifier: nn.Linear | None = None
) -> torch.optim.Optimizer:
    """Nesterov's gradient descent, as published, or Adam, over the parameters that are not frozen.

    A `classifier` learns at the rate of the head.

    On a GPU one kernel updates all of them (`fused`); on the CPU torch's plain loop keeps the bits of earlier releases.
    For Adam, β₁ is the momentum, β₂ 0.999, and weight decay is added to the gradient.
    """
    groups = [
        {"params": [*model.head.parameters(), *(classifier.parameters() if classifier else ())], "share": 1.0},
        {
            "params": [parameter for parameter in model.backbone.parameters() if parameter.requires_grad],
            "share": parameters.backbone_rate,
        },
    ]
    fused = True if device.type == "cuda" else None
    if parameters.optimizer == "adam":
        return torch.optim.Adam(
            groups,
            lr=parameters.learning_rate,
            betas=(parameters.momentum, 0.999),
            weight_decay=parameters.weight_decay,
            fused=fused,
        )
    return torch.optim.SGD(
        groups,
        lr=parameters.learning_rate,
        momentum=parameters.momentum,
        weight_decay=parameters.weight_decay,
        nesterov=parameters.momentum > 0,
        fused=fused,
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group its share of `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def clip_gradients(optimizer: torch.optim.Optimizer, norm: float | None) -> None:
    """Scale all gradients down together if their common length is above `norm`; None leaves them."""
    if norm is not None:
        torch.nn.utils.clip_grad_norm_(trained_parameters(optimizer), norm)


def trained_parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """The parameters of the optimizer, in its order."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
