"""Which parts of a body hide which: arms by their depth, legs by the direction that it faces.

The width of shoulders and hips tells front, profile and back; nose and toes, to which side a
profile looks.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

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
_TRUNK = 0.1  # radius of a cylinder around the spine, beside which arms are seen; body heights


def parts_by_depth(
    parts: Sequence[BodyPart],
    poses: BodyPoses,
    heights_px: Series,
    depth: Float32[np.ndarray, "frames joints"] | None = None,
) -> Int64[np.ndarray, "frames parts"]:
    """Numbers of the parts from the farthest to the nearest, in each frame.

    A part of an arm that the trunk hides is behind all else. Without depths, that is the far arm in
    profile, and forearms and hands from behind. In profile the far leg is behind the near one. A
    leg whose knee is above its hip, as the trunk sees it, is before the trunk, but for
    the far one and from behind. Else the order is that of `body_parts`, which ends with the arms.

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
            places[:, number] = -2
            if depth is not None:
                wrist = f"{side}_wrist"
                bone = (wrist, wrist) if part.is_hand else part.bones[0]
                places[_is_hidden(bone, poses, heights_px, depth), number] = 2
        else:
            is_before = _is_raised(poses, side) & ~is_from_behind
            places[:, number] = np.where(is_far, 1, np.where(is_before, -1, 0))
    return np.argsort(-places, axis=1, kind="stable")


def _is_hidden(
    bone: Limb, poses: BodyPoses, heights_px: Series, depth: Float32[np.ndarray, "frames joints"]
) -> Bool[np.ndarray, " frames"]:
    """True where the trunk hides the middle of a bone: behind the spine, and not beside it."""
    names = (*bone, "left_shoulder", "right_shoulder", "left_hip", "right_hip")
    points = poses.joints(names)[0] @ np.array((1, 1j))
    depths = depth[:, [*map(poses.skeleton.index, names)]]
    (place, neck, hips), (deep, of_neck, of_hips) = (
        each.reshape(-1, 3, 2).mean(axis=2).T for each in (points, depths)
    )
    length_px = np.maximum(np.abs(hips - neck), 1)
    away = (place - neck) * (hips - neck).conj() / length_px
    down = np.clip(away.real / length_px, 0, 1)
    is_behind = deep > of_neck + down * (of_hips - of_neck)
    return is_behind & (np.abs(away.imag) < _TRUNK * heights_px)


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
