"""Pose maps: anti-aliased drawing of keypoints as images, in batches on any device."""

import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.pose.drawing import (
    TILE_PX,
    Lines,
    PoseMapStyle,
    coverage,
    gaussian_spots,
    num_tiles,
    shown_joints,
    touched_tiles,
    visible_lines,
)
from motiontransfer.skeleton import Skeleton
from motiontransfer.video.tensors import CPU, upload


def draw_poses(
    points: Float[Tensor, "batch joints 2"],
    score: Float[Tensor, "batch joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    style: PoseMapStyle,
    device: torch.device = CPU,
) -> Float[Tensor, "batch channels height width"]:
    """Draw a batch of poses; intensities in [0, 1], zero where nothing is drawn.

    A limb is drawn only where both its joints are present (score above 0), and not at all where the
    skeleton lacks one of them.

    Lines and tiles are found on the CPU: their numbers depend on the poses, for which a GPU would
    have to be waited for.

    Args:
        points: on the CPU, as the score.
        device: where the maps are drawn.

    Raises:
        KeypointsError: the skeleton has nothing that can be drawn.
    """
    if style.encoding != "heatmaps":
        lines = visible_lines(points.numpy(), score.numpy(), skeleton=skeleton, style=style)
        num_planes = len(points) * style.num_channels
        planes = draw_lines(lines, num_planes=num_planes, size=size, device=device)
        return planes.unflatten(0, (-1, style.num_channels))
    drawn, pairs = shown_joints(skeleton)
    y, x = (torch.arange(length, dtype=points.dtype, device=device) for length in size)
    center = upload(points[:, pairs].mean(2), device)
    strength = upload(score[:, pairs].amin(2), device)
    spots = gaussian_spots(center, strength, x, y, style=style, exp=torch.exp)
    if len(drawn) == style.num_channels:
        return spots
    pose_map = spots.new_zeros((len(points), style.num_channels, *size))
    return pose_map.index_copy(1, upload(torch.tensor(drawn), device), spots)


def draw_lines(
    lines: Lines, *, num_planes: int, size: tuple[int, int], device: torch.device = CPU
) -> Float[Tensor, "planes height width"]:
    """Draw anti-aliased lines with round caps; where they cross, the maximum is taken.

    Args:
        lines: as NumPy's arrays.
        device: where the planes are drawn.
    """
    height, width = size
    rows, columns = num_tiles(size)
    line, row, column = (upload(torch.from_numpy(it), device) for it in touched_tiles(lines, size))
    points, radius_px, intensity, plane = (upload(torch.from_numpy(it), device) for it in lines)
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
