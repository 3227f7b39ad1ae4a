"""How near the pose found in a result is to the pose it should show (Chan et al. 2018, tables 3-4).

Hides how two sets of keypoints are matched: joints by name, frames by index. Distances are mean
pixels over the joints that both have; what one lacks is counted as a missed detection, never
guessed: as a share of groups, and in joints a frame, as the paper counts. The left and the right
hand are reported as one group, as in the paper.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from motiontransfer.errors import KeypointsError
from motiontransfer.evaluation.series import Series, means
from motiontransfer.keypoints import Keypoints
from motiontransfer.skeleton import Skeleton

REPORTED_GROUPS = {
    "body": ("body",),
    "hands": ("left_hand", "right_hand"),
    "face": ("face",),
}
"""Reported group -> the skeleton's groups in it."""


def shared_joints(
    first: Skeleton, second: Skeleton
) -> tuple[Int64[np.ndarray, " joints"], Int64[np.ndarray, " joints"]]:
    """Positions, in each of two skeletons, of the joints that both have, in the first's order.

    Raises:
        KeypointsError: they share none.
    """
    position = {joint: index for index, joint in enumerate(second.joints)}
    pairs = [
        (index, position[joint]) for index, joint in enumerate(first.joints) if joint in position
    ]
    if not pairs:
        raise KeypointsError("expected two skeletons with joints of the same name, found none")
    matched = np.array(pairs, np.int64)
    return matched[:, 0], matched[:, 1]


def joint_distances(
    result: Keypoints, reference: Keypoints
) -> Float64[np.ndarray, "frames reference_joints"]:
    """Pixels between the two positions of each joint of the reference; NaN where one lacks it.

    Raises:
        KeypointsError: another number of frames, another image size, or no joint in common.
    """
    if result.num_frames != reference.num_frames or result.image_size != reference.image_size:
        raise KeypointsError(
            f"poses to compare: expected {reference.num_frames} frames of {reference.image_size}, "
            f"got {result.num_frames} of {result.image_size}"
        )
    in_reference, in_result = shared_joints(reference.skeleton, result.skeleton)
    apart = result.points[:, in_result].astype(np.float64) - reference.points[:, in_reference]
    both = (result.score[:, in_result] > 0) & (reference.score[:, in_reference] > 0)
    distances = np.full(reference.score.shape, np.nan)
    distances[:, in_reference] = np.where(both, np.linalg.norm(apart, axis=2), np.nan)
    return distances


def distance_series(result: Keypoints, reference: Keypoints) -> dict[str, Series]:
    """Mean pixels over the joints that both have, for `body`, `hands`, `face` and `all`.

    Raises:
        KeypointsError: another number of frames, another image size, or no joint in common.
    """
    distances = joint_distances(result, reference)
    shared = ~np.isnan(distances)
    apart = np.where(shared, distances, 0.0)
    return {
        name: Series(
            total=apart[:, joints].sum(axis=1), weight=shared[:, joints].sum(axis=1, dtype=float)
        )
        for name, joints in joints_of_groups(reference).items()
    }


def missed_series(result: Keypoints, reference: Keypoints) -> dict[str, Series]:
    """Share of the reference's detections that the result lacks, for `body`, `hands` and `face`.

    A detection is a group with at least one joint in one frame; each hand counts by itself.

    Raises:
        KeypointsError: another number of frames.
    """
    expected, missed = _expected_and_missed(result, reference)
    return {
        name: Series(
            total=missed[name].sum(axis=1, dtype=float),
            weight=expected[name].sum(axis=1, dtype=float),
        )
        for name in REPORTED_GROUPS
    }


def missed_joint_series(result: Keypoints, reference: Keypoints) -> dict[str, Series]:
    """Joints a frame that the reference has and the result lacks, by group and in `all`.

    Joints that the result's skeleton does not know are left out.

    Raises:
        KeypointsError: another number of frames, or no joint in common.
    """
    check_same_length(result, reference)
    in_reference, in_result = shared_joints(reference.skeleton, result.skeleton)
    missed = np.zeros(reference.score.shape, bool)
    missed[:, in_reference] = (reference.score[:, in_reference] > 0) & (
        result.score[:, in_result] == 0
    )
    return {
        name: Series(
            total=missed[:, joints].sum(axis=1, dtype=float), weight=np.ones(reference.num_frames)
        )
        for name, joints in joints_of_groups(reference).items()
    }


def found_series(keypoints: Keypoints, group: str) -> Series:
    """Share of all frames in which the skeleton's group has at least one joint."""
    found = _has_group(keypoints, group)
    return Series(total=found.astype(float), weight=np.ones(keypoints.num_frames))


def pose_distance(result: Keypoints, reference: Keypoints) -> dict[str, object]:
    """Mean pixels over frames and joints, for `body`, `hands`, `face` and `all`.

    None for a group that never has a joint in both.

    Raises:
        KeypointsError: another number of frames, another image size, or no joint in common.
    """
    return means(distance_series(result, reference))


def joints_of_groups(keypoints: Keypoints) -> dict[str, Int64[np.ndarray, " joints"]]:
    """Reported group, and `all` -> positions of its joints along the joint axis."""
    known = dict(keypoints.skeleton.groups)
    positions = np.arange(len(keypoints.skeleton.joints))
    of_group = {
        name: np.concatenate(
            [positions[keypoints.skeleton.slice(group)] for group in groups if group in known]
            or [positions[:0]]
        )
        for name, groups in REPORTED_GROUPS.items()
    }
    return {**of_group, "all": positions}


def check_same_length(result: Keypoints, reference: Keypoints) -> None:
    """Accept poses that lie beside each other frame by frame.

    Raises:
        KeypointsError: they do not.
    """
    if result.num_frames != reference.num_frames:
        raise KeypointsError(
            f"poses to compare: expected {reference.num_frames} frames, got {result.num_frames}"
        )


def concatenated(clips: Sequence[Keypoints]) -> Keypoints:
    """Keypoints of several clips as if they were one.

    Raises:
        KeypointsError: no clips, or they differ in skeleton or image size.
    """
    if not clips:
        raise KeypointsError("expected keypoints of at least one clip, got none")
    first = clips[0]
    for clip in clips[1:]:
        if (clip.skeleton, clip.image_size) != (first.skeleton, first.image_size):
            raise KeypointsError(
                f"expected clips of one subject to share skeleton and size, got {first.image_size} "
                f"by {first.detector} and {clip.image_size} by {clip.detector}; repeat both stages"
            )
    return replace(
        first,
        points=np.concatenate([clip.points for clip in clips]),
        score=np.concatenate([clip.score for clip in clips]),
        filled=np.concatenate(
            [np.zeros_like(c.score, bool) if c.filled is None else c.filled for c in clips]
        ),
    )


def selected(keypoints: Keypoints, frames: Int64[np.ndarray, " selected"]) -> Keypoints:
    """Keypoints of the given frames, in the given order."""
    return replace(
        keypoints,
        points=keypoints.points[frames],
        score=keypoints.score[frames],
        filled=None if keypoints.filled is None else keypoints.filled[frames],
    )


def _expected_and_missed(
    result: Keypoints, reference: Keypoints
) -> tuple[dict[str, Bool[np.ndarray, "_ _"]], dict[str, Bool[np.ndarray, "_ _"]]]:
    """Reported group -> (frame, group of the skeleton) whether expected, and whether missed."""
    check_same_length(result, reference)
    expected = {
        name: np.stack([_has_group(reference, group) for group in groups], axis=1)
        for name, groups in REPORTED_GROUPS.items()
    }
    missed = {
        name: expected[name] & ~np.stack([_has_group(result, group) for group in groups], axis=1)
        for name, groups in REPORTED_GROUPS.items()
    }
    return expected, missed


def _has_group(keypoints: Keypoints, group: str) -> Bool[np.ndarray, " frames"]:
    if group not in dict(keypoints.skeleton.groups):
        return np.zeros(keypoints.num_frames, bool)
    return np.any(keypoints.score[:, keypoints.skeleton.slice(group)] > 0, axis=1)
