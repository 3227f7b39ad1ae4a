"""The baseline: for each pose, the real training frame of the target whose pose is nearest.

Hides what "nearest" means (Chan et al. 2019, sec. 5, name the baseline and leave the measure open).
Distances between joints of the same name are in body sizes of the target, so that the cost of a
joint that the candidate lacks means the same at every resolution. The body's joints count as much
as those of both hands and the face together: arms and legs decide, hands and face break ties.
"""

import numpy as np
from jaxtyping import Float32, Int64

from motiontransfer.errors import KeypointsError
from motiontransfer.evaluation.pose_distance import shared_joints
from motiontransfer.keypoints import Keypoints
from motiontransfer.skeleton import Skeleton

MISSING_COST = 0.25
"""Distance, in body sizes, of a joint that the pose has and the candidate lacks."""

_WEIGHT_OF_GROUP = {"body": 3.0, "left_hand": 1.0, "right_hand": 1.0, "face": 1.0}
_VALUES_AT_ONCE = 4_000_000


def nearest_neighbours(poses: Keypoints, candidates: Keypoints) -> Int64[np.ndarray, " frames"]:
    """For each pose the index of the nearest candidate frame; the earliest of equals.

    A pose without joints takes what the pose before it took, as if the picture stood still; the
    first pose then takes the first candidate with a body.

    Raises:
        KeypointsError: no candidate has a body, or no joint in common.
    """
    in_poses, in_candidates = shared_joints(poses.skeleton, candidates.skeleton)
    body = candidates.skeleton.slice("body")
    usable = np.flatnonzero(np.any(candidates.score[:, body] > 0, axis=1))
    if usable.size == 0:
        raise KeypointsError(
            f"expected a training frame in which a body was found, got none in "
            f"{candidates.num_frames} frames; look at the target's video and its detection"
        )
    size_px = body_size_px(candidates)
    weight = _joint_weights(poses.skeleton)[in_poses]
    points = candidates.points[usable][:, in_candidates]
    present = candidates.score[usable][:, in_candidates] > 0
    choice = np.empty(poses.num_frames, np.int64)
    chunk = max(1, _VALUES_AT_ONCE // usable.size)
    for start in range(0, poses.num_frames, chunk):
        part = slice(start, start + chunk)
        pose_weight = weight * (poses.score[part][:, in_poses] > 0)
        distances = _distances(
            poses.points[part][:, in_poses], pose_weight, points, present, size_px
        )
        choice[part] = usable[distances.argmin(axis=1)]
        for index in np.flatnonzero(~pose_weight.any(axis=1)) + start:
            choice[index] = choice[index - 1] if index else usable[0]
    return choice


def body_size_px(keypoints: Keypoints) -> float:
    """Median over frames of the longer side of the box around the body's joints, in pixels.

    Frames without a body do not count; at least one pixel.
    """
    body = keypoints.skeleton.slice("body")
    present = keypoints.score[:, body] > 0
    points = keypoints.points[:, body][present.any(axis=1)]
    present = present[present.any(axis=1)]
    if not len(points):
        return 1.0
    low = np.where(present[..., None], points, np.inf).min(axis=1)
    high = np.where(present[..., None], points, -np.inf).max(axis=1)
    return max(1.0, float(np.median((high - low).max(axis=1))))


def _distances(
    pose_points: Float32[np.ndarray, "poses joints 2"],
    pose_weight: Float32[np.ndarray, "poses joints"],
    points: Float32[np.ndarray, "candidates joints 2"],
    present: np.ndarray,
    size_px: float,
) -> Float32[np.ndarray, "poses candidates"]:
    """Weighted sum over the pose's joints; joint after joint, so that memory stays small.

    Not divided by the pose's total weight: that is the same for all candidates.
    """
    total = np.zeros((len(pose_points), len(points)), np.float32)
    for joint in np.flatnonzero(pose_weight.any(axis=0)):
        apart_x = pose_points[:, None, joint, 0] - points[None, :, joint, 0]
        apart_y = pose_points[:, None, joint, 1] - points[None, :, joint, 1]
        distance = np.hypot(apart_x, apart_y) / np.float32(size_px)
        distance = np.where(present[None, :, joint], distance, np.float32(MISSING_COST))
        total += pose_weight[:, None, joint] * distance
    return total


def _joint_weights(skeleton: Skeleton) -> Float32[np.ndarray, " joints"]:
    """Each group's weight shared out among its joints; an extra group, such as a mesh, has none."""
    return np.concatenate(
        [
            np.full(len(joints), _WEIGHT_OF_GROUP.get(group, 0.0) / len(joints), np.float32)
            for group, joints in skeleton.groups
        ]
    )
