"""Pose maps: keypoints drawn as sticks, whole batches at once, on the device the keypoints are on.

Hides how a pose becomes an image. Chan et al. 2019, sec. 3.1, draw coloured sticks between joints;
here a limb's intensity at a pixel is its anti-aliased coverage, so that a move by a tenth of a
pixel shows. Two encodings: `sticks` (three colour channels, as the paper) and `limbs` (one channel
a body part, intensity times the lower confidence of the limb's two joints). The same code draws for
training, rendering and people.
"""

import colorsys
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motiontransfer.errors import KeypointsError
from motiontransfer.skeleton import LIMBS_OF_GROUP, Limb, Skeleton

Encoding = Literal["sticks", "limbs"]

# A hand or a face has many short limbs; it is drawn thinner than the body by this factor.
_THINNING_OF_GROUP = {"body": 1.0, "left_hand": 0.6, "right_hand": 0.6, "face": 0.5}

# Body limbs that share a channel in the `limbs` encoding; left and right never do.
_CHANNELS = (
    "trunk",
    *("left_upper_arm", "left_forearm", "left_thigh", "left_shin", "left_foot", "left_palm"),
    *("right_upper_arm", "right_forearm", "right_thigh", "right_shin", "right_foot", "right_palm"),
    *("head", "left_hand", "right_hand", "face_outline", "face_eyes", "face_mouth"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseMapStyle:
    """How poses are drawn."""

    encoding: Encoding
    """`sticks`: RGB; `limbs`: one channel a body part."""

    line_width_px: float
    """Width of a body stick in pixels of the working image; hands and faces are thinner."""

    @property
    def num_channels(self) -> int:
        """Channels of the pose map."""
        return 3 if self.encoding == "sticks" else len(_CHANNELS)


def draw_poses(
    points: Float[Tensor, "batch joints 2"],
    score: Float[Tensor, "batch joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    style: PoseMapStyle,
) -> Float[Tensor, "batch channels height width"]:
    """Draw a batch of poses; intensities in [0, 1], zero where nothing is drawn.

    A limb is drawn only where both its joints are present (score above 0). Differentiable in the
    points.

    Raises:
        KeypointsError: the skeleton has none of the joint groups that can be drawn.
    """
    groups = [group for group, _ in skeleton.groups if group in LIMBS_OF_GROUP]
    if not groups:
        raise KeypointsError(f"expected a skeleton with one of {list(LIMBS_OF_GROUP)}, got none")
    pose_map = points.new_zeros((points.shape[0], style.num_channels, *size))
    for group in groups:
        radius_px = style.line_width_px / 2 * _THINNING_OF_GROUP[group]
        _draw_group(pose_map, points, score, skeleton, group, radius_px, style.encoding)
    return pose_map


def draw_rgb(
    points: Float[np.ndarray, "joints 2"],
    score: Float[np.ndarray, " joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    line_width_px: float,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw one pose as coloured sticks on black, for people to look at."""
    pose_map = draw_poses(
        torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))[None],
        torch.from_numpy(np.ascontiguousarray(score, dtype=np.float32))[None],
        skeleton=skeleton,
        size=size,
        style=PoseMapStyle(encoding="sticks", line_width_px=line_width_px),
    )
    return pose_map[0].permute(1, 2, 0).mul(255).round().byte().numpy()


def _draw_group(
    pose_map: Float[Tensor, "batch channels height width"],
    points: Float[Tensor, "batch joints 2"],
    score: Float[Tensor, "batch joints"],
    skeleton: Skeleton,
    group: str,
    radius_px: float,
    encoding: Encoding,
) -> None:
    limbs = LIMBS_OF_GROUP[group]
    starts = [skeleton.index(start) for start, _ in limbs]
    ends = [skeleton.index(end) for _, end in limbs]
    confidence = torch.minimum(score[:, starts], score[:, ends])
    drawn = confidence > 0
    if not bool(drawn.any()):
        return
    # Only the window that the group's limbs can touch is computed: a hand costs a hand's area.
    involved = torch.cat([points[:, starts][drawn], points[:, ends][drawn]]).detach()
    height, width = pose_map.shape[2:]
    margin = radius_px + 1
    low = (involved.amin(0) - margin).floor().long().tolist()
    high = (involved.amax(0) + margin).ceil().long().tolist()
    x0, y0 = max(low[0], 0), max(low[1], 0)
    x1, y1 = min(high[0] + 1, width), min(high[1] + 1, height)
    if x0 >= x1 or y0 >= y1:
        return
    coverage = _coverage(
        points[:, starts], points[:, ends], window=(x0, y0, x1, y1), radius_px=radius_px
    )
    intensity = confidence if encoding == "limbs" else torch.ones_like(confidence)
    coverage = coverage * (drawn * intensity)[:, :, None, None]
    window = pose_map[:, :, y0:y1, x0:x1]
    for channel, (members, shades) in enumerate(_members_of_channel(group, encoding)):
        if members:
            weights = coverage.new_tensor(shades)[None, :, None, None]
            strongest = (coverage[:, list(members)] * weights).amax(1)
            window[:, channel] = torch.maximum(window[:, channel].clone(), strongest)


def _coverage(
    start: Float[Tensor, "batch limbs 2"],
    end: Float[Tensor, "batch limbs 2"],
    *,
    window: tuple[int, int, int, int],
    radius_px: float,
) -> Float[Tensor, "batch limbs window_height window_width"]:
    """Share of each pixel of the window that each stick covers, by the distance of its centre.

    A stick thinner than a pixel is drawn one pixel wide and as much paler.
    """
    share, radius_px = min(2 * radius_px, 1.0), max(radius_px, 0.5)
    x0, y0, x1, y1 = window
    x = torch.arange(x0, x1, device=start.device, dtype=start.dtype)[None, None, None, :]
    y = torch.arange(y0, y1, device=start.device, dtype=start.dtype)[None, None, :, None]
    start_x, start_y = start[..., 0, None, None], start[..., 1, None, None]
    along_x, along_y = end[..., 0, None, None] - start_x, end[..., 1, None, None] - start_y
    length_squared = (along_x.square() + along_y.square()).clamp_min(1e-6)
    from_x, from_y = x - start_x, y - start_y
    position = ((from_x * along_x + from_y * along_y) / length_squared).clamp(0, 1)
    distance_squared = (from_x - position * along_x).square() + (
        from_y - position * along_y
    ).square()
    # The small constant keeps the gradient of the root finite on the stick's axis.
    distance = (distance_squared + 1e-6).sqrt()
    return share * (radius_px + 0.5 - distance).clamp(0, 1)


@lru_cache(maxsize=16)
def _members_of_channel(
    group: str, encoding: Encoding
) -> tuple[tuple[tuple[int, ...], tuple[float, ...]], ...]:
    """For each channel, which limbs of the group show in it, and how strongly."""
    limbs = LIMBS_OF_GROUP[group]
    if encoding == "limbs":
        channels = [_channel_of_limb(group, limb) for limb in limbs]
        return tuple(
            (
                members := tuple(i for i, c in enumerate(channels) if c == name),
                (1.0,) * len(members),
            )
            for name in _CHANNELS
        )
    colours = [_colour_of_limb(group, index, len(limbs)) for index in range(len(limbs))]
    return tuple(
        (tuple(range(len(limbs))), tuple(colour[channel] for colour in colours))
        for channel in range(3)
    )


def _colour_of_limb(group: str, index: int, num_limbs: int) -> tuple[float, float, float]:
    """A hue of its own for each limb; faces and hands paler, so that they read on top of arms."""
    saturation = {"body": 1.0, "face": 0.15}.get(group, 0.6)
    return colorsys.hsv_to_rgb(index / num_limbs, saturation, 1.0)


def _channel_of_limb(group: str, limb: Limb) -> str:
    if group == "face":
        parts = " ".join(limb)
        if "lip" in parts or "mouth" in parts:
            return "face_mouth"
        return (
            "face_eyes"
            if any(name in parts for name in ("eye", "brow", "nose"))
            else "face_outline"
        )
    if group != "body":
        return group
    side = limb[1].split("_")[0]
    if {limb[0], limb[1]} in ({"left_shoulder", "right_shoulder"}, {"left_hip", "right_hip"}):
        return "trunk"
    if limb[0].endswith("shoulder") and limb[1].endswith("hip"):
        return "trunk"
    for end, part in (
        *(("elbow", "upper_arm"), ("wrist", "forearm"), ("knee", "thigh")),
        *(("_ankle", "shin"), ("heel", "foot"), ("foot_index", "foot"), ("pinky", "palm")),
    ):
        if limb[1].endswith(end):
            return f"{side}_{part}"
    return f"{side}_palm" if limb[0].endswith("wrist") else "head"
