"""Extraction: every sample once, in order, whatever the batch, with nothing of the model changed."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional

from schemas.parameters import InitParameters
from stages.errors import DbcError
from stages.extract.forward import Share, compute_features
from stages.nn.images import InputForm, as_pixels, normalize
from stages.nn.model.network import ReidModel, build_model, model_arrays
from stages.typing import Float32Array, Int64Array, UInt8Array

CPU = torch.device("cpu")
IMAGES = np.random.default_rng(0).integers(0, 256, (23, 32, 32, 3), dtype=np.uint8)
TRACKLETS = np.array([0, 1, 2, 9, 10, 13, 22, 23])


@pytest.fixture(scope="module")
def model() -> ReidModel:
    model = build_model(InitParameters(backbone="resnet10", embedding_dim=16, seed=1))
    with torch.no_grad():
        model.train()(torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    return model


def _extracted(model: ReidModel, frame_start: Int64Array, **options: int) -> tuple[Float32Array, Float32Array]:
    blocks = list(compute_features(model, IMAGES, frame_start, device=CPU, **options))
    starts = [start for start, _, _ in blocks]
    lengths = [len(pooled) for _, pooled, _ in blocks]
    assert starts == np.cumsum([0, *lengths[:-1]]).tolist()
    pooled, embedding = (np.concatenate([block[i] for block in blocks]) for i in (1, 2))
    assert pooled.dtype == embedding.dtype == np.float32
    return pooled, embedding


def test_features_are_the_models_own_for_images(model: ReidModel) -> None:
    pooled, embedding = _extracted(model, np.arange(24), batch_size=8)
    with torch.inference_mode():
        expected_pooled, expected_embedding = model.eval()(normalize(as_pixels(torch.from_numpy(IMAGES))))
    np.testing.assert_allclose(pooled, expected_pooled, atol=1e-5)
    np.testing.assert_allclose(embedding, expected_embedding, atol=1e-4)


@pytest.fixture(scope="module", params=[np.arange(24), TRACKLETS], ids=["images", "tracklets"])
def by_fives(request: pytest.FixtureRequest, model: ReidModel) -> tuple[Int64Array, tuple[Float32Array, Float32Array]]:
    """Where samples begin, and their features by batches of five."""
    return request.param, _extracted(model, request.param, batch_size=5)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 23, 64])
def test_features_do_not_depend_on_the_batch_size(
    model: ReidModel, by_fives: tuple[Int64Array, tuple[Float32Array, Float32Array]], batch_size: int
) -> None:
    frame_start, (expected_pooled, expected_embedding) = by_fives
    pooled, embedding = _extracted(model, frame_start, batch_size=batch_size)
    assert len(pooled) == len(frame_start) - 1
    np.testing.assert_allclose(pooled, expected_pooled, atol=1e-5)
    np.testing.assert_allclose(embedding, expected_embedding, atol=1e-4)


def test_a_tracklets_features_are_the_mean_over_its_frames_then_normalised(model: ReidModel) -> None:
    pooled, embedding = _extracted(model, TRACKLETS, batch_size=4)
    with torch.inference_mode():
        raw = model.eval().pool(normalize(as_pixels(torch.from_numpy(IMAGES))))
        for i in range(len(TRACKLETS) - 1):
            mean = raw[TRACKLETS[i] : TRACKLETS[i + 1]].mean(dim=0, keepdim=True)
            np.testing.assert_allclose(pooled[i], functional.normalize(mean, dim=1)[0], atol=1e-5)
            np.testing.assert_allclose(embedding[i], model.head(mean)[0], atol=1e-4)


def test_two_extractions_agree_to_the_last_bit(model: ReidModel) -> None:
    first, second = (_extracted(model, np.arange(24), batch_size=8) for _ in range(2))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_shares_of_several_processes_are_the_pieces_of_one_to_the_last_bit(model: ReidModel) -> None:
    def pieces(rank: int, n_processes: int) -> dict[int, tuple[Float32Array, Float32Array]]:
        share = Share(piece=2, rank=rank, n_processes=n_processes)
        found = compute_features(model, IMAGES, TRACKLETS, batch_size=4, device=CPU, share=share)
        return {first: (pooled, embedding) for first, pooled, embedding in found}

    alone, shares = pieces(0, 1), [pieces(rank, 3) for rank in range(3)]
    assert [sorted(share) for share in shares] == [[0, 6], [2], [4]]
    for share in shares:
        for first, (pooled, embedding) in share.items():
            np.testing.assert_array_equal(pooled, alone[first][0])
            np.testing.assert_array_equal(embedding, alone[first][1])


def test_frames_done_are_told_batch_by_batch(model: ReidModel) -> None:
    told: list[int] = []
    list(compute_features(model, IMAGES, TRACKLETS, batch_size=8, device=CPU, on_batch=told.append))
    assert sum(told) == 23
    assert max(told) <= 8


def test_extraction_changes_nothing_in_the_model(model: ReidModel) -> None:
    before = model_arrays(model)
    model.train()
    _extracted(model, np.arange(24))
    assert all(np.array_equal(value, before[name]) for name, value in model_arrays(model).items())


class _Counting:
    """Images that remember how many were asked for at once."""

    shape = IMAGES.shape

    def __init__(self) -> None:
        self.largest = 0

    def __getitem__(self, index: Int64Array, /) -> UInt8Array:
        self.largest = max(self.largest, len(index))
        return IMAGES[index]


def test_no_more_frames_are_read_at_once_than_a_batch_holds(model: ReidModel) -> None:
    source = _Counting()
    assert len(list(compute_features(model, source, np.array([0, 23]), batch_size=6, device=CPU))) == 1
    assert source.largest == 6


def test_another_input_size_is_resized_to(model: ReidModel) -> None:
    other = copy.deepcopy(model)
    other.input_form = InputForm(48, 24)
    pooled, _ = _extracted(other, np.arange(24))
    assert pooled.shape == (23, 512)
    assert not np.allclose(pooled, _extracted(model, np.arange(24))[0], atol=1e-3)


def test_no_samples_give_no_blocks(model: ReidModel) -> None:
    assert list(compute_features(model, IMAGES, np.array([0]), device=CPU)) == []


def test_features_that_are_no_numbers_are_refused() -> None:
    broken = build_model(InitParameters(backbone="resnet10", embedding_dim=16))
    with torch.no_grad():
        broken.backbone.get_parameter("conv1.weight").fill_(torch.inf)
    for told, options in (
        ("; check the weights w.pt$", {}),
        ("; use `amp=False`, or check the weights w.pt$", {"amp": True}),
    ):
        with pytest.raises(DbcError, match=f"features must be finite, got NaN or infinity for 8 images .*{told}"):
            _extracted(broken, np.arange(24), batch_size=8, weights="w.pt", **options)
