"""Face crops of fixed size, and adding residuals back to the frame.

Only the residual is resampled on its way back, never the frame itself; it is feathered to zero at
the border of the face box.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

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
