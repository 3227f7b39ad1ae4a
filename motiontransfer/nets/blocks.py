"""Blocks that the generators and discriminators are made of, and their initialisation.

pix2pixHD (Wang et al. 2018, sec. 3 and its supplement): reflection padding, instance normalisation
without affine weights, residual blocks without an activation after the sum, N(0, 0.02) weights.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance normalisation, added to the input."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.ReflectionPad2d(1), nn.Conv2d(num_channels, num_channels, 3)),
            *(nn.InstanceNorm2d(num_channels), nn.ReLU(inplace=True)),
            *(nn.ReflectionPad2d(1), nn.Conv2d(num_channels, num_channels, 3)),
            nn.InstanceNorm2d(num_channels),
        )

    def forward(
        self, features: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Return the input plus the block's correction."""
        return features + self.body(features)


class ResizeConvolution(nn.Module):
    """Double the size by nearest neighbour, then convolve: no checkerboard (Odena et al. 2016)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            in_channels, out_channels, 3, padding=1, padding_mode="reflect"
        )

    def forward(
        self, features: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out_channels height2 width2"]:
        """Return features of twice the height and width."""
        return self.convolution(functional.interpolate(features, scale_factor=2, mode="nearest"))


def initialise(module: nn.Module) -> None:
    """Draw convolution weights from N(0, 0.02) and set biases to zero, as pix2pixHD does.

    Meant for `net.apply(initialise)`; uses torch's global generator, which the caller seeds.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def pad_to_multiple(
    images: Float[Tensor, "batch channels height width"], multiple: int
) -> Float[Tensor, "batch channels padded_height padded_width"]:
    """Repeat the right and lower edge until height and width divide by `multiple`."""
    height, width = images.shape[2:]
    right, below = -width % multiple, -height % multiple
    if right == 0 and below == 0:
        return images
    return functional.pad(images, (0, right, 0, below), mode="replicate")


def count_parameters(module: nn.Module) -> int:
    """Number of trainable numbers."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


@torch.no_grad()
def update_average(average: nn.Module, current: nn.Module, *, decay: float) -> None:
    """Move a moving average of weights towards the current ones (Yazici et al. 2019)."""
    for kept, new in zip(average.parameters(), current.parameters(), strict=True):
        kept.lerp_(new.to(kept.dtype), 1 - decay)
    for kept, new in zip(average.buffers(), current.buffers(), strict=True):
        kept.copy_(new)
