"""Changes that the discriminator is shown its images with, so that few of them go further.

DiffAugment (Zhao et al. 2020): translation, cutout and colour, differentiable, the same for real
and fake. Deviation: pose maps are moved and cut as their frames are, so that they still go
together; colours are changed in frames only, in all frames of a sample alike.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

_LARGEST_SHIFT = 1 / 8  # share of height and width
_CUTOUT_SIDE = 1 / 2  # share of height and width


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What happens to each sample of a batch."""

    shift: Int64[Tensor, "batch 2"]
    """(x, y) by which it is moved, pixels; what comes in is zero."""

    hole: Int64[Tensor, "batch 4"]
    """Box (x0, y0, x1, y1), half-open pixels, in which it is zero; may reach over the border."""

    brightness: Float[Tensor, " batch"]
    """What is added to all colours."""

    saturation: Float[Tensor, " batch"]
    """By how much colours are drawn away from the pixel's mean; 1: not at all."""

    contrast: Float[Tensor, " batch"]
    """By how much colours are drawn away from the frame's mean; 1: not at all."""

    def poses(
        self, pose_maps: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Move and cut the pose maps."""
        return self._moved(pose_maps)

    def frames(
        self, images: Float[Tensor, "judged stacked_frames height width"]
    ) -> Float[Tensor, "judged stacked_frames height width"]:
        """Recolour, move and cut frames stacked along the channels, three each.

        Like a discriminator's images, they may be several batches in turn for the one draw.
        """
        by_frame = images.unflatten(1, (-1, 3))
        repeats = len(images) // len(self.shift)
        brightness, saturation, contrast = (
            numbers.to(images).repeat(repeats)[:, None, None, None, None]
            for numbers in (self.brightness, self.saturation, self.contrast)
        )
        by_frame = by_frame + brightness
        grey = by_frame.mean(2, keepdim=True)
        by_frame = grey + (by_frame - grey) * saturation
        flat = by_frame.mean((2, 3, 4), keepdim=True)
        by_frame = flat + (by_frame - flat) * contrast
        return self._moved(by_frame.flatten(1, 2))

    def _moved(
        self, images: Float[Tensor, "judged channels height width"]
    ) -> Float[Tensor, "judged channels height width"]:
        height, width = images.shape[2:]
        repeats = len(images) // len(self.shift)
        shift = self.shift.to(images.device).repeat(repeats, 1)
        hole = self.hole.to(images.device).repeat(repeats, 1)
        columns = torch.arange(width, device=images.device)[None]
        rows = torch.arange(height, device=images.device)[None]
        from_columns, from_rows = columns - shift[:, :1], rows - shift[:, 1:]
        samples = torch.arange(len(images), device=images.device)
        moved = images.permute(0, 2, 3, 1)[
            samples[:, None, None],
            from_rows.clamp(0, height - 1)[:, :, None],
            from_columns.clamp(0, width - 1)[:, None, :],
        ].permute(0, 3, 1, 2)
        inside = ((from_rows >= 0) & (from_rows < height))[:, :, None] & (
            (from_columns >= 0) & (from_columns < width)
        )[:, None, :]
        in_hole = ((rows >= hole[:, 1:2]) & (rows < hole[:, 3:]))[:, :, None] & (
            (columns >= hole[:, :1]) & (columns < hole[:, 2:3])
        )[:, None, :]
        return moved * (inside & ~in_hole)[:, None]


def draw_augmentation(
    places: range, size: tuple[int, int], *, draws: torch.Generator
) -> Augmentation:
    """Draw one for each place of a step's batch, with DiffAugment's ranges for [-1, 1].

    Args:
        places: all from the first on are drawn, so that it does not matter who asks for which.
        draws: a CPU's generator, so that every device is given the same.
    """
    height, width = size
    numbers = torch.rand((places.stop, 7), generator=draws)[places.start :]
    sides = torch.tensor([width, height])
    reach = (sides * _LARGEST_SHIFT).round().long()
    hole_size = (sides * _CUTOUT_SIDE).round().long()
    corner = (numbers[:, 2:4] * sides).long() - hole_size // 2
    return Augmentation(
        shift=(numbers[:, :2] * (2 * reach + 1)).long() - reach,
        hole=torch.cat([corner, corner + hole_size], dim=1),
        brightness=numbers[:, 4] - 0.5,
        saturation=numbers[:, 5] * 2,
        contrast=numbers[:, 6] + 0.5,
    )
