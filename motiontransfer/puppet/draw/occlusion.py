"""Which parts of a body hide which, by the depth of its joints and the direction that it faces.

The width of shoulders and hips tells front, profile and back; nose and toes, to which side a
profile looks. Where no depth is given, arms go by these, too.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from motiontransfer.pose.skeleton import Limb
from motiontransfer.pose.time_series import Mask, Series
from motiontransfer.puppet.parts import BodyPart, BodyPoses, across_of, cosine_from_front

_PROFILE = 0.8  # cosine of 37 degrees: an oblique body's far arm is behind it
_LOOKING: tuple[Limb, ...] = (
    ("mid_ear", "nose"),
    ("left_heel", "left_foot_index"),
    ("right_heel", "right_foot_index"),
)
"""Lines that point to where a body looks."""

_RAISED = 0.15  # above the hip, share of the trunk: less in a squat, whose trunk leans forward
_OF_ARM = ("upper_arm", "forearm", "hand")
_BEFORE_CHEST = ("forearm", "hand")
_BEHIND = 0.03  # behind the spine, body heights


def parts_by_depth(
    parts: Sequence[BodyPart],
    poses: BodyPoses,
    heights_px: Series,
    depth: Float32[np.ndarray, "frames joints"] | None = None,
) -> Int64[np.ndarray, "frames parts"]:
    """Numbers of the parts from the farthest to the nearest, in each frame.

    A part of an arm that is farther away than the spine is behind all else, a hand if its forearm
    is. Without depths, that is the far arm in profile, and forearms and hands from behind. In
    profile the far leg is behind the near one. A leg whose knee is above its hip, as the trunk sees
    it, is before the trunk, but for the far one and from behind. Else the order is that of
    `body_parts`, which ends with the arms.

    Args:
        heights_px: of the upright body in each frame.
        depth: see `Keypoints.depth`.
    """
    cosine = np.nan_to_num(cosine_from_front(poses, heights_px), nan=1)
    looks = sum(_across(poses, line) for line in _LOOKING)
    is_profile, is_from_behind = np.abs(cosine) < _PROFILE, cosine <= -_PROFILE
    places = np.zeros((len(poses), len(parts)), np.int64)
    for number, part in enumerate(parts):
        if not part.is_limb:
            continue
        side, _, segment = part.name.partition("_")
        # Who looks to the right of the image shows the right side.
        is_far = is_profile & (looks > 0 if side == "left" else looks < 0)
        if segment in _OF_ARM:
            if depth is None:
                is_behind_all = is_far | is_from_behind & (segment in _BEFORE_CHEST)
            else:
                forearm: Limb = (f"{side}_elbow", f"{side}_wrist")
                bone = forearm if part.is_hand else part.bones[0]
                is_behind_all = _is_behind_spine(bone, poses, depth)
            places[:, number] = np.where(is_behind_all, 2, -2)
        else:
            is_before = _is_raised(poses, side) & ~is_from_behind
            places[:, number] = np.where(is_far, 1, np.where(is_before, -1, 0))
    return np.argsort(-places, axis=1, kind="stable")


def _is_behind_spine(
    bone: Limb, poses: BodyPoses, depth: Float32[np.ndarray, "frames joints"]
) -> Mask:
    """True where the middle of a bone is behind the spine at its height."""
    points = poses.joints((*bone, "mid_shoulder", "mid_hip"))[0].astype(np.float64)
    neck, trunk = points[:, 2], points[:, 3] - points[:, 2]
    square = np.maximum((trunk * trunk).sum(axis=1), 1)  # px², of one that points at the camera
    down = ((points[:, :2].mean(axis=1) - neck) * trunk).sum(axis=1) / square
    names = (bone, ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"))
    middles = [depth[:, [*map(poses.skeleton.index, pair)]].mean(axis=1) for pair in names]
    spine = middles[1] + np.clip(down, 0, 1) * (middles[2] - middles[1])
    return middles[0] - spine > _BEHIND


def _is_raised(poses: BodyPoses, side: str) -> Bool[np.ndarray, " frames"]:
    """True where a knee is above its hip as the trunk sees it; False where one was not found."""
    points, found = poses.joints((f"{side}_hip", f"{side}_knee", "mid_hip", "mid_shoulder"))
    hip, knee, bottom, top = points.astype(np.float64).swapaxes(0, 1)
    above, least = knee - hip, _RAISED * (top - bottom)
    return found.all(axis=1) & (np.sum((above - least) * (top - bottom), axis=1) > 0)


def _across(poses: BodyPoses, line: Limb) -> Float64[np.ndarray, " frames"]:
    """Part of a line's direction across the body, -1 to 1; 0 where an end was not found."""
    points, found = poses.joints(line)
    along = (points[:, 1] - points[:, 0]).astype(np.float64) @ (1, 1j)
    sideways = (along * across_of(poses).conj()).real
    return np.where(found.all(axis=1), sideways / np.maximum(np.abs(along), 1e-6), 0)
