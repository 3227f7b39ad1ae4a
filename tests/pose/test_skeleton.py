import numpy as np
import pytest

from motiontransfer.pose.skeleton import (
    BODY_23,
    BODY_25,
    COCO_17,
    COCO_18,
    COCO_WHOLEBODY,
    HOLISTIC,
    IBUG_68,
    LEFT_HAND_JOINTS,
    LIMBS_OF_GROUP,
    OPENPOSE_FACE_70,
    RIGHT_HAND_JOINTS,
    Skeleton,
    mirrored,
    remap_joints,
)


@pytest.mark.parametrize("joint", HOLISTIC.joints)
def test_mirroring_twice_gives_the_joint_back_and_once_another_joint_of_the_skeleton(joint):
    assert mirrored(mirrored(joint)) == joint
    assert mirrored(joint) in HOLISTIC.joints
    assert (mirrored(joint) == joint) == (not joint.startswith(("left_", "right_")))


@pytest.mark.parametrize("group", LIMBS_OF_GROUP)
def test_limbs_join_joints_of_their_group_and_each_pair_once(group):
    joints = dict(HOLISTIC.groups)[group]
    limbs = LIMBS_OF_GROUP[group]
    assert all(a in joints and b in joints and a != b for a, b in limbs)
    assert len({frozenset(limb) for limb in limbs}) == len(limbs)


def test_limbs_are_the_same_on_both_sides():
    limbs = {frozenset(limb) for limbs in LIMBS_OF_GROUP.values() for limb in limbs}
    assert {frozenset(mirrored(joint) for joint in limb) for limb in limbs} == limbs


def test_a_joint_named_twice_and_an_unknown_group_are_refused():
    with pytest.raises(ValueError, match="nose"):
        Skeleton(groups=(("body", ("nose", "neck")), ("face", ("nose",))))
    with pytest.raises(ValueError, match=r"'tail'.*'body'"):
        HOLISTIC.slice("tail")


SETS = (
    *(COCO_17, COCO_18, BODY_23, BODY_25, IBUG_68, OPENPOSE_FACE_70, COCO_WHOLEBODY),
    *(LEFT_HAND_JOINTS, RIGHT_HAND_JOINTS, HOLISTIC.joints),
)
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
BODY_23_IN_BODY_25 = [*range(1, 12), *(22, 23, 12, 13, 14, 19, 20), *(0, 15, 17, 16, 18)]


def openpose_name(joint):
    side = {"left": "L", "right": "R"}.get(joint.split("_")[0], "")
    part = joint.removeprefix("left_").removeprefix("right_").replace("foot_index", "big_toe")
    return side + "".join(word.capitalize() for word in part.split("_"))


@pytest.mark.parametrize(
    ("joints", "documented"), [(BODY_25, OPENPOSE_BODY_25), (COCO_18, OPENPOSE_COCO_18)]
)
def test_openpose_bodies_have_the_documented_order(joints, documented):
    assert " ".join(openpose_name(joint) for joint in joints) == documented


def test_the_papers_body_is_a_choice_of_body_25():
    assert [BODY_25[index] for index in BODY_23_IN_BODY_25] == list(BODY_23)


@pytest.mark.parametrize("joints", SETS, ids=len)
def test_joint_names_are_unique_and_known_and_those_of_both_sides(joints):
    assert len(set(joints)) == len(joints)
    unknown = set(joints) - set(HOLISTIC.joints) - OWN_NAMES
    assert all(joint.startswith("ibug_") for joint in unknown)
    others = {mirrored(joint) for joint in joints}
    is_one_hand = joints in (LEFT_HAND_JOINTS, RIGHT_HAND_JOINTS)
    assert others.isdisjoint(joints) if is_one_hand else others == set(joints)


@pytest.mark.parametrize("joints", SETS, ids=len)
def test_remapping_there_and_back_keeps_the_joints_that_both_have(joints):
    for source, target in ((joints, HOLISTIC.joints), (HOLISTIC.joints, joints)):
        numbers = np.arange(1, 3 * len(source) + 1, dtype=np.float32)
        people = np.stack([numbers, -numbers]).reshape(2, len(source), 3)
        there = remap_joints(people, source=source, target=target)
        again = remap_joints(there, source=target, target=source)
        both = np.array([joint in target for joint in source])
        np.testing.assert_array_equal(again, np.where(both[:, None], people, 0))
        alone = remap_joints(people[1], source=source, target=target)
        np.testing.assert_array_equal(there[1], alone)


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


def test_whole_bodies_have_mmposes_order():
    assert COCO_WHOLEBODY[:17] == COCO_17
    assert COCO_17[:3] == ("nose", "left_eye", "right_eye")
    of_foot = ("foot_index", "small_toe", "heel")
    feet = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in of_foot)
    assert COCO_WHOLEBODY[17:23] == feet
    assert COCO_WHOLEBODY[23 + 8] == "face_chin"
    assert COCO_WHOLEBODY[91:] == LEFT_HAND_JOINTS + RIGHT_HAND_JOINTS
