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
    check_same_length,
    distance_series,
    found_series,
    joint_distances,
    joints_of_groups,
    missed_joint_series,
    missed_series,
    pose_distance,
    shared_joints,
)
from motiontransfer.evaluation.series import Series, means
from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.statistics import middle_of
from motiontransfer.pose.time_series import fill_gaps

PCK_SHARES = (0.1, 0.2)
"""How far off a joint may be, in heights of the head."""

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


def shows_a_head(keypoints: Keypoints) -> bool:
    """Whether any frame shows both ends of the head, without which there is no PCK."""
    if not set(_HEAD) <= set(keypoints.skeleton.joints):
        return False
    (_, top), (_, chin) = (keypoints.joint(joint) for joint in _HEAD)
    return bool(((top > 0) & (chin > 0)).any())


def correct_series(result: Keypoints, truth: Keypoints, *, head_share: float) -> dict[str, Series]:
    """Share of the truth's joints that the result has in their place, for each reported group.

    Joints that the result's skeleton does not know are left out.

    Args:
        head_share: how far off a joint may be, in heights of the head.

    Raises:
        KeypointsError: another number of frames or image size, no joint in common, or no head.
    """
    check_same_length(result, truth)
    known, _ = shared_joints(truth.skeleton, result.skeleton)
    there = np.zeros(truth.score.shape, bool)
    there[:, known] = truth.score[:, known] > 0
    distances = joint_distances(result, truth)
    correct = there & (distances <= head_share * head_heights_px(truth)[:, None])
    joints_of = joints_of_groups(truth)
    return {
        name: Series(
            total=correct[:, joints_of[name]].sum(axis=1, dtype=float),
            weight=there[:, joints_of[name]].sum(axis=1, dtype=float),
        )
        for name in REPORTED_GROUPS
    }


def correct_keypoints(
    result: Keypoints, truth: Keypoints, *, head_share: float
) -> dict[str, object]:
    """Share of the truth's joints that the result has in their place; None for absent groups.

    Args:
        head_share: how far off a joint may be, in heights of the head.

    Raises:
        KeypointsError: another number of frames or image size, no joint in common, or no head.
    """
    return means(correct_series(result, truth, head_share=head_share))


def pose_accuracy(result: Keypoints, truth: Keypoints) -> dict[str, dict[str, object]]:
    """Mean pixel error, PCK@0.1 and PCK@0.2 of the head's height, by reported group."""
    return {
        "error_px": pose_distance(result, truth),
        **{
            f"pck_{share}": correct_keypoints(result, truth, head_share=share)
            for share in PCK_SHARES
        },
    }


def pose_scores(result: Keypoints, reference: Keypoints) -> dict[str, object]:
    """Everything that is known of a result's poses: name -> group -> series.

    Without PCK where the reference never shows a head.

    Raises:
        KeypointsError: another number of frames, another image size, or no joint in common.
    """
    scores: dict[str, object] = {
        "body_found": found_series(result, "body"),
        "missed_detections": missed_series(result, reference),
        "missed_joints_per_frame": missed_joint_series(result, reference),
        "pose_distance_px": distance_series(result, reference),
    }
    if shows_a_head(reference):
        for share in PCK_SHARES:
            # A name without a dot: DVC takes dots for levels.
            name = f"pck_{share:.0%}".replace("%", "_percent")
            scores[name] = correct_series(result, reference, head_share=share)
    return scores
