"""Sticks as pixels: which pixels a stick touches, and how much of each it covers.

Hides that only these pixels are computed. The picture is cut into small tiles; the tiles that a
stick can touch are found row by row, for all sticks of a batch at once, and what it covers there is
put into the picture where it is stronger than what stands there. A hand costs a hand's area, a long
limb its length, and one person as much beside others as alone.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_TILE_PX = 8


def paint_sticks(
    points: Float[Tensor, "sticks 2 2"],
    *,
    radius_px: Float[Tensor, " sticks"],
    intensity: Float[Tensor, "sticks shades"],
    plane: Int[Tensor, "sticks shades"],
    num_planes: int,
    size: tuple[int, int],
) -> Float[Tensor, "planes height width"]:
    """Paint sticks on planes that are zero elsewhere; where they cross, the strongest shows.

    Args:
        points: both ends of each stick, (x, y).
        intensity: of a pixel that is covered whole, in each plane on which the stick shows.
        plane: on which planes these are.
    """
    height, width = size
    rows, columns = -(-height // _TILE_PX), -(-width // _TILE_PX)
    stick, row, column = _touched_tiles(points.detach(), radius_px + 1, rows, columns)
    coverage = _coverage(points[stick], radius_px[stick], row * _TILE_PX, column * _TILE_PX)
    padded = (num_planes, rows * _TILE_PX, columns * _TILE_PX)
    within = torch.arange(_TILE_PX, device=points.device)
    first = row * _TILE_PX * padded[2] + column * _TILE_PX
    pixel = first[:, None, None] + (within[:, None] * padded[2] + within)
    planes = points.new_zeros(padded).view(-1)
    # One shade at a time: all at once would be no faster, and need as many times the memory.
    for shade in range(plane.shape[1]):
        place = pixel + (plane[stick, shade] * padded[1] * padded[2])[:, None, None]
        painted = coverage * intensity[stick, shade][:, None, None]
        # Where a gradient is wanted, the picture of the shade before must stay as it was.
        before = planes.clone() if painted.requires_grad else planes
        planes = before.scatter_reduce_(0, place.view(-1), painted.view(-1), "amax")
    return planes.view(padded)[:, :height, :width]


def _coverage(
    points: Float[Tensor, "tiles 2 2"],
    radius_px: Float[Tensor, " tiles"],
    top: Int[Tensor, " tiles"],
    left: Int[Tensor, " tiles"],
) -> Float[Tensor, "tiles tile_height tile_width"]:
    """Share of each pixel of a tile that its stick covers, by the distance of the pixel's centre.

    A stick thinner than a pixel is drawn one pixel wide and as much paler.
    """
    share = (2 * radius_px).clamp_max(1)[:, None, None]
    reach = (radius_px.clamp_min(0.5) + 0.5)[:, None, None]
    within = torch.arange(_TILE_PX, device=points.device)
    x = (left[:, None] + within)[:, None, :].to(points)
    y = (top[:, None] + within)[:, :, None].to(points)
    (start_x, start_y), (end_x, end_y) = points[..., None, None].permute(1, 2, 0, 3, 4)
    along_x, along_y = end_x - start_x, end_y - start_y
    length_squared = (along_x.square() + along_y.square()).clamp_min(1e-6)
    from_x, from_y = x - start_x, y - start_y
    position = ((from_x * along_x + from_y * along_y) / length_squared).clamp(0, 1)
    distance_squared = (from_x - position * along_x).square() + (
        from_y - position * along_y
    ).square()
    # The small constant keeps the gradient of the root finite on the stick's axis.
    distance = (distance_squared + 1e-6).sqrt()
    return share * (reach - distance).clamp(0, 1)


def _touched_tiles(
    points: Float[Tensor, "sticks 2 2"], reach: Float[Tensor, " sticks"], rows: int, columns: int
) -> tuple[Int[Tensor, " tiles"], Int[Tensor, " tiles"], Int[Tensor, " tiles"]]:
    """(stick, row, column) of every tile within reach of a stick, and of a few more.

    In each row of tiles: the part of the stick that is within reach of the row, and the columns
    within reach of that part.
    """
    y = points[:, :, 1]
    stick, row = _runs(y.amin(1) - reach, y.amax(1) + reach, rows)
    ends, reach = points[stick], reach[stick]
    (start_x, start_y), (end_x, end_y) = ends.permute(1, 2, 0)
    along_y = end_y - start_y
    along_y = torch.where(along_y.abs() < 1e-6, along_y.new_tensor(1e-6), along_y)
    above = (row * _TILE_PX - reach - start_y) / along_y
    below = (row * _TILE_PX + _TILE_PX + reach - start_y) / along_y
    enter = torch.minimum(above, below).clamp(0, 1)
    leave = torch.maximum(above, below).clamp(0, 1)
    enter_x = start_x + enter * (end_x - start_x)
    leave_x = start_x + leave * (end_x - start_x)
    run, column = _runs(
        torch.minimum(enter_x, leave_x) - reach, torch.maximum(enter_x, leave_x) + reach, columns
    )
    return stick[run], row[run], column


def _runs(
    low: Float[Tensor, " runs"], high: Float[Tensor, " runs"], num_tiles: int
) -> tuple[Int[Tensor, " tiles"], Int[Tensor, " tiles"]]:
    """Every tile along one axis between two positions in pixels: (which run, which tile)."""
    first = (low / _TILE_PX).floor().clamp(0, num_tiles).long()
    last = (high / _TILE_PX).floor().clamp(-1, num_tiles - 1).long()
    length = (last - first + 1).clamp_min(0)
    run = torch.repeat_interleave(length)
    place = torch.arange(len(run), device=low.device) - (length.cumsum(0) - length)[run]
    return run, first[run] + place
