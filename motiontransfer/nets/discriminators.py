"""Multiscale patch discriminators of pix2pixHD (Wang et al. 2018, sec. 3.2).

Hides their layers: per scale 4x4 convolutions (stride 2 until the last two), leaky ReLU 0.2,
instance normalisation after the first layer, average pooling between scales. Every layer's
activations come back, since the feature matching loss compares them.
"""

import itertools
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class Judgement(NamedTuple):
    """What one discriminator says of a batch."""

    logits: Float[Tensor, "batch 1 rows columns"]
    """One score a patch, before any squashing."""

    features: tuple[Tensor, ...]
    """Activations of the layers before the last, from image to logits."""


class PatchDiscriminator(nn.Module):
    """Judges every patch of an image, given what it should show."""

    def __init__(
        self, *, condition_channels: int, image_channels: int, num_filters: int, num_layers: int
    ) -> None:
        super().__init__()
        widths = [min(num_filters * 2**level, num_filters * 8) for level in range(num_layers + 1)]
        # One convolution over condition and images together, written as the sum of two: the
        # condition's half is the same for real and fake, and needs no gradient of its input.
        self.on_condition = nn.Conv2d(condition_channels, widths[0], 4, 2, 2, bias=False)
        self.on_images = nn.Conv2d(image_channels, widths[0], 4, 2, 2)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(narrow, wide, 4, 2 if level < num_layers else 1, 2),
                nn.InstanceNorm2d(wide),
                nn.LeakyReLU(0.2),
            )
            for level, (narrow, wide) in enumerate(itertools.pairwise(widths), 1)
        )
        self.last = nn.Conv2d(widths[-1], 1, 4, 1, 2)

    def forward(
        self,
        condition: Float[Tensor, "batch condition_channels height width"],
        images: Float[Tensor, "judged image_channels height width"],
    ) -> Judgement:
        """Score every patch; `images` holds one or more batches in turn for the one condition."""
        num_batches = images.shape[0] // condition.shape[0]
        seen = self.on_condition(condition).repeat(num_batches, 1, 1, 1) + self.on_images(images)
        features = [functional.leaky_relu(seen, 0.2)]
        for layer in self.layers:
            features.append(layer(features[-1]))
        return Judgement(logits=self.last(features[-1]), features=tuple(features))


class MultiscaleDiscriminator(nn.Module):
    """The same judge at full size, half size and so on."""

    def __init__(
        self,
        *,
        condition_channels: int,
        image_channels: int,
        num_filters: int,
        num_layers: int,
        num_scales: int,
    ) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            PatchDiscriminator(
                condition_channels=condition_channels,
                image_channels=image_channels,
                num_filters=num_filters,
                num_layers=num_layers,
            )
            for _ in range(num_scales)
        )
        self.downsample = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(
        self,
        condition: Float[Tensor, "batch condition_channels height width"],
        images: Float[Tensor, "judged image_channels height width"],
    ) -> list[Judgement]:
        """Judge at every scale, finest first."""
        judgements = []
        for index, scale in enumerate(self.scales):
            if index:
                condition, images = self.downsample(condition), self.downsample(images)
            judgements.append(scale(condition, images))
        return judgements


def halves(judgements: list[Judgement]) -> tuple[list[Judgement], list[Judgement]]:
    """Split what was judged in one pass, first and second half of the batch, back in two."""
    first, second = [], []
    for judgement in judgements:
        middle = judgement.logits.shape[0] // 2
        first.append(
            Judgement(judgement.logits[:middle], tuple(f[:middle] for f in judgement.features))
        )
        second.append(
            Judgement(judgement.logits[middle:], tuple(f[middle:] for f in judgement.features))
        )
    return first, second
