"""Pose maps of batches of poses, drawn on any device."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.pose.drawing import (
    TILE_PX,
    BatchPoints,
    BatchScores,
    Lines,
    NumpyDrawer,
    coverage,
    gaussian_spots,
    num_tiles,
    shown_joints,
    touched_tiles,
    visible_lines,
)
from motiontransfer.video.tensors import CPU, upload_together


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseDrawer(NumpyDrawer):
    """Draws batches of poses, which are on the CPU, on a device.

    Lines and tiles are found on the CPU: their numbers depend on the poses, for which a GPU would
    have to be waited for.
    """

    device: torch.device = CPU

    def draw(
        self, points: BatchPoints, score: BatchScores, *, size: tuple[int, int]
    ) -> Float[Tensor, "batch channels _ _"]:
        style, device = self.style, self.device
        if style.encoding != "heatmaps":
            lines = visible_lines(points, score, skeleton=self.skeleton, style=style)
            num_planes = len(points) * style.num_channels
            planes = draw_lines(lines, num_planes=num_planes, size=size, device=device)
            return planes.unflatten(0, (-1, style.num_channels))
        drawn, pairs = shown_joints(self.skeleton)
        points, score = torch.as_tensor(points), torch.as_tensor(score)
        y, x = (torch.arange(length, dtype=points.dtype, device=device) for length in size)
        on_cpu = points[:, pairs].mean(2), score[:, pairs].amin(2), torch.tensor(drawn)
        center, strength, channels = upload_together(on_cpu, device)
        spots = gaussian_spots(center, strength, x, y, style=style, exp=torch.exp)
        if len(drawn) == style.num_channels:
            return spots
        pose_map = spots.new_zeros((len(points), style.num_channels, *size))
        return pose_map.index_copy(1, channels, spots)


def draw_lines(
    lines: Lines, *, num_planes: int, size: tuple[int, int], device: torch.device = CPU
) -> Float[Tensor, "planes height width"]:
    """Draw anti-aliased lines with round caps; where they cross, the maximum is taken."""
    height, width = size
    rows, columns = num_tiles(size)
    arrays = map(torch.from_numpy, (*touched_tiles(lines, size), *lines))
    line, row, column, points, radius_px, intensity, plane = upload_together([*arrays], device)
    within = torch.arange(TILE_PX, device=device)
    x, y = ((first[:, None] * TILE_PX + within).to(points) for first in (column, row))
    covered = coverage(points[line], radius_px[line], x, y)
    padded = (num_planes, rows * TILE_PX, columns * TILE_PX)
    first = row * TILE_PX * padded[2] + column * TILE_PX
    pixel = first[:, None, None] + (within[:, None] * padded[2] + within)
    planes = points.new_zeros(padded).view(-1)
    # One channel at a time: all at once would be no faster, and need as many times the memory.
    for channel in range(plane.shape[1]):
        place = pixel + (plane[line, channel] * padded[1] * padded[2])[:, None, None]
        drawn = covered * intensity[line, channel][:, None, None]
        planes.scatter_reduce_(0, place.view(-1), drawn.view(-1), "amax")
    return planes.view(padded)[:, :height, :width]
