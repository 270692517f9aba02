"""Where images lie changes where they are read, not what is trained on."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.arrays import device_memory
from stages.errors import DbcError
from stages.train.images import sources
from stages.train.images.augment import Augmentation
from stages.train.images.draws import Draw, draw_step
from stages.train.images.feed import feed
from stages.train.images.frames import TrainSamples
from stages.train.images.sources import DeviceFrames, FrameSource, HostFrames, cached
from stages.typing import Int64Array, UInt8Array
from tests.tiny_training import CPU, blotches, digest, image_samples, tiny_model, tiny_parameters, trained

LABELS = np.arange(20) % 7
# samples lie apart and out of order in the source
SAMPLES = TrainSamples(np.random.default_rng(3).permutation(20) * 3, np.array([1, 2, 3, 2] * 5), LABELS)


class Stored:
    """Images read a batch at a time, as from the store."""

    def __init__(self, images: UInt8Array) -> None:
        self._images = images
        self.shape = images.shape
        self.threads: set[str] = set()
        self.n_reads = 0

    def __getitem__(self, index: Int64Array) -> UInt8Array:
        self.n_reads += 1
        self.threads.add(threading.current_thread().name)
        return self._images[index]


def sources_of(samples: TrainSamples) -> dict[str, tuple[FrameSource, TrainSamples]]:
    stored = Stored(blotches(60))
    found = {name: cached(stored, samples, cache=name, device=CPU)[:2] for name in ("host", "none", "auto", "device")}
    packed = torch.from_numpy(stored[samples.frames])
    return {**found, "resident": (DeviceFrames(packed), samples.packed())}


@pytest.mark.parametrize("frames", [None, 2])
def test_every_cache_gives_the_same_bits(frames: int | None) -> None:
    samples = SAMPLES if frames else TrainSamples(SAMPLES.first, np.ones(20, dtype=np.int64), LABELS)
    digests = set()
    for source, placed in sources_of(samples).values():
        model = tiny_model(dropout=0.5)
        result = trained(model, LABELS, source=source, samples=placed, frames=frames, random_erasing=0.5)
        digests.add(digest(model, result))
    assert len(digests) == 1


def test_auto_takes_the_first_place_with_room(monkeypatch: pytest.MonkeyPatch) -> None:
    n_bytes = 20 * 16 * 16 * 3
    samples = image_samples(np.arange(20))
    for room, expected in ((2 * n_bytes, "host"), (2 * n_bytes - 1, "none")):
        monkeypatch.setattr(sources, "torch_available_bytes", lambda device, room=room: room)
        _, _, chosen = cached(blotches(20), samples, cache="auto", device=CPU)
        assert chosen == expected


def test_a_gpu_goes_before_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    room = {"cuda": 200, "cpu": 100}
    monkeypatch.setattr(sources, "torch_available_bytes", lambda device: room[device])
    assert [sources._chosen("auto", n_bytes, gpu) for n_bytes in (50, 100, 101)] == ["device", "device", "none"]
    room["cuda"] = 60
    assert sources._chosen("auto", 50, gpu) == "host"


@pytest.fixture
def on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host memory that passes for a GPU's, with nothing kept there."""
    monkeypatch.setattr(sources, "_chosen", lambda *_: "device")
    monkeypatch.setattr(sources, "_on_device", [])
    monkeypatch.setattr(device_memory, "_kept", {})


@pytest.mark.usefixtures("on_a_device")
def test_images_on_a_device_are_read_once_for_all_stages_of_a_run() -> None:
    stored = Stored(blotches(60))
    first, _, chosen = cached(stored, SAMPLES, cache="auto", device=CPU, name="a")
    n_reads = stored.n_reads
    relabelled = TrainSamples(SAMPLES.first, SAMPLES.count, SAMPLES.labels[::-1])
    again, packed, _ = cached(stored, relabelled, cache="auto", device=CPU, name="a")
    assert again is first
    assert chosen == "device"
    assert stored.n_reads == n_reads > 0
    assert np.array_equal(packed.labels, SAMPLES.labels[::-1])


@pytest.mark.usefixtures("on_a_device")
@pytest.mark.parametrize("change", ["name", "samples", "let go", "no name"])
def test_other_images_on_a_device_are_read_and_the_ones_before_are_let_go(change: str) -> None:
    stored, fewer = Stored(blotches(60)), TrainSamples(SAMPLES.first[:5], SAMPLES.count[:5], LABELS[:5])
    first, _, _ = cached(stored, SAMPLES, cache="auto", device=CPU, name=None if change == "no name" else "a")
    if change == "let go":
        device_memory.let_go_of_kept()
        assert not sources._on_device
    samples = fewer if change == "samples" else SAMPLES
    again, _, _ = cached(stored, samples, cache="auto", device=CPU, name="b" if change == "name" else "a")
    assert again is not first
    assert len(sources._on_device) == 1


def test_processes_of_a_machine_share_its_memory_but_not_their_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "torch_available_bytes", lambda device: 400)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert [sources._chosen("auto", n_bytes, CPU) for n_bytes in (50, 51)] == ["host", "none"]
    assert sources._chosen("auto", 51, torch.device("cuda")) == "device"
    with pytest.raises(DbcError, match="`cache='host'`"):
        sources._chosen("host", 101, CPU)


@pytest.mark.parametrize("cache", ["host", "device"])
def test_a_cache_without_room_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, cache: sources.Cache) -> None:
    monkeypatch.setattr(sources, "torch_available_bytes", lambda device: 100)
    with pytest.raises(DbcError, match=r"`cache='host'` needs 0.0 GiB for the train images, got 0.0 GiB free on cpu"):
        cached(blotches(20), image_samples(np.arange(20)), cache=cache, device=CPU)


def test_filling_a_cache_reads_some_images_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LOADED_AT_ONCE", 7 * 16 * 16 * 3)
    images = blotches(60)
    source, samples, _ = cached(Stored(images), SAMPLES, cache="host", device=CPU)
    np.testing.assert_array_equal(source.batch(np.arange(len(SAMPLES.frames))).numpy(), images[SAMPLES.frames])
    assert samples.first.tolist() == [0, *np.cumsum(SAMPLES.count)[:-1].tolist()]


def draws(n: int) -> list[Draw]:
    generator = torch.Generator().manual_seed(0)
    samples = image_samples(np.arange(40))
    batches = torch.arange(4 * n).split(4)
    return [draw_step(batch, samples, parameters=tiny_parameters(), generator=generator) for batch in batches]


def as_stored(frames: Tensor, _: Augmentation) -> Tensor:
    return frames


def test_what_is_stored_is_read_ahead_by_a_thread_in_order() -> None:
    images, stored = blotches(40), Stored(blotches(40))
    seen = [
        (draw.frames.tolist(), np.array_equal(batch, images[draw.frames]))
        for draw, batch in feed(draws(6), HostFrames(stored, CPU), device=CPU, to_input=as_stored)
    ]
    assert seen == [(list(range(4 * i, 4 * i + 4)), True) for i in range(6)]
    assert all(name.startswith("ahead") for name in stored.threads)


def test_draws_for_images_on_a_gpu_are_made_by_one_thread_in_order() -> None:
    makers = []

    def drawn() -> Iterator[Draw]:
        for draw in draws(6):
            makers.append(threading.current_thread().name)
            yield draw

    source = DeviceFrames(torch.from_numpy(blotches(40)))
    seen = [draw.frames.tolist() for draw, _ in feed(drawn(), source, device=torch.device("cuda"), to_input=as_stored)]
    assert seen == [list(range(4 * i, 4 * i + 4)) for i in range(6)]
    assert len(set(makers)) == 1
    assert makers[0].startswith("ahead")


def test_an_error_in_the_thread_is_that_of_the_loop_and_no_thread_stays() -> None:
    class Broken(Stored):
        def __getitem__(self, index: Int64Array) -> UInt8Array:
            raise DbcError("array 'images' cannot be read")

    with pytest.raises(DbcError, match="cannot be read"):
        trained(tiny_model(), LABELS, source=HostFrames(Broken(blotches(20)), CPU), samples=image_samples(LABELS))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_stopping_early_leaves_no_thread() -> None:
    fed = feed(draws(6), HostFrames(Stored(blotches(40)), CPU), device=CPU, to_input=as_stored)
    next(fed)
    fed.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
