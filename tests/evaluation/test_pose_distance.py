from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.errors import KeypointsError
from motiontransfer.evaluation.pose_distance import (
    concatenated,
    distance_series,
    found_series,
    joint_distances,
    missed_joint_series,
    missed_series,
    pose_distance,
    selected,
    shared_joints,
)
from motiontransfer.evaluation.series import means
from motiontransfer.skeleton import HOLISTIC, Skeleton

_STILL = [(32, 36)] * 4
_HAND = ("left_hand_wrist", "left_hand_index_tip")
_FACE = ("face_chin", "face_forehead", "left_face_temple", "right_face_temple")


def missed_detections(result, reference):
    return means(missed_series(result, reference))


def _reordered(keypoints):
    """The same joints under the same names, stored in another order."""
    groups = tuple((group, tuple(reversed(names))) for group, names in reversed(HOLISTIC.groups))
    skeleton = Skeleton(groups=groups)
    order = [HOLISTIC.index(name) for name in skeleton.joints]
    return replace(
        keypoints,
        skeleton=skeleton,
        points=keypoints.points[:, order],
        score=keypoints.score[:, order],
    )


def _without(keypoints, frames, joints):
    points, score = keypoints.points.copy(), keypoints.score.copy()
    for joint in joints:
        points[frames, HOLISTIC.index(joint)] = 0
        score[frames, HOLISTIC.index(joint)] = 0
    return replace(keypoints, points=points, score=score)


def test_the_same_pose_is_at_distance_zero(poses):
    assert pose_distance(poses(_STILL), poses(_STILL)) == dict.fromkeys(
        ("body", "hands", "face", "all"), 0.0
    )


def test_a_shift_is_its_length_in_every_group(poses):
    moved = poses([(35, 40)] * 4)
    assert pose_distance(moved, poses(_STILL)) == dict.fromkeys(
        ("body", "hands", "face", "all"), 5.0
    )


def test_groups_are_told_apart_and_all_is_the_mean_over_joints(poses):
    reference = poses(_STILL)
    points = reference.points.copy()
    for joint in _HAND:
        points[:, HOLISTIC.index(joint)] += (0, 13)
    distance = pose_distance(replace(reference, points=points), reference)
    assert (distance["body"], distance["hands"], distance["face"]) == (0, 13, 0)
    assert distance["all"] == pytest.approx(2 * 13 / 13)


def test_joint_order_makes_no_difference(poses):
    result, reference = poses([(33, 36)] * 4), poses(_STILL)
    assert pose_distance(_reordered(result), reference) == pose_distance(result, reference)
    assert pose_distance(result, _reordered(reference)) == pose_distance(result, reference)


def test_joints_missing_on_either_side_do_not_count(poses):
    reference = poses(_STILL)
    result = _without(poses([(35, 40)] * 4), [0, 1], ["nose"])
    assert pose_distance(result, reference)["body"] == 5
    assert pose_distance(reference, result)["body"] == 5
    assert np.isnan(joint_distances(result, reference)[0, HOLISTIC.index("nose")])
    assert joint_distances(result, reference)[2, HOLISTIC.index("nose")] == 5


def test_a_group_that_is_never_shared_has_no_distance(poses):
    distance = pose_distance(poses(_STILL, absent=_FACE), poses(_STILL))
    assert distance["face"] is None
    assert distance["body"] == 0


def test_missed_detections_are_shares_of_what_the_reference_has(poses):
    reference = _without(poses(_STILL), [3], _FACE)
    result = _without(poses(_STILL), [0, 1, 3], _FACE)
    result = _without(result, [2], _HAND)
    assert missed_detections(result, reference) == {
        "body": 0.0,
        "hands": 0.25,
        "face": pytest.approx(2 / 3, abs=1e-4),
    }


def test_one_joint_left_is_not_a_missed_detection(poses):
    result = _without(poses(_STILL), [0, 1, 2, 3], _HAND[:1])
    assert missed_detections(result, poses(_STILL))["hands"] == 0


def test_each_hand_counts_by_itself(poses):
    reference = poses(_STILL)
    score, points = reference.score.copy(), reference.points.copy()
    right = HOLISTIC.index("right_hand_wrist")
    score[:, right], points[:, right] = 1, (20, 30)
    both = replace(reference, score=score, points=points)
    assert missed_detections(reference, both)["hands"] == 0.5
    assert missed_detections(both, reference)["hands"] == 0


def test_a_group_the_reference_never_has_cannot_be_missed(poses):
    assert missed_detections(poses(_STILL), poses(_STILL, absent=_FACE))["face"] is None


def test_frames_with_a_group_are_counted_over_all_frames(poses):
    assert found_series(_without(poses(_STILL), [1], _FACE), "face").mean() == 0.75
    assert found_series(poses(_STILL), "tail").mean() == 0


def test_missed_joints_are_counted_by_frame_as_in_the_paper(poses):
    reference = _without(poses(_STILL), [0], ["nose"])
    result = _without(poses(_STILL), [0, 1], _HAND)
    result = _without(result, [0, 1, 2, 3], ["nose"])
    missed = missed_joint_series(result, reference)
    assert missed["hands"].per_frame().tolist() == [2, 2, 0, 0]
    assert missed["body"].per_frame().tolist() == [0, 1, 1, 1]  # the first frame expects no nose
    assert means(missed) == {"body": 0.75, "hands": 1, "face": 0, "all": 1.75}
    assert means(missed_joint_series(_reordered(result), reference)) == means(missed)


def test_joints_that_a_skeleton_does_not_know_are_not_missed(poses):
    body = Skeleton(groups=(("body", HOLISTIC.joints[HOLISTIC.slice("body")]),))
    whole = poses(_STILL)
    only_body = replace(
        whole,
        skeleton=body,
        points=whole.points[:, HOLISTIC.slice("body")],
        score=whole.score[:, HOLISTIC.slice("body")],
    )
    assert means(missed_joint_series(only_body, whole))["all"] == 0
    assert means(missed_joint_series(whole, only_body)) == dict.fromkeys(
        ("body", "hands", "face", "all"), 0
    )


def test_each_frame_has_its_distances_and_misses(poses):
    result = _without(poses([(32, 36), (32, 39), (32, 36), (32, 36)]), [3], [*_HAND, *_FACE])
    distances = distance_series(result, poses(_STILL))
    assert distances["all"].per_frame().tolist() == [0, 3, 0, 0]
    assert np.isnan(distances["hands"].per_frame()).tolist() == [False, False, False, True]
    missed = missed_series(result, poses(_STILL))
    assert {name: one.total.tolist() for name, one in missed.items()} == {
        "body": [0, 0, 0, 0],
        "hands": [0, 0, 0, 1],
        "face": [0, 0, 0, 1],
    }


def test_a_frame_with_nothing_in_common_has_no_distance(poses):
    reference = poses(_STILL[:1])
    empty = replace(reference, points=reference.points * 0, score=reference.score * 0)
    assert np.isnan(distance_series(empty, reference)["all"].per_frame()[0])
    assert missed_series(empty, reference)["body"].total.tolist() == [1]


def test_clips_follow_each_other(poses):
    both = concatenated([poses([(1, 1), (2, 2)]), poses([(3, 3)])])
    assert both.points[:, HOLISTIC.index("left_hip"), 0].tolist() == [5, 6, 7]
    assert selected(both, np.array([2, 0])).points[:, HOLISTIC.index("left_hip"), 0].tolist() == [
        7,
        5,
    ]


def test_what_cannot_be_compared_is_an_error(poses):
    with pytest.raises(KeypointsError, match=r"expected 4 frames of .*, got 3"):
        pose_distance(poses(_STILL[:3]), poses(_STILL))
    with pytest.raises(KeypointsError, match=r"\(64, 64\), got 4 of \(32, 64\)"):
        pose_distance(poses(_STILL, size=(32, 64)), poses(_STILL))
    with pytest.raises(KeypointsError, match="expected 4 frames, got 3"):
        missed_detections(poses(_STILL[:3]), poses(_STILL))
    with pytest.raises(KeypointsError, match="share skeleton and size"):
        concatenated([poses(_STILL), poses(_STILL, size=(32, 64))])
    with pytest.raises(KeypointsError, match="at least one clip"):
        concatenated([])


def test_which_joints_were_filled_in_is_kept(poses):
    first, second = poses([(1, 1), (2, 2)]), poses([(3, 3)])
    filled = np.zeros(second.score.shape, bool)
    filled[0, HOLISTIC.index("left_hip")] = True
    both = concatenated([first, replace(second, filled=filled)])
    assert np.argwhere(both.filled).tolist() == [[2, HOLISTIC.index("left_hip")]]
    chosen = selected(both, np.array([2, 0]))
    assert np.argwhere(chosen.filled).tolist() == [[0, HOLISTIC.index("left_hip")]]
    assert selected(first, np.array([1])).filled is None
    with pytest.raises(KeypointsError, match="same name, found none"):
        shared_joints(HOLISTIC, Skeleton(groups=(("tail", ("tip",)),)))
