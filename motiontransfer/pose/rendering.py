"""Pose maps: anti-aliased drawing of keypoints as images, in batches on any device."""

import colorsys
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from motiontransfer.errors import KeypointsError
from motiontransfer.skeleton import LIMBS_OF_GROUP, Limb, Skeleton
from motiontransfer.video.tensors import CPU, upload

LimbEncoding = Literal["sticks", "limbs"]
Encoding = Literal["sticks", "limbs", "heatmaps"]

_RELATIVE_WIDTH = {"body": 1.0, "left_hand": 0.6, "right_hand": 0.6, "face": 0.5}

# Body limbs that share a channel in the `limbs` encoding; left and right never do.
CHANNELS = (
    "trunk",
    *("left_upper_arm", "left_forearm", "left_thigh", "left_shin", "left_foot", "left_palm"),
    *("right_upper_arm", "right_forearm", "right_thigh", "right_shin", "right_foot", "right_palm"),
    *("head", "left_hand", "right_hand", "face_outline", "face_eyes", "face_mouth"),
)

# Each is the middle of two joints, mostly of the same one; the neck is between the shoulders.
_HEATMAP_JOINTS = (
    *(("nose", "nose"), ("left_shoulder", "right_shoulder")),
    *(
        (f"{side}_{joint}",) * 2
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear")
        for side in ("left", "right")
    ),
)
_HEATMAP_REACH = 4.0  # standard deviations; beyond, a Gaussian is below 1/2000

_TILE_PX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseMapStyle:
    """Encoding and line width of pose maps."""

    encoding: Encoding
    """`sticks`: RGB; `limbs`: one channel a body part; `heatmaps`: one channel a joint.

    The joints of `heatmaps` are the 18 of OpenPose's COCO model, without feet, fingers and mouth.
    """
    line_width_px: float
    """Width of a body limb in pixels of the working image; hands and faces are thinner.

    In `heatmaps`, the standard deviation of the Gaussians.
    """

    @property
    def num_channels(self) -> int:
        """Channels of the pose map."""
        num_channels = {"sticks": 3, "limbs": len(CHANNELS), "heatmaps": len(_HEATMAP_JOINTS)}
        return num_channels[self.encoding]


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
    palette = limb_palette(skeleton, style.encoding)
    ends = torch.tensor([palette.start, palette.end])
    confidence = score[:, ends].amin(1)
    sample, limb = (confidence > 0).nonzero(as_tuple=True)
    intensities = points.new_tensor(palette.intensities)[limb]
    if style.encoding == "limbs":
        intensities = intensities * confidence[sample, limb][:, None]
    channels = torch.tensor(palette.channels)[limb]
    planes = draw_lines(
        points[sample, ends[:, limb]].transpose(0, 1),
        radius_px=style.line_width_px / 2 * points.new_tensor(palette.relative_width)[limb],
        intensity=intensities,
        plane=sample[:, None] * style.num_channels + channels,
        num_planes=len(points) * style.num_channels,
        size=size,
        device=device,
    )
    return planes.unflatten(0, (-1, style.num_channels))


def draw_rgb(
    points: Float[np.ndarray, "joints 2"],
    score: Float[np.ndarray, " joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    line_width_px: float,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw one pose as coloured lines on black, for display."""
    pose_map = draw_poses(
        torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))[None],
        torch.from_numpy(np.ascontiguousarray(score, dtype=np.float32))[None],
        skeleton=skeleton,
        size=size,
        style=PoseMapStyle(encoding="sticks", line_width_px=line_width_px),
    )
    return pose_map[0].permute(1, 2, 0).mul(255).round().byte().numpy()


class Palette(NamedTuple):
    """Joints, width and channels of each limb that is drawn; one entry a limb in each field."""

    start: tuple[int, ...]
    """Index of the joint at one end."""
    end: tuple[int, ...]
    """Index of the joint at the other end."""
    relative_width: tuple[float, ...]
    """Width as a share of the body limbs' width."""
    channels: tuple[tuple[int, ...], ...]
    """Channels in which the limb is drawn; as many for every limb."""
    intensities: tuple[tuple[float, ...], ...]
    """Its intensity in each of them, in [0, 1]."""


@lru_cache(maxsize=16)
def limb_palette(skeleton: Skeleton, encoding: LimbEncoding) -> Palette:
    """The limbs of which the skeleton has both joints."""
    joints = skeleton.joints
    entries = []
    for group, limbs in LIMBS_OF_GROUP.items():
        for index, limb in enumerate(limbs):
            if encoding == "sticks":  # faces and hands paler, so that they read on top of arms
                saturation = {"body": 1.0, "face": 0.15}.get(group, 0.6)
                channels = (0, 1, 2)
                intensities = colorsys.hsv_to_rgb(index / len(limbs), saturation, 1.0)
            else:
                channels, intensities = (CHANNELS.index(_channel_of_limb(group, limb)),), (1.0,)
            if set(limb) <= set(joints):
                start, end = map(joints.index, limb)
                entries.append((start, end, _RELATIVE_WIDTH[group], channels, intensities))
    if not entries:
        raise KeypointsError(
            f"expected a skeleton with one of {list(LIMBS_OF_GROUP)}, and in it both joints of a "
            f"limb that is drawn, got none: its joints are {', '.join(joints)}"
        )
    return Palette(*zip(*entries, strict=True))


_CHANNEL_OF_END = {
    **{"elbow": "upper_arm", "wrist": "forearm", "knee": "thigh", "ankle": "shin"},
    **{"heel": "foot", "foot_index": "foot", "pinky": "palm", "index": "palm"},
}


def _channel_of_limb(group: str, limb: Limb) -> str:
    if group == "face":
        joints = " ".join(limb)
        if "lip" in joints or "mouth" in joints:
            return "face_mouth"
        is_inside = any(name in joints for name in ("eye", "brow", "nose"))
        return "face_eyes" if is_inside else "face_outline"
    if group != "body":
        return group
    side, _, end = limb[1].partition("_")
    if end in ("shoulder", "hip"):
        return "trunk"
    return f"{side}_{_CHANNEL_OF_END[end]}" if end in _CHANNEL_OF_END else "head"


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
    rows, columns = -(-height // _TILE_PX), -(-width // _TILE_PX)
    tiles = _touched_tiles(points.detach(), radius_px + 1, rows, columns)
    line, row, column = (upload(indices, device) for indices in tiles)
    points, radius_px = upload(points, device), upload(radius_px, device)
    intensity, plane = upload(intensity, device), upload(plane, device)
    coverage = _coverage(points[line], radius_px[line], row * _TILE_PX, column * _TILE_PX)
    padded = (num_planes, rows * _TILE_PX, columns * _TILE_PX)
    within = torch.arange(_TILE_PX, device=device)
    first = row * _TILE_PX * padded[2] + column * _TILE_PX
    pixel = first[:, None, None] + (within[:, None] * padded[2] + within)
    planes = points.new_zeros(padded).view(-1)
    # One channel at a time: all at once would be no faster, and need as many times the memory.
    for channel in range(plane.shape[1]):
        place = pixel + (plane[line, channel] * padded[1] * padded[2])[:, None, None]
        drawn = coverage * intensity[line, channel][:, None, None]
        # Autograd needs the planes as they were before this channel.
        before = planes.clone() if drawn.requires_grad else planes
        planes = before.scatter_reduce_(0, place.view(-1), drawn.view(-1), "amax")
    return planes.view(padded)[:, :height, :width]


def _coverage(
    points: Float[Tensor, "tiles 2 2"],
    radius_px: Float[Tensor, " tiles"],
    top: Int[Tensor, " tiles"],
    left: Int[Tensor, " tiles"],
) -> Float[Tensor, "tiles tile_height tile_width"]:
    """Share of each pixel of a tile that its line covers, by the distance of the pixel's centre.

    A line thinner than a pixel is drawn one pixel wide and as much paler.
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
    # The small constant keeps the gradient of the root finite on the line's axis.
    distance = (distance_squared + 1e-6).sqrt()
    return share * (reach - distance).clamp(0, 1)


def _touched_tiles(
    points: Float[Tensor, "lines 2 2"], reach: Float[Tensor, " lines"], rows: int, columns: int
) -> tuple[Int[Tensor, " tiles"], Int[Tensor, " tiles"], Int[Tensor, " tiles"]]:
    """(line, row, column) of every tile within reach of a line, and of a few more.

    For each row of tiles: the part of the line within reach of the row, and the columns within
    reach of that part.
    """
    y = points[:, :, 1]
    line, row = _tile_ranges(y.amin(1) - reach, y.amax(1) + reach, rows)
    ends, reach = points[line], reach[line]
    (start_x, start_y), (end_x, end_y) = ends.permute(1, 2, 0)
    along_y = end_y - start_y
    along_y = torch.where(along_y.abs() < 1e-6, along_y.new_tensor(1e-6), along_y)
    above = (row * _TILE_PX - reach - start_y) / along_y
    below = (row * _TILE_PX + _TILE_PX + reach - start_y) / along_y
    enter = torch.minimum(above, below).clamp(0, 1)
    leave = torch.maximum(above, below).clamp(0, 1)
    enter_x = start_x + enter * (end_x - start_x)
    leave_x = start_x + leave * (end_x - start_x)
    index, column = _tile_ranges(
        torch.minimum(enter_x, leave_x) - reach, torch.maximum(enter_x, leave_x) + reach, columns
    )
    return line[index], row[index], column


def _tile_ranges(
    low: Float[Tensor, " ranges"], high: Float[Tensor, " ranges"], num_tiles: int
) -> tuple[Int[Tensor, " tiles"], Int[Tensor, " tiles"]]:
    """(range, tile) of every tile along one axis between two positions in pixels."""
    first = (low / _TILE_PX).floor().clamp(0, num_tiles).long()
    last = (high / _TILE_PX).floor().clamp(-1, num_tiles - 1).long()
    length = (last - first + 1).clamp_min(0)
    index = torch.repeat_interleave(length)
    place = torch.arange(len(index), device=low.device) - (length.cumsum(0) - length)[index]
    return index, first[index] + place


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
    drawn = [c for c, pair in enumerate(_HEATMAP_JOINTS) if set(pair) <= set(skeleton.joints)]
    if not drawn:
        shown = dict.fromkeys(name for pair in _HEATMAP_JOINTS for name in pair)
        raise KeypointsError(
            "expected a skeleton with one of the joints that `heatmaps` shows "
            f"({', '.join(shown)}), got none"
        )
    pairs = [[skeleton.index(name) for name in _HEATMAP_JOINTS[channel]] for channel in drawn]
    centre = upload(points[:, pairs].mean(2), device)
    strength = upload(score[:, pairs].amin(2), device)
    height, width = size
    across = _gaussian(centre[..., 0], width, sigma_px)
    down = _gaussian(centre[..., 1], height, sigma_px) * strength[..., None]
    spots = down[..., :, None] * across[..., None, :]
    if len(drawn) == len(_HEATMAP_JOINTS):
        return spots
    pose_map = spots.new_zeros((len(points), len(_HEATMAP_JOINTS), *size))
    return pose_map.index_copy(1, upload(torch.tensor(drawn), device), spots)


def _gaussian(
    centre: Float[Tensor, "batch joints"], length: int, sigma_px: float
) -> Float[Tensor, "batch joints length"]:
    away = (torch.arange(length, device=centre.device) - centre[..., None]) / sigma_px
    return torch.exp(-away.square() / 2) * (away.abs() <= _HEATMAP_REACH)
