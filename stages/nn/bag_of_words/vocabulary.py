"""The vocabulary of a bag of words, learned from images without labels: the words and how rare each is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from stages.errors import DbcError
from stages.nn.bag_of_words.descriptor import N_WORDS, BagOfWords, patch_descriptors, tf_idf
from stages.nn.images import StoredImages, as_pixels, normalize, resize
from stages.typing import Float32Array, Int64Array

MOST_IMAGES: Final = 4096
"""Images that a vocabulary is learned from, drawn at random if there are more: 92 MB of histograms."""
PATCHES_AN_IMAGE: Final = 50
"""Patches of each image that k-means clusters into words."""
_BLOCK = 64


def fit_vocabulary(
    images: StoredImages,
    index: Int64Array,
    *,
    height: int,
    width: int,
    generator: np.random.Generator,
    on_images: Callable[[int], None] = lambda _n_images: None,
) -> dict[str, Float32Array]:
    """The vocabulary of the images `index` at (height, width) pixels, of at most `MOST_IMAGES` drawn from them.

    `codebook` (350, 11): the words; `idf` (5600): log(n/n_i) of each; `mean` (5600): the mean descriptor.
    Words are the k-means centres of `PATCHES_AN_IMAGE` patches an image. `on_images` is called with numbers of images
    done, each image twice. Raises DbcError if fewer than 350 patches differ.
    """
    chosen = np.sort(generator.permutation(index)[:MOST_IMAGES])
    blocks = [chosen[start : start + _BLOCK] for start in range(0, len(chosen), _BLOCK)]
    bag = BagOfWords()
    patches = []
    for block in blocks:
        found = patch_descriptors(_pixels(images, block, height, width), bag.table).flatten(1, 2).numpy()
        taken = generator.integers(found.shape[1], size=(len(found), PATCHES_AN_IMAGE))
        patches.append(np.take_along_axis(found, taken[:, :, None], axis=1).reshape(-1, found.shape[2]))
        on_images(len(block))
    bag.codebook = torch.from_numpy(codebook(np.concatenate(patches), n_words=N_WORDS, generator=generator))
    histograms = []
    for block in blocks:
        histograms.append(bag.histograms(_pixels(images, block, height, width)))
        on_images(len(block))
    counts = torch.cat(histograms)
    idf = inverse_document_frequency(counts)
    mean = tf_idf(counts, idf).double().mean(dim=0).float()
    return {"codebook": bag.codebook.numpy(), "idf": idf.numpy(), "mean": mean.numpy()}


def codebook(patches: Float32Array, *, n_words: int, generator: np.random.Generator) -> Float32Array:
    """`n_words` centres of `patches` (n, c) by mini-batch k-means. DbcError if fewer patches differ."""
    from sklearn.cluster import MiniBatchKMeans

    n_different = len(np.unique(patches, axis=0))
    if n_different < n_words:
        raise DbcError(
            f"`backbone='bow'` needs at least {n_words} different patches in the train images, one for each word, got "
            f"{n_different}; add images with more colours, or use another `backbone`"
        )
    seed = int(generator.integers(2**31))
    means = MiniBatchKMeans(n_clusters=n_words, batch_size=4096, n_init=1, random_state=seed).fit(patches)
    centres: Float32Array = means.cluster_centers_.astype(np.float32)
    return centres


def inverse_document_frequency(histograms: Tensor) -> Tensor:
    """log(n/n_i), (d) float32: n histograms (n, d), n_i of them with entry i above 0; 0 if there are none."""
    present = (histograms > 0).sum(dim=0)
    return torch.where(present > 0, torch.log(len(histograms) / present.clamp(min=1)), 0.0).float()


def _pixels(images: StoredImages, index: Int64Array, height: int, width: int) -> Tensor:
    return normalize(resize(as_pixels(torch.from_numpy(images[index])), height=height, width=width))
