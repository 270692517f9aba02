"""The index that ends a shard of a Zarr v3 array: where its chunks lie, and a checksum."""

from __future__ import annotations

import struct

import google_crc32c

_MISSING = 2**64 - 1


def shard_index(n_chunks: int, *, of: int, chunk_bytes: int) -> bytes:
    """The index of a shard with room for `of` chunks, of which the first `n_chunks` lie one after the other from byte 0.

    For each chunk its offset and length, uint64 little-endian, both 2^64 − 1 if there is none; then the CRC-32C of all
    that, uint32 little-endian (Zarr's `sharding_indexed` codec with the codecs it gives its index by default).
    """
    entries = [(i * chunk_bytes, chunk_bytes) if i < n_chunks else (_MISSING, _MISSING) for i in range(of)]
    index = b"".join(struct.pack("<QQ", *entry) for entry in entries)
    return index + struct.pack("<I", google_crc32c.value(index))
