"""Similarity-aligned face crops: warping out of a frame and compositing back.

Bilinear with anti-aliasing when the crop is smaller than the face; edge pixels are replicated.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn import functional

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
