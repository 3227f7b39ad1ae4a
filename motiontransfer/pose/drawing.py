"""Pose maps: styles, palettes, and anti-aliased drawing of limbs in tiles, without PyTorch.

Which lines and tiles there are is found out with NumPy; `coverage` and `gaussian_spots` compute
with NumPy's arrays or PyTorch's. `motiontransfer.pose.torch_drawing` draws with them on any device.
"""

import colorsys
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Int64

from motiontransfer.core.arrays import Frame, Joints
from motiontransfer.core.errors import KeypointsError
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import LIMBS_OF_GROUP, Limb, Skeleton

Array = Any
"""NumPy's or PyTorch's."""
BatchPoints = Float[Array, "batch joints 2"]
"""On the CPU."""
BatchScores = Float[Array, "batch joints"]
PoseMaps = Float[Array, "batch channels _ _"]

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
HEATMAP_JOINTS = (
    *(("nose", "nose"), ("left_shoulder", "right_shoulder")),
    *(
        (f"{side}_{joint}",) * 2
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear")
        for side in ("left", "right")
    ),
)
HEATMAP_REACH = 4.0  # standard deviations; beyond, a Gaussian is below 1/2000

TILE_PX = 8
_COARSE_PX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseMapStyle:
    """What is drawn how wide; pixels are those of the working image."""

    encoding: Encoding
    """`sticks`: RGB; `limbs`: one channel a body part; `heatmaps`: one channel a joint.

    The joints of `heatmaps` are the 18 of OpenPose's COCO model, without feet, fingers and mouth.
    """
    line_width_px: float
    heatmap_sigma_px: float = 1.0

    @property
    def num_channels(self) -> int:
        num_channels = {"sticks": 3, "limbs": len(CHANNELS), "heatmaps": len(HEATMAP_JOINTS)}
        return num_channels[self.encoding]

    def resized(self, height: int, *, original: int) -> "PoseMapStyle":
        """The style for an image that was resized to another height."""
        scale = height / original
        return replace(
            self,
            line_width_px=scale * self.line_width_px,
            heatmap_sigma_px=scale * self.heatmap_sigma_px,
        )


def coarse_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of coarse pose maps for frames of a size: at most 64 pixels."""
    scale = min(1.0, _COARSE_PX / max(size))
    return math.ceil(size[0] * scale), math.ceil(size[1] * scale)


def display_style(height: int, *, widths: float = 80.0) -> PoseMapStyle:
    """Colored lines, of which so many widths are an image's height; at least 2 px wide."""
    return PoseMapStyle(encoding="sticks", line_width_px=max(2.0, height / widths))


class Palette(NamedTuple):
    """Limbs that are drawn; one entry a limb in each field."""

    start: tuple[int, ...]
    end: tuple[int, ...]
    relative_width: tuple[float, ...]
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


class Lines(NamedTuple):
    """The lines of a batch of pose maps; one entry a line in each field."""

    points: Float[Array, "lines 2 2"]
    radius_px: Float[Array, " lines"]
    intensity: Float[Array, "lines channels"]
    """Intensity of a fully covered pixel in each plane on which the line is drawn."""
    plane: Int[Array, "lines channels"]
    """Index of each of these planes among the channels of all samples."""


def visible_lines(
    points: BatchPoints, score: BatchScores, *, skeleton: Skeleton, style: PoseMapStyle
) -> Lines:
    """The limbs whose joints are both present."""
    points, score = np.asarray(points), np.asarray(score)
    palette = limb_palette(skeleton, "sticks" if style.encoding == "sticks" else "limbs")
    ends = np.array([palette.start, palette.end])
    confidence = score[:, ends].min(axis=1)
    sample, limb = np.nonzero(confidence > 0)
    intensity = np.array(palette.intensities, score.dtype)[limb]
    if style.encoding == "limbs":
        intensity = intensity * confidence[sample, limb][:, None]
    return Lines(
        points=points[sample[:, None], ends[:, limb].T],
        radius_px=style.line_width_px / 2 * np.array(palette.relative_width, score.dtype)[limb],
        intensity=intensity,
        plane=sample[:, None] * style.num_channels + np.array(palette.channels)[limb],
    )


class Tiles(NamedTuple):
    """Tiles of lines: one entry in each field for every tile that a line touches."""

    line: Int[Array, " tiles"]
    row: Int[Array, " tiles"]
    column: Int[Array, " tiles"]


def num_tiles(size: tuple[int, int]) -> tuple[int, int]:
    return -(-size[0] // TILE_PX), -(-size[1] // TILE_PX)


def touched_tiles(lines: Lines, size: tuple[int, int]) -> Tiles:
    """Every tile in which a line has pixels, and a few more.

    For each row of tiles: the part of the line within reach of the row, and the columns within
    reach of that part.
    """
    rows, columns = num_tiles(size)
    reach, y = lines.radius_px + 1, lines.points[:, :, 1]
    line, row = _tile_ranges(y.min(axis=1) - reach, y.max(axis=1) + reach, rows)
    reach = reach[line]
    (start_x, start_y), (end_x, end_y) = lines.points[line].transpose(1, 2, 0)
    along_y = end_y - start_y
    along_y = np.where(np.abs(along_y) < 1e-6, 1e-6, along_y)
    above = (row * TILE_PX - reach - start_y) / along_y
    below = (row * TILE_PX + TILE_PX + reach - start_y) / along_y
    enter, leave = (op(above, below).clip(0, 1) for op in (np.minimum, np.maximum))
    enter_x, leave_x = (start_x + place * (end_x - start_x) for place in (enter, leave))
    index, column = _tile_ranges(
        np.minimum(enter_x, leave_x) - reach, np.maximum(enter_x, leave_x) + reach, columns
    )
    return Tiles(line[index], row[index], column)


def _tile_ranges(
    low: Float[np.ndarray, " ranges"], high: Float[np.ndarray, " ranges"], num_tiles: int
) -> tuple[Int64[np.ndarray, " tiles"], Int64[np.ndarray, " tiles"]]:
    """(range, tile) of every tile along one axis between two positions in pixels."""
    first = np.floor(low / TILE_PX).clip(0, num_tiles).astype(np.int64)
    last = np.floor(high / TILE_PX).clip(-1, num_tiles - 1).astype(np.int64)
    length = (last - first + 1).clip(0)
    index = np.repeat(np.arange(len(length)), length)
    return index, first[index] + np.arange(len(index)) - (length.cumsum() - length)[index]


def coverage(
    points: Float[Array, "tiles 2 2"],
    radius_px: Float[Array, " tiles"],
    x: Float[Array, "tiles tile_width"],
    y: Float[Array, "tiles tile_height"],
) -> Float[Array, "tiles tile_height tile_width"]:
    """Share of each pixel of a tile that its line covers, by the distance of the pixel's center.

    A line thinner than a pixel is drawn one pixel wide and as much paler.
    """
    share = (2 * radius_px).clip(max=1)[:, None, None]
    reach = (radius_px.clip(min=0.5) + 0.5)[:, None, None]
    x, y = x[:, None, :], y[:, :, None]
    start_x, start_y, end_x, end_y = (
        points[:, end, axis, None, None] for end in range(2) for axis in range(2)
    )
    along_x, along_y = end_x - start_x, end_y - start_y
    length_squared = (along_x * along_x + along_y * along_y).clip(min=1e-6)
    from_x, from_y = x - start_x, y - start_y
    position = ((from_x * along_x + from_y * along_y) / length_squared).clip(0, 1)
    off_x, off_y = from_x - position * along_x, from_y - position * along_y
    distance = (off_x * off_x + off_y * off_y + 1e-6) ** 0.5
    return share * (reach - distance).clip(0, 1)


def gaussian_spots(
    center: Float[Array, "batch joints 2"],
    strength: Float[Array, "batch joints"],
    x: Float[Array, " width"],
    y: Float[Array, " height"],
    *,
    style: PoseMapStyle,
    exp: Callable[[Array], Array],
) -> Float[Array, "batch joints height width"]:
    """One Gaussian a joint, the product of one along x and one along y."""
    across, down = (
        (positions - center[..., axis, None]) / style.heatmap_sigma_px
        for axis, positions in enumerate((x, y))
    )
    across, down = (exp(-away * away / 2) * (abs(away) <= HEATMAP_REACH) for away in (across, down))
    return (down * strength[..., None])[..., :, None] * across[..., None, :]


def shown_joints(skeleton: Skeleton) -> tuple[list[int], list[list[int]]]:
    """Channels of `heatmaps` for which a skeleton has joints, and the two joints of each.

    Raises:
        KeypointsError: it has none.
    """
    channels = [c for c, pair in enumerate(HEATMAP_JOINTS) if set(pair) <= set(skeleton.joints)]
    if not channels:
        shown = dict.fromkeys(name for pair in HEATMAP_JOINTS for name in pair)
        raise KeypointsError(
            "expected a skeleton with one of the joints that `heatmaps` shows "
            f"({', '.join(shown)}), got none"
        )
    pairs = [[skeleton.index(name) for name in HEATMAP_JOINTS[channel]] for channel in channels]
    return channels, pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class NumpyDrawer:
    """Draws batches of poses with NumPy; `motiontransfer.pose.torch_drawing`, on any device.

    Intensities are in [0, 1], zero where nothing is drawn. A limb is drawn only where both its
    joints are present (score above 0), and not at all where the skeleton lacks one of them.
    """

    skeleton: Skeleton
    style: PoseMapStyle

    def draw(self, points: BatchPoints, score: BatchScores, *, size: tuple[int, int]) -> PoseMaps:
        """Draw poses of images of a size (height, width)."""
        style, shape = self.style, (len(points), self.style.num_channels)
        if style.encoding != "heatmaps":
            lines = visible_lines(points, score, skeleton=self.skeleton, style=style)
            return _draw_lines(lines, shape, size)
        pose_maps = np.zeros((*shape, *size), np.float32)
        channels, pairs = shown_joints(self.skeleton)
        center, strength = points[:, pairs].mean(axis=2), score[:, pairs].min(axis=2)
        y, x = (np.arange(length, dtype=np.float32) for length in size)
        pose_maps[:, channels] = gaussian_spots(center, strength, x, y, style=style, exp=np.exp)
        return pose_maps

    def draw_coarse(
        self, points: BatchPoints, score: BatchScores, *, size: tuple[int, int]
    ) -> PoseMaps:
        """Draw whole frames of a size, in pixels, at the low resolution of `coarse_size`."""
        coarse = coarse_size(size)
        drawer = replace(self, style=self.style.resized(coarse[0], original=size[0]))
        whole = np.array([[0, 0, *reversed(size)]])
        return drawer.draw(_points_in_boxes(points, whole, coarse), score, size=coarse)

    def draw_crops(
        self,
        points: BatchPoints,
        score: BatchScores,
        boxes: Int[Array, "batch 4"],
        *,
        crop_size: int,
    ) -> PoseMaps:
        """Draw boxes of frames at the crops' own resolution, instead of resampling."""
        size = crop_size, crop_size
        return self.draw(_points_in_boxes(points, boxes, size), score, size=size)


def _points_in_boxes(
    points: BatchPoints, boxes: Int[Array, "boxes 4"], size: tuple[int, int]
) -> Float32[np.ndarray, "batch joints 2"]:
    """Points of frames in the frames' boxes, resized; centers of pixels are whole numbers."""
    corner, end = np.split(np.asarray(boxes, np.float32)[:, None], 2, axis=2)
    scale = np.array(size[::-1], np.float32) / (end - corner)
    half = np.float32(0.5)
    return (np.asarray(points) + half - corner) * scale - half


def _draw_lines(
    lines: Lines, shape: tuple[int, int], size: tuple[int, int]
) -> Float32[np.ndarray, "batch channels height width"]:
    (rows, columns), within = num_tiles(size), np.arange(TILE_PX)
    line, row, column = touched_tiles(lines, size)
    x, y = ((first[:, None] * TILE_PX + within).astype(np.float32) for first in (column, row))
    covered = coverage(lines.points[line], lines.radius_px[line], x, y)[:, None]
    drawn = (covered * lines.intensity[line][..., None, None]).reshape(-1, TILE_PX, TILE_PX)
    place = (lines.plane[line] * (rows * columns) + (row * columns + column)[:, None]).reshape(-1)
    order = np.argsort(place, kind="stable")
    places, starts = np.unique(place[order], return_index=True)
    tiles = np.zeros((shape[0] * shape[1] * rows * columns, TILE_PX, TILE_PX), np.float32)
    if len(places):
        tiles[places] = np.maximum.reduceat(drawn[order], starts)
    tiles = tiles.reshape(*shape, rows, columns, TILE_PX, TILE_PX).swapaxes(3, 4)
    pose_maps = tiles.reshape(*shape, rows * TILE_PX, columns * TILE_PX)
    return np.ascontiguousarray(pose_maps[..., : size[0], : size[1]])


def draw_pose(keypoints: Keypoints, index: int, *, style: PoseMapStyle | None = None) -> Frame:
    return draw_rgb(
        keypoints.points[index],
        keypoints.score[index],
        skeleton=keypoints.skeleton,
        size=keypoints.image_size,
        style=style,
    )


def draw_rgb(
    points: Joints,
    score: Float[np.ndarray, " joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    style: PoseMapStyle | None = None,
) -> Frame:
    """Draw one pose as colored lines on black, for display.

    Args:
        style: whose line width is taken; None: `display_style`.
    """
    sticks = replace(style or display_style(size[0]), encoding="sticks")
    pose_map = NumpyDrawer(skeleton=skeleton, style=sticks).draw(
        points[None].astype(np.float32), score[None].astype(np.float32), size=size
    )
    return (pose_map[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)
