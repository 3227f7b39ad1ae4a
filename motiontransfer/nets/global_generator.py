"""The global generator of pix2pixHD (Wang et al. 2018, sec. 3.1), the paper's choice.

Hides its layers: reflection-padded 7x7 convolution, stride-2 convolutions that double the channels,
residual blocks, transposed convolutions back up, 7x7 convolution. Deviations: channels may be
capped, and any input size is taken (padded to the stride inside, cropped after).
"""

import itertools

from jaxtyping import Float
from torch import Tensor, nn

from motiontransfer.nets.blocks import ResidualBlock, pad_to_multiple


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
    ) -> None:
        super().__init__()
        self.stride = 2**num_downsamplings
        widths = [
            min(num_filters * 2**level, max_channels) for level in range(num_downsamplings + 1)
        ]
        layers: list[nn.Module] = [
            *(nn.ReflectionPad2d(3), nn.Conv2d(in_channels, widths[0], 7)),
            *(nn.InstanceNorm2d(widths[0]), nn.ReLU(inplace=True)),
        ]
        for narrow, wide in itertools.pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1)]
            layers += [nn.InstanceNorm2d(wide), nn.ReLU(inplace=True)]
        layers += [ResidualBlock(widths[-1]) for _ in range(num_residual_blocks)]
        for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True):
            layers += [nn.ConvTranspose2d(wide, narrow, 3, stride=2, padding=1, output_padding=1)]
            layers += [nn.InstanceNorm2d(narrow), nn.ReLU(inplace=True)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(widths[0], out_channels, 7)]
        self.layers = nn.Sequential(*layers)

    def forward(
        self, conditioning: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out_channels height width"]:
        """Return the last convolution's output, before any squashing."""
        height, width = conditioning.shape[2:]
        return self.layers(pad_to_multiple(conditioning, self.stride))[:, :, :height, :width]
