"""Pose maps: keypoints drawn as pictures, whole batches at once, on the device they are on.

Hides how a pose becomes an image. Three encodings: `sticks` (coloured limbs in three channels, as
Chan et al. 2019, sec. 3.1), `limbs` (one channel a body part, intensity times the lower confidence
of the limb's two joints) and `heatmaps` (a Gaussian spot a joint, as re-tellings of the paper have
it, and as few: 18, so that they can be compared). All of them change with the keypoints by less
than a pixel: a limb's intensity is its anti-aliased coverage. The same code draws for training,
rendering and people.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from motiontransfer.errors import KeypointsError
from motiontransfer.pose.limb_palette import CHANNELS, Palette, limb_palette
from motiontransfer.pose.stick_raster import paint_sticks
from motiontransfer.skeleton import Skeleton

Encoding = Literal["sticks", "limbs", "heatmaps"]

# Each is the middle of two joints, mostly of the same one; the neck lies between the shoulders.
_HEATMAP_JOINTS = (
    *(("nose", "nose"), ("left_shoulder", "right_shoulder")),
    *(
        (f"{side}_{joint}",) * 2
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear")
        for side in ("left", "right")
    ),
)
_HEATMAP_REACH = 4.0  # standard deviations; beyond, a spot would be fainter than 1/2000


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseMapStyle:
    """How poses are drawn."""

    encoding: Encoding
    """`sticks`: RGB; `limbs`: one channel a body part; `heatmaps`: one channel a joint.

    The joints of `heatmaps` are the 18 of OpenPose's COCO model. Feet, fingers and mouth are not
    among them and so cannot be steered; `sticks` and `limbs` show them.
    """

    line_width_px: float
    """Width of a body stick in pixels of the working image; hands and faces are thinner.

    In `heatmaps` it is the standard deviation of a spot: a joint has no length to be found by.
    """

    @property
    def num_channels(self) -> int:
        """Channels of the pose map."""
        return {"sticks": 3, "limbs": len(CHANNELS), "heatmaps": len(_HEATMAP_JOINTS)}[
            self.encoding
        ]


def draw_poses(
    points: Float[Tensor, "batch joints 2"],
    score: Float[Tensor, "batch joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    style: PoseMapStyle,
) -> Float[Tensor, "batch channels height width"]:
    """Draw a batch of poses; intensities in [0, 1], zero where nothing is drawn.

    A limb is drawn only where both its joints are present (score above 0), and not at all where the
    skeleton lacks one of them. Differentiable in the points.

    Raises:
        KeypointsError: the skeleton has nothing that can be drawn.
    """
    if style.encoding == "heatmaps":
        return _draw_joints(
            points, score, skeleton=skeleton, size=size, sigma_px=style.line_width_px
        )
    palette = limb_palette(skeleton, style.encoding)
    return _draw_limbs(points, score, palette=palette, size=size, style=style)


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


def _draw_limbs(
    points: Float[Tensor, "batch joints 2"],
    score: Float[Tensor, "batch joints"],
    *,
    palette: Palette,
    size: tuple[int, int],
    style: PoseMapStyle,
) -> Float[Tensor, "batch channels height width"]:
    """Those limbs of all poses that have both their joints, painted at once."""
    ends = torch.tensor([palette.start, palette.end], device=points.device)
    confidence = score[:, ends].amin(1)
    sample, limb = (confidence > 0).nonzero(as_tuple=True)
    shades = points.new_tensor(palette.shades)[limb]
    if style.encoding == "limbs":
        shades = shades * confidence[sample, limb][:, None]
    channels = torch.tensor(palette.channels, device=points.device)[limb]
    planes = paint_sticks(
        points[sample, ends[:, limb]].transpose(0, 1),
        radius_px=style.line_width_px / 2 * points.new_tensor(palette.thinning)[limb],
        intensity=shades,
        plane=sample[:, None] * style.num_channels + channels,
        num_planes=len(points) * style.num_channels,
        size=size,
    )
    return planes.unflatten(0, (-1, style.num_channels))


def _draw_joints(
    points: Float[Tensor, "batch joints 2"],
    score: Float[Tensor, "batch joints"],
    *,
    skeleton: Skeleton,
    size: tuple[int, int],
    sigma_px: float,
) -> Float[Tensor, "batch channels height width"]:
    """One spot a joint; a Gaussian is the product of one along x and one along y."""
    drawn = [c for c, pair in enumerate(_HEATMAP_JOINTS) if set(pair) <= set(skeleton.joints)]
    if not drawn:
        shown = dict.fromkeys(name for pair in _HEATMAP_JOINTS for name in pair)
        raise KeypointsError(
            "expected a skeleton with one of the joints that `heatmaps` shows "
            f"({', '.join(shown)}), got none"
        )
    pairs = [[skeleton.index(name) for name in _HEATMAP_JOINTS[channel]] for channel in drawn]
    pair = torch.tensor(pairs, device=points.device)
    centre, strength = points[:, pair].mean(2), score[:, pair].amin(2)
    height, width = size
    across = _bell(centre[..., 0], width, sigma_px)
    down = _bell(centre[..., 1], height, sigma_px) * strength[..., None]
    spots = down[..., :, None] * across[..., None, :]
    if len(drawn) == len(_HEATMAP_JOINTS):
        return spots
    pose_map = points.new_zeros((len(points), len(_HEATMAP_JOINTS), *size))
    return pose_map.index_copy(1, torch.tensor(drawn, device=points.device), spots)


def _bell(
    centre: Float[Tensor, "batch joints"], length: int, sigma_px: float
) -> Float[Tensor, "batch joints length"]:
    away = (torch.arange(length, device=centre.device) - centre[..., None]) / sigma_px
    return torch.exp(-away.square() / 2) * (away.abs() <= _HEATMAP_REACH)
