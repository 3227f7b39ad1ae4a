"""Residual, normalization, padding and upsampling layers; weight initialization."""

from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.core.errors import TrainingError
from motiontransfer.models.choices import Upsampling

Features = Float[Tensor, "batch channels height width"]
Maps = Float[Tensor, "batch _ height width"]
"""A feature map; layers change its number of channels."""
Network = TypeVar("Network", bound=nn.Module)


class ReflectionPad(nn.Module):
    """Reflection padding that keeps bfloat16, which CPU autocast would cast to float32 and back."""

    def __init__(self, width_px: int) -> None:
        super().__init__()
        self.padding = (width_px,) * 4

    def forward(
        self, features: Features
    ) -> Float[Tensor, "batch channels padded_height padded_width"]:
        if features.is_contiguous() or features.device.type != "cpu":
            return functional.pad(features, self.padding, mode="reflect")
        with torch.autocast("cpu", enabled=False):
            return functional.pad(features, self.padding, mode="reflect")


class InstanceNorm(nn.InstanceNorm2d):
    """Instance normalization without PyTorch's copy of channels-last features.

    Batch normalization of one sample is the same formula and has a channels-last kernel.
    """

    def forward(  # ty: ignore[lost-keyword-for-regular-parameter] - torch's own name hides a builtin
        self, features: Features
    ) -> Features:
        many_on_gpu = features.device.type != "cpu" and len(features) > 1  # a copy is one kernel
        if features.is_contiguous() or many_on_gpu:
            return super().forward(features)
        samples = [
            functional.batch_norm(
                sample, None, None, self.weight, self.bias, training=True, eps=self.eps
            )
            for sample in features.split(1)
        ]
        return samples[0] if len(samples) == 1 else torch.cat(samples)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance normalization and a skip connection (He et al. 2016)."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(ReflectionPad(1), nn.Conv2d(num_channels, num_channels, 3)),
            *(InstanceNorm(num_channels), nn.ReLU(inplace=True)),
            *(ReflectionPad(1), nn.Conv2d(num_channels, num_channels, 3)),
            InstanceNorm(num_channels),
        )

    def forward(self, features: Features) -> Features:
        return features + self.body(features)


class ResizeConvolution(nn.Sequential):
    """Nearest-neighbor upsampling by 2, then a 3x3 convolution (Odena et al. 2016)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.pad = ReflectionPad(1)
        self.convolution = nn.Conv2d(in_channels, out_channels, 3)


def upsampling_layer(in_channels: int, out_channels: int, upsampling: Upsampling) -> nn.Module:
    if upsampling == "resize":
        return ResizeConvolution(in_channels, out_channels)
    return nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1)


@torch.no_grad()
def initialize(module: nn.Module) -> None:
    """Draw convolution weights from N(0, 0.02), as pix2pixHD does, and set biases to zero.

    For `network.apply(initialize)`; draws from torch's global RNG.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def downsample_by_2(images: Features) -> Float[Tensor, "batch channels half_height half_width"]:
    """3x3 average pooling of stride 2 without padding's zeros, as between pix2pixHD's scales.

    An odd height or width is rounded up.
    """
    return functional.avg_pool2d(images, 3, stride=2, padding=1, count_include_pad=False)


def pad_to_multiple(
    images: Features, multiple: int
) -> Float[Tensor, "batch channels padded_height padded_width"]:
    """Replicate the right and lower edge until `multiple` divides height and width."""
    height, width = images.shape[2:]
    right, bottom = -width % multiple, -height % multiple
    if right == 0 and bottom == 0:
        return images
    return functional.pad(images, (0, right, 0, bottom), mode="replicate")


def to_device(network: Network, device: torch.device) -> Network:
    network.to(device)
    return network if device.type == "cpu" else network.to(memory_format=torch.channels_last)


def count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def check_depth(size: tuple[int, int], *, stride: int, section: str) -> None:
    """Check that a network's coarsest level has pixels to normalize over."""
    height, width = -(-size[0] // stride), -(-size[1] // stride)
    if min(height, width) < 2:
        raise TrainingError(
            f"{section}.num_downsamplings: images of {size[0]}x{size[1]} pixels shrink to "
            f"{height}x{width}; expected at least 2x2; use fewer, or larger images"
        )
