"""Global generator of pix2pixHD (Wang et al. 2018, sec. 3.1), the paper's choice.

Reflection-padded 7x7 convolution, stride-2 convolutions that double the channels, residual blocks,
transposed convolutions, 7x7 convolution. Deviations: channels may be capped, the upsampling layers
can be chosen, and any input size is accepted (padded to the stride, then cropped).
"""

import itertools

from jaxtyping import Float
from torch import Tensor, nn

from motiontransfer.nets.blocks import (
    InstanceNorm,
    ReflectionPad,
    ResidualBlock,
    Upsampling,
    pad_to_multiple,
    upsample,
)


class GlobalGenerator(nn.Module):
    """Image-to-image network with a bottleneck of residual blocks."""

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        num_filters: int,
        num_downsamplings: int,
        num_residual_blocks: int,
        max_channels: int,
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        self.stride = 2**num_downsamplings
        self.features = global_features(
            in_channels=in_channels,
            num_filters=num_filters,
            num_downsamplings=num_downsamplings,
            num_residual_blocks=num_residual_blocks,
            max_channels=max_channels,
            upsampling=upsampling,
        )
        self.head = nn.Sequential(
            ReflectionPad(3), nn.Conv2d(min(num_filters, max_channels), out_channels, 7)
        )

    def forward(
        self, conditioning: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out_channels height width"]:
        """Return the last convolution's output, before any squashing."""
        height, width = conditioning.shape[2:]
        padded = pad_to_multiple(conditioning, self.stride)
        return self.head(self.features(padded))[:, :, :height, :width]


def global_features(
    *,
    in_channels: int,
    num_filters: int,
    num_downsamplings: int,
    num_residual_blocks: int,
    max_channels: int,
    upsampling: Upsampling,
) -> nn.Sequential:
    """Build all of a global generator but its head: `num_filters` channels at its input's size.

    Height and width of what it is given must divide by 2 to the power of `num_downsamplings`.
    """
    widths = [min(num_filters * 2**level, max_channels) for level in range(num_downsamplings + 1)]
    layers: list[nn.Module] = [
        *(ReflectionPad(3), nn.Conv2d(in_channels, widths[0], 7)),
        *(InstanceNorm(widths[0]), nn.ReLU(inplace=True)),
    ]
    for narrow, wide in itertools.pairwise(widths):
        layers += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1)]
        layers += [InstanceNorm(wide), nn.ReLU(inplace=True)]
    layers += [ResidualBlock(widths[-1]) for _ in range(num_residual_blocks)]
    for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True):
        layers += [upsample(wide, narrow, upsampling=upsampling)]
        layers += [InstanceNorm(narrow), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
