"""All backbones: the providers in this package, found by import, and the network of a name."""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil

from torch import nn

from schemas.choices import SEVERAL_LAYERS, Pooling
from schemas.parameters import InitParameters
from stages.errors import UsageError
from stages.nn import backbones
from stages.nn.backbones.layers import most_layers, pool_layers
from stages.nn.backbones.provider import Provider
from stages.nn.seeded import Undrawn, seeded


@functools.cache
def providers() -> tuple[Provider, ...]:
    """The `PROVIDER` of every module of the package that has one, sorted by module."""
    names = sorted(found.name for found in pkgutil.iter_modules(backbones.__path__))
    modules = (importlib.import_module(f"{backbones.__name__}.{name}") for name in names)
    return tuple(module.PROVIDER for module in modules if hasattr(module, "PROVIDER"))


def backbone_names() -> tuple[str, ...]:
    """Every backbone that can be listed, sorted."""
    return tuple(sorted(name for provider in providers() for name in provider.names()))


def provider_of(name: str) -> Provider:
    """The provider that takes the backbone `name`. UsageError, with the nearest names, if there is none."""
    for provider in providers():
        if provider.takes(name):
            return provider
    near = difflib.get_close_matches(name, backbone_names(), n=4, cutoff=0.5)
    near = near or [provider.suggestion for provider in providers()]
    raise UsageError(
        f"`backbone` must be {', or '.join(provider.description for provider in providers())}, got {name!r}; "
        f"try {', '.join(near)}"
    )


def build_backbone(parameters: InitParameters) -> tuple[nn.Module, int]:
    """The network of `parameters.backbone` and the dimension d of its output, pooled features (B, d).

    Weights are random, drawn from `parameters.seed` without touching the process's generator; state-dict names are those
    of the published weights, without the classifier's. Raises UsageError for an unknown name and for an option that the
    network does not have.
    """
    provider = provider_of(parameters.backbone)
    with seeded(parameters.seed):
        network, dim = provider.build(parameters)
    if parameters.pooling in SEVERAL_LAYERS:
        dim = pool_layers(network, dim=dim, name=parameters.backbone, pooling=parameters.pooling)
    return network, dim


def pooling_of_auto(parameters: InitParameters) -> Pooling:
    """'avg', or the pooling of several layers that `pooling` 'auto' takes for the network and weights of `parameters`."""
    if not provider_of(parameters.backbone).pools_layers(parameters):
        return "avg"
    with Undrawn():
        built = build_backbone(parameters.model_copy(update={"pooling": "avg"}))
    return most_layers(*built)
