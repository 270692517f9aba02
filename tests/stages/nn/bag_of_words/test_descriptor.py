"""The bag of words against plain loops over pixels, patches and words."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from stages.errors import DbcError
from stages.nn.bag_of_words.colour_names import name_table
from stages.nn.bag_of_words.descriptor import (
    DIM,
    N_ASSIGNED,
    N_STRIPES,
    N_WORDS,
    BagOfWords,
    mask,
    patch_descriptors,
    stripe_histograms,
    tf_idf,
)
from stages.nn.bag_of_words.vocabulary import codebook, fit_vocabulary, inverse_document_frequency
from stages.nn.images import as_pixels, normalize
from stages.typing import Float64Array, UInt8Array

TABLE = np.sqrt(name_table().astype(np.float64))


def _images(n_images: int, height: int, width: int, *, seed: int = 0) -> UInt8Array:
    """Smooth random images with many colours."""
    coarse = torch.rand(n_images, 3, 6, 3, generator=torch.Generator().manual_seed(seed)) * 255
    fine = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return fine.permute(0, 2, 3, 1).byte().numpy().copy()


def _plain_patches(image: UInt8Array) -> Float64Array:
    rows, columns = image.shape[0] // 4, image.shape[1] // 4
    found = np.zeros((rows, columns, 11))
    for row in range(rows):
        for column in range(columns):
            for y in range(4):
                for x in range(4):
                    red, green, blue = (int(value) // 8 for value in image[4 * row + y, 4 * column + x])
                    found[row, column] += TABLE[red + 32 * green + 1024 * blue] / 16
    return found


def _plain_histogram(patches: Float64Array, words: Float64Array) -> Float64Array:
    rows, columns, _ = patches.shape
    histogram = np.zeros((16, len(words)))
    for row in range(rows):
        for column in range(columns):
            y, x = (row + 0.5) / rows * 2 - 1, (column + 0.5) / columns * 2 - 1
            distances = [float(((patches[row, column] - word) ** 2).sum()) for word in words]
            for word in sorted(range(len(words)), key=distances.__getitem__)[:10]:
                histogram[row * 16 // rows, word] += math.exp(-(y * y + x * x) / 2)
    return histogram.ravel()


def test_patches_are_means_of_colour_names_and_a_ragged_border_is_left_out() -> None:
    images = _images(2, 10, 7)
    found = patch_descriptors(normalize(as_pixels(torch.from_numpy(images))), BagOfWords().table)
    assert found.shape == (2, 2, 1, 11)
    np.testing.assert_allclose(found, [_plain_patches(image) for image in images], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(64, 8), (72, 12)])
def test_histograms_equal_plain_loops_also_where_stripes_are_uneven(size: tuple[int, int]) -> None:
    images = _images(2, *size)
    words = np.random.default_rng(1).uniform(0, 0.6, size=(30, 11))
    patches = [_plain_patches(image) for image in images]
    found = stripe_histograms(torch.from_numpy(np.stack(patches)).float(), torch.from_numpy(words).float())
    expected = np.stack([_plain_histogram(each, words) for each in patches])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_every_patch_counts_ten_times_by_its_weight() -> None:
    descriptors = torch.rand(1, 16, 3, 11, generator=torch.Generator().manual_seed(0))
    words = torch.rand(N_WORDS, 11, generator=torch.Generator().manual_seed(1))
    found = stripe_histograms(descriptors, words).view(N_STRIPES, N_WORDS)
    np.testing.assert_allclose(found.sum(dim=1), N_ASSIGNED * mask(16, 3).sum(dim=1), rtol=1e-5)
    assert ((found > 0).sum(dim=1) <= 3 * N_ASSIGNED).all()


def test_weighing_is_tf_over_its_root_times_idf_at_unit_length() -> None:
    counts, idf = torch.tensor([[4.0, 9.0, 0.0], [0.0, 0.0, 0.0]]), torch.tensor([1.0, 0.5, 3.0])
    by_hand = np.array([4 / math.sqrt(4) * 1.0, 9 / math.sqrt(9) * 0.5, 0.0])
    found = tf_idf(counts, idf)
    np.testing.assert_allclose(found[0], by_hand / math.sqrt((by_hand**2).sum()), rtol=1e-6)
    assert found[1].tolist() == [0, 0, 0]


def test_idf_is_the_log_of_how_rare_an_entry_is() -> None:
    counts = torch.tensor([[1.0, 0.0, 2.0, 0.0], [3.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 1.0]])
    expected = [math.log(3 / 3), 0.0, math.log(3 / 1), math.log(3 / 1)]
    assert inverse_document_frequency(counts).tolist() == pytest.approx(expected)


def _fitted(images: UInt8Array, *, seed: int = 0) -> BagOfWords:
    vocabulary = fit_vocabulary(
        images, np.arange(len(images)), height=64, width=32, generator=np.random.default_rng(seed)
    )
    bag = BagOfWords()
    for name, array in vocabulary.items():
        setattr(bag, name, torch.from_numpy(array))
    return bag


def test_descriptors_are_rare_words_weighed_without_what_images_have_on_average() -> None:
    images = _images(12, 64, 32)
    bag = _fitted(images)
    pixels = normalize(as_pixels(torch.from_numpy(images)))
    counts = bag.histograms(pixels).double().numpy()
    n_present = [sum(count > 0 for count in entry) for entry in counts.T]
    rare = np.array([math.log(len(images) / present) if present else 0.0 for present in n_present])
    np.testing.assert_allclose(bag.idf, rare, rtol=1e-5, atol=1e-6)
    weighed = np.sqrt(counts) * rare
    weighed /= np.linalg.norm(weighed, axis=1, keepdims=True)
    found = bag(pixels)
    assert found.shape == (12, DIM)
    np.testing.assert_allclose(found, weighed - weighed.mean(axis=0), atol=1e-5)


def test_words_are_where_patches_are() -> None:
    images = _images(12, 64, 32)
    patches = np.concatenate([_plain_patches(image).reshape(-1, 11) for image in images])
    words = _fitted(images).codebook.double().numpy()
    distance = np.sqrt(((patches[:, None] - words) ** 2).sum(axis=2).min(axis=1))
    spread = np.sqrt(((patches - patches.mean(axis=0)) ** 2).sum(axis=1))
    assert distance.mean() < 0.15 * spread.mean()


def test_blocks_and_neighbours_in_a_batch_do_not_matter() -> None:
    images = _images(11, 64, 32)
    bag = _fitted(images)
    pixels = normalize(as_pixels(torch.from_numpy(images)))
    together = bag(pixels)
    alone = torch.cat([bag(image[None]) for image in pixels])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_a_seed_gives_the_same_vocabulary_and_another_another() -> None:
    images = _images(12, 64, 32)
    one, again, other = _fitted(images), _fitted(images), _fitted(images, seed=1)
    assert torch.equal(one.codebook, again.codebook)
    assert torch.equal(one.mean, again.mean)
    assert not torch.equal(one.codebook, other.codebook)


def test_images_of_too_few_colours_are_refused() -> None:
    patches = np.tile(np.random.default_rng(0).random((20, 11), dtype=np.float32), (30, 1))
    with pytest.raises(DbcError, match=r"at least 350 different patches in the train images, .*got 20"):
        codebook(patches, n_words=350, generator=np.random.default_rng(0))
