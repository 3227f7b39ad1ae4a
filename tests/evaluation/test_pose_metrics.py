from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.core.errors import KeypointsError
from motiontransfer.evaluation.pose_metrics import head_heights_px, pose_scores, shared_joints
from motiontransfer.pose.skeleton import HOLISTIC, Skeleton
from tests.evaluation.conftest import HAND, body_of, reordered, without
from tests.people import figure, keypoints_of

FACE = ("face_chin", "face_forehead", "left_face_temple", "right_face_temple")
ALL_ZERO = {"body": 0, "hands": 0, "face": 0, "all": 0}
NONE_MISSED = {"body": 0, "hands": 0, "face": 0}
ALL_CORRECT = {"body": 1, "hands": 1, "face": 1}


def with_joint(keypoints, joint):
    score = keypoints.score.copy()
    score[:, HOLISTIC.index(joint)] = 1
    return replace(keypoints, score=score)


def shifted(keypoints, joints, right):
    points = keypoints.points.copy()
    points[:, [HOLISTIC.index(joint) for joint in joints]] += np.float32([right, 0])
    return replace(keypoints, points=points)


STANDING = figure([(32, 36)] * 4)
FACELESS = without(STANDING, FACE)
BOTH_HANDS = with_joint(STANDING, "right_hand_wrist")
# All joints at one place a joint, with a head of 20 px: a tenth of it is 2 px.
WHOLE = keypoints_of(
    [
        {
            **dict.fromkeys(HOLISTIC.joints, (50, 50)),
            **{"face_forehead": (50, 30), "face_chin": (50, 50)},
        }
    ]
    * 4,
    (100, 100),
)
THREE = ("left_knee", "right_knee", "nose")  # of the body's 33
LEFT, RIGHT = (HOLISTIC.joints[HOLISTIC.slice(f"{side}_hand")] for side in ("left", "right"))


def scores(result, reference, metric):
    found = pose_scores(result, reference, system="ours")
    assert {key.system for key in found} == {"ours"}
    return {key.region: score for key, score in found.items() if key.metric == metric}


def means(result, reference, metric):
    return {region: score.mean() for region, score in scores(result, reference, metric).items()}


@pytest.mark.parametrize(
    ("result", "reference", "expected"),
    [
        (STANDING, STANDING, ALL_ZERO),
        (figure([(35, 40)] * 4), STANDING, dict.fromkeys(ALL_ZERO, 5)),
        # `all` is the mean over the 13 joints of all groups
        (shifted(STANDING, HAND, 13), STANDING, {**ALL_ZERO, "hands": 13, "all": 2 * 13 / 13}),
        (FACELESS, STANDING, {**ALL_ZERO, "face": None}),
        (STANDING, FACELESS, {**ALL_ZERO, "face": None}),
    ],
)
def test_distance_is_a_mean_over_joints_that_both_have(result, reference, expected):
    assert means(result, reference, "pose_distance_px") == pytest.approx(expected)


def test_joints_missing_on_either_side_have_no_weight_in_the_distance():
    other = without(figure([(35, 40)] * 4), ["nose"], [0, 1])
    for result, reference in ((other, STANDING), (STANDING, other)):
        body = scores(result, reference, "pose_distance_px")["body"]
        assert (body.mean(), body.weight.tolist()) == (5, [6, 6, 7, 7])


def test_whole_poses_are_compared_where_no_joint_is_missing_on_either_side():
    """Nine pixels off with every joint, one pixel where the nose is missing."""
    result = without(figure([(32, 45), (32, 37), (32, 37), (32, 45)]), ["nose"], [1])
    reference = without(without(STANDING, ["nose"], [2]), FACE)
    found = scores(result, reference, "whole_pose_distance_px")
    assert found["body"].weight.tolist() == [1, 0, 0, 1]
    assert found["body"].mean() == pytest.approx(9)
    assert found["face"].mean() is None
    assert found["all"].weight.tolist() == [1, 0, 0, 1]  # the face is never expected
    one_off = shifted(STANDING, HAND[:1], 6)
    assert means(one_off, STANDING, "whole_pose_distance_px")["hands"] == pytest.approx(
        6 / len(HAND)
    )


def test_each_hand_is_a_pose_of_its_own():
    moved = without(shifted(WHOLE, LEFT, 4), [RIGHT[0]], [0, 1])
    hands = scores(moved, WHOLE, "whole_pose_distance_px")["hands"]
    assert hands.weight.tolist() == [1, 1, 2, 2]
    assert hands.mean() == pytest.approx(4 * 4 / 6)


@pytest.mark.parametrize(
    ("result", "reference", "expected"),
    [
        (
            without(without(STANDING, FACE, [0, 1, 3]), HAND, [2]),
            without(STANDING, FACE, [3]),
            {"body": 0, "hands": 1 / 4, "face": 2 / 3},
        ),
        (without(STANDING, HAND[:1]), STANDING, NONE_MISSED),  # one joint is left
        (STANDING, FACELESS, {**NONE_MISSED, "face": None}),
        # each hand counts by itself
        (STANDING, BOTH_HANDS, {**NONE_MISSED, "hands": 1 / 2}),
        (BOTH_HANDS, STANDING, NONE_MISSED),
    ],
)
def test_missed_detections_are_shares_of_those_of_the_reference(result, reference, expected):
    assert means(result, reference, "missed_detections") == pytest.approx(expected)


def test_missed_joints_are_counted_by_frame_as_in_the_paper():
    reference = without(STANDING, ["nose"], [0])
    result = without(without(STANDING, HAND, [0, 1]), ["nose"])
    missed = scores(result, reference, "missed_joints_per_frame")
    assert missed["hands"].per_frame().tolist() == [2, 2, 0, 0]
    assert missed["body"].per_frame().tolist() == [0, 1, 1, 1]  # the first frame expects no nose
    assert [missed[group].mean() for group in ALL_ZERO] == [0.75, 1, 0, 1.75]


def test_joints_are_matched_by_name_and_unknown_ones_are_not_missed():
    result = without(figure([(33, 36)] * 4), HAND)
    for metric in ("pose_distance_px", "missed_joints_per_frame"):
        expected = means(result, STANDING, metric)
        assert means(reordered(result), STANDING, metric) == expected
        assert means(result, reordered(STANDING), metric) == expected
    body = body_of(STANDING)
    for result, reference in ((body, STANDING), (STANDING, body)):
        assert means(result, reference, "missed_joints_per_frame") == ALL_ZERO


@pytest.mark.parametrize("changes", [{"centres": [(32, 36)] * 3}, {"size": (32, 64)}])
def test_poses_of_other_length_or_size_are_refused(changes):
    with pytest.raises(KeypointsError):
        pose_scores(figure(**{"centres": [(32, 36)] * 4, **changes}), STANDING, system="ours")


def test_skeletons_without_a_joint_in_common_are_refused():
    with pytest.raises(KeypointsError):
        shared_joints(HOLISTIC, Skeleton(groups=(("tail", ("tip",)),)))


@pytest.mark.parametrize(
    ("percent", "result", "reference", "expected"),
    [
        (10, shifted(WHOLE, THREE, 1.99), WHOLE, ALL_CORRECT),
        (10, shifted(WHOLE, THREE, 2.01), WHOLE, {**ALL_CORRECT, "body": 30 / 33}),
        (20, shifted(WHOLE, THREE, 3.9), WHOLE, ALL_CORRECT),
        # a joint that was not detected is incorrect; one that the reference lacks does not count
        (20, without(WHOLE, LEFT, [0, 1]), WHOLE, {**ALL_CORRECT, "hands": 0.75}),
        (10, shifted(WHOLE, RIGHT, 30), without(WHOLE, RIGHT), ALL_CORRECT),
        (10, WHOLE, without(WHOLE, LEFT + RIGHT), {**ALL_CORRECT, "hands": None}),
    ],
)
def test_joints_within_a_share_of_the_head_are_correct(percent, result, reference, expected):
    assert means(result, reference, f"pck_{percent}_percent") == pytest.approx(expected)


def test_a_hidden_head_is_as_tall_as_before_and_after():
    hidden = without(WHOLE, ["face_chin"], slice(1, 3))
    np.testing.assert_array_equal(head_heights_px(hidden), [20] * 4)


def test_without_a_head_there_is_no_pck():
    headless = without(WHOLE, ["face_chin"])
    apart = without(without(WHOLE, ["face_chin"], [0, 1]), ["face_forehead"], [2, 3])
    assert [head_heights_px(poses) is None for poses in (headless, apart)] == [True, True]
    metrics = {key.metric for key in pose_scores(WHOLE, headless, system="ours")}
    assert metrics.isdisjoint({"pck_10_percent", "pck_20_percent"})
