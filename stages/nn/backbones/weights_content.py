"""What lies in a checkpoint, judged by its content: named tensors of safetensors, torch, or a model of our own."""

from __future__ import annotations

import argparse
import json
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import product
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from stages.errors import DbcError, UsageError
from stages.plain_files import kind_of
from stages.reporting import SILENT, Reporter
from stages.runs.run_directory import RunDirectory, model_manifest
from stages.runs.store import Artifact, artifact_versions, open_artifact

_WRAPPERS = ("state_dict", "model", "model_state_dict")
"""What training scripts keep a state dict under."""
_PREFIXES = ("module.", "backbone.", "base.", "model.")
"""What training scripts put before the names of a network's tensors."""
_MOST_PREFIXES = 3
_NO_WEIGHTS = (
    (rb"\x1f\x8b", "a file compressed by gzip; gunzip it"),
    (rb"\x89HDF", "HDF5, as Keras saves it; give weights of torch"),
)
"""How other files begin."""
_PLAIN = (int, float, str, bool, type(None), np.generic)


def read_weights(path: Path, *, name: str, reporter: Reporter = SILENT) -> dict[str, Tensor]:
    """The named tensors in the file or model artifact `path`, called `name`; nothing in it is executed.

    A state dict is looked for under the names that training scripts use; what else lies beside it is told. Numbers and texts
    beside tensors are left out. DbcError for anything else, and for a damaged file.
    """
    if path.is_dir():
        return _own_tensors(path)
    if _is_torchscript(path):
        raise DbcError(
            f"weights {name} must be a state dict saved by torch or safetensors, got a TorchScript archive; save the "
            "network's state_dict() alone"
        )
    if (member := _damaged_member(path)) is not None:
        raise DbcError(
            f"weights {name} are damaged: {member} has not the checksum that it was saved with; get them again"
        )
    try:
        content: Any = safetensors.torch.load_file(path) if _is_safetensors(path) else _torch_content(path)
    except MemoryError:
        raise
    except Exception as error:
        # of damaged bytes torch's unpickler raises KeyError, IndexError and others
        raise DbcError(
            f"weights {name} must be a state dict saved by torch or safetensors, got {_what_instead(path, error)}"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            beside = [f"'{key}'" for key, value in content.items() if key != wrapper and _has_tensors(value)]
            if beside:
                reporter.note(
                    f"weights {name}: '{wrapper}' is taken; what is beside it is not read: {', '.join(beside)}"
                )
            content = content[wrapper]
    named: dict[Any, Any] = content if isinstance(content, dict) else {}
    tensors = {str(key): value for key, value in named.items() if isinstance(value, Tensor)}
    others = [str(key) for key, value in named.items() if not isinstance(value, (Tensor, *_PLAIN))]
    if not tensors or others:
        shown = others if tensors else [str(key) for key in named]
        keys = f" (its keys: {', '.join(shown[:3])})" if shown else ""
        raise DbcError(
            f"weights {name} must be a state dict (name to tensor), alone or under {', '.join(_WRAPPERS)}, got "
            f"{type(content).__name__} with other things than tensors{keys}; save the network's state_dict() alone"
        )
    return tensors


def _has_tensors(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(each, Tensor) for each in value.values())


def _damaged_member(path: Path) -> str | None:
    """The first part of an archive of torch that has not its checksum, which torch does not look at; None for other files."""
    # zipfile raises errors of many kinds at damaged files, which torch is asked for after it
    with suppress(Exception), zipfile.ZipFile(path) as archive:
        # torch.serialization.set_crc32_options(False) writes zeros
        return archive.testzip() if any(member.CRC for member in archive.infolist()) else None
    return None


def _what_instead(path: Path, error: Exception) -> str:
    """What the file is that could not be read with this `error`, and what to do: the end of a sentence."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(1024)
        whole = _promised_bytes(file, size) if _is_safetensors(path) else 0
    if not head:
        return "an empty file; get it again"
    if (kind := kind_of(head, _NO_WEIGHTS)) is not None:
        return kind
    if size < whole:
        return f"one that was cut off ({size:,} of {whole:,} bytes); get it again"
    if head.startswith(b"PK") and not zipfile.is_zipfile(path):
        return f"one that was cut off ({size:,} bytes, without the end that torch writes); get it again"
    again = "" if isinstance(error, UnpicklingError) else "get it again if it may be damaged, or "
    return f"a file not readable as plain tensors ({type(error).__name__}); {again}save it again as .safetensors"


def _promised_bytes(file: BinaryIO, size: int) -> int:
    """How many bytes a file of safetensors, of `size` bytes, should have by its header, or for its header."""
    file.seek(0)
    start = 8 + int.from_bytes(file.read(8), "little")
    if start < size:
        with suppress(Exception):
            tensors = json.loads(file.read(start - 8))
            start += max(int(each["data_offsets"][1]) for name, each in tensors.items() if name != "__metadata__")
    return start


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
    # what torch warns of (an old pickle, a sparse tensor) is refused afterwards by name
    with (
        warnings.catch_warnings(action="ignore"),
        path.open("rb") as file,
        torch.serialization.safe_globals(list(_numpy_scalars())),
    ):
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
