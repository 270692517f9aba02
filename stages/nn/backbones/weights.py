"""Weights files: finding, reading and checking them, and copying them into a network."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from schemas.choices import IMAGENET, NO_WEIGHTS
from schemas.stage_names import stage_directory
from stages.errors import DbcError, UsageError
from stages.nn.backbones.headless import removed_names
from stages.nn.backbones.weights_content import common_prefix, own_model, read_weights
from stages.reporting import SILENT, Reporter
from stages.runs.run_directory import model_manifest
from stages.wording import so_many

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.int16, torch.int32, torch.int64)
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
_COUNT = "num_batches_tracked"
_HALF = (torch.float16, torch.bfloat16)
_OWN_ENDS = (_COUNT, "avgpool.p", "global_pool.0.p")
# DenseNets were published under names that modules may no longer have
_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
_CLASSIFIERS = frozenset({"fc", "classifier", "head", "heads", "logits"})
"""What networks call the part that scores classes."""
_ADVICE = "use `weights='imagenet'`, `weights='none'` or a checkpoint in {} naming, of a file or a run"


@dataclass(frozen=True)
class WeightsFile:
    """The path of weights, their name in records (without folders), and the SHA-256 of their bytes."""

    path: Path
    name: str
    digest: str

    @staticmethod
    def of(path: Path, *, name: str) -> WeightsFile:
        """The file at `path`, recorded as `name`."""
        return WeightsFile(path, name, file_digest(path))


def weights_file(weights: str) -> WeightsFile:
    """The weights at the path `weights`: a file of any name, or the newest model of a run or of a stage.

    UsageError if there is nothing.
    """
    path = Path(os.path.expanduser(weights))  # noqa: PTH111, it leaves "~" if there is no home
    if path.is_dir():
        model = own_model(path)
        return WeightsFile(
            model.path, f"{stage_directory(model_manifest(model).summary.stage)}/model", model.manifest.id
        )
    if not path.is_file():
        advice = _ADVICE.format("its network's")
        raise UsageError(f"`weights`: there is no file and no run at {weights!r}; check the path, or {advice}")
    return WeightsFile.of(path, name=path.name)


def backbone_of(weights: str) -> str | None:
    """The backbone of the run or stage in the folder `weights`; None for anything else. UsageError without a model."""
    path = Path(os.path.expanduser(weights))  # noqa: PTH111, as above
    is_folder = weights not in (IMAGENET, NO_WEIGHTS) and path.is_dir()
    return model_manifest(own_model(path)).initial.backbone if is_folder else None


def load_weights(
    module: nn.Module, file: WeightsFile, *, backbone: str, reporter: Reporter = SILENT
) -> tuple[str, ...]:
    """Copy the weights of `file`, in torchvision's naming, into `module`, a backbone named `backbone`.

    One common prefix is taken off and told. The names of what was left out: classifiers and, beside a prefix, everything
    else. Raises DbcError as `fit_tensors` does.
    """
    found, own = read_weights(file.path, name=file.name, reporter=reporter), module.state_dict()
    prefix = common_prefix(found, own)
    if prefix:
        reporter.note(f"weights {file.name}: {prefix!r} is taken off the names")
    inside = {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}
    taken = _without_classifier(inside, module)
    fit_tensors(module, taken, name=file.name, backbone=backbone)
    kept = {_DENSE_LAYER.sub(r"\1\2", key) for key in taken}
    return tuple(
        key
        for key in found
        if not key.startswith(prefix) or _DENSE_LAYER.sub(r"\1\2", key.removeprefix(prefix)) not in kept
    )


def fit_tensors(
    module: nn.Module, found: Mapping[str, Tensor], *, name: str, backbone: str, naming: str = "torchvision's"
) -> None:
    """Copy the weights `found` in the file `name` into `module`, a backbone named `backbone`.

    `num_batches_tracked` and the exponent of a generalised mean may be absent; counts that `half()` made floats
    are left out. Raises DbcError if names, shapes or kinds of number do not match, or a value is not finite.
    """
    own = module.state_dict()
    found = {key: value for key, value in found.items() if not (key.endswith(_COUNT) and value.dtype in _HALF)}
    missing = [key for key in own if key not in found and not key.endswith(_OWN_ENDS)]
    unexpected = [key for key in found if key not in own]
    misshaped = [key for key in found if key in own and found[key].shape != own[key].shape]
    for kind, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshaped)):
        if keys:
            near = _nearest(missing, unexpected) if kind != "of another shape" else ""
            raise DbcError(
                f"weights {name} must have {naming} {so_many(len(own), 'array')} for {backbone}, got {len(keys)} {kind} "
                f"({first_three(keys)}){near}; set `backbone` to the network that these weights belong to, or "
                f"{_ADVICE.format(naming)}"
            )
    for key, value in found.items():
        kind = _unusable_kind(value, is_float=own[key].is_floating_point())
        if kind:
            raise DbcError(
                f"weights {name}: {key} must be a dense {_dtype(own[key])} tensor, got {kind}; save the network's "
                f"state_dict() as float32"
            )
    broken = [key for key, value in found.items() if not torch.isfinite(value).all()]
    if broken:
        raise DbcError(
            f"weights {name} must be finite, got NaN or infinity in {so_many(len(broken), 'array')} "
            f"({first_three(broken)}); use an undamaged file"
        )
    load_tensors(module, found)


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _unusable_kind(value: Tensor, *, is_float: bool) -> str:
    """Why `value` cannot be copied into a float or integer tensor; empty if it can."""
    if value.is_meta:
        return "one on the meta device, without values"
    if value.layout != torch.strided:
        return f"a sparse one ({str(value.layout).removeprefix('torch.')})"
    if value.is_quantized:
        return f"a quantised one ({_dtype(value)})"
    return "" if value.dtype in (_FLOATS if is_float else _INTEGERS) else _dtype(value)


def load_tensors(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy `tensors`, with names and shapes of `module`, into it; its other tensors stay."""
    current = module.state_dict()
    current.update(tensors)
    # this state dict has the layout versions that MNASNet, for one, needs to load
    module.load_state_dict(current)


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _nearest(missing: list[str], unexpected: list[str]) -> str:
    """The three first names that are missing, and the names of the file that are nearest to them; empty without any."""
    if not missing or not unexpected:
        return ""
    near: list[str] = []
    for key in missing[:3]:
        near += difflib.get_close_matches(key, [name for name in unexpected if name not in near], n=1, cutoff=0)
    return f"; the network has {', '.join(missing[:3])}, the file {', '.join(near)}"


def first_three(names: Sequence[str]) -> str:
    """The first three of `names`, and whether there are more."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def read_tensors(file: WeightsFile, *, reporter: Reporter = SILENT) -> dict[str, Tensor]:
    """The named tensors of a weights file, unwrapped; nothing in the file is executed."""
    found = read_weights(file.path, name=file.name, reporter=reporter)
    return {key.removeprefix("module."): value for key, value in found.items()}


def _without_classifier(found: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """The tensors `found` that are no classifier's: of a part that `module` lost, or of one that only others have."""
    own = {key.partition(".")[0] for key in module.state_dict()}
    others = (*(f"{name}." for name in (*removed_names(module), *_CLASSIFIERS.difference(own))), *_AUXILIARY)
    return {_DENSE_LAYER.sub(r"\1\2", key): value for key, value in found.items() if not key.startswith(others)}
