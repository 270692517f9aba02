"""The options of ResNets (stride of the last layer, pooling), and the small `resnet10`."""

from __future__ import annotations

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from schemas.parameters import InitParameters
from stages.errors import UsageError
from stages.nn.backbones.headless import remove_classifier
from stages.nn.backbones.pooling import GeneralizedMean
from stages.nn.backbones.provider import Provider

NAME = "resnet10"


class SmallResNet(Provider):
    """A ResNet with one basic block in each layer, for small images and random weights."""

    description = f"the small {NAME}"
    suggestion = NAME

    def names(self) -> tuple[str, ...]:
        """`resnet10`."""
        return (NAME,)

    def build(self, parameters: InitParameters) -> tuple[nn.Module, int]:
        """The network, with the ResNet options of `parameters`."""
        network = ResNet(BasicBlock, [1, 1, 1, 1])
        dim = remove_classifier(network)
        set_resnet_options(network, parameters)
        return network, dim


def set_resnet_options(network: nn.Module, parameters: InitParameters) -> None:
    """Give a ResNet the `last_stride` and `pooling` of `parameters`; UsageError for either with another network.

    `last_stride` 1 leaves a last map of twice the height and width (Luo et al., CVPRW 2019); `pooling` 'gem' is a
    generalised mean, whose exponent is the parameter `avgpool.p`.
    """
    for name, usual, other in (("last_stride", 2, 1), ("pooling", "avg", "gem")):
        value = getattr(parameters, name)
        if value == other and not isinstance(network, ResNet):
            raise UsageError(
                f"`{name}` must be {usual!r} for {parameters.backbone}, got {value!r}; only ResNets have a choice"
            )
    if parameters.last_stride == 1:
        block = network.get_submodule("layer4.0")
        strided = block.conv2 if isinstance(block, Bottleneck) else block.get_submodule("conv1")
        for layer in (strided, block.get_submodule("downsample.0")):
            layer.stride = (1, 1)
    if parameters.pooling == "gem":
        network.avgpool = GeneralizedMean()


PROVIDER = SmallResNet()
