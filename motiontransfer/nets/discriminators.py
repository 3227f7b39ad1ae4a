"""Multiscale patch discriminators of pix2pixHD (Wang et al. 2018, sec. 3.2).

Hides their layers: per scale 4x4 convolutions (stride 2 until the last two), leaky ReLU 0.2,
instance normalisation after the first layer, average pooling between scales. Every layer's
activations come back, since the feature matching loss compares them. By choice, spectral
normalisation of every weight (Miyato et al. 2018) instead of instance normalisation.
"""

import itertools
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from motiontransfer.nets.blocks import InstanceNorm, halve

Normalization = Literal["instance", "spectral"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminatorConfig:
    """All that decides the shapes of a multiscale discriminator, but for what it is shown."""

    num_filters: int
    """Channels of the first layer."""

    num_layers: int
    """Layers of stride 2."""

    num_scales: int
    """Judges, at full size, half size and so on."""

    normalization: Normalization = "instance"
    """Of the activations, or spectral of the weights."""


class Judgement(NamedTuple):
    """What one discriminator says of a batch."""

    logits: Float[Tensor, "batch 1 rows columns"]
    """One score a patch, before any squashing."""

    features: tuple[Tensor, ...]
    """Activations of the layers before the last, from image to logits."""


class PatchDiscriminator(nn.Module):
    """Judges every patch of an image, given what it should show."""

    def __init__(
        self,
        *,
        condition_channels: int,
        image_channels: int,
        num_filters: int,
        num_layers: int,
        normalization: Normalization = "instance",
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
                *([InstanceNorm(wide)] if normalization == "instance" else []),
                nn.LeakyReLU(0.2),
            )
            for level, (narrow, wide) in enumerate(itertools.pairwise(widths), 1)
        )
        self.last = nn.Conv2d(widths[-1], 1, 4, 1, 2)
        if normalization == "spectral":
            for module in list(self.modules()):
                if isinstance(module, nn.Conv2d):
                    spectral_norm(module)

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
        normalization: Normalization = "instance",
    ) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            PatchDiscriminator(
                condition_channels=condition_channels,
                image_channels=image_channels,
                num_filters=num_filters,
                num_layers=num_layers,
                normalization=normalization,
            )
            for _ in range(num_scales)
        )

    def forward(
        self,
        condition: Float[Tensor, "batch condition_channels height width"],
        images: Float[Tensor, "judged image_channels height width"],
    ) -> list[Judgement]:
        """Judge at every scale, finest first."""
        judgements = []
        for index, scale in enumerate(self.scales):
            if index:
                condition, images = halve(condition), halve(images)
            judgements.append(scale(condition, images))
        return judgements

    def start_from(self, trained: "MultiscaleDiscriminator") -> None:
        """Take over the judges of a training at half the size; the finest one stays as it is.

        Each goes on with pictures of the size that it knows, as in pix2pixHD, whose judges are
        numbered from the coarsest.

        Raises:
            ValueError: there is not exactly one judge more here, or they have other layers.
        """
        if len(self.scales) != len(trained.scales) + 1:
            raise ValueError(
                f"expected judges at {len(self.scales) - 1} scales, one fewer than here, got "
                f"{len(trained.scales)}"
            )
        mine, theirs = self.scales[1:].state_dict(), trained.scales.state_dict()
        if {k: v.shape for k, v in mine.items()} != {k: v.shape for k, v in theirs.items()}:
            raise ValueError(
                "the trained judges differ from the ones here; expected the same layers"
            )
        self.scales[1:].load_state_dict(theirs)


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


def temporal_windows(
    frames: Float[Tensor, "batch time channels height width"], *, num_frames: int, stride: int
) -> Float[Tensor, "windows stacked_channels height width"]:
    """Every `num_frames` frames that lie `stride` apart, stacked along the channels.

    What a discriminator of movement judges (Wang et al. 2018, vid2vid); pose maps are stacked
    alike. Windows come in the order of their first frame, each for the whole batch.

    Raises:
        ValueError: not even one window fits into the time there is.
    """
    span = (num_frames - 1) * stride + 1
    if frames.shape[1] < span:
        raise ValueError(
            f"{num_frames} frames {stride} apart need {span} in a row, got {frames.shape[1]}"
        )
    starts = range(frames.shape[1] - span + 1)
    return torch.cat([frames[:, start : start + span : stride].flatten(1, 2) for start in starts])
