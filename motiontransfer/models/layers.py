"""Layers shared by generators and discriminators, and their initialisation."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.errors import TrainingError

Upsampling = Literal["transposed", "resize", "subpixel"]


class ReflectionPad(nn.Module):
    """Reflection padding that keeps the precision of channels-last features.

    Autocast on a CPU would widen them to float32, only for the next convolution to narrow them.
    """

    def __init__(self, width_px: int) -> None:
        super().__init__()
        self.padding = (width_px,) * 4

    def forward(
        self, features: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels padded_height padded_width"]:
        """Return features with their borders mirrored outwards."""
        if features.is_contiguous():
            return functional.pad(features, self.padding, mode="reflect")
        with torch.autocast(features.device.type, enabled=False):
            return functional.pad(features, self.padding, mode="reflect")


class InstanceNorm(nn.InstanceNorm2d):
    """Instance normalisation that leaves channels-last features channels-last on a CPU.

    torch's own copies them to contiguous memory. Batch normalisation of one sample is the same
    sum, and has a channels-last kernel.
    """

    def forward(  # ty: ignore[lost-keyword-for-regular-parameter] - torch's own name hides a builtin
        self, features: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Return features with mean 0 and variance 1 over each sample's height and width."""
        if features.is_contiguous() or features.device.type != "cpu":
            return super().forward(features)
        samples = [
            functional.batch_norm(
                sample, None, None, self.weight, self.bias, training=True, eps=self.eps
            )
            for sample in features.split(1)
        ]
        return samples[0] if len(samples) == 1 else torch.cat(samples)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance normalisation, added to the input."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(ReflectionPad(1), nn.Conv2d(num_channels, num_channels, 3)),
            *(InstanceNorm(num_channels), nn.ReLU(inplace=True)),
            *(ReflectionPad(1), nn.Conv2d(num_channels, num_channels, 3)),
            InstanceNorm(num_channels),
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
        self.pad = ReflectionPad(1)
        self.convolution = nn.Conv2d(in_channels, out_channels, 3)

    def forward(
        self, features: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out_channels height2 width2"]:
        """Return features of twice the height and width."""
        doubled = functional.interpolate(features, scale_factor=2, mode="nearest")
        return self.convolution(self.pad(doubled))


class SubpixelConvolution(nn.Module):
    """Convolve to four times the channels, then lay them out as 2x2 pixels (Shi et al. 2016)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.pad = ReflectionPad(1)
        self.convolution = nn.Conv2d(in_channels, 4 * out_channels, 3)

    def forward(
        self, features: Float[Tensor, "batch in_channels height width"]
    ) -> Float[Tensor, "batch out_channels height2 width2"]:
        """Return features of twice the height and width."""
        return functional.pixel_shuffle(self.convolution(self.pad(features)), 2)


def upsample(in_channels: int, out_channels: int, *, upsampling: Upsampling) -> nn.Module:
    """Build a layer that doubles height and width."""
    if upsampling == "resize":
        return ResizeConvolution(in_channels, out_channels)
    if upsampling == "subpixel":
        return SubpixelConvolution(in_channels, out_channels)
    return nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1)


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Draw convolution weights from N(0, 0.02), as pix2pixHD does, and set biases to zero.

    The four pixels of a subpixel convolution start alike, so that nothing is chequered (Aitken et
    al. 2017). Meant for `net.apply(initialise)`; uses torch's global generator, which the caller
    seeds.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    if isinstance(module, SubpixelConvolution):
        weight = module.convolution.weight
        weight.copy_(weight[::4].repeat_interleave(4, dim=0))


def downsample_by_2(
    images: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch channels half_height half_width"]:
    """3x3 average pooling of stride 2, as between pix2pixHD's scales.

    Pixels outside the image do not count. An odd height or width is rounded up.
    """
    return functional.avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)


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


def check_depth(size: tuple[int, int], *, stride: int, section: str) -> None:
    """Refuse a network whose coarsest level has no neighbours to normalise over.

    Raises:
        TrainingError: the images shrink to fewer than 2x2 cells.
    """
    height, width = -(-size[0] // stride), -(-size[1] // stride)
    if min(height, width) < 2:
        raise TrainingError(
            f"{section}.num_downsamplings: images of {size[0]}x{size[1]} pixels shrink to "
            f"{height}x{width}; expected at least 2x2; use fewer, or larger images"
        )
