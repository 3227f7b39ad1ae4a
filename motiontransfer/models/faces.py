"""Face networks: crops, the residual generator and the CycleGAN translators."""

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.models.discriminators import DiscriminatorOutput
from motiontransfer.models.generators import GlobalGenerator
from motiontransfer.models.layers import InstanceNorm, Upsampling
from motiontransfer.pose.rendering import PoseMapStyle, draw_poses
from motiontransfer.skeleton import Skeleton


def crop_boxes(
    images: Float[Tensor, "batch channels height width"],
    boxes: Int[Tensor, "batch 4"],
    *,
    crop_size: int,
) -> Float[Tensor, "batch channels crop_size crop_size"]:
    """Cut one box (x0, y0, x1, y1; half-open pixels) from each image and resize it."""
    crops = [
        functional.interpolate(
            image[None, :, y0:y1, x0:x1],
            size=(crop_size, crop_size),
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )
        for image, (x0, y0, x1, y1) in zip(images, boxes.tolist(), strict=True)
    ]
    return torch.cat(crops)


def draw_crops(
    points: Float[Tensor, "batch joints 2"],
    score: Float[Tensor, "batch joints"],
    boxes: Int[Tensor, "batch 4"],
    *,
    skeleton: Skeleton,
    style: PoseMapStyle,
    crop_size: int,
) -> Float[Tensor, "batch channels crop_size crop_size"]:
    """Draw the poses as the boxes show them: at the crop's own resolution, not resampled.

    A pixel's centre lies half a pixel from its corner on either side of the map.
    """
    corner = boxes[:, None, :2].to(points)
    scale = crop_size / (boxes[:, None, 2:] - boxes[:, None, :2]).to(points)
    moved = (points + 0.5 - corner) * scale - 0.5
    return draw_poses(moved, score, skeleton=skeleton, size=(crop_size, crop_size), style=style)


def feather(
    size: tuple[int, int], *, fraction: float, device: torch.device
) -> Float[Tensor, "height width"]:
    """1 inside, falling smoothly to 0 at the border over `fraction` of each side."""
    ramps = []
    for length in size:
        place = (torch.arange(length, device=device) + 0.5) / length
        inward = torch.minimum(place, 1 - place) / max(fraction, 1e-6)
        ramps.append(0.5 - 0.5 * torch.cos(torch.pi * inward.clamp(0, 1)))
    return ramps[0][:, None] * ramps[1][None, :]


def add_residuals(
    images: Float[Tensor, "batch 3 height width"],
    residuals: Float[Tensor, "batch 3 crop_size crop_size"],
    boxes: Int[Tensor, "batch 4"],
    *,
    feather_fraction: float,
) -> Float[Tensor, "batch 3 height width"]:
    """Add each residual inside its box, feathered, and clamp the sum to [-1, 1]."""
    corrected = images.clone()
    for index, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        size = (y1 - y0, x1 - x0)
        correction = functional.interpolate(
            residuals[index : index + 1],
            size=size,
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )[0]
        weight = feather(size, fraction=feather_fraction, device=images.device)
        corrected[index, :, y0:y1, x0:x1] += weight * correction
    return corrected.clamp(-1, 1)


_ELLIPSE_HEIGHT, _ELLIPSE_WIDTH = 0.86, 0.68
"""Of the crop: forehead to chin and cheek to cheek, without hair and background."""
_ELLIPSE_FADE = 0.3
"""Share of the ellipse's radius over which it fades."""


def warp(
    images: Float[Tensor, "batch channels height width"],
    maps: Float64[np.ndarray, "batch 2 3"],
    *,
    size: tuple[int, int],
) -> Float[Tensor, "batch channels warped_height warped_width"]:
    """Move each image by its similarity map into an image of another size.

    Args:
        maps: from points of the image to points of the result; a pixel's centre is a whole number.
        size: (height, width) of the result, pixels.
    """
    return torch.cat(
        [_warp(image, one, size) for image, one in zip(images.split(1), maps, strict=True)]
    )


def _warp(
    image: Float[Tensor, "1 channels height width"],
    to_result: Float64[np.ndarray, "2 3"],
    size: tuple[int, int],
) -> Float[Tensor, "1 channels warped_height warped_width"]:
    linear = np.linalg.inv(to_result[:, :2])
    scale = math.sqrt(abs(np.linalg.det(linear)))  # pixels of the image in one of the result
    per_side = max(math.ceil(round(scale, 3)), 1)
    ys, xs = (
        (torch.arange(length * per_side, device=image.device) + 0.5) / per_side - 0.5
        for length in size
    )
    x, y = (xs - to_result[0, 2])[None, :], (ys - to_result[1, 2])[:, None]
    height, width = image.shape[2:]
    # grid_sample counts from -1 at the outer edge of the first pixel to 1 at that of the last.
    grid = torch.stack(
        [
            (linear[0, 0] * x + linear[0, 1] * y + 0.5) * (2 / width) - 1,
            (linear[1, 0] * x + linear[1, 1] * y + 0.5) * (2 / height) - 1,
        ],
        dim=-1,
    )
    samples = functional.grid_sample(
        image, grid[None].to(image), mode="bilinear", padding_mode="border", align_corners=False
    )
    return functional.avg_pool2d(samples, per_side)


def face_ellipse(crop_size: int, *, device: torch.device) -> Float[Tensor, "1 1 height width"]:
    """1 on the face of an aligned crop, falling smoothly to 0 towards hair and background."""
    place = (torch.arange(crop_size, device=device) + 0.5) / crop_size - 0.5
    radius = torch.hypot(
        place[:, None] / (_ELLIPSE_HEIGHT / 2), place[None, :] / (_ELLIPSE_WIDTH / 2)
    )
    inward = ((1 - radius) / _ELLIPSE_FADE).clamp(0, 1)
    return (0.5 - 0.5 * torch.cos(torch.pi * inward))[None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceGeneratorConfig:
    """All that decides the shapes of a face generator."""

    pose_channels: int
    """Channels of the pose map."""

    crop_size: int
    """Height and width of the crop, pixels."""

    num_filters: int
    """Channels at the finest level."""

    num_downsamplings: int
    """Stride-2 convolutions."""

    num_residual_blocks: int
    """Residual blocks at the coarsest level."""


class FaceGenerator(nn.Module):
    """Predicts a face's residual from its pose and its first version."""

    def __init__(self, config: FaceGeneratorConfig) -> None:
        super().__init__()
        self.network = GlobalGenerator(
            in_channels=config.pose_channels + 3,
            out_channels=3,
            num_filters=config.num_filters,
            num_downsamplings=config.num_downsamplings,
            num_residual_blocks=config.num_residual_blocks,
            max_channels=config.num_filters * 2**config.num_downsamplings,
        )

    def forward(
        self,
        pose_crop: Float[Tensor, "batch pose_channels crop_size crop_size"],
        face_crop: Float[Tensor, "batch 3 crop_size crop_size"],
    ) -> Float[Tensor, "batch 3 crop_size crop_size"]:
        """Return the residual in [-1, 1]; the face is `face_crop` plus it."""
        return torch.tanh(self.network(torch.cat([pose_crop, face_crop], dim=1)).float())


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
