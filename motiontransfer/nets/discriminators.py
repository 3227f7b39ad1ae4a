"""Multiscale patch discriminators of pix2pixHD (Wang et al. 2018, sec. 3.2).

Hides their layers: per scale 4x4 convolutions (stride 2 until the last two), leaky ReLU 0.2,
instance normalisation after the first layer, average pooling between scales. Every layer's
activations come back, since the feature matching loss compares them.
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn


class Judgement(NamedTuple):
    """What one discriminator says of a batch."""

    logits: Float[Tensor, "batch 1 rows columns"]
    """One score a patch, before any squashing."""

    features: tuple[Tensor, ...]
    """Activations of the layers before the last, from image to logits."""


class PatchDiscriminator(nn.Module):
    """Judges every patch of an image on its own."""

    def __init__(self, *, in_channels: int, num_filters: int, num_layers: int) -> None:
        super().__init__()
        widths = [min(num_filters * 2**level, num_filters * 8) for level in range(num_layers + 1)]
        layers = [nn.Sequential(nn.Conv2d(in_channels, widths[0], 4, 2, 2), nn.LeakyReLU(0.2))]
        for level in range(1, num_layers + 1):
            stride = 2 if level < num_layers else 1
            layers.append(
                nn.Sequential(
                    nn.Conv2d(widths[level - 1], widths[level], 4, stride, 2),
                    nn.InstanceNorm2d(widths[level]),
                    nn.LeakyReLU(0.2),
                )
            )
        self.layers = nn.ModuleList(layers)
        self.last = nn.Conv2d(widths[-1], 1, 4, 1, 2)

    def forward(self, images: Float[Tensor, "batch in_channels height width"]) -> Judgement:
        """Score every patch."""
        features = []
        for layer in self.layers:
            images = layer(images)
            features.append(images)
        return Judgement(logits=self.last(images), features=tuple(features))


class MultiscaleDiscriminator(nn.Module):
    """The same judge at full size, half size and so on."""

    def __init__(
        self, *, in_channels: int, num_filters: int, num_layers: int, num_scales: int
    ) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            PatchDiscriminator(
                in_channels=in_channels, num_filters=num_filters, num_layers=num_layers
            )
            for _ in range(num_scales)
        )
        self.downsample = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(self, images: Float[Tensor, "batch in_channels height width"]) -> list[Judgement]:
        """Judge at every scale, finest first."""
        judgements = []
        for index, scale in enumerate(self.scales):
            if index:
                images = self.downsample(images)
            judgements.append(scale(images))
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
