"""Conditional multiscale PatchGAN discriminators of pix2pixHD (Wang et al. 2018, sec. 3.2).

Per scale: 4x4 convolutions (stride 2 until the last two), leaky ReLU 0.2, instance normalization
after the first layer. The input of each further scale is average-pooled by 2.
"""

import itertools
from dataclasses import dataclass, replace
from typing import NamedTuple

from jaxtyping import Float
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.models.layers import InstanceNorm, downsample_by_2

Conditions = Float[Tensor, "batch condition_channels height width"]
RealAndFake = Float[Tensor, "images image_channels height width"]
"""One or more batches, all for the same conditions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminatorConfig:
    """Width of the first layer, layers of stride 2, and scales: full size, half of it and so on."""

    num_filters: PositiveInt
    num_layers: PositiveInt
    num_scales: PositiveInt
    frames_apart: NonNegativeInt = 0
    """Frames stacked in an image that other discriminators judge one by one; 0: none."""


class DiscriminatorOutput(NamedTuple):
    """Patch logits and intermediate features of one discriminator."""

    logits: Float[Tensor, "batch 1 rows columns"]
    """One score per patch, before any sigmoid."""
    features: tuple[Tensor, ...]
    """Activations of all layers but the last, for feature matching."""


def layer_channels(num_filters: int, num_layers: int) -> list[int]:
    """Channels of the layers before the logits: doubled by each, at most eightfold."""
    return [min(num_filters * 2**level, num_filters * 8) for level in range(num_layers + 1)]


class PatchDiscriminator(nn.Module):
    """PatchGAN conditioned on pose maps (Isola et al. 2017)."""

    def __init__(
        self, config: DiscriminatorConfig, *, condition_channels: int, image_channels: int
    ) -> None:
        super().__init__()
        channels = layer_channels(config.num_filters, config.num_layers)
        # One convolution over condition and images together, written as the sum of two: the
        # condition's term is the same for real and fake, and needs no gradient of its input.
        self.on_condition = nn.Conv2d(condition_channels, channels[0], 4, 2, 2, bias=False)
        self.on_images = nn.Conv2d(image_channels, channels[0], 4, 2, 2)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(narrow, wide, 4, 2 if level < config.num_layers else 1, 2),
                InstanceNorm(wide),
                nn.LeakyReLU(0.2),
            )
            for level, (narrow, wide) in enumerate(itertools.pairwise(channels), 1)
        )
        self.last = nn.Conv2d(channels[-1], 1, 4, 1, 2)

    def forward(self, condition: Conditions, images: RealAndFake) -> DiscriminatorOutput:
        num_batches = images.shape[0] // condition.shape[0]
        first = self.on_condition(condition).repeat(num_batches, 1, 1, 1) + self.on_images(images)
        features = [functional.leaky_relu(first, 0.2)]
        for layer in self.layers:
            features.append(layer(features[-1]))
        return DiscriminatorOutput(logits=self.last(features[-1]), features=tuple(features))


class MultiscaleDiscriminator(nn.Module):
    """PatchGANs of one architecture at full resolution, half of it and so on."""

    def __init__(
        self, config: DiscriminatorConfig, *, condition_channels: int, image_channels: int
    ) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            PatchDiscriminator(
                config, condition_channels=condition_channels, image_channels=image_channels
            )
            for _ in range(config.num_scales)
        )
        self._frames_apart, self.of_frames = config.frames_apart, None
        if config.frames_apart:
            self.of_frames = MultiscaleDiscriminator(
                replace(config, frames_apart=0),
                condition_channels=condition_channels // config.frames_apart,
                image_channels=image_channels // config.frames_apart,
            )

    def forward(self, condition: Conditions, images: RealAndFake) -> list[DiscriminatorOutput]:
        """Score every patch at every scale, finest first; those of single frames come last."""
        if self.of_frames is not None:
            apart = (
                stacked.unflatten(1, (self._frames_apart, -1)).flatten(0, 1)
                for stacked in (condition, images)
            )
            return [*self._of_scales(condition, images), *self.of_frames(*apart)]
        return self._of_scales(condition, images)

    def _of_scales(self, condition: Conditions, images: RealAndFake) -> list[DiscriminatorOutput]:
        outputs = []
        for index, scale in enumerate(self.scales):
            if index:
                condition, images = downsample_by_2(condition), downsample_by_2(images)
            outputs.append(scale(condition, images))
        return outputs

    def start_from(self, trained: "MultiscaleDiscriminator") -> None:
        """Copy discriminators that were trained at half the resolution to all but the finest scale.

        Each keeps the resolution it was trained at, as in pix2pixHD, whose scales are numbered
        from the coarsest.
        """
        self.scales[1:].load_state_dict(trained.scales.state_dict())
        if self.of_frames is not None and trained.of_frames is not None:
            self.of_frames.start_from(trained.of_frames)


def split_real_fake(
    outputs: list[DiscriminatorOutput],
) -> tuple[list[DiscriminatorOutput], list[DiscriminatorOutput]]:
    """Split the outputs for a real batch followed by a fake one."""
    real, fake = [], []
    for logits, features in outputs:
        middle = len(logits) // 2
        real.append(DiscriminatorOutput(logits[:middle], tuple(f[:middle] for f in features)))
        fake.append(DiscriminatorOutput(logits[middle:], tuple(f[middle:] for f in features)))
    return real, fake
