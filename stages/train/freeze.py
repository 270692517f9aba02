"""Frozen parts of a backbone: weights that do not learn, and batch norms that keep their stored statistics."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from schemas.parameters import InitParameters
from stages.errors import UsageError
from stages.nn.backbones.layers import finest_map
from stages.nn.model.network import ReidModel, build_model
from stages.nn.seeded import Undrawn
from stages.runs.making import Made
from stages.runs.run_directory import model_manifest
from stages.train.recipes import FINEST, HALF, NOTHING


def require_part(made: Made, name: str | None) -> None:
    """Raise UsageError unless the network `made`, or that would be, has the part `name` that training is to freeze.

    Training would say so, but stages later, or never in a dry run.
    """
    if name not in (None, HALF, NOTHING):
        found = made.artifact
        initial = InitParameters(**made.parameters) if found is None else model_manifest(found).initial
        if name == FINEST and initial.pooling == "auto":
            # only the weights decide, and they are still to be downloaded
            return
        with Undrawn():
            model = build_model(initial)
        _module_named(model.backbone, name)


def freeze_through(model: ReidModel, name: str) -> None:
    """Freeze the backbone's parameters up to the end of its module `name`, in the order the network defines them.

    `half` is the last module of the first half of the network's largest `nn.Sequential`, `finest` the block that makes the
    finest map which features of several layers see. UsageError for an unknown name.
    """
    frozen = _frozen_modules(model.backbone, _module_named(model.backbone, name))
    for module in frozen:
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad = False


def set_training_mode(model: ReidModel, *, stored_statistics: bool) -> None:
    """Training mode; in eval mode the backbone's batch norms whose weights are frozen, or all with `stored_statistics`."""
    model.train()
    for module in model.backbone.modules():
        if isinstance(module, _BatchNorm) and (stored_statistics or _is_frozen(module)):
            module.eval()


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters(recurse=False))
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def _module_named(backbone: nn.Module, name: str) -> str:
    if name == HALF:
        return _half(backbone)
    if name == FINEST:
        finest = finest_map(backbone)
        if finest is None:
            raise UsageError(
                "`freeze_through='finest'` needs features of several layers, and this network has none; name another part, or "
                "begin with `pooling='parts'`"
            )
        return finest
    known = [found for found, _ in backbone.named_modules() if found]
    if name not in known:
        parts = [found for found in known if "." not in found]
        raise UsageError(
            f"`freeze_through` must be 'none', 'half', 'finest' or a part of the backbone ({', '.join(parts)}, or a part of "
            f"these), got {name!r}"
        )
    return name


def _half(backbone: nn.Module) -> str:
    """The module that ends the first half of the largest `nn.Sequential`, such as `features.3` of eight."""
    rows: list[tuple[str, nn.Module]]
    rows = [(name, row) for name, row in backbone.named_modules() if isinstance(row, nn.Sequential) and len(row) > 1]
    if not rows:
        rows = [("", backbone)]
    # max takes the first, which is the outermost
    name, row = max(rows, key=lambda named: sum(parameter.numel() for parameter in named[1].parameters()))
    parts = [f"{name}.{part}".lstrip(".") for part, _ in row.named_children()]
    return parts[(len(parts) - 1) // 2]


def _frozen_modules(backbone: nn.Module, last: str) -> list[nn.Module]:
    """The backbone itself and its modules from the first to the last one inside `last`, in order of definition."""
    named = list(backbone.named_modules())
    end = max(i for i, (name, _) in enumerate(named) if name == last or name.startswith(f"{last}."))
    return [module for _, module in named[: end + 1]]
