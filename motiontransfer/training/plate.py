"""The static plate: the room behind the person, as a fixed camera sees it.

A temporal median over frames spread through the clips, at each pixel over those frames only in
which no stick of the pose is near: where the person mostly stands, a plain median would show them.
What the person never uncovers is filled in from around it (Telea 2004).
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from motiontransfer.keypoints import Keypoints
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.media.tensors import frames_to_tensor
from motiontransfer.pose.drawing import PoseMapStyle, draw_poses
from motiontransfer.training.frame_losses import near_pose_weight
from motiontransfer.training.target_clips import TargetClip

_BODY_RADIUS_SHARE = 0.05  # how far from a stick the body may reach, share of the image's height
_ROWS_AT_ONCE = 32  # a long median of whole frames would need much memory


def median_plate(
    clips: Sequence[TargetClip], *, style: PoseMapStyle, num_frames: int
) -> Float[Tensor, "3 height width"]:
    """Median over about `num_frames` training frames, evenly spread over the clips."""
    frames, covered = [], []
    for clip in clips:
        count = min(max(num_frames // len(clips), 1), len(clip.training))
        places = np.linspace(0, len(clip.training) - 1, count).round().astype(int)
        with FrameStore(clip.frames) as store:
            for place in places:
                index = clip.training[int(place)]
                frames.append(store[index])
                covered.append(_covered(clip.keypoints, index, style))
    hidden = np.stack(covered)
    seen = _median_where_seen(np.stack(frames), hidden)
    never_seen = np.asarray(hidden.all(axis=0), np.uint8)
    plate = cv2.inpaint(seen, never_seen, inpaintRadius=3, flags=cv2.INPAINT_TELEA)
    return frames_to_tensor([plate])[0]


def _median_where_seen(
    frames: UInt8[np.ndarray, "frames height width 3"],
    hidden: Bool[np.ndarray, "frames height width"],
) -> UInt8[np.ndarray, "height width 3"]:
    """Median over time of what is not hidden; 0 where all is."""
    median = np.empty(frames.shape[1:], np.uint8)
    for top in range(0, frames.shape[1], _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        levels = torch.from_numpy(frames[:, rows]).float()
        levels[torch.from_numpy(hidden[:, rows])] = torch.nan
        median[rows] = levels.nanmedian(dim=0).values.nan_to_num(0).byte().numpy()
    return median


def _covered(
    keypoints: Keypoints, index: int, style: PoseMapStyle
) -> Bool[np.ndarray, "height width"]:
    """Where the person may be in one frame."""
    pose_map = draw_poses(
        torch.from_numpy(keypoints.points[index : index + 1]),
        torch.from_numpy(keypoints.score[index : index + 1]),
        skeleton=keypoints.skeleton,
        size=keypoints.image_size,
        style=style,
    )
    radius = round(_BODY_RADIUS_SHARE * keypoints.image_size[0])
    return (near_pose_weight(pose_map, radius_px=radius, weight=2.0)[0, 0] > 1).numpy()
