"""The networks: two generators, two discriminators and the Siamese network that keeps identities."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Residual(nn.Module):
    """Two convolutions of 3 × 3 with instance norms, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = images + self.layers(images)
        return result


def generator(width: int = 64, n_blocks: int = 9) -> nn.Sequential:
    """From images (B, 3, H, W) in [−1, 1] to others of that size: two halvings, residual blocks, two doublings.

    H and W are multiples of 4. Zhu et al., ICCV 2017, as SPGAN takes it.
    """
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), *_block(nn.Conv2d(3, width, 7), width)]
    for n in (width, 2 * width):
        layers += _block(nn.Conv2d(n, 2 * n, 3, stride=2, padding=1), 2 * n)
    layers += [_Residual(4 * width) for _ in range(n_blocks)]
    for n in (4 * width, 2 * width):
        layers += _block(nn.ConvTranspose2d(n, n // 2, 3, stride=2, padding=1, output_padding=1), n // 2)
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def discriminator(width: int = 64) -> nn.Sequential:
    """From images (B, 3, H, W) to a score for each patch, (B, 1, h, w): near 1 for real ones."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    n = width
    for _ in range(2):
        layers += [nn.Conv2d(n, 2 * n, 4, stride=2, padding=1), nn.InstanceNorm2d(2 * n), nn.LeakyReLU(0.2)]
        n *= 2
    return nn.Sequential(*layers, nn.Conv2d(n, 1, 3, padding=1))


class Siamese(nn.Module):
    """From images (B, 3, H, W) to embeddings (B, 64) of unit length: four convolutions, each halving, and a linear layer."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, 64))

    def forward(self, images: Tensor) -> Tensor:
        """The embeddings."""
        return functional.normalize(self.layers(images), dim=1)


def initialised(network: nn.Module, *, seed: int) -> nn.Module:
    """`network` with weights drawn from a normal distribution of deviation 0.02, biases 0."""
    source = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        with torch.no_grad():
            if name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.normal_(0, 0.02, generator=source)
    return network


def _block(convolution: nn.Module, width: int) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(width), nn.ReLU()]
