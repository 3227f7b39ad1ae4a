"""A joint is correct when it is near its true place, measured in heads; a missing one is not."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.errors import KeypointsError
from motiontransfer.evaluation.pose_accuracy import (
    correct_keypoints,
    head_heights_px,
    pose_accuracy,
    pose_scores,
    shows_a_head,
)
from motiontransfer.evaluation.series import means
from motiontransfer.keypoints import Keypoints
from motiontransfer.skeleton import HOLISTIC

FRAMES = 4


@pytest.fixture
def truth():
    """All joints at one place a joint, with a head of 20 px."""
    points = np.full((FRAMES, len(HOLISTIC.joints), 2), 50, np.float32)
    points[:, HOLISTIC.index("face_forehead")] = (50, 30)
    points[:, HOLISTIC.index("face_chin")] = (50, 50)
    return Keypoints(
        points=points,
        score=np.ones(points.shape[:2], np.float32),
        skeleton=HOLISTIC,
        image_size=(100, 100),
        frame_rate=Fraction(25),
        detector="truth",
    )


def shifted(keypoints, joints, right):
    points = keypoints.points.copy()
    points[:, [HOLISTIC.index(joint) for joint in joints]] += np.float32([right, 0])
    return replace(keypoints, points=points)


def without(keypoints, joints, frames=slice(None)):
    points, score = keypoints.points.copy(), keypoints.score.copy()
    for joint in joints:
        points[frames, HOLISTIC.index(joint)] = 0
        score[frames, HOLISTIC.index(joint)] = 0
    return replace(keypoints, points=points, score=score)


def test_the_truth_itself_is_correct(truth):
    accuracy = pose_accuracy(truth, truth)
    assert accuracy["pck_0.1"] == {"body": 1, "hands": 1, "face": 1}
    assert accuracy["error_px"] == {"body": 0, "hands": 0, "face": 0, "all": 0}


def test_a_tenth_of_a_head_is_the_limit(truth):
    # a tenth of 20 px is 2 px; 3 of the 33 joints of the body are moved
    joints = ["left_knee", "right_knee", "nose"]
    for right, at_tenth in ((1.99, 1.0), (2.01, round(30 / 33, 4))):
        assert correct_keypoints(shifted(truth, joints, right), truth, head_share=0.1) == {
            "body": pytest.approx(at_tenth),
            "hands": 1,
            "face": 1,
        }
    assert pose_accuracy(shifted(truth, joints, 3.9), truth)["pck_0.2"]["body"] == 1


def test_what_is_not_found_is_not_correct(truth):
    half = without(truth, HOLISTIC.joints[HOLISTIC.slice("left_hand")], slice(0, 2))
    assert correct_keypoints(half, truth, head_share=0.2)["hands"] == 0.75


def test_what_the_truth_does_not_show_does_not_count(truth):
    hidden = without(truth, HOLISTIC.joints[HOLISTIC.slice("right_hand")])
    wrong = shifted(truth, HOLISTIC.joints[HOLISTIC.slice("right_hand")], 30)
    assert correct_keypoints(wrong, hidden, head_share=0.1)["hands"] == 1
    both = without(hidden, HOLISTIC.joints[HOLISTIC.slice("left_hand")])
    assert correct_keypoints(wrong, both, head_share=0.1)["hands"] is None


def test_a_hidden_head_is_as_tall_as_before_and_after(truth):
    hidden = without(truth, ["face_chin"], slice(1, 3))
    np.testing.assert_array_equal(head_heights_px(hidden), [20] * FRAMES)
    with pytest.raises(KeypointsError, match="face_forehead and face_chin"):
        head_heights_px(without(truth, ["face_chin"]))


def test_everything_known_of_the_poses_stands_together(truth):
    joints = ["left_knee", "right_knee", "nose"]
    moved = without(shifted(truth, joints, 3.9), ["right_ankle"], slice(0, 2))
    scores = means(pose_scores(moved, truth))
    assert scores["body_found"] == 1
    assert scores["missed_detections"] == {"body": 0, "hands": 0, "face": 0}
    assert scores["missed_joints_per_frame"]["body"] == 0.5
    assert scores["pck_10_percent"]["body"] == pytest.approx((29 + 29 + 30 + 30) / 4 / 33, abs=1e-4)
    assert scores["pck_20_percent"]["body"] == pytest.approx(32.5 / 33, abs=1e-4)
    assert scores["pose_distance_px"]["body"] == pytest.approx(3 * 3.9 * 4 / (33 * 4 - 2), abs=1e-3)


def test_without_a_head_there_is_no_pck(truth):
    headless = without(truth, ["face_chin"])
    assert shows_a_head(truth)
    assert not shows_a_head(headless)
    assert set(pose_scores(truth, headless)) == {
        "body_found",
        "missed_detections",
        "missed_joints_per_frame",
        "pose_distance_px",
    }


def test_chin_and_forehead_must_be_seen_in_one_frame(truth):
    apart = without(without(truth, ["face_chin"], slice(0, 2)), ["face_forehead"], slice(2, 4))
    assert not shows_a_head(apart)
