"""Joints, limbs and sides are a matter of names."""

import pytest

from motiontransfer.skeleton import (
    BODY_JOINTS,
    FACE_JOINTS,
    HOLISTIC,
    LEFT_HAND_JOINTS,
    LIMBS_OF_GROUP,
    Skeleton,
    mirrored,
)


def test_holistic_has_mediapipes_body_and_hands():
    assert [group for group, _ in HOLISTIC.groups] == ["body", "left_hand", "right_hand", "face"]
    assert (len(BODY_JOINTS), len(LEFT_HAND_JOINTS)) == (33, 21)
    assert (BODY_JOINTS[0], BODY_JOINTS[11], BODY_JOINTS[28]) == (
        "nose",
        "left_shoulder",
        "right_ankle",
    )
    assert (LEFT_HAND_JOINTS[0], LEFT_HAND_JOINTS[4]) == ("left_hand_wrist", "left_hand_thumb_tip")


def test_slices_of_groups_cover_the_joint_axis_in_order():
    covered = [
        name for group, _ in HOLISTIC.groups for name in HOLISTIC.joints[HOLISTIC.slice(group)]
    ]
    assert tuple(covered) == HOLISTIC.joints
    assert HOLISTIC.joints[HOLISTIC.slice("face")] == FACE_JOINTS
    assert HOLISTIC.joints[HOLISTIC.index("left_hand_thumb_tip")] == "left_hand_thumb_tip"


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


def test_every_finger_hangs_on_the_wrist():
    limbs = LIMBS_OF_GROUP["left_hand"]
    assert len(limbs) == 20
    assert sum(a == "left_hand_wrist" for a, _ in limbs) == 5


def test_a_joint_named_twice_is_refused():
    with pytest.raises(ValueError, match="named more than once: nose"):
        Skeleton(groups=(("body", ("nose", "neck")), ("face", ("nose",))))


def test_an_unknown_group_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no joint group 'tail'; it has \['body'"):
        HOLISTIC.slice("tail")
