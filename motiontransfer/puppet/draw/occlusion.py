"""Which parts of a body hide which, by the direction that it faces.

The width of shoulders and hips tells front, profile and back; nose and toes, to which side a
profile looks. It needs no depth, so that every detector has it.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int64

from motiontransfer.pose.skeleton import Limb
from motiontransfer.pose.time_series import Series
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


def parts_by_depth(
    parts: Sequence[BodyPart], poses: BodyPoses, heights_px: Series
) -> Int64[np.ndarray, "frames parts"]:
    """Numbers of the parts from the farthest to the nearest, in each frame.

    In profile the far arm is behind all else, and the far leg behind the near one; from behind,
    forearms and hands are behind all else. A leg whose knee is above its hip, as the trunk sees it,
    is before the trunk, but for the far one and from behind. Else the order is that of
    `body_parts`, which ends with the arms.

    Args:
        heights_px: of the upright body in each frame.
    """
    cosine = np.nan_to_num(cosine_from_front(poses, heights_px), nan=1)
    looks = sum(_across(poses, line) for line in _LOOKING)
    is_profile, is_from_behind = np.abs(cosine) < _PROFILE, cosine <= -_PROFILE
    depth = np.zeros((len(poses), len(parts)), np.int64)
    for number, part in enumerate(parts):
        if not part.is_limb:
            continue
        side, _, segment = part.name.partition("_")
        # Who looks to the right of the image shows the right side.
        is_far = is_profile & (looks > 0 if side == "left" else looks < 0)
        if segment in _OF_ARM:
            is_behind_all = is_far | is_from_behind & (segment in _BEFORE_CHEST)
            depth[:, number] = np.where(is_behind_all, 2, -2)
        else:
            is_before = _is_raised(poses, side) & ~is_from_behind
            depth[:, number] = np.where(is_far, 1, np.where(is_before, -1, 0))
    return np.argsort(-depth, axis=1, kind="stable")


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
