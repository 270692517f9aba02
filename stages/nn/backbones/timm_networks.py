"""timm's networks, `timm:NAME`, with their own input, pooling and weights, from a file or the hub."""

from __future__ import annotations

import difflib
import json
import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from schemas.choices import IMAGENET
from schemas.parameters import InitParameters
from stages.errors import DbcError, UsageError
from stages.nn.backbones.pooling import GeneralizedMean
from stages.nn.backbones.provider import Provider
from stages.nn.backbones.weights import WeightsFile, fit_tensors, read_tensors
from stages.nn.images import IMAGENET_MEAN, IMAGENET_STD
from stages.reporting import SILENT, Reporter
from stages.wording import first_line

PREFIX = "timm:"
HUB = "hf-hub:"
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_TIME_OUT = 20.0
"""Seconds to wait for an answer of the hub."""


class TimmNetworks(Provider):
    """All networks of the installed timm, without their classifiers."""

    description = "timm:NAME with the extra timm"
    suggestion = "timm:vit_small_patch14_dinov2"
    # listing them would import timm
    prefix = PREFIX

    def build(self, parameters: InitParameters) -> tuple[nn.Module, int]:
        """The network for images of the parameters' size, with its own pooling or a generalised mean.

        Vision transformers are built for that size; loading interpolates the positions of their weights. UsageError for an
        unknown name, and for options that the network does not have.
        """
        timm, name = _timm(parameters.backbone), parameters.backbone.removeprefix(PREFIX)
        _config(parameters.backbone)
        if parameters.last_stride != 2:
            raise UsageError(f"`last_stride` must be 2 for {parameters.backbone}, got {parameters.last_stride}")
        size = {"img_size": (parameters.height, parameters.width)} if parameters.height and parameters.width else {}
        try:
            try:
                network: Any = timm.create_model(name, num_classes=0, **size)
            except TypeError:
                # networks without position embeddings have no img_size
                network = timm.create_model(name, num_classes=0)
        except (AssertionError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"`backbone`: timm cannot build {name} for images of {parameters.height}×{parameters.width} "
                f"({first_line(error)}); set `height` and `width` to a size that it takes"
            ) from error
        if parameters.pooling == "gem":
            _pool_by_generalized_mean(network, parameters.backbone)
        # what comes out without a classifier: of the head's hidden layer, if there is one
        hidden = None if parameters.pooling == "gem" else getattr(network, "head_hidden_size", None)
        return network, int(hidden or network.num_features)

    def pools_layers(self, parameters: InitParameters) -> bool:
        """As `Provider`'s: timm's own; those of a file may be made for re-identification."""
        return parameters.weights == IMAGENET

    def downloads(self, weights: str) -> bool:
        """As `Provider`'s; those of the hub, too."""
        return weights.startswith(HUB) or super().downloads(weights)

    def find_weights(self, weights: str, *, backbone: str, reporter: Reporter) -> WeightsFile | None:
        """As `Provider`'s; `hf-hub:OWNER/NAME` is a repository of the hub, 'imagenet' timm's repository for the name."""
        if weights.startswith(HUB):
            return WeightsFile.of(_from_hub(weights.removeprefix(HUB), backbone, reporter), name=weights)
        return super().find_weights(weights, backbone=backbone, reporter=reporter)

    def download(self, backbone: str, *, reporter: Reporter) -> Path:
        """The file of timm's own weights from the hub; they may come from other data than ImageNet."""
        repository = _config(backbone).get("hf_hub_id")
        if not repository:
            return super().download(backbone, reporter=reporter)
        return _from_hub(repository, backbone, reporter)

    def with_weights(self, parameters: InitParameters, weights: WeightsFile | None) -> InitParameters:
        """`parameters` with the mean, deviation and, if not given, input size that the weights were trained with.

        They are timm's for the name, or from a `config.json` beside the file. UsageError if that names another network.
        """
        config = dict(_config(parameters.backbone))
        if weights is not None and weights.name != IMAGENET:
            config |= _config_beside(weights, parameters.backbone)
        _, height, width = config["input_size"]
        found = {
            "mean": tuple(config["mean"]),
            "std": tuple(config["std"]),
            "height": parameters.height or height,
            "width": parameters.width or width,
        }
        return super().with_weights(parameters, weights).model_copy(update=found)

    def load(
        self,
        network: nn.Module,
        weights: WeightsFile,
        *,
        backbone: str,
        reporter: Reporter = SILENT,
    ) -> tuple[str, ...]:
        """Copy `weights` into `network`, converted as timm converts them; returns the names that are not used.

        The file may hold a larger network around it, as MiewID's does; its pooling exponent is loaded too.
        """
        config = _config(backbone)
        found = read_tensors(weights, reporter=reporter)
        prefix = _prefix(found, config)
        inside = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
        convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
        if convert is not None:
            try:
                inside = convert(inside, network)
            except (RuntimeError, ValueError, KeyError, AssertionError, AttributeError) as error:
                raise DbcError(
                    f"weights {weights.name}: timm cannot read them for {backbone} ({first_line(error)}); set "
                    f"`backbone` to the network that they belong to"
                ) from error
        exponent = found.get("pooling.p")
        own_exponent = "global_pool.0.p"
        if exponent is not None and own_exponent in network.state_dict():
            inside[own_exponent] = exponent
        classifier = config.get("classifier") or ()
        scorers = tuple(f"{name}." for name in ([classifier] if isinstance(classifier, str) else classifier))
        inside = {name: value for name, value in inside.items() if not name.startswith(scorers)}
        fit_tensors(network, inside, name=weights.name, backbone=backbone, naming="timm's")
        used = {"pooling.p"} if own_exponent in inside else set()
        return tuple(name for name in found if not name.startswith(prefix) and name not in used)


def _timm(backbone: str) -> Any:
    try:
        import timm
    except ImportError as error:
        raise UsageError(
            f'`backbone`: {backbone} needs timm, which is not installed; install it with: pip install ".[timm]"'
        ) from error
    return timm


def _config(backbone: str) -> dict[str, Any]:
    """timm's configuration for a name: mean, std, input_size, classifier, … UsageError for an unknown name."""
    timm, name = _timm(backbone), backbone.removeprefix(PREFIX)
    architecture, _, tag = name.partition(".")
    config = None
    with suppress(RuntimeError, ValueError):
        config = timm.models.get_pretrained_cfg(name, allow_unregistered=False)
    if not timm.is_model(architecture) or (tag and config is None):
        known = timm.list_models() if not timm.is_model(architecture) else timm.list_pretrained(f"{architecture}.*")
        near = difflib.get_close_matches(name, known, n=4, cutoff=0.6) or known[: 4 * bool(tag)]
        look = "try the name without what follows the dot" if tag else "timm.list_models() lists them"
        advice = f"try {', '.join(PREFIX + found for found in near)}" if near else look
        raise UsageError(f"`backbone`: timm {timm.__version__} has no network {name!r}; {advice}")
    found: dict[str, Any] = {"input_size": (3, 224, 224), "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    return found | ({} if config is None else config.to_dict(remove_null=True))


def _config_beside(weights: WeightsFile, backbone: str) -> Mapping[str, Any]:
    """mean, std and input_size in the `config.json` beside a file, as the hub keeps them; those that it has."""
    path = weights.path.parent / "config.json"
    try:
        content = json.loads(path.read_text()) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise DbcError(f"{path}, beside the weights, is not readable as JSON ({error}); remove it") from error
    content = content if isinstance(content, dict) else {}
    expected = backbone.removeprefix(PREFIX).partition(".")[0]
    named = content.get("architecture", expected)
    if named != expected:
        raise UsageError(
            f"`backbone` must be {PREFIX}{named}, which {path.name} beside the weights names, got {backbone}"
        )
    config = content.get("pretrained_cfg", {})
    return {name: config[name] for name in ("mean", "std", "input_size") if isinstance(config.get(name), list)}


def _from_hub(repository: str, backbone: str, reporter: Reporter) -> Path:
    """The weights file of `OWNER/NAME` or `OWNER/NAME@REVISION` in the hub's cache, with its config.json beside it."""
    _timm(backbone)
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = repository.partition("@")
    options: dict[str, Any] = {"revision": revision or None, "etag_timeout": _TIME_OUT}
    reporter.note(f"weights: asking the hub for {repository}")
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    # it tells each of its tries in two lines
    logger.setLevel(logging.ERROR)
    try:
        for file in _HUB_FILES:
            try:
                found = Path(hf_hub_download(name, file, **options))
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:
                continue
            # without network it is tried for half a minute, and so not before what is needed
            with suppress(EntryNotFoundError):
                hf_hub_download(name, "config.json", **options)
            return found
    except (OSError, RuntimeError, HFValidationError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DbcError(
            f"weights {HUB}{repository}: not available ({reason}); without network, download {_HUB_FILES[0]} and "
            f"config.json elsewhere and give the path of the first as `weights`"
        ) from error
    finally:
        logger.setLevel(level)
    raise DbcError(
        f"weights {HUB}{repository}: the repository has none of {', '.join(_HUB_FILES)}; download the file that it has and "
        f"give its path as `weights`"
    )


def _prefix(found: Mapping[str, Tensor], config: Mapping[str, Any]) -> str:
    """The prefix of the network's own names in a file, such as `backbone.`; usually empty."""
    first = config.get("first_conv")
    for convolution in [first] if isinstance(first, str) else first or ():
        ends = [name.removesuffix(f"{convolution}.weight") for name in found if name.endswith(f"{convolution}.weight")]
        if ends:
            return min(ends, key=len)
    return ""


def _pool_by_generalized_mean(network: nn.Module, backbone: str) -> None:
    if type(getattr(network, "global_pool", None)).__name__ != "SelectAdaptivePool2d":
        raise UsageError(f"`pooling` must be 'avg' for {backbone}, which does not pool a map by its mean, got 'gem'")
    network.global_pool = nn.Sequential(GeneralizedMean(), nn.Flatten())


PROVIDER = TimmNetworks()
