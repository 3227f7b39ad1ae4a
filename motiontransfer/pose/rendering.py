"""Pose maps: anti-aliased drawing of keypoints as images, in batches on any device."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motiontransfer.pose.drawing import (
    HEATMAP_JOINTS,
    HEATMAP_REACH,
    TILE_PX,
    PoseMapStyle,
    coverage,
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
    skeleton lacks one of them. Differentiable in the points.

    What is drawn where is found out on the CPU: on a GPU, each of its lists would have to be waited
    for, since its length depends on the poses.

    Args:
        points: on the CPU, as the score.
        device: where the maps are drawn.

    Raises:
        KeypointsError: the skeleton has nothing that can be drawn.
    """
    if style.encoding == "heatmaps":
        return _draw_heatmaps(
            points, score, skeleton=skeleton, size=size, sigma_px=style.line_width_px, device=device
        )
    lines = visible_lines(score.numpy(), skeleton=skeleton, style=style)
    sample, ends = torch.from_numpy(lines.sample), torch.from_numpy(lines.ends)
    planes = draw_lines(
        points[sample[:, None], ends],
        radius_px=torch.from_numpy(lines.radius_px),
        intensity=torch.from_numpy(lines.intensity),
        plane=torch.from_numpy(lines.plane),
        num_planes=len(points) * style.num_channels,
        size=size,
        device=device,
    )
    return planes.unflatten(0, (-1, style.num_channels))


def draw_lines(
    points: Float[Tensor, "lines 2 2"],
    *,
    radius_px: Float[Tensor, " lines"],
    intensity: Float[Tensor, "lines channels"],
    plane: Int[Tensor, "lines channels"],
    num_planes: int,
    size: tuple[int, int],
    device: torch.device = CPU,
) -> Float[Tensor, "planes height width"]:
    """Draw anti-aliased lines with round caps; where they cross, the maximum is kept.

    Args:
        points: both ends of each line, (x, y); on the CPU, as all about the lines.
        intensity: of a fully covered pixel, in each plane on which the line is drawn.
        plane: index of each of these planes.
        device: where the planes are drawn.
    """
    height, width = size
    rows, columns = num_tiles(size)
    tiles = touched_tiles(points.detach().numpy(), radius_px.numpy(), size=size)
    line, row, column = (upload(torch.from_numpy(indices), device) for indices in tiles)
    points, radius_px = upload(points, device), upload(radius_px, device)
    intensity, plane = upload(intensity, device), upload(plane, device)
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
        # Autograd needs the planes as they were before this channel.
        before = planes.clone() if drawn.requires_grad else planes
        planes = before.scatter_reduce_(0, place.view(-1), drawn.view(-1), "amax")
    return planes.view(padded)[:, :height, :width]


def _draw_heatmaps(
    points: Float[Tensor, "batch joints 2"],
    score: Float[Tensor, "batch joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    sigma_px: float,
    device: torch.device,
) -> Float[Tensor, "batch channels height width"]:
    """One Gaussian a joint, the product of one along x and one along y."""
    drawn, pairs = shown_joints(skeleton)
    centre = upload(points[:, pairs].mean(2), device)
    strength = upload(score[:, pairs].amin(2), device)
    height, width = size
    across = _gaussian(centre[..., 0], width, sigma_px)
    down = _gaussian(centre[..., 1], height, sigma_px) * strength[..., None]
    spots = down[..., :, None] * across[..., None, :]
    if len(drawn) == len(HEATMAP_JOINTS):
        return spots
    pose_map = spots.new_zeros((len(points), len(HEATMAP_JOINTS), *size))
    return pose_map.index_copy(1, upload(torch.tensor(drawn), device), spots)


def _gaussian(
    centre: Float[Tensor, "batch joints"], length: int, sigma_px: float
) -> Float[Tensor, "batch joints length"]:
    away = (torch.arange(length, device=centre.device) - centre[..., None]) / sigma_px
    return torch.exp(-away.square() / 2) * (away.abs() <= HEATMAP_REACH)
