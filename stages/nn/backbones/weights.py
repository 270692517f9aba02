"""Weights files: finding, reading and checking them, and copying them into a network."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from stages.errors import DbcError, UsageError
from stages.nn.backbones.headless import removed_names

NO_WEIGHTS = "none"
IMAGENET = "imagenet"
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.int16, torch.int32, torch.int64)
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
_OWN_ENDS = ("num_batches_tracked", "avgpool.p", "global_pool.0.p")
# DenseNets were published under names that modules may no longer have
_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
_WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Keys under which training scripts save a state dict."""
_ADVICE = "use `weights='imagenet'`, `weights='none'` or a .safetensors or .pth file in torchvision's naming"


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
    """The file at the path `weights`. UsageError if it is missing or has another ending than weights files."""
    path = Path(weights).expanduser()
    if path.suffix not in _SUFFIXES:
        raise UsageError(f"`weights` must be a known source, got {weights!r}; {_ADVICE}")
    if not path.is_file():
        raise UsageError(f"`weights` must be a file that exists, got {weights!r}; check the path, or {_ADVICE}")
    return WeightsFile.of(path, name=path.name)


def load_weights(module: nn.Module, file: WeightsFile, *, backbone: str) -> None:
    """Copy the weights of `file`, in torchvision's naming, into `module`, a backbone named `backbone`.

    The keys of classifiers are ignored. Raises DbcError as `fit_tensors` does.
    """
    fit_tensors(module, _without_classifier(read_tensors(file), module), name=file.name, backbone=backbone)


def fit_tensors(
    module: nn.Module, found: Mapping[str, Tensor], *, name: str, backbone: str, naming: str = "torchvision's"
) -> None:
    """Copy the weights `found` in the file `name` into `module`, a backbone named `backbone`.

    `num_batches_tracked` and the exponent of a generalised mean may be absent. Raises DbcError if names, shapes or kinds of
    number do not match, or a value is not finite.
    """
    own = module.state_dict()
    missing = [key for key in own if key not in found and not key.endswith(_OWN_ENDS)]
    unexpected = [key for key in found if key not in own]
    misshaped = [key for key in found if key in own and found[key].shape != own[key].shape]
    for kind, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshaped)):
        if keys:
            raise DbcError(
                f"weights {name} must have {naming} {len(own)} arrays for {backbone}, got {len(keys)} {kind} "
                f"({_first(keys)}); set `backbone` to the network that these weights belong to, or {_ADVICE}"
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
            f"weights {name} must be finite, got NaN or infinity in {len(broken)} arrays ({_first(broken)}); use an "
            f"undamaged file"
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


def _first(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")


def read_tensors(file: WeightsFile) -> dict[str, Tensor]:
    """The named tensors of a weights file, unwrapped; nothing in the file is executed."""
    try:
        if file.path.suffix == ".safetensors":
            content: object = safetensors.torch.load_file(file.path)
        else:
            content = torch.load(file.path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, safetensors.SafetensorError) as error:
        raise DbcError(
            f"weights {file.name} must be a state dict saved by torch or safetensors, got a file not readable as plain "
            f"tensors ({type(error).__name__}); save it again as .safetensors"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise DbcError(
            f"weights {file.name} must be a state dict (name to tensor), got {type(content).__name__} with other things "
            f"than tensors; save the network's state_dict() alone"
        )
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def _without_classifier(found: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    others = (*(f"{name}." for name in removed_names(module)), *_AUXILIARY)
    return {_DENSE_LAYER.sub(r"\1\2", key): value for key, value in found.items() if not key.startswith(others)}
