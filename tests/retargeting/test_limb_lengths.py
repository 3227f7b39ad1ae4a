import pytest

from motiontransfer.retargeting.normalization import proportion_ratios, retarget
from tests.people import ARMS_OUT, arms_out, place

PARTS = ("hips", "trunk", "shoulders", "neck", "head", "face_height")
PARTS += ("upper_arm", "forearm", "thigh", "shin", "foot")
SAME = dict.fromkeys(PARTS, 1.0)


def moved(ratios, keypoints=None, center_x_px=100.0):
    return retarget(keypoints or arms_out(), {**SAME, **ratios}, center_x_px=center_x_px)


def test_longer_legs_lift_the_body_and_leave_the_feet():
    taller = moved({"thigh": 1.5, "shin": 1.5})
    assert place(taller, "left_ankle") == [110, 160]
    assert place(taller, "left_knee") == [110, 115]
    assert place(taller, "left_hip") == [110, 70]
    assert place(taller, "nose") == [100, 16]
    assert place(taller, "left_foot_index") == [118, 164]


def test_each_part_scales_its_own_way_and_carries_what_follows():
    arms = moved({"upper_arm": 0.5, "forearm": 2.0})
    assert place(arms, "left_shoulder") == [115, 60]
    assert place(arms, "left_elbow") == [125, 60]
    assert place(arms, "left_wrist") == [165, 60]
    assert place(arms, "left_hand_index_tip") == [185, 60]  # hands with the forearm
    assert place(arms, "left_index") == [175, 64]
    head = moved({"neck": 2.0, "face_height": 2.0})
    assert place(head, "left_ear") == [108, 28]  # 16 px of neck become 32, 4 px of head 8
    assert place(head, "nose") == [100, 32]
    assert place(head, "face_chin") == [100, 44]
    wide = moved({"shoulders": 2.0, "hips": 0.5})
    assert place(wide, "left_shoulder") == [130, 60]
    assert place(wide, "left_wrist") == [170, 60]
    assert place(wide, "right_ankle") == [95, 160]
    assert place(moved({"trunk": 0.5}), "left_shoulder") == [115, 80]


def test_the_foot_that_carries_stays_and_the_other_follows_its_leg():
    lifted = arms_out({**ARMS_OUT, "right_knee": (90, 120), "right_ankle": (90, 140)})
    longer = moved({"shin": 1.5}, lifted)
    assert place(longer, "left_ankle") == pytest.approx([110, 160], abs=0.01)
    # the hips rise by 15 px, the lifted shin of 20 px becomes 30 px
    assert place(longer, "right_ankle") == pytest.approx([90, 135], abs=0.01)


def test_ratios_are_one_where_a_part_is_unknown_and_never_absurd():
    ratios = proportion_ratios({"thigh": 0.2, "shin": 0.2}, {"thigh": 0.3, "shin": 0.9})
    assert ratios == {**SAME, "thigh": pytest.approx(1.5), "shin": 2.0, "foot": 2.0}
    assert proportion_ratios({"trunk": 0.3}, {"trunk": 0.1})["trunk"] == 0.5
