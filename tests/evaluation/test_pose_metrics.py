from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.errors import KeypointsError
from motiontransfer.evaluation.pose_metrics import head_heights_px, pose_scores, shared_joints
from motiontransfer.skeleton import HOLISTIC, Skeleton
from tests.evaluation.conftest import body_of, reordered, without
from tests.people import figure, keypoints_of

_STILL = [(32, 36)] * 4
_HAND = ("left_hand_wrist", "left_hand_index_tip")
_FACE = ("face_chin", "face_forehead", "left_face_temple", "right_face_temple")
_GROUPS = ("body", "hands", "face", "all")


def _metric(name):
    """A metric of a result and its reference, by group."""

    def scores(result, reference):
        found = pose_scores(result, reference, system="ours")
        return {key.region: score for key, score in found.items() if key.metric == name}

    return scores


pose_distance, missed_detections = _metric("pose_distance_px"), _metric("missed_detections")
missed_joints = _metric("missed_joints_per_frame")
PCK = {share: _metric(f"pck_{share}_percent") for share in (10, 20)}


def _means(scores):
    return {name: score.mean() for name, score in scores.items()}


@pytest.mark.parametrize(("center", "distance"), [((32, 36), 0.0), ((35, 40), 5.0)])
def test_a_shift_is_its_length_in_every_group(center, distance):
    found = _means(pose_distance(figure([center] * 4), figure(_STILL)))
    assert found == dict.fromkeys(_GROUPS, distance)


def test_all_is_the_mean_over_joints_of_all_groups():
    reference = figure(_STILL)
    distance = _means(pose_distance(shifted(reference, _HAND, 13), reference))
    assert distance == {"body": 0, "hands": 13, "face": 0, "all": pytest.approx(2 * 13 / 13)}


def test_joint_order_makes_no_difference():
    result, reference = figure([(33, 36)] * 4, absent=_HAND), figure(_STILL)
    for metric in (pose_distance, missed_joints):
        expected = _means(metric(result, reference))
        assert _means(metric(reordered(result), reference)) == expected
        assert _means(metric(result, reordered(reference))) == expected


def test_joints_missing_on_either_side_do_not_count():
    reference = figure(_STILL)
    result = without(figure([(35, 40)] * 4), ["nose"], [0, 1])
    assert pose_distance(result, reference)["body"].mean() == 5
    assert pose_distance(reference, result)["body"].mean() == 5
    assert pose_distance(result, reference)["body"].weight.tolist() == [6, 6, 7, 7]


def test_a_group_that_is_never_shared_has_no_distance_and_cannot_be_missed():
    faceless = figure(_STILL, absent=_FACE)
    distance = pose_distance(faceless, figure(_STILL))
    assert distance["face"].mean() is None
    assert distance["body"].mean() == 0
    assert missed_detections(figure(_STILL), faceless)["face"].mean() is None


def test_missed_detections_are_shares_of_those_of_the_reference():
    reference = without(figure(_STILL), _FACE, [3])
    result = without(without(figure(_STILL), _FACE, [0, 1, 3]), _HAND, [2])
    assert _means(missed_detections(result, reference)) == {
        "body": 0.0,
        "hands": 0.25,
        "face": pytest.approx(2 / 3),
    }
    one_joint_left = without(figure(_STILL), _HAND[:1])
    assert missed_detections(one_joint_left, figure(_STILL))["hands"].mean() == 0


def test_each_hand_counts_by_itself():
    reference = figure(_STILL)
    score = reference.score.copy()
    score[:, HOLISTIC.index("right_hand_wrist")] = 1
    both = replace(reference, score=score)
    assert missed_detections(reference, both)["hands"].mean() == 0.5
    assert missed_detections(both, reference)["hands"].mean() == 0


def test_missed_joints_are_counted_by_frame_as_in_the_paper():
    reference = without(figure(_STILL), ["nose"], [0])
    result = without(without(figure(_STILL), _HAND, [0, 1]), ["nose"])
    missed = missed_joints(result, reference)
    assert missed["hands"].per_frame().tolist() == [2, 2, 0, 0]
    assert missed["body"].per_frame().tolist() == [0, 1, 1, 1]  # the first frame expects no nose
    assert _means(missed) == {"body": 0.75, "hands": 1, "face": 0, "all": 1.75}


def test_joints_that_a_skeleton_does_not_know_are_not_missed():
    whole = figure(_STILL)
    only_body = body_of(whole)
    assert missed_joints(only_body, whole)["all"].mean() == 0
    assert _means(missed_joints(whole, only_body)) == dict.fromkeys(_GROUPS, 0)


def test_poses_of_other_length_or_size_are_refused():
    with pytest.raises(KeypointsError, match=r"expected 4 frames of .*, got 3"):
        pose_distance(figure(_STILL[:3]), figure(_STILL))
    with pytest.raises(KeypointsError, match=r"\(64, 64\), got 4 of \(32, 64\)"):
        pose_distance(figure(_STILL, size=(32, 64)), figure(_STILL))
    with pytest.raises(KeypointsError, match="same name, found none"):
        shared_joints(HOLISTIC, Skeleton(groups=(("tail", ("tip",)),)))


@pytest.fixture
def reference():
    """All joints at one place a joint, with a head of 20 px."""
    head = {"face_forehead": (50, 30), "face_chin": (50, 50)}
    return keypoints_of([{**dict.fromkeys(HOLISTIC.joints, (50, 50)), **head}] * 4, (100, 100))


def shifted(keypoints, joints, right):
    points = keypoints.points.copy()
    points[:, [HOLISTIC.index(joint) for joint in joints]] += np.float32([right, 0])
    return replace(keypoints, points=points)


@pytest.mark.parametrize(
    ("share", "right", "body"), [(10, 1.99, 1), (10, 2.01, 30 / 33), (20, 3.9, 1)]
)
def test_a_share_of_the_head_is_the_limit(reference, share, right, body):
    # a tenth of 20 px is 2 px; 3 of the 33 joints of the body are moved
    moved = shifted(reference, ["left_knee", "right_knee", "nose"], right)
    found = _means(PCK[share](moved, reference))
    assert found == {"body": pytest.approx(body), "hands": 1, "face": 1}


def test_joints_that_were_not_detected_are_incorrect(reference):
    half = without(reference, HOLISTIC.joints[HOLISTIC.slice("left_hand")], slice(0, 2))
    assert PCK[20](half, reference)["hands"].mean() == 0.75


def test_joints_that_the_reference_lacks_do_not_count(reference):
    hidden = without(reference, HOLISTIC.joints[HOLISTIC.slice("right_hand")])
    wrong = shifted(reference, HOLISTIC.joints[HOLISTIC.slice("right_hand")], 30)
    assert PCK[10](wrong, hidden)["hands"].mean() == 1
    both = without(hidden, HOLISTIC.joints[HOLISTIC.slice("left_hand")])
    assert PCK[10](wrong, both)["hands"].mean() is None


def test_a_hidden_head_is_as_tall_as_before_and_after(reference):
    hidden = without(reference, ["face_chin"], slice(1, 3))
    np.testing.assert_array_equal(head_heights_px(hidden), [20] * 4)


def test_all_pose_metrics_stand_together(reference):
    joints = ["left_knee", "right_knee", "nose"]
    moved = without(shifted(reference, joints, 3.9), ["right_ankle"], slice(0, 2))
    scores = pose_scores(moved, reference, system="ours")
    assert {key.system for key in scores} == {"ours"}
    found = {(key.metric, key.region): score.mean() for key, score in scores.items()}
    assert found["body_found", ""] == 1
    assert [found["missed_detections", group] for group in _GROUPS[:3]] == [0, 0, 0]
    assert found["missed_joints_per_frame", "body"] == 0.5
    assert found["pck_10_percent", "body"] == pytest.approx((29 + 29 + 30 + 30) / 4 / 33)
    assert found["pck_20_percent", "body"] == pytest.approx(32.5 / 33)
    assert found["pose_distance_px", "body"] == pytest.approx(3 * 3.9 * 4 / (33 * 4 - 2))


def test_without_a_head_there_is_no_pck(reference):
    headless = without(reference, ["face_chin"])
    apart = without(without(reference, ["face_chin"], slice(0, 2)), ["face_forehead"], slice(2, 4))
    assert [head_heights_px(poses) is None for poses in (headless, apart)] == [True, True]
    metrics = {key.metric for key in pose_scores(reference, headless, system="ours")}
    assert metrics.isdisjoint({"pck_10_percent", "pck_20_percent"})
