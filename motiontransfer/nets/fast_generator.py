"""Small encoder-decoder generator that trains in minutes on a CPU: the demo's default.

Space-to-depth stem (no full-resolution convolution over many channels), stride-2 convolutions,
residual blocks, resize-convolutions (Odena et al. 2016) with skip connections from the same level,
which keep limb positions out of the bottleneck, and a depth-to-space head.
"""

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.nets.blocks import (
    InstanceNorm,
    ResidualBlock,
    Upsampling,
    pad_to_multiple,
    upsample,
)


class FastGenerator(nn.Module):
    """U-shaped network between a space-to-depth stem and a depth-to-space head."""

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        num_filters: int,
        num_downsamplings: int,
        num_residual_blocks: int,
        max_channels: int,
        upsampling: Upsampling = "resize",
    ) -> None:
        super().__init__()
        self.stride = 2 * 2**num_downsamplings
        widths = [
            min(num_filters * 2**level, max_channels) for level in range(num_downsamplings + 1)
        ]
        self.stem = nn.Conv2d(4 * in_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(narrow, wide, 4, stride=2, padding=1),
                InstanceNorm(wide, affine=True),
                nn.ReLU(inplace=True),
            )
            for narrow, wide in itertools.pairwise(widths)
        )
        self.bottleneck = nn.Sequential(
            *(ResidualBlock(widths[-1]) for _ in range(num_residual_blocks))
        )
        self.up = nn.ModuleList(
            nn.Sequential(
                upsample(wide, narrow, upsampling=upsampling),
                InstanceNorm(narrow, affine=True),
                nn.ReLU(inplace=True),
            )
            for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.merge = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * width, width, 3, padding=1), nn.ReLU(inplace=True))
            for width in widths[-2::-1]
        )
        self.head = nn.Conv2d(widths[0], 4 * out_channels, 3, padding=1)

    def forward(
        self, conditioning: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out_channels height width"]:
        """Return the head's output, before any squashing."""
        height, width = conditioning.shape[2:]
        padded = pad_to_multiple(conditioning, self.stride)
        features = functional.relu(self.stem(functional.pixel_unshuffle(padded, 2)))
        skips = [features]
        for down in self.down:
            features = down(features)
            skips.append(features)
        features = self.bottleneck(skips.pop())
        for up, merge in zip(self.up, self.merge, strict=True):
            features = merge(torch.cat([up(features), skips.pop()], dim=1))
        return functional.pixel_shuffle(self.head(features), 2)[:, :, :height, :width]
