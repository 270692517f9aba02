"""Batch norms folded into the convolutions before them, for a faster network with the same features."""

from __future__ import annotations

import copy
from collections import Counter
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn


def folded(network: nn.Module) -> nn.Module:
    """A copy of `network` in eval mode, without foldable batch norms, with the same output up to rounding.

    A batch norm that alone reads a convolution gives γ (w∗x + b − μ) / √(σ² + ε) + β, a convolution with the weight
    γ w / √(σ² + ε), computed here in float64 (torch.nn.utils.fusion rounds in float32, to other bits). Networks whose calls
    depend on data are copied unchanged.
    """
    network = copy.deepcopy(network).eval()
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return network
    for convolution, norm in _foldable(network):
        _fold(convolution, norm)
        _pass_on(norm)
    return network


def _foldable(network: nn.Module) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """The convolutions of `network` that nothing but a batch norm reads, and those norms."""
    modules, found = dict(network.named_modules()), []
    calls, read = _calls(network)
    times = Counter(str(call.target) for call in calls)
    for call in calls:
        norm, before = modules[str(call.target)], call.args[0] if call.args else None
        # what hooks do with its input or output would be lost
        if not isinstance(norm, nn.BatchNorm2d) or _has_hooks(norm) or not isinstance(before, fx.Node):
            continue
        convolution = modules[str(before.target)] if before.op == "call_module" else None
        if not isinstance(convolution, nn.Conv2d) or not _are_stored(convolution, norm):
            continue
        if any(id(weights) in read for weights in convolution.parameters()):
            continue
        if len(before.users) == times[str(before.target)] == times[str(call.target)] == 1:
            found.append((convolution, norm))
    return found


def _are_stored(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> bool:
    """Whether weights and statistics are stored, not computed at every call, as spectral norm does."""
    return convolution._parameters.get("weight") is not None and norm.running_mean is not None


def _calls(network: nn.Module) -> tuple[list[fx.Node], set[int]]:
    """The calls of torch's own modules in `network`, in order, as a graph of fx has them; none if they depend on data. And
    the ids of tensors that something else reads, such as a function that is given a module's weights.

    `fx.symbolic_trace` would do, but it leads every network of the process through its tracer, those of other threads, too.
    Here only modules of a copy, with the same tensors, are of classes that put down their calls; hooks are taken to read the
    output that they are given.
    """
    sketch = copy.deepcopy(network, {id(each): each for each in (*network.parameters(), *network.buffers())})
    tracer = _Tracer(fx.Graph())
    for name, module in sketch.named_modules():
        hooked = module._forward_hooks
        hooked.update(dict.fromkeys(hooked, partial(_put_down_hook, tracer)))
        if type(module).__module__.startswith("torch.nn.") and not isinstance(module, nn.Sequential):
            module.__class__ = _recorded(type(module), name, tracer)
    try:
        tracer.graph.output(tracer.create_arg(sketch(tracer.create_proxy("placeholder", "images", (), {}))))
    except Exception:
        # networks may do anything with what is no tensor
        return [], set()
    return [node for node in tracer.graph.nodes if node.op == "call_module"], tracer.read


class _Tracer(fx.proxy.GraphAppendingTracer):
    """A tracer that takes tensors, such as parameters, for constants, whose ids it notes: nothing runs its graph."""

    def __init__(self, graph: fx.Graph) -> None:
        super().__init__(graph)
        self.read: set[int] = set()

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, Tensor):
            self.read.add(id(a))
            return None
        return super().create_arg(a)


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _put_down_hook(tracer: _Tracer, _module: nn.Module, *given: Any) -> None:
    """Put down that a hook reads the output, the last of what it is `given`."""
    tracer.create_proxy("call_function", print, given[-1:], {})


def _recorded(kind: type[nn.Module], name: str, tracer: _Tracer) -> type[nn.Module]:
    """A class as `kind` whose call is put down as one of the module `name`."""

    def record(module: nn.Module, *given: Any, **named: Any) -> fx.Proxy:
        output = tracer.create_proxy("call_module", name, given, named)
        for hook in module._forward_hooks.values():
            hook(module, output)
        return output

    return type(kind.__name__, (kind,), {"__call__": record})


def _pass_on(module: nn.Module) -> None:
    """Let `module` give what it is given; whatever refers to it still finds it, and its values."""
    module.__class__ = nn.Identity


@torch.no_grad()
def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    # others are not foldable
    assert norm.running_mean is not None
    assert norm.running_var is not None
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
