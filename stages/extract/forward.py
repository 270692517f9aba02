"""Features of every sample under a model, a block at a time, with memory bounded by frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stages.errors import DbcError
from stages.nn.images import ImageSource, input_size, normalize, resize, to_pixels
from stages.nn.model import ReidModel
from stages.typing import Float32Array, Float64Array, Int64Array


def extract(
    model: ReidModel,
    images: ImageSource,
    frame_start: Int64Array,
    *,
    height: int = 0,
    width: int = 0,
    batch_size: int = 64,
    amp: bool = False,
    device: torch.device,
) -> Iterator[tuple[int, Float32Array, Float32Array]]:
    """Blocks (first sample, pooled (b, d), embedding (b, e)) in sample order, float32, that cover every sample.

    Sample i owns frames `frame_start[i]` to `frame_start[i + 1]` of `images`, at least one. Its pooled features are
    the mean over its frames of the backbone's output, accumulated in float64; `pooled` is their L2-normalised form
    and `embedding` the head's output for them. At most `batch_size` frames are in work, whatever a sample's length.
    The model is put in eval mode and not changed otherwise; `height` or `width` 0 is the stored size.
    """
    size = input_size(images, height=height, width=width)
    model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    open_sum: Float64Array | None = None
    for start in range(0, int(frame_start[-1]), batch_size):
        frames = np.arange(start, min(start + batch_size, int(frame_start[-1])))
        features = _frame_features(model, images, frames, size, batch_size=batch_size, amp=amp, device=device)
        first, sums, open_sum = _sample_sums(features, frames, frame_start, open_sum)
        if len(sums):
            means = sums / np.diff(frame_start[first : first + len(sums) + 1])[:, None]
            yield first, *_outputs(model, means, device)


def _frame_features(
    model: ReidModel,
    images: ImageSource,
    index: Int64Array,
    size: tuple[int, int],
    *,
    batch_size: int,
    amp: bool,
    device: torch.device,
) -> Float64Array:
    """The pooled features (len(index), d) of frames; a short batch is filled up, so every batch has one shape."""
    filled = np.pad(images[index], ((0, batch_size - len(index)), (0, 0), (0, 0), (0, 0)))
    with torch.inference_mode():
        pixels = normalize(resize(to_pixels(filled, device), height=size[0], width=size[1]))
        features: Tensor = model.pool(pixels, amp=amp)
    found = features[: len(index)].cpu().double().numpy()
    bad = ~np.isfinite(found).all(axis=1)
    if bad.any():
        raise DbcError(
            f"extract: the features of {bad.sum()} images are not finite (first: image {index[bad][0]}), wanted numbers; "
            f"check the weights with dbc status --verify, or leave out --amp"
        )
    return found


def _sample_sums(
    features: Float64Array, frames: Int64Array, frame_start: Int64Array, open_sum: Float64Array | None
) -> tuple[int, Float64Array, Float64Array | None]:
    """(first sample, sums (b, d) over the frames of b samples that are now complete, sum of one still open or None).

    `features` (f, d) belong to the consecutive `frames` (f); `open_sum` (d) is the sum over earlier frames of the
    sample that the first of them belongs to.
    """
    sample = np.searchsorted(frame_start, frames, side="right") - 1
    sums = np.add.reduceat(features, np.flatnonzero(np.diff(sample, prepend=-1)), axis=0)
    if open_sum is not None:
        sums[0] += open_sum
    if frame_start[sample[-1] + 1] > frames[-1] + 1:
        return int(sample[0]), sums[:-1], sums[-1]
    return int(sample[0]), sums, None


def _outputs(model: ReidModel, means: Float64Array, device: torch.device) -> tuple[Float32Array, Float32Array]:
    """(L2-normalised pooled, embedding) of mean features (b, d)."""
    with torch.inference_mode():
        features = torch.from_numpy(means).to(device, torch.float32)
        pooled = functional.normalize(features, dim=1)
        embedding: Tensor = model.head(features)
    return pooled.cpu().numpy(), embedding.cpu().numpy()
