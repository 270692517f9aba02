"""The bag-of-words descriptor of an image: colour words counted in horizontal stripes."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.nn.bag_of_words.colour_names import BIN, NAMES, name_table
from stages.nn.images import IMAGENET_MEAN, IMAGENET_STD

PATCH: Final = 4
"""Edge of a patch in pixels; patches do not overlap."""
N_WORDS: Final = 350
N_STRIPES: Final = 16
N_ASSIGNED: Final = 10
"""Nearest words to which a patch is assigned."""
DIM: Final = N_STRIPES * N_WORDS
LEAST_HEIGHT: Final = PATCH * N_STRIPES
"""Pixels below which a stripe would have no patch."""

_IMAGES_AT_ONCE = 8
"""Images whose patches are compared with the words at once: 6 MB of distances at 128×64."""


class BagOfWords(nn.Module):
    """Images (B, 3, H, W), normalised as for a network, to descriptors (B, 5600) float32; nothing in it learns.

    Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015, section 4: colour names of patches
    (`patch_descriptors`), ten nearest of 350 words a patch, a histogram for each of 16 stripes under a Gaussian mask
    (`stripe_histograms`), its square root against burstiness times IDF, minus the mean of the train images, so that
    missing words count too. The vocabulary comes from `vocabulary.fit_vocabulary`.

    Differences: colour names are an approximation (`colour_names`), and IDF is log(n/n_i) of each entry of the
    concatenated histogram over train images; the paper averages it over the gallery.
    """

    codebook: Tensor
    idf: Tensor
    mean: Tensor
    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.zeros(N_WORDS, len(NAMES)))
        self.register_buffer("idf", torch.ones(DIM))
        self.register_buffer("mean", torch.zeros(DIM))
        self.register_buffer("table", torch.from_numpy(name_table()).sqrt(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """The descriptors (B, 5600) of normalised images (B, 3, H, W)."""
        histograms = [self.histograms(block) for block in torch.split(images, _IMAGES_AT_ONCE)]
        return tf_idf(torch.cat(histograms), self.idf) - self.mean

    def histograms(self, images: Tensor) -> Tensor:
        """The stripe histograms (B, 5600) of normalised images (B, 3, H, W)."""
        with torch.autocast(images.device.type, enabled=False):
            return stripe_histograms(patch_descriptors(images, self.table), self.codebook)


def tf_idf(histograms: Tensor, idf: Tensor) -> Tensor:
    """Histograms (B, 5600) divided by √tf, times `idf` (5600), L2-normalised; an empty one stays 0."""
    return functional.normalize(histograms.sqrt() * idf, dim=1)


def patch_descriptors(images: Tensor, table: Tensor) -> Tensor:
    """Descriptors (B, H // 4, W // 4, 11) of 4×4 patches: the mean over pixels of `table` (32768, 11) at their colour.

    `images` (B, 3, H, W) are normalised; `table` holds the square roots of the colour names' probabilities, whose sum
    is 1. Rows and columns beyond the last whole patch are left out.
    """
    height, width = (size // PATCH for size in images.shape[2:])
    scale = 255 * torch.tensor([IMAGENET_STD, IMAGENET_MEAN], device=images.device).view(2, 3, 1, 1)
    pixels = (images.float() * scale[0] + scale[1]).round().clamp(0, 255).int() // BIN
    index = (pixels[:, 0] + 32 * pixels[:, 1] + 1024 * pixels[:, 2])[:, : height * PATCH, : width * PATCH]
    patches = index.reshape(len(images), height, PATCH, width, PATCH).permute(0, 1, 3, 2, 4)
    means = functional.embedding_bag(patches.reshape(-1, PATCH * PATCH), table, mode="mean")
    return means.view(len(images), height, width, table.shape[1])


def stripe_histograms(descriptors: Tensor, codebook: Tensor) -> Tensor:
    """How often each word occurs in each stripe, (B, 16 · K) float32, of patch descriptors (B, rows, columns, c).

    A patch counts for the ten nearest of the K words of `codebook` (K, c), with the weight of `mask`; row r of patches
    is in stripe ⌊16 r / rows⌋.
    """
    n_images, rows, columns, dim = descriptors.shape
    # squared distances without the patch's own length, which does not change the ranking
    distance = torch.addmm(codebook.square().sum(dim=1), descriptors.view(-1, dim), codebook.T, alpha=-2)
    words = distance.topk(min(N_ASSIGNED, len(codebook)), dim=1, largest=False, sorted=False).indices
    image = torch.arange(n_images, device=words.device).view(-1, 1, 1, 1)
    stripe = (torch.arange(rows, device=words.device) * N_STRIPES // rows).view(1, -1, 1, 1)
    entry = (image * N_STRIPES + stripe) * len(codebook) + words.view(n_images, rows, columns, -1)
    weight = mask(rows, columns).to(words.device).view(1, rows, columns, 1).expand_as(entry)
    histograms = torch.zeros(n_images * N_STRIPES * len(codebook), device=words.device)
    return histograms.scatter_add_(0, entry.reshape(-1), weight.reshape(-1)).view(n_images, -1)


def mask(rows: int, columns: int) -> Tensor:
    """The weight of every patch (rows, columns): a Gaussian around the centre with half the image as deviation."""
    y, x = (((torch.arange(size) + 0.5) / size * 2 - 1).square() for size in (rows, columns))
    return torch.exp(-(y[:, None] + x) / 2)
