"""Face networks: residual generator (Chan et al. 2019, sec. 3.2) and CycleGAN (Zhu et al. 2017).

The residual's crops are boxes; the CycleGAN's are aligned by a similarity transform.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.core.arrays import Affine
from motiontransfer.models.choices import CarriedFrame, Upsampling
from motiontransfer.models.discriminators import (
    DiscriminatorConfig,
    DiscriminatorOutput,
    layer_channels,
)
from motiontransfer.models.generators import EncoderDecoderConfig, GlobalGenerator
from motiontransfer.models.layers import Features, InstanceNorm
from motiontransfer.video.tensors import Images

BatchBoxes = Int[Tensor, "batch 4"]
Crops = Float[Tensor, "batch 3 crop_size crop_size"]
CropSize = Annotated[int, Field(ge=1, le=1024)]


def crop_boxes(
    images: Features, boxes: BatchBoxes, *, crop_size: int
) -> Float[Tensor, "batch channels crop_size crop_size"]:
    crops = [
        resize(image[None, :, y0:y1, x0:x1], (crop_size, crop_size))
        for image, (x0, y0, x1, y1) in zip(images, boxes.tolist(), strict=True)
    ]
    return torch.cat(crops)


def resize(images: Features, size: tuple[int, int]) -> Float[Tensor, "batch channels _ _"]:
    """Interpolate bilinearly, with antialiasing."""
    return functional.interpolate(
        images, size=size, mode="bilinear", align_corners=False, antialias=True
    )


def warp(
    images: Features, maps: Float64[np.ndarray, "batch 2 3"], *, size: tuple[int, int]
) -> Float[Tensor, "batch channels warped_height warped_width"]:
    """Resample each image under its similarity transform, without aliasing.

    Args:
        maps: from points of the image to points of the result; centers of pixels are whole numbers.
    """
    pairs = zip(images.split(1), maps, strict=True)
    return torch.cat([_warp(image, to_result, size) for image, to_result in pairs])


def _warp(image: Tensor, to_result: Affine, size: tuple[int, int]) -> Tensor:
    to_image = np.linalg.inv(to_result[:, :2])
    scale = math.sqrt(abs(np.linalg.det(to_image)))  # pixels of the image per pixel of the result
    per_side = max(math.ceil(round(scale, 3)), 1)  # supersampling
    ys, xs = (
        (torch.arange(length * per_side, device=image.device) + 0.5) / per_side - 0.5
        for length in size
    )
    x, y = (xs - to_result[0, 2])[None, :], (ys - to_result[1, 2])[:, None]
    height, width = image.shape[2:]
    # grid_sample counts from -1 at the outer edge of the first pixel to 1 at that of the last.
    grid = torch.stack(
        [
            (to_image[0, 0] * x + to_image[0, 1] * y + 0.5) * (2 / width) - 1,
            (to_image[1, 0] * x + to_image[1, 1] * y + 0.5) * (2 / height) - 1,
        ],
        dim=-1,
    )
    samples = functional.grid_sample(
        image, grid[None].to(image), mode="bilinear", padding_mode="border", align_corners=False
    )
    return functional.avg_pool2d(samples, per_side)


def add_residuals(images: Images, residuals: Crops, boxes: BatchBoxes) -> Images:
    """Add each residual inside its box, and clamp the sum to [-1, 1]."""
    corrected = images.clone()
    for index, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        residual = resize(residuals[index : index + 1], (y1 - y0, x1 - x0))[0]
        corrected[index, :, y0:y1, x0:x1] += residual
    return corrected.clamp(-1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceGeneratorConfig(EncoderDecoderConfig):
    pose_channels: int
    crop_size: CropSize
    """Height and width of the crop, pixels."""
    previous_frame: CarriedFrame = "generated"
    """Previous frame of the main generator: its own, or the one with the face."""
    upsampling: Upsampling = "transposed"


class FaceGenerator(nn.Module):
    """Predicts the residual of a generated face from its pose."""

    def __init__(self, config: FaceGeneratorConfig) -> None:
        super().__init__()
        self.network = GlobalGenerator(config.pose_channels + 3, 3, config.shape(config.upsampling))

    def forward(
        self, pose_crop: Float[Tensor, "batch pose_channels crop_size crop_size"], face_crop: Crops
    ) -> Crops:
        """Return the residual in [-1, 1], to be added to `face_crop`."""
        return torch.tanh(self.network(torch.cat([pose_crop, face_crop], dim=1)).float())


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceTranslatorConfig(EncoderDecoderConfig):
    crop_size: CropSize
    """Height and width of an aligned face, pixels."""
    upsampling: Upsampling


class FaceTranslator(nn.Module):
    """CycleGAN generator from the faces of one person to those of another."""

    def __init__(self, config: FaceTranslatorConfig) -> None:
        super().__init__()
        self.network = GlobalGenerator(3, 3, config.shape(config.upsampling))

    def forward(self, faces: Crops) -> Crops:
        return torch.tanh(self.network(faces).float())


class Translations(NamedTuple):
    to_target: Crops
    to_source: Crops
    back_to_source: Crops
    back_to_target: Crops


class FaceTranslators(nn.Module):
    def __init__(self, config: FaceTranslatorConfig) -> None:
        super().__init__()
        self.to_target = FaceTranslator(config)
        self.to_source = FaceTranslator(config)

    def forward(self, source: Crops, target: Crops) -> Translations:
        to_target, to_source = self.to_target(source), self.to_source(target)
        return Translations(
            to_target=to_target,
            to_source=to_source,
            back_to_source=self.to_source(to_target),
            back_to_target=self.to_target(to_source),
        )


class FaceDiscriminator(nn.Module):
    """Unconditional PatchGAN (Zhu et al. 2017, sec. 7.2)."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        channels = layer_channels(config.num_filters, config.num_layers)
        layers: list[nn.Module] = [nn.Conv2d(3, channels[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for level, (narrow, wide) in enumerate(itertools.pairwise(channels), 1):
            layers += [nn.Conv2d(narrow, wide, 4, 2 if level < config.num_layers else 1, 1)]
            layers += [InstanceNorm(wide), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 4, 1, 1))

    def forward(self, faces: Images) -> list[DiscriminatorOutput]:
        return [DiscriminatorOutput(logits=self.layers(faces), features=())]


class FaceDiscriminators(nn.Module):
    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.of_source, self.of_target = FaceDiscriminator(config), FaceDiscriminator(config)

    def forward(
        self, source: Images, target: Images
    ) -> tuple[list[DiscriminatorOutput], list[DiscriminatorOutput]]:
        return self.of_source(source), self.of_target(target)
