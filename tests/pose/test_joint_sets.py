"""Joints keep their names from set to set, there and back; left stays the person's left."""

import numpy as np
import pytest

from motiontransfer.skeleton import (
    BODY_23,
    BODY_25,
    COCO_17,
    COCO_18,
    COCO_WHOLEBODY,
    FACE_JOINTS,
    HOLISTIC,
    IBUG_68,
    LEFT_HAND_JOINTS,
    OPENPOSE_FACE_70,
    RIGHT_HAND_JOINTS,
    mirrored,
    moved,
)

SETS = {
    "COCO_17": COCO_17,
    "COCO_18": COCO_18,
    "BODY_23": BODY_23,
    "BODY_25": BODY_25,
    "left hand": LEFT_HAND_JOINTS,
    "right hand": RIGHT_HAND_JOINTS,
    "IBUG_68": IBUG_68,
    "OPENPOSE_FACE_70": OPENPOSE_FACE_70,
    "COCO_WHOLEBODY": COCO_WHOLEBODY,
    "HOLISTIC": HOLISTIC.joints,
}
OWN_NAMES = {"neck", "mid_hip", "left_small_toe", "left_pupil", "right_small_toe", "right_pupil"}

# The parts' names in OpenPose's doc/02_output.md; big toes are foot_index here.
OPENPOSE_BODY_25 = (
    "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee"
    " LAnkle REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel"
)
OPENPOSE_COCO_18 = (
    "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist RHip RKnee RAnkle LHip LKnee LAnkle"
    " REye LEye REar LEar"
)

# BODY_23 as indices into BODY_25 (EverybodyDanceNow, data_prep/renderopenpose.py)
BODY_23_IN_BODY_25 = [
    *range(1, 12),
    *(22, 23, 12, 13, 14, 19, 20),
    *(0, 15, 17, 16, 18),
]


def in_openposes_words(joint):
    side = {"left": "L", "right": "R"}.get(joint.split("_")[0], "")
    part = joint.removeprefix("left_").removeprefix("right_").replace("foot_index", "big_toe")
    return side + "".join(word.capitalize() for word in part.split("_"))


def numbered(joints):
    """Joint i at (i + 1, -i) with score 1 / (i + 2)."""
    index = np.arange(len(joints), dtype=np.float32)
    return np.stack([index + 1, -index], axis=1), 1 / (index + 2)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(BODY_25, OPENPOSE_BODY_25), (COCO_18, OPENPOSE_COCO_18)]
)
def test_openposes_bodies_have_its_documented_order(ours, theirs):
    assert " ".join(in_openposes_words(joint) for joint in ours) == theirs


def test_the_papers_body_is_a_choice_of_body_25():
    assert [BODY_25[index] for index in BODY_23_IN_BODY_25] == list(BODY_23)


@pytest.mark.parametrize(
    ("joints", "num_joints"),
    [
        *((COCO_17, 17), (COCO_18, 18), (BODY_23, 23), (BODY_25, 25)),
        *((IBUG_68, 68), (OPENPOSE_FACE_70, 70), (COCO_WHOLEBODY, 133)),
    ],
)
def test_a_set_is_as_long_as_its_name_says(joints, num_joints):
    assert len(joints) == num_joints


@pytest.mark.parametrize("joints", SETS.values(), ids=SETS)
def test_every_joint_has_one_name_and_a_known_one(joints):
    assert len(set(joints)) == len(joints)
    unknown = set(joints) - set(HOLISTIC.joints) - OWN_NAMES
    assert all(joint.startswith("ibug_") for joint in unknown)


@pytest.mark.parametrize("joints", SETS.values(), ids=SETS)
def test_what_has_a_left_has_a_right(joints):
    if joints in (LEFT_HAND_JOINTS, RIGHT_HAND_JOINTS):
        assert {mirrored(joint) for joint in joints}.isdisjoint(joints)
    else:
        assert {mirrored(joint) for joint in joints} == set(joints)


@pytest.mark.parametrize("joints", SETS.values(), ids=SETS)
def test_there_and_back_is_the_identity_on_the_joints_that_both_have(joints):
    points, score = numbered(joints)
    there = moved(points, score, source=joints, target=HOLISTIC.joints)
    again_points, again_score = moved(*there, source=HOLISTIC.joints, target=joints)
    both = np.array([joint in HOLISTIC.joints for joint in joints])
    np.testing.assert_array_equal(again_points[both], points[both])
    np.testing.assert_array_equal(again_score[both], score[both])
    assert not again_score[~both].any()
    assert not again_points[~both].any()


@pytest.mark.parametrize("joints", SETS.values(), ids=SETS)
def test_back_and_there_is_the_identity_on_the_joints_that_both_have(joints):
    points, score = numbered(HOLISTIC.joints)
    back = moved(points, score, source=HOLISTIC.joints, target=joints)
    again_points, again_score = moved(*back, source=joints, target=HOLISTIC.joints)
    both = np.array([joint in joints for joint in HOLISTIC.joints])
    np.testing.assert_array_equal(again_points[both], points[both])
    np.testing.assert_array_equal(again_score[both], score[both])
    assert not again_score[~both].any()


def test_several_peoples_joints_move_together():
    points, score = numbered(BODY_25)
    people = np.stack([points, points + 100]), np.stack([score, score / 2])
    both_points, both_score = moved(*people, source=BODY_25, target=COCO_17)
    for person in range(2):
        alone = moved(people[0][person], people[1][person], source=BODY_25, target=COCO_17)
        np.testing.assert_array_equal(both_points[person], alone[0])
        np.testing.assert_array_equal(both_score[person], alone[1])


# Which landmarks of 300-W trade places in a mirror (the `swap` of MMPose's coco_wholebody.py).
IBUG_MIRROR = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30),
    *(35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
]


def test_the_face_is_mirrored_as_its_landmarks_are():
    for joint, twin in zip(IBUG_68, IBUG_MIRROR, strict=True):
        if not joint.startswith("ibug_"):
            assert IBUG_68[twin] == mirrored(joint)


def test_the_jaw_begins_at_the_persons_right():
    assert IBUG_68[1] == "right_face_cheek"
    assert IBUG_68[15] == "left_face_cheek"


def test_all_face_joints_but_forehead_and_temples_have_a_landmark():
    assert set(FACE_JOINTS) - set(IBUG_68) == {
        "face_forehead",
        "left_face_temple",
        "right_face_temple",
    }


def test_whole_bodies_have_their_parts_where_mmpose_has_them():
    assert COCO_WHOLEBODY[:3] == ("nose", "left_eye", "right_eye")
    assert COCO_WHOLEBODY[15:23] == (
        *("left_ankle", "right_ankle"),
        *("left_foot_index", "left_small_toe", "left_heel"),
        *("right_foot_index", "right_small_toe", "right_heel"),
    )
    assert COCO_WHOLEBODY[23 + 8] == "face_chin"
    assert COCO_WHOLEBODY[91:96] == LEFT_HAND_JOINTS[:5]
    assert COCO_WHOLEBODY[112] == "right_hand_wrist"
    assert COCO_WHOLEBODY[132] == "right_hand_pinky_tip"
