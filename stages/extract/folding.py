"""Batch norms folded into the convolutions before them, for a faster network with the same features."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn


def folded(network: nn.Module) -> nn.Module:
    """A copy of `network` in eval mode, without foldable batch norms, with the same output up to rounding.

    A batch norm that alone reads a convolution gives γ (w∗x + b − μ) / √(σ² + ε) + β, a convolution with the weight
    γ w / √(σ² + ε), computed here in float64 (torch.nn.utils.fusion rounds in float32, to other bits). Networks that torch
    cannot trace, because their calls depend on data, are copied unchanged.
    """
    network = copy.deepcopy(network).eval()
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return network
    try:
        traced = fx.GraphModule(network, _Tracer().trace(network))
    except (fx.proxy.TraceError, TypeError):
        return network
    modules = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        norm = modules.get(str(node.target)) if node.op == "call_module" else None
        before = node.args[0] if isinstance(norm, nn.BatchNorm2d) else None
        if not isinstance(norm, nn.BatchNorm2d) or not isinstance(before, fx.Node) or before.op != "call_module":
            continue
        convolution = modules[str(before.target)]
        # what moves the norm's input would be lost
        is_alone = len(before.users) == 1 and _called_once(traced, before, node) and not norm._forward_pre_hooks
        if isinstance(convolution, nn.Conv2d) and is_alone:
            _fold(convolution, norm)
            node.replace_all_uses_with(before)
            traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced


class _Tracer(fx.Tracer):
    """A tracer that sees what hooks do."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not m._forward_hooks and super().is_leaf_module(m, module_qualified_name)


def _called_once(traced: fx.GraphModule, *nodes: fx.Node) -> bool:
    """Whether none of these modules is called anywhere else."""
    targets = [node.target for node in traced.graph.nodes if node.op == "call_module"]
    return all(targets.count(node.target) == 1 for node in nodes)


@torch.no_grad()
def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    if norm.running_mean is None or norm.running_var is None:
        raise TypeError("a batch norm without stored statistics cannot be folded")
    scale = _double(norm.weight, 1.0, norm) / (norm.running_var.double() + norm.eps).sqrt()
    shift = _double(norm.bias, 0.0, norm) - norm.running_mean.double() * scale
    if convolution.bias is not None:
        shift = shift + convolution.bias.double() * scale
    weight = convolution.weight.double() * scale.view(-1, 1, 1, 1)
    convolution.weight = nn.Parameter(weight.to(convolution.weight.dtype), requires_grad=False)
    convolution.bias = nn.Parameter(shift.to(convolution.weight.dtype), requires_grad=False)


def _double(parameter: Tensor | None, missing: float, norm: nn.BatchNorm2d) -> Tensor:
    if parameter is None:
        return torch.full((norm.num_features,), missing, dtype=torch.float64)
    return parameter.double()
