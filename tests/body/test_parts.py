import math

import numpy as np
import pytest

from motiontransfer.body import parts as module
from motiontransfer.pose.skeleton import HOLISTIC
from tests.people import NUMBER_OF, PARTS, looking, lost, moved, person


def poses_of(keypoints):
    return module.BodyPoses(HOLISTIC, keypoints.points, keypoints.score)


def scaled(*factors):
    """Frames of someone who is so many times as large."""
    keypoints = person([(0, 0)] * len(factors))
    keypoints.points[:] *= np.float32(factors)[:, None, None]
    return keypoints


def test_parts_are_named_once_and_the_arms_are_before_the_body():
    assert len(NUMBER_OF) == len(PARTS)
    order = ["left_thigh", "torso", "right_upper_arm", "left_forearm", "right_hand"]
    for names in (order, ["neck", "head"]):
        numbers = [NUMBER_OF[name] for name in names]
        assert numbers == sorted(numbers)


def test_a_trunk_bends_at_hips_and_neck_and_an_arm_at_its_shoulder():
    meets = module.meeting_joints(PARTS)
    of_trunk = {joint for _, joint in meets[NUMBER_OF["torso"]]}
    assert of_trunk == {"left_hip", "right_hip", "mid_shoulder"}
    assert (NUMBER_OF["torso"], "left_shoulder") in meets[NUMBER_OF["left_upper_arm"]]
    assert meets[NUMBER_OF["left_hand"]] == []


def test_midpoints_need_both_sides():
    poses = poses_of(lost(person([(50, 60)] * 2), "left_hip", [1]))
    points, found = poses.joints(("mid_hip", "mid_shoulder"))
    assert points[0].tolist() == [[50, 60], [50, 10]]
    assert found.tolist() == [[True, True], [False, True]]
    points, found = poses.joints(("mid_hip", "mid_shoulder"), 1)
    assert points[1].tolist() == [50, 10]
    assert found.tolist() == [False, True]


def scales_of(keypoints):
    full = module.full_lengths(poses_of(scaled(1, 1, 1)))
    return module.body_scales(poses_of(keypoints), full).tolist()


def test_foreshortened_and_a_few_too_long_limbs_change_no_size():
    keypoints = scaled(1.5, 1.5, 0.5)
    arm = [HOLISTIC.index(f"left_{joint}") for joint in ("elbow", "wrist")]
    shoulder = keypoints.points[0, HOLISTIC.index("left_shoulder")]
    keypoints.points[0, arm] += 0.5 * (shoulder - keypoints.points[0, arm])
    keypoints = moved(keypoints, "right_wrist", {1: (0, 400)})
    assert scales_of(keypoints) == pytest.approx([1.5, 1.5, 0.5])


def test_a_limb_is_as_long_as_it_is_rarely_seen():
    """Eight of ten frames show the forearm end on, and in four the person is larger."""
    keypoints = scaled(*[1] * 6, *[2] * 4)
    elbow, wrist = (HOLISTIC.index(f"left_{joint}") for joint in ("elbow", "wrist"))
    keypoints.points[:8, wrist] = 0.3 * keypoints.points[:8, wrist]
    keypoints.points[:8, wrist] += 0.7 * keypoints.points[:8, elbow]
    keypoints = lost(keypoints, "right_ankle", range(10))
    full = dict(zip(module.SCALE_LINES, module.full_lengths(poses_of(keypoints)), strict=True))
    assert full["left_elbow", "left_wrist"] == pytest.approx(math.hypot(4, 25), rel=1e-5)
    assert full["mid_shoulder", "mid_hip"] == pytest.approx(50)
    assert math.isnan(full["right_knee", "right_ankle"])


def test_the_cosine_from_the_front_is_the_signed_width_by_the_usual_one():
    """Shoulders are 40 px apart, hips 24; seen from behind left and right are exchanged."""
    keypoints = scaled(1, 2, 1)
    keypoints.points[2, :, 0] *= -1
    heights_px = np.array([200.0, 400.0, 200.0])
    cosine = module.cosine_from_front(poses_of(keypoints), heights_px)
    assert cosine == pytest.approx(np.array([64, 64, -64]) / (0.37 * 200))
    missing = lost(scaled(1), "left_hip", [0])
    assert np.isnan(module.cosine_from_front(poses_of(missing), np.ones(1))).all()


@pytest.mark.parametrize("degrees", [-170, -90, -30, 0, 45, 100, 150])
def test_a_heads_yaw_is_that_of_nose_and_ears_also_from_behind(degrees):
    keypoints = looking(degrees)
    assert module.head_yaws(poses_of(keypoints)) == pytest.approx([degrees], abs=0.5)
    unknown = lost(keypoints, "left_ear", [0])
    assert np.isnan(module.head_yaws(poses_of(unknown))).all()
