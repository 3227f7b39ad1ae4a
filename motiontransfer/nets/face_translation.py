"""CycleGAN generators and discriminators for aligned faces of two people (Zhu et al. 2017).

A translator is the CycleGAN paper's residual network, which pix2pixHD's global generator took over:
the same blocks with two downsamplings and no condition. A discriminator is its unconditional
PatchGAN. Deviation: the upsampling layers can be chosen.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motiontransfer.nets.blocks import InstanceNorm, Upsampling
from motiontransfer.nets.discriminators import DiscriminatorOutput
from motiontransfer.nets.global_generator import GlobalGenerator


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceTranslatorConfig:
    """All that decides the shapes of a translator, and which crops it takes."""

    crop_size: int
    """Height and width of an aligned face, pixels."""

    num_filters: int
    """Channels at the finest level."""

    num_downsamplings: int
    """Stride-2 convolutions."""

    num_residual_blocks: int
    """Residual blocks at the coarsest level."""

    upsampling: Upsampling
    """How the size is doubled on the way back up."""


class FaceTranslator(nn.Module):
    """Shows one person's face as the other's."""

    def __init__(self, config: FaceTranslatorConfig) -> None:
        super().__init__()
        self.network = GlobalGenerator(
            in_channels=3,
            out_channels=3,
            num_filters=config.num_filters,
            num_downsamplings=config.num_downsamplings,
            num_residual_blocks=config.num_residual_blocks,
            max_channels=config.num_filters * 2**config.num_downsamplings,
            upsampling=config.upsampling,
        )

    def forward(
        self, faces: Float[Tensor, "batch 3 crop_size crop_size"]
    ) -> Float[Tensor, "batch 3 crop_size crop_size"]:
        """Return the other person's faces in [-1, 1]."""
        return torch.tanh(self.network(faces).float())


class Translations(NamedTuple):
    """Faces of both people as the other's, and translated back."""

    to_target: Float[Tensor, "batch 3 crop_size crop_size"]
    to_source: Float[Tensor, "batch 3 crop_size crop_size"]
    back_to_source: Float[Tensor, "batch 3 crop_size crop_size"]
    back_to_target: Float[Tensor, "batch 3 crop_size crop_size"]


class FaceTranslators(nn.Module):
    """Both ways, there and back."""

    def __init__(self, config: FaceTranslatorConfig) -> None:
        super().__init__()
        self.to_target = FaceTranslator(config)
        self.to_source = FaceTranslator(config)

    def forward(
        self,
        source: Float[Tensor, "batch 3 crop_size crop_size"],
        target: Float[Tensor, "batch 3 crop_size crop_size"],
    ) -> Translations:
        """Translate real faces of both people and each translation back."""
        to_target, to_source = self.to_target(source), self.to_source(target)
        return Translations(
            to_target=to_target,
            to_source=to_source,
            back_to_source=self.to_source(to_target),
            back_to_target=self.to_target(to_source),
        )


class FaceDiscriminator(nn.Module):
    """Unconditional PatchGAN for the faces of one person."""

    def __init__(self, *, num_filters: int, num_layers: int) -> None:
        super().__init__()
        widths = [min(num_filters * 2**level, num_filters * 8) for level in range(num_layers + 1)]
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for level, (narrow, wide) in enumerate(itertools.pairwise(widths), 1):
            layers += [nn.Conv2d(narrow, wide, 4, 2 if level < num_layers else 1, 1)]
            layers += [InstanceNorm(wide), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, faces: Float[Tensor, "batch 3 height width"]) -> list[DiscriminatorOutput]:
        """Score every patch, at the one scale there is."""
        return [DiscriminatorOutput(logits=self.layers(faces), features=())]


class FaceDiscriminators(nn.Module):
    """One for each person."""

    def __init__(self, *, num_filters: int, num_layers: int) -> None:
        super().__init__()
        self.of_source = FaceDiscriminator(num_filters=num_filters, num_layers=num_layers)
        self.of_target = FaceDiscriminator(num_filters=num_filters, num_layers=num_layers)

    def forward(
        self,
        source: Float[Tensor, "batch 3 height width"],
        target: Float[Tensor, "batch 3 height width"],
    ) -> tuple[list[DiscriminatorOutput], list[DiscriminatorOutput]]:
        """Score the faces of each person."""
        return self.of_source(source), self.of_target(target)
