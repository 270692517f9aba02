"""What lies in a checkpoint, judged by its content: named tensors of safetensors, torch, or a model of our own."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from stages.errors import DbcError, UsageError
from stages.runs.run_directory import RunDirectory, model_manifest
from stages.runs.store import Artifact, artifact_versions, open_artifact

_WRAPPERS = ("state_dict", "model", "model_state_dict")
"""What training scripts keep a state dict under."""
_PREFIXES = ("module.", "backbone.", "base.", "model.")
"""What training scripts put before the names of a network's tensors."""
_MOST_PREFIXES = 3
_PLAIN = (int, float, str, bool, type(None), np.generic)


def read_weights(path: Path, *, name: str) -> dict[str, Tensor]:
    """The named tensors in the file or model artifact `path`, called `name`; nothing in it is executed.

    A state dict is looked for under the names that training scripts use. Numbers and texts beside tensors are left out.
    DbcError for anything else.
    """
    if path.is_dir():
        return _own_tensors(path)
    if _is_torchscript(path):
        raise DbcError(
            f"weights {name} must be a state dict saved by torch or safetensors, got a TorchScript archive; save the "
            "network's state_dict() alone"
        )
    try:
        content: Any = safetensors.torch.load_file(path) if _is_safetensors(path) else _torch_content(path)
    except MemoryError:
        raise
    except Exception as error:
        # of damaged bytes torch's unpickler raises KeyError, IndexError and others
        raise DbcError(
            f"weights {name} must be a state dict saved by torch or safetensors, got a file not readable as plain "
            f"tensors ({type(error).__name__}); save it again as .safetensors"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    named: dict[Any, Any] = content if isinstance(content, dict) else {}
    tensors = {str(key): value for key, value in named.items() if isinstance(value, Tensor)}
    if not tensors or not all(isinstance(value, (Tensor, *_PLAIN)) for value in named.values()):
        keys = f" (its keys: {', '.join([str(key) for key in named][:3])})" if named else ""
        raise DbcError(
            f"weights {name} must be a state dict (name to tensor), alone or under {', '.join(_WRAPPERS)}, got "
            f"{type(content).__name__} with other things than tensors{keys}; save the network's state_dict() alone"
        )
    return tensors


def pooling_of(path: Path) -> str | None:
    """The pooling that a model artifact, or a file that `dbc export model` wrote, says its network was trained with."""
    if path.is_dir():
        return model_manifest(own_model(path)).initial.pooling
    if not _is_safetensors(path):
        return None
    with suppress(safetensors.SafetensorError), safetensors.safe_open(path, framework="pt") as file:
        return (file.metadata() or {}).get("pooling")
    return None


def _is_safetensors(path: Path) -> bool:
    """Whether the file begins as safetensors does: the length of a header, then JSON."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _is_torchscript(path: Path) -> bool:
    """Whether torch saved a program, which it would load with a warning of its own."""
    # zipfile raises errors of many kinds at damaged files, which torch is asked for after it
    with suppress(Exception):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith("/constants.pkl") for name in archive.namelist())
    return False


def _torch_content(path: Path) -> Any:
    """What torch saved: tensors, plain containers, NumPy's numbers and settings of argparse; no code is run for others."""
    # an open file, because torch goes by the suffix of a path
    with path.open("rb") as file, torch.serialization.safe_globals(list(_numpy_scalars())):
        return torch.load(file, map_location="cpu", weights_only=True)


def _numpy_scalars() -> Iterator[Any]:
    """What pickles of NumPy's numbers name, under the modules of NumPy 1 and 2."""
    scalar: Any = np.float64(0).__reduce__()[0]
    yield from ((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core"))
    yield np.dtype
    yield from {type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}
    yield argparse.Namespace


def common_prefix(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """What stands before the names `wanted` in most of the names `found`: up to three of the usual words, or nothing."""
    candidates = ["".join(words) for n in range(_MOST_PREFIXES + 1) for words in product(_PREFIXES, repeat=n)]
    return max(candidates, key=lambda prefix: (sum(prefix + key in found for key in wanted), -len(prefix)))


def own_model(path: Path) -> Artifact:
    """The model artifact that `path` is or holds: the newest of a run, of a stage or of a folder `model`.

    UsageError if there is none.
    """
    if path.suffix == ".zarr" and path.stem[1:].isdigit():
        return _as_model(open_artifact(path.parent, int(path.stem[1:])), path)
    for folder in (path, path / "model"):
        versions = artifact_versions(folder) if folder.is_dir() else []
        if versions:
            return _as_model(open_artifact(folder, versions[-1]), path)
    run = RunDirectory(path)
    stages = run.stages("model")
    if not stages:
        raise UsageError(
            f"`weights`: {str(path)!r} is a folder without a model; give a run, a stage such as RUN/stage-02, or a file"
        )
    return run.require("model", stages[-1])


def _as_model(artifact: Artifact, path: Path) -> Artifact:
    if artifact.manifest.kind != "model":
        kind = artifact.manifest.kind
        raise UsageError(f"`weights` must be a model, got the {kind} in {str(path)!r}; give RUN/stage-02/model")
    return artifact


def _own_tensors(path: Path) -> dict[str, Tensor]:
    artifact = own_model(path)
    names = [name for name in artifact.names() if name.startswith("backbone/")]
    return {name.removeprefix("backbone/"): torch.from_numpy(np.array(artifact.read(name))) for name in names}
