"""How often joints are where they truly are: PCK against true joints, by the size of the head.

Percentage of correct keypoints (Yang and Ramanan 2013), with the head as the measure as in MPII's
PCKh (Andriluka et al. 2014): a joint is correct if it is no farther from its true place than a
share of the head's height, here from chin to forehead. What was not found is not correct.
"""

import numpy as np
from jaxtyping import Float64

from motiontransfer.errors import KeypointsError
from motiontransfer.evaluation.pose_distance import (
    REPORTED_GROUPS,
    joint_distances,
    pose_distance,
    shared_joints,
)
from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.proportions import middle_of
from motiontransfer.pose.smoothing import fill_gaps

_HEAD = ("face_forehead", "face_chin")


def head_heights_px(keypoints: Keypoints) -> Float64[np.ndarray, " frames"]:
    """Chin to forehead in each frame, interpolated where one of them is not to be seen.

    Raises:
        KeypointsError: no frame shows both.
    """
    (top, has_top), (chin, has_chin) = (
        middle_of(keypoints, (joint,), min_score=0.0) for joint in _HEAD
    )
    found = has_top & has_chin
    if not found.any():
        raise KeypointsError(f"expected {' and '.join(_HEAD)} in at least one frame, got none")
    return fill_gaps(np.linalg.norm(top - chin, axis=1), found)


def correct_keypoints(
    result: Keypoints, truth: Keypoints, *, head_share: float
) -> dict[str, float | None]:
    """Share of the truth's joints that the result has in their place, for each reported group.

    Joints that the result's skeleton does not know are left out; None for a group without joints.

    Args:
        head_share: how far off a joint may be, in heights of the head.

    Raises:
        KeypointsError: another number of frames or image size, no joint in common, or no head.
    """
    known, _ = shared_joints(truth.skeleton, result.skeleton)
    there = np.zeros(truth.score.shape, bool)
    there[:, known] = truth.score[:, known] > 0
    distances = joint_distances(result, truth)
    correct = there & (distances <= head_share * head_heights_px(truth)[:, None])
    shares: dict[str, float | None] = {}
    for name, groups in REPORTED_GROUPS.items():
        parts = [truth.skeleton.slice(g) for g in groups if g in dict(truth.skeleton.groups)]
        total = sum(int(there[:, part].sum()) for part in parts)
        right = sum(int(correct[:, part].sum()) for part in parts)
        shares[name] = round(right / total, 4) if total else None
    return shares


def pose_accuracy(result: Keypoints, truth: Keypoints) -> dict[str, dict[str, float | None]]:
    """Mean pixel error, PCK@0.1 and PCK@0.2 of the head's height, by reported group."""
    return {
        "error_px": pose_distance(result, truth),
        "pck_0.1": correct_keypoints(result, truth, head_share=0.1),
        "pck_0.2": correct_keypoints(result, truth, head_share=0.2),
    }
