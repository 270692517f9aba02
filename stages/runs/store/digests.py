"""Content hashes, and the record of which libraries ran."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from schemas.manifest import ArrayRecord

RECORDED_LIBRARIES = (
    "dbc-reid",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "torchvision",
    "zarr",
    "pillow",
    "numba",
    "array-api-compat",
    # one library under the name of the CUDA it was built for
    "cupy-cuda13x",
    "cupy-cuda12x",
    "cupy",
)


def content_key(kind: str, *, schema_version: int, parameters: Mapping[str, Any], parent_ids: Iterable[str]) -> str:
    """SHA-256 of a request: what will be made, by which parameters, from which artifacts."""
    request = {
        "kind": kind,
        "schema_version": schema_version,
        "parameters": parameters,
        "parents": sorted(parent_ids),
    }
    return json_digest(request)


def artifact_id(key: str, arrays: Mapping[str, ArrayRecord]) -> str:
    """SHA-256 of an artifact's content: its request and every array's digest, in order of name."""
    return json_digest({"key": key, "arrays": {name: record.sha256 for name, record in arrays.items()}})


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, so that equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def json_digest(value: Any) -> str:
    """SHA-256 of the `canonical_json` of a value."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


class ArrayDigest:
    """A digest that grows row by row, so that an array need never be in memory whole.

    With `chunk_bytes`, `checksums` are kept of every chunk of so many bytes, too, for reading by rows.
    """

    def __init__(self, chunk_bytes: int = 0) -> None:
        self._data = hashlib.sha256()
        self._chunk_bytes = chunk_bytes
        self._checksums: list[int] = []
        self._n_bytes = 0

    def update(self, rows: NDArray[Any]) -> None:
        """Take in `rows` (n, …), the next along the first axis."""
        if rows.dtype.kind in "OUT":
            for text in rows.ravel().tolist():
                encoded = str(text).encode()
                self._data.update(len(encoded).to_bytes(8, "little") + encoded)
            return
        if rows.size:
            little_endian = _little_endian_bytes(rows)
            self._data.update(little_endian.data)
            if self._chunk_bytes:
                self._check(little_endian)

    def _check(self, content: NDArray[np.uint8]) -> None:
        while len(content):
            within = self._n_bytes % self._chunk_bytes
            part = content[: self._chunk_bytes - within]
            before = self._checksums.pop() if within else 0
            self._checksums.append(google_crc32c.extend(before, part))
            self._n_bytes += len(part)
            content = content[len(part) :]

    @property
    def checksums(self) -> str:
        """The CRC-32C of every chunk, eight hexadecimal digits each, in order; empty without `chunk_bytes`."""
        return "".join(f"{checksum:08x}" for checksum in self._checksums)

    def record(self, *, dtype: str, shape: tuple[int, ...]) -> ArrayRecord:
        """The finished record of an array of this type and shape."""
        head = canonical_json([dtype, list(shape)])
        digest = hashlib.sha256(head + self._data.digest()).hexdigest()
        return ArrayRecord(dtype=dtype, shape=shape, sha256=digest)


def record_of(array: NDArray[Any]) -> ArrayRecord:
    """The record of a whole array."""
    digest = ArrayDigest()
    digest.update(array)
    return digest.record(dtype=dtype_name(array), shape=array.shape)


def checksum(rows: NDArray[Any]) -> str:
    """The CRC-32C of the little-endian bytes of `rows`, as in `ArrayDigest.checksums`."""
    return f"{google_crc32c.value(_little_endian_bytes(rows)):08x}"


def _little_endian_bytes(rows: NDArray[Any]) -> NDArray[np.uint8]:
    little_endian = rows.astype(rows.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little_endian).reshape(-1).view(np.uint8)


def dtype_name(array: NDArray[Any]) -> str:
    """`string` for text of any width, else NumPy's name."""
    return "string" if array.dtype.kind in "OUT" else array.dtype.name


@cache
def library_versions() -> Mapping[str, str]:
    """The versions of the libraries that decide results, where they are installed; read once."""
    found = {}
    for name in RECORDED_LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return MappingProxyType(found)
