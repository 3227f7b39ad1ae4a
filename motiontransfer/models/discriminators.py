"""Conditional multiscale PatchGAN discriminators of pix2pixHD (Wang et al. 2018, sec. 3.2).

Per scale: 4x4 convolutions (stride 2 until the last two), leaky ReLU 0.2, instance normalisation
after the first layer; average pooling between scales. The activations of every layer are returned
for the feature matching loss.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.models.layers import InstanceNorm, downsample_by_2


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminatorConfig:
    """Shape of a multiscale discriminator, except its input channels."""

    num_filters: int
    """Channels of the first layer."""

    num_layers: int
    """Layers of stride 2."""

    num_scales: int
    """Discriminators, at full resolution, half of it and so on."""


class DiscriminatorOutput(NamedTuple):
    """Patch logits and intermediate features of one discriminator."""

    logits: Float[Tensor, "batch 1 rows columns"]
    """One score a patch, before any sigmoid."""

    features: tuple[Tensor, ...]
    """Activations of the layers before the last, from image to logits."""


class PatchDiscriminator(nn.Module):
    """Scores every patch of an image, conditioned on a pose map."""

    def __init__(
        self,
        *,
        condition_channels: int,
        image_channels: int,
        num_filters: int,
        num_layers: int,
    ) -> None:
        super().__init__()
        widths = [min(num_filters * 2**level, num_filters * 8) for level in range(num_layers + 1)]
        # One convolution over condition and images together, written as the sum of two: the
        # condition's term is the same for real and fake, and needs no gradient of its input.
        self.on_condition = nn.Conv2d(condition_channels, widths[0], 4, 2, 2, bias=False)
        self.on_images = nn.Conv2d(image_channels, widths[0], 4, 2, 2)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(narrow, wide, 4, 2 if level < num_layers else 1, 2),
                InstanceNorm(wide),
                nn.LeakyReLU(0.2),
            )
            for level, (narrow, wide) in enumerate(itertools.pairwise(widths), 1)
        )
        self.last = nn.Conv2d(widths[-1], 1, 4, 1, 2)

    def forward(
        self,
        condition: Float[Tensor, "batch condition_channels height width"],
        images: Float[Tensor, "images image_channels height width"],
    ) -> DiscriminatorOutput:
        """Score every patch; `images` holds one or more batches in turn for the one condition."""
        num_batches = images.shape[0] // condition.shape[0]
        seen = self.on_condition(condition).repeat(num_batches, 1, 1, 1) + self.on_images(images)
        features = [functional.leaky_relu(seen, 0.2)]
        for layer in self.layers:
            features.append(layer(features[-1]))
        return DiscriminatorOutput(logits=self.last(features[-1]), features=tuple(features))


class MultiscaleDiscriminator(nn.Module):
    """The same architecture at full resolution, half of it and so on."""

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

    def forward(
        self,
        condition: Float[Tensor, "batch condition_channels height width"],
        images: Float[Tensor, "images image_channels height width"],
    ) -> list[DiscriminatorOutput]:
        """Score at every scale, finest first."""
        outputs = []
        for index, scale in enumerate(self.scales):
            if index:
                condition, images = downsample_by_2(condition), downsample_by_2(images)
            outputs.append(scale(condition, images))
        return outputs

    def start_from(self, trained: "MultiscaleDiscriminator") -> None:
        """Copy the discriminators of a training at half the resolution; the finest one stays.

        Each keeps the resolution that it was trained at, as in pix2pixHD, whose scales are numbered
        from the coarsest.

        Raises:
            ValueError: there is not exactly one scale more here, or the layers differ.
        """
        if len(self.scales) != len(trained.scales) + 1:
            raise ValueError(
                f"expected discriminators at {len(self.scales) - 1} scales, one fewer than here, "
                f"got {len(trained.scales)}"
            )
        mine, theirs = self.scales[1:].state_dict(), trained.scales.state_dict()
        if {k: v.shape for k, v in mine.items()} != {k: v.shape for k, v in theirs.items()}:
            raise ValueError(
                "the trained discriminators differ from the ones here; expected the same layers"
            )
        self.scales[1:].load_state_dict(theirs)


def split_real_fake(
    outputs: list[DiscriminatorOutput],
) -> tuple[list[DiscriminatorOutput], list[DiscriminatorOutput]]:
    """Split the outputs of one pass over a real batch followed by a fake one."""
    real, fake = [], []
    for output in outputs:
        middle = output.logits.shape[0] // 2
        real.append(
            DiscriminatorOutput(output.logits[:middle], tuple(f[:middle] for f in output.features))
        )
        fake.append(
            DiscriminatorOutput(output.logits[middle:], tuple(f[middle:] for f in output.features))
        )
    return real, fake
