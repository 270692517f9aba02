"""Features of every sample under a model, piece by piece, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stages.errors import DbcError
from stages.extract.frames import Batch, batches, n_frames_used
from stages.extract.network import NetworkOfCameras, inference_network
from stages.nn.images import StoredImages, network_input
from stages.nn.model.network import ReidModel
from stages.nn.prefetch import OnItsWay, Transfer, n_readers, prefetch
from stages.typing import Float32Array, Float64Array, Int64Array, UInt8Array
from stages.wording import so_many

DEPTH = 2
"""Batches read ahead at least, and batches queued on a GPU while earlier ones are written; a CPU queues none."""


@dataclass(frozen=True)
class Share:
    """The share of one process: pieces `rank`, `rank` + `n_processes`, … of `piece` samples each (0: of a batch)."""

    piece: int = 0
    rank: int = 0
    n_processes: int = 1


def compute_features(
    model: ReidModel,
    images: StoredImages,
    frame_start: Int64Array,
    *,
    batch_size: int = 64,
    amp: bool = False,
    compiled: bool = False,
    flip: bool = False,
    places: Int64Array | None = None,
    device: torch.device,
    share: Share | None = None,
    on_batch: Callable[[int], None] | None = None,
    weights: str = "",
) -> Iterator[tuple[int, Float32Array, Float32Array]]:
    """Pieces (first sample, pooled (b, d), embedding (b, e)), float32, ascending, that cover every sample of a share.

    A sample's features are the mean of the backbone's output over at most `MAX_FRAMES` frames, accumulated in float64:
    `pooled` is their L2-normalised form, `embedding` the head's output for them. Threads read batches ahead, several for a
    GPU; memory does not grow with the length of a sample.

    Parameters
    ----------
    model
        It is put in eval mode and otherwise not changed.
    frame_start
        Sample i owns frames `frame_start[i]` to `frame_start[i + 1]` of `images`, at least one; (n_samples + 1).
    batch_size
        Frames of a forward pass.
    flip
        Whether a feature is the mean of those of an image and of its mirror image.
    places
        If the backbone has a `CameraNorm`: the row (n_samples,) of each sample in its statistics.
    share
        The share of this process; by default everything.
    on_batch
        Called with the number of frames of each finished batch.
    weights
        What the model's weights are called in errors.

    Raises
    ------
    DbcError
        If a feature is not finite.
    """
    share = share or Share()
    model.eval().head.cpu()
    n_frames, form = int(n_frames_used(frame_start).sum()), model.input_form.at(images)
    network = inference_network(
        model,
        amp=amp,
        compiled=compiled,
        flip=flip,
        device=device,
        n_pixels=batch_size * form.height * form.width,
        n_batches=n_frames // (batch_size * share.n_processes),
    )
    transfer, on_gpu = Transfer(device), device.type == "cuda"

    def to_input(stored: Tensor) -> Tensor:
        with torch.inference_mode():
            return network_input(stored, form)

    planned = batches(
        frame_start,
        piece=share.piece or batch_size,
        batch_size=batch_size,
        rank=share.rank,
        n_processes=share.n_processes,
    )

    def read_batch(batch: Batch) -> tuple[Batch, OnItsWay]:
        """Network input or, for a GPU, which makes it itself, the images, sent from page-locked memory."""
        stored = torch.from_numpy(_filled(images[batch.frames], batch_size))
        if not on_gpu:
            return batch, transfer.sent(lambda: to_input(stored))
        return batch, transfer.sent(lambda: stored.pin_memory().to(device, non_blocking=True))

    def input_of(sent: OnItsWay) -> Tensor:
        found = transfer.received(sent)
        return to_input(found) if on_gpu else found

    read = prefetch(planned, read_batch, depth=read_depth(device), n_threads=n_readers(device))
    computed = _computed(network, read, input_of, places, device=device)
    means = _Means(model, frame_start, f"{'use `amp=False`, or ' * amp}check the weights{weights and f' {weights}'}")
    # a GPU need not wait until the processor has made something of what it gave
    found = prefetch(computed, means.take_in, depth=DEPTH) if on_gpu else (means.take_in(each) for each in computed)
    with closing(computed), closing(found):
        for batch, piece in found:
            if on_batch is not None:
                on_batch(len(batch.frames))
            if piece is not None:
                yield batch.first, *piece


class _Means:
    """Features of samples as the means of those of their frames, batch after batch."""

    def __init__(self, model: ReidModel, frame_start: Int64Array, advice: str) -> None:
        self._model, self._frame_start, self._advice = model, frame_start, advice
        self._sums: Float64Array | None = None

    def take_in(self, computed: tuple[Batch, Tensor]) -> tuple[Batch, tuple[Float32Array, Float32Array] | None]:
        """A batch and, at the last one of a piece, (pooled, embedding) of its samples."""
        batch, features = computed
        found = _finite(features, batch, self._advice)
        n_samples = batch.stop - batch.first
        if self._sums is None and batch.is_last and len(batch.frames) == n_samples:
            # one batch, a frame a sample: as a sum, without a negative zero
            found += 0.0
            return batch, _outputs(self._model, found)
        if self._sums is None:
            self._sums = np.zeros((n_samples, found.shape[1]))
        _add(self._sums, found, batch)
        if not batch.is_last:
            return batch, None
        means = self._sums / n_frames_used(self._frame_start[batch.first : batch.stop + 1])[:, None]
        self._sums = None
        return batch, _outputs(self._model, means)


def _filled(images: UInt8Array, batch_size: int) -> UInt8Array:
    """A short batch, padded with zeros so that all have one shape."""
    missing = batch_size - len(images)
    return np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else images


def _computed(
    network: NetworkOfCameras,
    read: Generator[tuple[Batch, OnItsWay]],
    input_of: Callable[[OnItsWay], Tensor],
    places: Int64Array | None,
    *,
    device: torch.device,
) -> Generator[tuple[Batch, Tensor]]:
    """Each batch and its pooled features (f, d) on the host; those of a GPU come `DEPTH` batches later.

    It computes in the caller's thread: in other threads glibc returns every large block to the system.
    """
    queued: deque[tuple[Batch, Tensor, Any]] = deque()
    depth = queue_depth(device)
    with closing(read):
        for batch, sent in read:
            own = None if places is None else places[batch.first + batch.row]
            features = network(input_of(sent), own)[: len(batch.frames)]
            queued.append((batch, features.to("cpu", non_blocking=True), _mark(device)))
            if len(queued) > depth:
                yield _arrived(*queued.popleft())
        while queued:
            yield _arrived(*queued.popleft())


def read_depth(device: torch.device) -> int:
    """Batches that are read ahead of the one that is computed: as many as threads read, and `DEPTH` at least."""
    return max(DEPTH, n_readers(device))


def queue_depth(device: torch.device) -> int:
    """Batches that are queued on `device` beyond the one that has arrived."""
    return DEPTH if device.type == "cuda" else 0


def _mark(device: torch.device) -> Any:
    """The event after all work queued on a GPU so far; None on the CPU."""
    return torch.cuda.current_stream(device).record_event() if device.type == "cuda" else None


def _arrived(batch: Batch, features: Tensor, mark: Any) -> tuple[Batch, Tensor]:
    if mark is not None:
        mark.synchronize()
    return batch, features


def _finite(features: Tensor, batch: Batch, advice: str) -> Float64Array:
    found = features.double().numpy()
    bad = ~np.isfinite(found).all(axis=1)
    if bad.any():
        raise DbcError(
            f"features must be finite, got NaN or infinity for {so_many(bad.sum(), 'image')} (first: image "
            f"{batch.frames[bad][0]}); " + advice
        )
    return found


def _add(sums: Float64Array, features: Float64Array, batch: Batch) -> None:
    """Add features (f, d) to the sums (b, d) of their samples."""
    starts = np.flatnonzero(np.diff(batch.row, prepend=-1))
    rows = slice(batch.row[0], batch.row[-1] + 1)
    sums[rows] += features if len(starts) == len(features) else np.add.reduceat(features, starts, axis=0)


def _outputs(model: ReidModel, means: Float64Array) -> tuple[Float32Array, Float32Array]:
    """(L2-normalised pooled, embedding) of mean features (b, d), on the CPU."""
    with torch.inference_mode():
        features = torch.from_numpy(means).float()
        pooled = functional.normalize(features, dim=1)
        embedding: Tensor = model.head(features)
    return pooled.numpy(), embedding.numpy()
